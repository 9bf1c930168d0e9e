"""What a web page of another origin can do to a mock on its visitor's machine, in Chromium.

Each attempt is a row of docs/security.md, and ends as the row says.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browsing import browsing
from serving import Mock, running

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text("utf-8")
# JavaScript, given the mock's URL and the receiver's: returns what the page has got.
ELSEWHERE = "elsewhere.example"
TRIES = {
    "reads the control API": """
        (await fetch(`${mock}/__falkit/jobs`)).text()""",
    "reads the state": """
        (await fetch(`${mock}/__falkit/state`, {headers: {"X-Falkit-Client": "x"}})).text()""",
    "resets the mock without reading": """
        (await fetch(`${mock}/__falkit/reset`,
            {method: "POST", mode: "no-cors", body: "{}"})).type""",
    "resets the mock by a form": """
        framed(form(`${mock}/__falkit/reset`))""",
    "shows the control API in a frame": """
        framed(`${mock}/__falkit/jobs`)""",
    "loads the control API as a picture": """
        loaded("img", `${mock}/__falkit/jobs`)""",
    "loads the control API as a script": """
        loaded("script", `${mock}/__falkit/jobs`)""",
    "follows the events": """
        new Promise((yes, no) => {
            const events = new EventSource(`${mock}/__falkit/events`);
            events.onopen = () => yes("open");
            events.onerror = () => no(new Error("refused"));
        })""",
    "opens a socket to the control API": """
        new Promise((yes, no) => {
            const socket = new WebSocket(`${mock.replace("http", "ws")}/__falkit/events`);
            socket.onopen = () => yes("open");
            socket.onerror = () => no(new Error("refused"));
        })""",
    "calls a model": """
        (await fetch(`${mock}/fal.run/fal-ai/ltx-2/text-to-video`, call)).text()""",
    "reads a clip": """
        (await fetch((await (await fetch(
            `${mock}/fal.run/fal-ai/ltx-2/text-to-video`, call)).json()).video.url)).text()""",
    "has a webhook sent to this machine": """
        (await fetch(
            `${mock}/queue.fal.run/fal-ai/ltx-2/text-to-video?fal_webhook=${receiver}`, call
        )).text()""",
    "runs a page that it has uploaded": """
        framed(await uploaded("text/html", `<script>parent.postMessage("ran", "*")</script>`))""",
    "runs a picture that it has uploaded": """
        framed(await uploaded("image/svg+xml",
            `<svg xmlns="http://www.w3.org/2000/svg"><script>parent.postMessage("ran", "*")</script>
            </svg>`))""",
}
TOOLS = """
const call = {
    method: "POST",
    headers: {authorization: "Key x", "content-type": "application/json"},
    body: JSON.stringify({prompt: "a"}),
};
const loaded = (tag, src) => new Promise((yes, no) => {
    const element = document.createElement(tag);
    element.onload = () => yes("loaded");
    element.onerror = () => no(new Error("refused"));
    element.src = src;
    document.body.append(element);
});
const framed = (src) => new Promise((yes, no) => {
    const frame = document.createElement("iframe");
    window.onmessage = (event) => yes(event.data);
    frame.onload = () => {
        try { yes(frame.contentDocument.body.innerText); }
        catch (error) { setTimeout(() => no(error), 300); }
    };
    frame.src = src;
    document.body.append(frame);
});
const form = (action) => URL.createObjectURL(new Blob([
    `<form method=post action="${action}" enctype="text/plain"><input name=a></form>` +
    `<script>document.forms[0].submit()</script>`], {type: "text/html"}));
const uploaded = async (type, text) => {
    const token = await (await fetch(
        `${mock}/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3`, {...call, body: "{}"}
    )).json();
    return (await (await fetch(`${mock}/v3.fal.media/files/upload`, {
        method: "POST",
        headers: {authorization: `Bearer ${token.token}`, "content-type": type},
        body: text,
    })).json()).access_url;
};
"""


class _Site(BaseHTTPRequestHandler):
    """The other site, and a receiver that counts who calls."""

    called: list[str]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.called.append(self.path)
        self._answer()

    def _answer(self) -> None:
        body = b"<!doctype html><body></body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def site() -> Generator[tuple[int, list[str]]]:
    called: list[str] = []
    handler = type("Handler", (_Site,), {"called": called})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, called
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def page() -> Generator[Page]:
    with browsing(ELSEWHERE) as browser:
        yield browser.new_page()


def rows() -> dict[str, str]:
    table = PAGE.partition("## What a web page can do")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+?) \| (can't|can)\b", table, re.MULTILINE))


@pytest.fixture
def target() -> Generator[Mock]:
    with running() as mock:
        yield mock


# To a browser the first is the mock's own site, though another origin, and the second another's.
@pytest.mark.parametrize(
    ("name", "host"),
    [
        (name, host)
        for name in TRIES
        for host in ("127.0.0.1", ELSEWHERE)
        # A page of this machine's own may have its webhooks here.
        if "webhook" not in name or host == ELSEWHERE
    ],
)
def test_a_page_can_do_what_the_table_says(page: Page, target: Mock, name: str, host: str) -> None:
    target.submit()
    with site() as (port, called):
        page.goto(f"http://{host}:{port}/")
        receiver = f"http%3A%2F%2F127.0.0.1%3A{port}%2Fhook"
        where = f'const mock = "{target.url}", receiver = "{receiver}";'
        script = f"""async () => {{
            {where} {TOOLS}
            try {{ return ["got", `${{await ({TRIES[name].strip().removesuffix(";")})}}`]; }}
            catch (error) {{ return ["refused", `${{error}}`]; }}
        }}"""
        outcome, text = page.evaluate(script)
        page.goto("about:blank")
        if "webhook" in name:
            # Sent or not, it is over once a later job's own webhook has come.
            url = f"http://127.0.0.1:{port}/later"
            target.submit(params={"fal_webhook": url})
            while "/later" not in called:
                target.jobs()
            outcome = "got" if "/hook" in called else "refused"
    assert target.jobs(), "the mock was reset"
    assert (outcome == "got" and text not in ("", "opaque")) == (rows()[name] == "can"), text


def test_every_attempt_is_a_row() -> None:
    assert [*rows()] == [*TRIES]
