"""A real browser for tests."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from processes import chromium

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --mute-audio"
)


@contextmanager
def browsing(name: str = "localhost") -> Generator[Browser]:
    """Run Chromium for the length of the block; it finds `name` on this machine."""
    flags = [*FLAGS.split(), f"--host-resolver-rules=MAP {name} 127.0.0.1"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(), args=flags) as browser,
    ):
        yield browser
