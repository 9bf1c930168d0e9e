"""What other pages can do with the cookie of a browser that has shown the token, in Chromium.

Each attempt is a row of docs/security.md; none succeeds.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from browsing import browsing
from control.test_a_page_elsewhere import ELSEWHERE, TOOLS, site
from falkit import Settings
from serving import PATIENCE, Mock, running

DOCS = (Path(__file__).parents[3] / "docs" / "security.md").read_text("utf-8")
TOKEN = "s3cret"
# JavaScript, given the mock's URL: returns what the page has got.
TRIES = {
    "reads the control API by the cookie": """
        (await fetch(`${mock}/__falkit/jobs`, {credentials: "include"})).text()""",
    "resets the mock by the cookie": """
        (await fetch(`${mock}/__falkit/reset`,
            {method: "POST", mode: "no-cors", credentials: "include", body: "{}"})).type""",
    "resets the mock by a form with the cookie": """
        framed(form(`${mock}/__falkit/reset`))""",
    "follows the events by the cookie": """
        new Promise((yes, no) => {
            const from = `${mock}/__falkit/events?since=0`;
            const events = new EventSource(from, {withCredentials: true});
            events.onopen = () => yes("open");
            events.onerror = () => no(new Error("refused"));
        })""",
    "shows the page in a frame": "framed(`${mock}/`)",
    "runs the page's scripts": "loaded('script', `${mock}/__falkit/page/app.js`)",
    "sends the page's form": "framed(form(`${mock}/__falkit/page/session`))",
}


@pytest.fixture(scope="module")
def guarded() -> Generator[Mock]:
    with running(Settings(timing="instant", control_token=TOKEN)) as served:
        served.submit()
        yield served


@pytest.fixture(scope="module")
def page(guarded: Mock) -> Generator[Page]:
    """A page in a browser that has the cookie."""
    with browsing(ELSEWHERE) as browser:
        page = browser.new_page()
        # Where a link leads is still known once the token is given, at the second try too.
        page.goto(f"{guarded.url}/#/control")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button").click()
        assert "this mock" in page.get_by_role("alert").inner_text()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button").click()
        page.wait_for_url(f"{guarded.url}/#/control")
        assert page.locator("form[method='post']").count() == 0
        yield page


def jobs(guarded: Mock) -> int:
    return len(
        httpx.get(
            f"{guarded.url}/__falkit/jobs",
            headers={"x-falkit-token": TOKEN},
            trust_env=False,
            timeout=PATIENCE,
        ).json()["jobs"]
    )


def test_the_pages_own_calls_are_answered(page: Page, guarded: Mock) -> None:
    page.goto(guarded.url)
    assert page.evaluate("document.cookie") == ""
    read = "(async () => (await fetch('/__falkit/jobs')).status)()"
    assert page.evaluate(read) == 200
    change = "(async () => (await fetch('/__falkit/clock/run', {method: 'POST'})).status)()"
    assert page.evaluate(change) == 200
    events = """new Promise((yes, no) => {
        const events = new EventSource('/__falkit/events?since=0');
        events.onopen = () => { events.close(); yes('open'); };
        events.onerror = () => no(new Error('refused'));
    })"""
    assert page.evaluate(events) == "open"


# To a browser the first is the mock's own site, though another origin, and the second another's.
@pytest.mark.parametrize("host", ["127.0.0.1", ELSEWHERE])
@pytest.mark.parametrize("name", TRIES)
def test_no_other_page_gains_by_it(page: Page, guarded: Mock, name: str, host: str) -> None:
    with site() as (port, _):
        page.goto(f"http://{host}:{port}/")
        attempt = TRIES[name].strip().removesuffix(";")
        outcome, text = page.evaluate(f"""async () => {{
            const mock = "{guarded.url}"; {TOOLS}
            try {{ return ["got", `${{await ({attempt})}}`]; }}
            catch (error) {{ return ["refused", `${{error}}`]; }}
        }}""")
        page.goto("about:blank")
    assert outcome == "refused" or text in ("", "opaque"), text
    assert jobs(guarded) == 1


def test_a_link_of_falkit_open_lets_a_browser_in(page: Page, guarded: Mock) -> None:
    known = {"x-falkit-token": TOKEN}
    url = guarded.http.post("/__falkit/page", headers=known).json()["url"]
    browser = page.context.browser
    assert browser is not None
    with browser.new_context() as other:
        found = other.new_page()
        found.goto(url)
        assert found.url == f"{guarded.url}/"
        assert found.locator("form[method='post']").count() == 0


def test_every_attempt_is_a_row() -> None:
    table = DOCS.partition("## What a web page can do with the page's cookie")[2]
    rows = re.findall(r"^\| ([^|]+?) \| can't\b", table.partition("\n## ")[0], re.MULTILINE)
    assert rows == [*TRIES]
