"""The page of a report, in a browser."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from browsing import browsing
from falkit_spec.findings import Report
from falkit_spec.reports import write
from reporting import clean, found, full

# The least ratio of the luminances of any text and of what is behind it (WCAG 2, 1.4.3).
CONTRAST = """() => {
  const light = rgb => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = element => {
    const color = getComputedStyle(element).backgroundColor
    return color === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : color
  }
  const ratios = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim()) continue
    const [a, b] = [getComputedStyle(element).color, behind(element)].map(light)
    ratios.push((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05))
  }
  return Math.min(...ratios)
}"""


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with browsing() as browser:
        yield browser


def long() -> Report:
    """Return a report of words that nothing can break at."""
    names = {"subject": "s" * 200, "test": "t" * 200, "client": "c" * 200}
    return Report("x" * 200, [found("whole-id-url", "y" * 250, **names)], ["z" * 250])


@pytest.mark.parametrize(
    ("make", "scheme", "width"),
    [(full, "light", 360), (full, "dark", 1280), (long, "dark", 360), (clean, "light", 1280)],
)
def test_it_is_read_on_any_screen_and_asks_for_nothing(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], width: int, make: Any
) -> None:
    file = tmp_path / "report.html"
    file.write_text(write(make(), "html"), "utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    for summary in page.locator("details:not([open]) > summary").all()[::-1]:
        summary.press("Enter")
    assert page.locator("details:not([open])").count() == 0, "each opens by the keyboard"
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) >= 4.5
    # The look is there, as the policy has its digest.
    family = page.evaluate("getComputedStyle(document.body).fontFamily")
    assert family.startswith("system-ui")
    assert asked == [file.as_uri()]
    assert said == [], "the policy has nothing to refuse"
    context.close()


def test_what_comes_from_outside_is_text(browser: Browser, tmp_path: Path) -> None:
    hostile = "</code></style><script>document.title = 'x'</script><img src='http://a.b/c'>"
    file = tmp_path / "report.html"
    report = Report(hostile, [found("real-key", hostile, subject=hostile)], [hostile])
    file.write_text(write(report, "html"), "utf-8")
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert page.title() == "falkit: 1 error"
    assert asked == [file.as_uri()]
    assert page.locator("script, img").count() == 0
    assert page.get_by_text(hostile).count() >= 2
    page.close()
