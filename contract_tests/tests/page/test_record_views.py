"""What happened: requests, webhooks, findings, spend and files, with filters in the URL."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import partial
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from falkit_mock.core.events import HostContacted
from page.conftest import Look, Scheme, at_night, by_night
from page.test_shell import violations
from receiver import Receiver, Reply, receiving
from serving import KEY, PROMPT, T2V, Mock, Serve


def rows(page: Page) -> Locator:
    return page.locator(".list .row")


def said(page: Page, text: str) -> None:
    expect(page.locator(".said[aria-live]")).to_contain_text(text)


def copied(page: Page, button: Locator) -> str:
    """Press a button that copies, and return what it has copied."""
    page.evaluate("""() => {
        const value = { writeText: async (text) => { window.copied = text; } };
        Object.defineProperty(navigator, "clipboard", { configurable: true, value });
    }""")
    button.click()
    page.wait_for_function("window.copied")
    text: str = page.evaluate("window.copied")
    return text


def test_with_no_request_yet_the_page_says_how_to_send_one(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, "#/requests")
    expect(page.get_by_role("heading", name="No request yet")).to_be_visible()
    mock.http.get("/queue.fal.run/nothing/here")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("queue.fal.run/nothing/here")
    page.get_by_role("button", name="Clear…").click()
    page.get_by_role("button", name="Clear the log").click()
    said(page, "The log is empty")
    expect(page.get_by_role("heading", name="No request yet")).to_be_visible()
    assert mock.http.get("/__falkit/requests").json()["requests"] == []


def some(mock: Mock) -> dict[str, Any]:
    """Have four requests in the log, and a call that left."""
    mock.http.post("/__falkit/rules", json={"rule": "latency seconds=0 key=bob"})
    job = mock.submit({"prompt": "Rain", "duration": 7, "colour": "red"})
    mock.result(job)
    mock.submit(headers={"authorization": "Key bob:1"})
    mock.http.get("/v3b.fal.media/files/none.png")
    return job


def test_filters_of_requests_are_in_the_url(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    job = some(mock)
    page = look(mock, "#/requests?method=GET&status=bad")
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Status").select_option("422")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text(job["request_id"])
    page.get_by_label("Status").select_option("")
    page.get_by_label("Method").select_option("")
    expect(rows(page)).to_have_count(4)
    page.get_by_label("Key", exact=True).fill("bob")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Key", exact=True).fill("")
    page.get_by_label("Host").fill("*.fal.run")
    page.get_by_label("Path").fill("/requests/")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(f"{mock.url}/#/requests?host=*.fal.run&path=%2Frequests%2F")
    page.reload()
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Path").fill("/nowhere")
    page.get_by_role("link", name="Show all requests").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_label("To", exact=True).select_option("others")
    expect(page.get_by_role("heading", name="No request is like that")).to_be_visible()
    for allowed in (True, False):
        called = HostContacted("example.com", 443, mock.clock.now(), allowed)
        mock.inside(partial(mock.service.events.emit, called))
    expect(rows(page)).to_have_count(2)
    expect(rows(page).filter(has_text="refused")).to_contain_text("example.com:443")
    page.get_by_label("Status").select_option("bad")
    expect(rows(page)).to_have_count(1)
    page.goto(f"{mock.url}/#/requests?fault=r1")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("latency")
    page.get_by_role("button", name="Show all").click()
    page.goto(f"{mock.url}/#/requests?request_id={job['request_id']}")
    expect(rows(page)).to_have_count(2)


def test_a_request_opens_beside_the_list(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    job = some(mock)
    page = look(mock, "#/requests?key=id")
    rows(page).last.locator("a").click()
    pane = page.get_by_role("region", name="Request 1")
    expect(pane.get_by_label("Body of the request", exact=True)).to_contain_text('"red"')
    expect(pane.locator(".hint")).to_contain_text("has no such input: colour")
    expect(pane).to_contain_text("Key id:***")
    expect(pane.get_by_role("link", name=job["request_id"])).to_be_visible()
    expect(page).to_have_url(f"{mock.url}/#/requests/1?key=id")
    texts = {
        language: copied(page, pane.get_by_role("button", name=f"Copy as {language}"))
        for language in ("curl", "Python", "JavaScript")
    }
    before = len(mock.jobs())
    subprocess.run([*shlex.split(texts["curl"].replace("\\\n", " ")), "-sf"], check=True)
    exec(texts["Python"].replace("print(", "("), {"httpx": httpx})
    assert len(mock.jobs()) == before + 2
    assert '"authorization": "Key id falkit"' not in texts["JavaScript"]
    assert f'fetch("{mock.url}/queue.fal.run/{T2V}"' in texts["JavaScript"]
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{mock.url}/#/requests?key=id")
    # A refusal has an id, and no job.
    mock.http.post("/queue.fal.run/fal-ai/nope", json={"prompt": "x"})
    last = mock.http.get("/__falkit/requests").json()["last"]
    page.goto(f"{mock.url}/#/requests/{last}")
    pane = page.get_by_role("region", name=f"Request {last}")
    expect(pane).to_contain_text("Request id0")
    expect(pane).to_contain_text("Not read: the answer was clear without it.")
    expect(pane.locator("a[href*='#/jobs/']")).to_have_count(0)
    page.goto(f"{mock.url}/#/requests/999")
    expect(page.get_by_role("heading", name="There is no such request")).to_be_visible()
    # On a small screen it is there alone.
    page.set_viewport_size({"width": 390, "height": 800})
    expect(rows(page).first).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_deliveries_come_and_are_told_apart(serve: Serve, look: Look, receiver: Receiver) -> None:
    mock = serve("instant", clock="manual")
    page = look(mock, "#/webhooks")
    expect(page.get_by_role("heading", name="No webhook yet")).to_be_visible()
    with receiving(lambda _: Reply(500)) as broken:
        mock.submit(params={"fal_webhook": receiver.url})
        mock.submit(params={"fal_webhook": broken.url})
        mock.submit(params={"fal_webhook": "http://example.com/fal"})
        broken.wait()
        expect(rows(page)).to_have_count(3)
        expect(rows(page).first).to_contain_text(f"{T2V} {PROMPT['prompt']}")
        pending = page.locator(".pending")
        expect(pending).to_contain_text("1 webhook to come")
        expect(pending.locator("tbody tr")).to_contain_text(re.compile("in [678] s.*1"))
        # How long it took, events tell too.
        took = rows(page).locator(".number")
        expect(took).to_have_text([re.compile(r"\d m?s$")] * 3)
        rows(page).filter(has_text="500, retry").locator("a").click()
        pane = page.get_by_role("region", name="Delivery", exact=True)
        expect(pane).to_contain_text("To be tried again")
        mock.http.post("/__falkit/clock/advance", json={"seconds": 8}).raise_for_status()
        broken.wait(2)
        expect(pane).to_contain_text("VerdictTried again")
        pane.get_by_role("link", name="attempt 2", exact=True).click()
        expect(pane).to_contain_text("To be tried again")
        page.keyboard.press("Escape")
        expect(rows(page).filter(has_text="attempt 2").locator("a")).to_be_focused()
    expect(page.locator(".scroll")).to_have_attribute("aria-label", "4 deliveries")
    page.get_by_label("Verdict").select_option("untaken")
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Verdict").select_option("retry")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("500, retry")
    expect(page).to_have_url(f"{mock.url}/#/webhooks?status=retry")
    page.get_by_label("Verdict").select_option("")
    page.get_by_label("Receiver").fill("EXAMPLE")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("not allowed")
    page.get_by_label("Receiver").fill("")
    page.get_by_label("Cause").select_option("trigger")
    page.get_by_role("link", name="Show all deliveries").click()
    expect(rows(page)).to_have_count(4)
    # Nobody listens there any more. Why stands whole beside the URL, at this width too.
    mock.submit(params={"fal_webhook": broken.url})
    refused = rows(page).filter(has_text="no reply, retry")
    why = refused.locator(".flag")
    expect(why).to_have_text("connection refused")
    assert why.evaluate("(told) => told.scrollWidth <= told.clientWidth")
    # Of another day it is said which, by the mock's clock.
    mock.http.post("/__falkit/clock/advance", json={"seconds": 86_400}).raise_for_status()
    page.reload()
    when = rows(page).last.locator(".when")
    expect(when).to_have_text(re.compile(r"^\d\d-\d\d \d\d:\d\d:\d\d$"))
    assert when.evaluate("(told) => told.scrollWidth <= told.clientWidth")


def test_a_delivery_is_sent_again_and_elsewhere(serve: Serve, look: Look) -> None:
    mock, codes = serve("instant"), iter([500])
    with receiving(lambda _: Reply(next(codes, 200))) as receiver:
        _sent_again(mock, look, receiver)


def _sent_again(mock: Mock, look: Look, receiver: Receiver) -> None:
    mock.submit(params={"fal_webhook": receiver.url}, headers=KEY)
    receiver.wait()
    page = look(mock, "#/webhooks")
    rows(page).locator("a").click()
    pane = page.get_by_role("region", name="Delivery", exact=True)
    expect(pane.locator(".signature")).to_contain_text("The signature is good: this page checked")
    expect(pane.get_by_label("Body that was sent", exact=True)).to_contain_text('"status": "OK"')
    pane.get_by_role("button", name="Send again").click()
    said(page, "200, acknowledged")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("resend 2")
    expect(rows(page).last).to_contain_text("500, taken later")
    with receiving(lambda _: Reply(200)) as other:
        pane.get_by_role("button", name="Send to another URL…").click()
        page.get_by_role("dialog").get_by_label("URL").fill(other.url)
        page.get_by_role("button", name="Send", exact=True).click()
        other.wait()
        said(page, f"{other.url}: 200, acknowledged")
    expect(rows(page)).to_have_count(3)


def test_a_webhook_without_a_job_and_new_keys(serve: Serve, look: Look, receiver: Receiver) -> None:
    mock = serve("instant")
    page = look(mock, "#/webhooks")
    page.get_by_role("button", name="Trigger…").click()
    page.get_by_label("Receiver's URL").fill("http://example.com/")
    page.get_by_label("Of", exact=True).select_option("failed")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("can't be called")
    page.get_by_label("Receiver's URL").fill(receiver.url)
    page.get_by_role("button", name="Send", exact=True).click()
    assert receiver.wait()[0].json["status"] == "ERROR"
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Keys…").click()
    keys = page.get_by_role("dialog").locator("tbody tr")
    expect(keys).to_have_count(2)
    page.get_by_role("button", name="Sign with a new key", exact=True).click()
    expect(keys).to_have_count(3)
    page.get_by_role("button", name="Withdraw key 1").click()
    said(page, "Key 1 isn't published any more")
    page.get_by_role("button", name="Sign with a new key and withdraw the old ones").click()
    expect(keys.filter(has_text="withdrawn")).to_have_count(3)
    expect(keys.filter(has_text="signs")).to_have_count(1)


def test_findings_come_by_themselves_with_what_to_do(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, "#/findings")
    expect(page.get_by_role("heading", name="Nothing to judge yet")).to_be_visible()
    mock.result(mock.submit({"prompt": "Rain", "duration": 6}))
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    mock.http.put("/__falkit/test", json={"test": "test_a.py::test_b[x]"})
    job = mock.submit({"input": PROMPT})
    mock.submit({"prompt": "Rain", "duration": "6"}, headers={"user-agent": "my-app/1"})
    group = page.get_by_role("region", name="error: the input is sent within")
    expect(group).to_contain_text("send the fields of the input as the body's own")
    for name, to in (
        ("Job", f"/{job['request_id']}"),
        ("Its jobs", "?test=%22test_a.py%3A%3Atest_b%5Bx%5D%22"),
    ):
        expect(group.get_by_role("link", name=name, exact=True)).to_have_attribute(
            "href", f"#/jobs{to}"
        )
    expect(page.locator(".finding")).to_have_count(2)
    expect(page.locator(".finding").filter(has_text="my-app/1")).to_contain_text("as text")
    text = copied(page, page.get_by_role("button", name="Copy as text"))
    assert "[input-wrapper]" in text
    assert "[integer-as-string]" in text
    page.get_by_label("Code").select_option("input-wrapper")
    expect(page.locator(".finding")).to_have_count(1)
    page.get_by_label("Severity").select_option("warning")
    expect(page).to_have_url(f"{mock.url}/#/findings?code=input-wrapper&severity=warning")
    page.get_by_role("link", name="Show all findings").click()
    page.get_by_label("Test").fill("test_nothing.py")
    expect(page.get_by_role("heading", name="No finding is like that")).to_be_visible()
    page.get_by_label("Test").fill("")
    expect(page.locator(".finding")).to_have_count(2)
    mock.submit({"prompt": "Rain"})
    page.get_by_label("As if the program had ended").check()
    expect(page).to_have_url(f"{mock.url}/#/findings?ended=yes")
    expect(page.locator(".findings")).to_contain_text("had ended: nothing more.")
    group.get_by_role("link", name="Requests").click()
    expect(rows(page)).to_have_count(1)


def test_what_jobs_cost_stands_beside_the_budget(serve: Serve, look: Look) -> None:
    mock = serve("instant", budget="0.50", alert_at=("0.30", "9"))
    page = look(mock, "#/spend")
    expect(page.get_by_role("heading", name="Nothing was spent yet")).to_be_visible()
    mock.submit()
    expect(page.locator(".sum b")).to_have_text("$0.36")
    expect(page.get_by_label("Budget")).to_contain_text("$0.14 of the budget of $0.50 left")
    expect(page.locator(".alerts")).to_contain_text("alert at $0.30: reached")
    expect(page.locator(".alerts")).to_contain_text("alert at $9.00: not reached")
    mock.submit(endpoint="fal-ai/flux/dev", headers={"authorization": "Key bob:1"})
    mock.submit(headers={"authorization": "Key bob:1"})
    expect(page.get_by_label("Budget")).to_contain_text("Over the budget of $0.50 by $0.245")
    expect(page.locator(".chart g")).to_have_count(2)
    keys = page.get_by_role("region", name="Cost by key").get_by_role("row")
    expect(keys.filter(has_text="bob")).to_contain_text("$0.385")
    mock.http.post("/__falkit/reset", json={})
    mock.submit(endpoint="fal-ai/flux/dev")
    expect(page.locator(".sum b")).to_have_text("$0.77")
    expect(page.locator(".spend")).to_contain_text("still here cost $0.025 (1 job)")
    page.get_by_role("link", name="fal-ai/flux/dev").click()
    expect(rows(page)).to_have_count(1)


@at_night
def test_prices_that_are_not_known_are_said(serve: Serve, look: Look) -> None:
    mock = serve("instant", unknown_endpoints="guess")
    mock.submit()
    mock.submit({"prompt": "Rain"}, "nobody/knows/this")
    page = look(mock, "#/spend")
    expect(page.locator(".sum b")).to_have_text("at least $0.36")
    expect(page.locator(".problem")).to_contain_text("1 job of unknown price")
    row = page.get_by_role("row").filter(has_text="nobody/knows/this")
    expect(row).to_contain_text("1 unknown")


def uploaded(mock: Mock, content: bytes) -> None:
    told = mock.http.post(
        "/rest.fal.ai/storage/upload/initiate",
        params={"storage_type": "fal-cdn-v3"},
        json={"content_type": "text/plain", "file_name": "notes.txt"},
    ).json()
    headers = {"content-type": "text/plain"}
    httpx.put(told["upload_url"], content=content, headers=headers).raise_for_status()


def test_files_are_a_gallery_that_grows(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, "#/files")
    expect(page.get_by_role("heading", name="No file yet")).to_be_visible()
    picture = mock.submit(endpoint="fal-ai/flux/dev")
    tile = page.locator(".card")
    expect(tile).to_have_count(1)
    expect(tile).to_contain_text("image/jpeg · 1024")
    expect(tile.locator("img")).to_have_js_property("naturalWidth", 1024)
    mock.submit({"text": "Rain"}, "fal-ai/elevenlabs/tts/eleven-v3")
    expect(tile).to_have_count(2)
    expect(tile.first).to_contain_text("Sound MP3")
    url = copied(page, tile.last.get_by_role("button", name="Copy URL"))
    assert httpx.get(url).status_code == 200
    page.get_by_role("button", name="Uploads").click()
    expect(page).to_have_url(f"{mock.url}/#/files?kind=upload")
    expect(page.get_by_role("heading", name="Nothing was uploaded yet")).to_be_visible()
    uploaded(mock, b"Rain")
    expect(tile).to_contain_text("text/plain · 4 B")
    page.get_by_role("button", name="Outputs").click()
    tile.last.get_by_role("link", name="Job").click()
    expect(page).to_have_url(f"{mock.url}/#/jobs/{picture['request_id']}")


@at_night
def test_more_files_than_a_page_are_read_on_demand(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    for _ in range(70):
        mock.submit({"text": "Rain"}, "fal-ai/elevenlabs/tts/eleven-v3")
    page = look(mock, "#/files")
    expect(page.locator(".card")).to_have_count(60)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".card")).to_have_count(70)
    mock.submit({"text": "Rain"}, "fal-ai/elevenlabs/tts/eleven-v3")
    expect(page.locator(".card")).to_have_count(71)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


VIEWS = ("requests", "requests/1", "webhooks", "findings", "spend", "files", "control")


@pytest.mark.parametrize("scheme", ["light", by_night("dark")])
def test_axe_finds_nothing_and_nothing_is_too_wide(
    serve: Serve, look: Look, receiver: Receiver, scheme: Scheme
) -> None:
    mock = serve("instant", budget="0.50", alert_at=("0.30",))
    mock.http.post("/__falkit/rules", json={"rule": "latency seconds=0 endpoint=fal-ai/*"})
    mock.submit({"input": PROMPT})
    mock.submit(params={"fal_webhook": receiver.url})
    mock.submit(endpoint="fal-ai/flux/dev")
    receiver.wait()
    page = look(mock, scheme=scheme)
    for view in VIEWS:
        page.goto(f"{mock.url}/#/{view}")
        expect(page.locator(".loading")).to_have_count(0)
        seen = ".row, .finding, .sum, .card, .rule"
        expect(page.locator(seen).first).to_be_visible()
        assert violations(page) == [], view
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 390, view
        page.set_viewport_size({"width": 1280, "height": 720})
