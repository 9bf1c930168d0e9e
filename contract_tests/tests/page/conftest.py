"""A browser that looks at the page of a mock, and sees to it that the page keeps to itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from _pytest.mark import ParameterSet
from playwright.sync_api import Browser, Page, expect

from browsing import browsing

# Seconds on a busy machine; Playwright counts milliseconds.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)
# What a policy refuses is an event of the document.
REPORTING = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
Look = Callable[..., Page]


NIGHTLY = os.environ.get("FALKIT_NIGHTLY") == "1"


def by_night(value: str) -> ParameterSet:
    """Return a test's parameter that `make nightly` alone tries: a browser takes its time."""
    return pytest.param(value, marks=pytest.mark.skipif(not NIGHTLY, reason="make nightly"))


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    with browsing() as started:
        yield started


@contextmanager
def looking(browser: Browser, url: str, **options: Any) -> Generator[Page]:
    """Open a page; it must not err, be refused anything by its policy, or ask another machine."""
    wrong: list[str] = []
    with browser.new_context(**options) as context:
        context.set_default_timeout(PATIENCE)
        context.add_init_script(REPORTING)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda said: wrong.append(said.text) if "policy" in said.text else None)
        page.on(
            "request",
            lambda request: (
                None
                if urlsplit(request.url).hostname in ("127.0.0.1", None)
                else wrong.append(f"asked {request.url}")
            ),
        )
        page.goto(url)
        yield page
        assert wrong == []


@pytest.fixture
def look(browser: Browser) -> Generator[Look]:
    """Open the page of a mock: `look(mock, "#/jobs", color_scheme="dark")`."""
    with ExitStack() as stack:

        def opened(mock: Any, at: str = "", **options: Any) -> Page:
            return stack.enter_context(looking(browser, f"{mock.url}/{at}", **options))

        yield opened
