"""Jobs, as they come: the list, its filters, and what keeps its place."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, Route, expect

from page.conftest import Look, at_night
from serving import PROMPT, T2V, Serve


def rows(page: Page) -> Locator:
    return page.locator(".list .row")


def test_with_no_job_it_says_how_to_start_one(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock)
    expect(page.get_by_role("heading", name="No job yet")).to_be_visible()
    shown = page.locator(".code pre")
    expect(shown).to_contain_text(f"curl {mock.url}/queue.fal.run/")
    for language in ("Python", "JavaScript", "falkit run"):
        page.get_by_role("button", name=language, exact=True).click()
        expect(shown).to_contain_text("falkit run" if language == "falkit run" else mock.url)
    mock.submit({"prompt": "Rain"})
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Rain")


def test_a_job_shows_its_course_as_events_tell_it(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    page = look(mock)
    mock.submit({"prompt": "Rain", "duration": 8})
    row = rows(page).first
    expect(row).to_contain_text("Queued")
    mock.advance(10)
    mock.advance(10)
    expect(row.get_by_role("progressbar")).to_have_attribute("value", "0.5")
    expect(row).to_contain_text("50 %")
    mock.advance(10)
    expect(row).to_contain_text("Done")
    expect(row).to_contain_text("$0.48")
    expect(row.locator("canvas")).to_have_count(1)
    expect(page.locator(".top .counts")).to_contain_text("$0.48")


def test_filters_are_in_the_url_and_lead_to_the_same_list(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    mock.submit({"prompt": "A lighthouse"})
    test = "tests/test_dune.py::test_it[7-1]"
    mock.http.put("/__falkit/test", json={"test": test})
    mock.submit({"prompt": "A dune", "duration": 7})
    mock.http.put("/__falkit/test", json={"test": ""})
    mock.submit({"prompt": "A dune"}, headers={"authorization": "Key bob:1"})
    # One that is no choice is one while it is in the URL.
    page = look(mock, "#/jobs?status=COMPLETED")
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_label("Status")).to_have_value("COMPLETED")
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_label("Status")).to_have_value("")
    page.goto(f"{mock.url}/#/jobs?status=FAILED")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("duration: Input should be")
    page.get_by_label("Status").select_option("")
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Text").fill("DUNE")
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Key", exact=True).fill("bob")
    expect(rows(page)).to_have_count(1)
    # Keys and endpoints of jobs that ended are there to choose from.
    for label, known in (("Key", ["bob", "id"]), ("Endpoint", [T2V])):
        field = page.get_by_label(label, exact=True)
        options = field.locator("xpath=following-sibling::datalist/option")
        assert sorted(options.evaluate_all("(all) => all.map((one) => one.value)")) == known
    # Without a pattern in it, what is typed is found anywhere; in quotes, as it is.
    for typed, number in (('"fal-ai/ltx-2"', 0), ("ltx-2/t", 1), ("fal-ai/ltx-2/*", 1)):
        page.get_by_label("Endpoint").fill(typed)
        expect(rows(page)).to_have_count(number)
    expect(page).to_have_url(f"{mock.url}/#/jobs?text=DUNE&key=bob&endpoint=fal-ai%2Fltx-2%2F*")
    page.reload()
    expect(page.get_by_label("Text")).to_have_value("DUNE")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Endpoint").fill("fal-ai/flux/*")
    expect(page.get_by_role("heading", name="No job is like that")).to_be_visible()
    page.get_by_role("link", name="Show all jobs").click()
    expect(rows(page)).to_have_count(3)
    # A job leads to those of its test.
    rows(page).nth(1).get_by_role("link").click()
    page.get_by_role("link", name=test, exact=True).click()
    expect(page.get_by_label("Test", exact=True)).to_have_value(f'"{test}"')
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("duration: Input should be")
    # What comes is counted if it is of that test.
    mock.submit({"prompt": "A dune"})
    mock.http.put("/__falkit/test", json={"test": test})
    mock.submit({"prompt": "A dune again"})
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("A dune again")


@at_night
def test_new_jobs_dont_move_what_one_reads(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    for number in range(80):
        # They fail, since clips take a browser longer than rows.
        mock.submit({"prompt": f"Old {number}", "duration": 7})
    page = look(mock, size={"width": 1280, "height": 600})
    expect(rows(page).first).to_contain_text("Old 79")
    page.locator(".scroll").evaluate("box => { box.scrollTop = 800 }")
    seen = page.get_by_role("row", name="Old 58 ")
    before = seen.bounding_box()
    for number in range(3):
        mock.submit({"prompt": f"New {number}"})
    bar = page.get_by_role("button", name="3 new jobs")
    expect(bar).to_be_visible()
    assert seen.bounding_box() == before
    # What is read meanwhile is in its place all the same.
    page.locator(".scroll").evaluate("box => { box.scrollTop = box.scrollHeight }")
    expect(rows(page).last).to_contain_text("Old 0")
    bar.click()
    expect(rows(page).first).to_contain_text("New 2")
    mock.submit({"prompt": "Newest"})
    expect(rows(page).first).to_contain_text("Newest")


@at_night
def test_a_filtered_list_is_live_too(timed: Serve, look: Look) -> None:
    mock = timed("10,20", concurrency=100)
    for number in range(40):
        mock.submit({"prompt": f"Rain {number}", "duration": 7})
    mock.advance(60)
    page = look(mock, "#/jobs?status=FAILED&text=rain", size={"width": 1280, "height": 600})
    total = page.locator(".total")
    expect(total).to_have_text("40 found")
    good, bad, other = (
        mock.submit({"prompt": "Rain"}),
        mock.submit({"prompt": "Rain, too", "duration": 7}),
        mock.submit({"prompt": "Snow", "duration": 7}),
    )
    mock.advance(60)
    expect(total).to_have_text("41 found")
    expect(rows(page).first).to_contain_text("Rain, too")
    # Of what comes while one reads only what matches is counted.
    page.locator(".scroll").evaluate("box => { box.scrollTop = 400 }")
    for prompt in ("Snow", "Rain again"):
        mock.submit({"prompt": prompt, "duration": 7})
    mock.advance(60)
    expect(page.get_by_role("button", name="1 new job")).to_be_visible()
    for job in (good, bad, other):
        assert mock.status(job)["status"] == "COMPLETED"


@at_night
def test_a_row_that_changed_unseen_is_read_again(timed: Serve, look: Look) -> None:
    mock = timed("10,20", concurrency=100)
    for number in range(60):
        mock.submit({"prompt": f"Rain {number}", "duration": 7})
    page = look(mock, size={"width": 1280, "height": 600})
    box = page.locator(".scroll")
    expect(rows(page).first).to_contain_text("Queued")
    box.evaluate("box => { box.scrollTop = box.scrollHeight }")
    expect(rows(page).last).to_contain_text("Rain 0")
    mock.advance(60)
    expect(rows(page).last).to_contain_text("Failed 422")
    box.evaluate("box => { box.scrollTop = 0 }")
    expect(rows(page).first).to_contain_text("duration: Input should be")


def listed(number: int) -> dict[str, Any]:
    """A job as lists have it, of whom nobody asks more."""
    return {
        "request_id": f"019b76da-0000-7000-8000-{number:012}",
        "endpoint_id": T2V,
        "key": "id",
        "status": "COMPLETED",
        "status_code": 200,
        "progression": "clock",
        "result": "ok",
        "created": 1_800_000_000.0 + number,
        "starts": 1_800_000_000.0 + number,
        "ends": 1_800_000_000.0 + number,
        "prompt": f"Number {number}",
        "cost": "0.36",
        "error": None,
        "thumbnail": None,
    }


def test_two_hundred_thousand_jobs_scroll(serve: Serve, look: Look) -> None:
    total, asked = 200_000, list[int]()

    def answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        offset, limit = int(query["offset"][0]), int(query["limit"][0])
        asked.append(offset)
        found = [listed(total - 1 - place) for place in range(offset, min(offset + limit, total))]
        body = {"jobs": found, "next_cursor": None, "total": total}
        route.fulfill(body=json.dumps(body), content_type="application/json")

    page = look(serve("instant"), "#/control")
    page.route("**/__falkit/jobs?*", answer)
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.locator(".total")).to_have_text("200,000")
    box = page.locator(".scroll")
    for share, number in ((0.5, 99_9), (1, 0), (0, 199_999)):
        box.evaluate(f"box => {{ box.scrollTop = box.scrollHeight * {share} }}")
        expect(page.get_by_text(f"Number {number}").first).to_be_visible()
        # Only what is seen is in the document, and little more than that was read.
        assert rows(page).count() < 60
    assert len(asked) < 12
    # A sweep through all of it reads only where it comes to rest.
    asked.clear()
    spent = box.evaluate("""async (box) => {
        const took = [];
        for (let step = 0; step <= 40; step += 1) {
            const begun = performance.now();
            box.scrollTop = (box.scrollHeight * step) / 40;
            await new Promise(requestAnimationFrame);
            took.push(performance.now() - begun);
        }
        return took.length;
    }""")
    assert spent == 41
    expect(page.get_by_text("Number 0", exact=True)).to_be_visible()
    assert len(asked) < 41


@at_night
def test_two_hundred_thousand_jobs_of_a_mock_scroll_too(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    first, store = mock.submit(), mock.service.store
    job, input = store.get(first["request_id"]), store.input(first["request_id"])
    assert job is not None

    def fill() -> None:
        for number in range(1, 200_000):
            id = f"019b76da-0000-7000-8000-{number:012}"
            store.add(replace(job, id=id, seq=store.next_seq()), input)

    mock.inside(fill)
    page = look(mock)
    expect(page.locator(".total")).to_have_text("200,000")
    box = page.locator(".scroll")
    for share, place in ((0.5, 100_000), (1, 200_000), (0, 1)):
        box.evaluate(f"box => {{ box.scrollTop = box.scrollHeight * {share} }}")
        row = page.locator(f'.row[aria-rowindex="{place + 1}"]')
        expect(row).to_contain_text(PROMPT["prompt"])
    page.get_by_label("Text").fill("lighthouse")
    expect(page.locator(".total")).to_have_text("200,000 found")


def test_rows_are_cards_where_there_is_no_room(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    mock.submit({"prompt": "Rain " * 60})
    page = look(mock, size={"width": 360, "height": 700})
    expect(rows(page)).to_have_count(1)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide == 360
    assert rows(page).first.bounding_box() == {
        **(rows(page).first.bounding_box() or {}),
        "height": 88,
    }


def test_keys_go_through_the_list_and_into_a_job_and_back(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    for number in range(3):
        mock.submit({"prompt": f"Number {number}"})
    page = look(mock, "#/jobs?text=number")
    expect(rows(page)).to_have_count(3)
    for key, seen in (("j", "Number 2"), ("j", "Number 1"), ("k", "Number 2"), ("j", "Number 1")):
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=seen)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page).to_have_title("Job …" + mock.jobs()[1]["request_id"][-8:] + " · falkit")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{mock.url}/#/jobs?text=number")
    expect(page.get_by_role("link", name="Number 1")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Number 0")).to_be_focused()
    page.keyboard.press("/")
    field = page.get_by_label("Text")
    expect(field).to_be_focused()
    field.select_text()
    page.keyboard.type("j")
    expect(page).to_have_url(f"{mock.url}/#/jobs?text=j")
    # Who leaves a field leaves what is in it, and what that does.
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()
    expect(field).to_have_value("j")
    expect(page).to_have_url(f"{mock.url}/#/jobs?text=j")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page).to_have_url(f"{mock.url}/#/control")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
