"""Findings, spend and files: what a run came to."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from page.conftest import Look, Scheme, at_night, by_night
from page.test_requests_view import copied, rows
from page.test_shell import violations
from receiver import Receiver
from serving import PROMPT, Mock, Serve


def test_findings_come_by_themselves_with_what_to_do(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, "#/findings")
    expect(page.get_by_role("heading", name="Nothing to judge yet")).to_be_visible()
    mock.result(mock.submit({"prompt": "Rain", "duration": 6}))
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    job = mock.submit({"input": PROMPT})
    mock.submit({"prompt": "Rain", "duration": "6"}, headers={"user-agent": "my-app/1"})
    group = page.get_by_role("region", name="error: the input is sent within")
    expect(group).to_contain_text("send the fields of the input at the top of the body")
    expect(group.get_by_role("link", name="Job")).to_have_attribute(
        "href", f"#/jobs/{job['request_id']}"
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
