"""A browser that looks at the page of a mock, and sees to it that the page keeps to itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Literal
from urllib.parse import urlsplit

import pytest
from _pytest.mark import ParameterSet
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    ViewportSize,
    expect,
)

from browsing import browsing
from serving import Mock

# Seconds on a busy machine; Playwright counts milliseconds.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)
# What a policy refuses is an event of the document.
REPORTING = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
Look = Callable[..., Page]
Scheme = Literal["light", "dark"]


# A browser takes its time: what `make nightly` alone tries.
at_night = pytest.mark.skipif(os.environ.get("FALKIT_NIGHTLY") != "1", reason="make nightly")


def by_night(value: str) -> ParameterSet:
    """Return a test's parameter that is tried at night."""
    return pytest.param(value, marks=at_night)


# Of one module: while it is there, nothing else in the process can run a loop of its own.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with browsing() as started:
        yield started


SIZE: ViewportSize = {"width": 1280, "height": 720}


@pytest.fixture(scope="module")
def window(browser: Browser) -> Generator[Page]:
    """One page for a module's tests: a browser takes longer to open one than most tests take."""
    with browser.new_context(viewport=SIZE, timezone_id="UTC") as context:
        context.set_default_timeout(PATIENCE)
        context.add_init_script(REPORTING)
        yield context.new_page()


@pytest.fixture
def look(window: Page) -> Generator[Look]:
    """Look at a mock: `look(mock, "#/jobs", scheme="dark", size={"width": 390, "height": 800})`.

    The page must not err, be refused anything by its policy, or ask another machine.
    """
    wrong: list[str] = []

    def failed(error: Error) -> None:
        wrong.append(f"error: {error}")

    def said(message: ConsoleMessage) -> None:
        if "policy" in message.text:
            wrong.append(message.text)

    def asked(request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            wrong.append(f"asked {request.url}")

    def opened(
        mock: Mock, at: str = "", scheme: Scheme = "light", size: ViewportSize = SIZE
    ) -> Page:
        window.emulate_media(color_scheme=scheme)
        window.set_viewport_size(size)
        window.goto(f"{mock.url}/{at}")
        return window

    window.on("pageerror", failed)
    window.on("console", said)
    window.on("request", asked)
    yield opened
    window.unroute_all()
    window.goto("about:blank")
    window.remove_listener("pageerror", failed)
    window.remove_listener("console", said)
    window.remove_listener("request", asked)
    assert wrong == []


# What reaches beyond the window's edge.
WIDER = """() => [...document.querySelectorAll("main *")].filter((one) =>
    one.checkVisibility() && !one.closest("pre, .table, .sr, [hidden]")
    && one.getBoundingClientRect().right > innerWidth + 1
).map((one) => one.outerHTML.slice(0, 100))"""


def too_wide(page: Page) -> list[str]:
    """Return the elements that a window is too narrow for."""
    found: list[str] = page.evaluate(WIDER)
    return found
