"""The shell: routes, the clock, a lost connection, tenants, and who can't see or use a mouse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from falkit import Settings
from page.conftest import Look, Scheme, by_night
from receiver import Receiver
from serving import T2V, Serve, running

AXE = Path(__file__).with_name("node_modules") / "axe-core/axe.min.js"


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong, each with the elements it is about."""
    # A page whose policy takes no script of others is looked at by the debugger's own way in.
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}"
        for one in found["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", by_night("dark")])
def test_axe_finds_nothing(timed: Serve, look: Look, scheme: Scheme) -> None:
    mock = timed("10,20", concurrency=10)
    page = look(mock, scheme=scheme)
    expect(page.get_by_role("heading", name="No job yet")).to_be_visible()
    assert violations(page) == []
    done, failed = mock.submit({"prompt": "Rain"}), mock.submit({"prompt": "Rain", "duration": 7})
    mock.result(done)
    mock.advance(15)
    mock.submit({"prompt": "مرحبا"})
    expect(page.locator(".list .row")).to_have_count(3)
    expect(page.get_by_role("progressbar")).to_have_count(1)
    assert violations(page) == []
    mock.advance(30)
    for job in (done, failed):
        page.goto(f"{mock.url}/#/jobs/{job['request_id']}")
        expect(page.locator("h1")).to_contain_text("Failed" if job is failed else "Done")
        page.locator("details.item > summary").first.click()
        expect(page.locator(".exchange")).to_be_visible()
        assert violations(page) == []
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_views_have_one_look_and_lists_take_all_the_room(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    mock.submit({"prompt": "Rain"})
    page = look(mock)
    body = page.evaluate("getComputedStyle(document.body).fontFamily")
    for view in page.get_by_role("navigation", name="Views").get_by_role("link").all():
        name = view.inner_text()
        view.click()
        heading = page.locator("h1")
        expect(heading).to_have_text(name)
        assert heading.evaluate("(h1) => getComputedStyle(h1).fontFamily") == body, name
        for full in page.locator(".view.full").all():
            left = "(one) => one.parentElement.clientHeight - one.offsetHeight"
            assert full.evaluate(left) == 0, name


def test_going_to_a_view_moves_the_focus_and_names_the_window(serve: Serve, look: Look) -> None:
    page = look(serve("instant"))
    expect(page).to_have_title("Jobs · falkit")
    page.get_by_role("link", name="Jobs", exact=True).focus()
    page.goto(page.url.partition("#")[0] + "#/nowhere")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_focused()


def test_the_clock_is_the_mocks(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    page = look(mock)
    clock = page.locator(".top .clock")
    # That day isn't this machine's.
    expect(clock).to_contain_text(re.compile(r"paused \d\d-\d\d 08:00:00"))
    mock.submit()
    mock.advance(10)
    expect(clock).to_contain_text("08:00:10")


def test_a_lost_connection_is_said_and_comes_back_by_itself(look: Look) -> None:
    with running(Settings(timing="instant", seed=1)) as mock:
        mock.submit({"prompt": "Before"})
        page = look(mock)
        expect(page.locator(".list .row")).to_contain_text("Before")
        at = mock.url
    expect(page.locator(".connection")).to_have_text("Disconnected")
    expect(page.locator(".banner")).to_contain_text("doesn't answer")
    # What there was is still to be read.
    expect(page.locator(".list .row")).to_contain_text("Before")
    # A view that is opened only now can't be fetched.
    page.get_by_role("link", name="Files", exact=True).click()
    expect(page.locator(".empty")).to_contain_text("Once it does, it is loaded again")
    port = int(at.rpartition(":")[2])
    with running(Settings(timing="60,60", seed=2), port=port) as mock:
        mock.submit({"prompt": "After"})
        expect(page.locator(".connection")).to_have_text("Live")
        expect(page.locator(".banner")).to_have_count(0)
        expect(page.get_by_role("heading", name="No file yet")).to_be_visible()
        page.get_by_role("link", name="Jobs", exact=True).click()
        expect(page.locator(".list .row")).to_have_count(1)
        expect(page.locator(".list .row")).to_contain_text("After")
        page.goto(f'{at}/#/playground/{T2V}?input={{"prompt": "Rain"}}')
        run = page.get_by_role("button", name="Run", exact=True)
        run.click()
        expect(page.locator(".runhead")).to_contain_text("Queued")
    result = page.get_by_role("region", name="Result")
    expect(page.locator(".runhead")).to_contain_text("The mock doesn't answer")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    with running(Settings(timing="instant", seed=3), port=port):
        expect(result).to_contain_text("The job is lost")
        expect(page.locator(".verdict")).to_contain_text("A legal input")
    expect(page.locator(".connection")).to_have_text("Disconnected")
    run.click()
    expect(result).to_contain_text("The mock doesn't answer")


def test_what_others_steer_is_seen(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    job = mock.submit()
    page = look(mock, f"#/jobs/{job['request_id']}")
    expect(page.locator("h1")).to_contain_text("Queued")
    mock.http.post("/__falkit/clock/advance", json={"seconds": 12}).raise_for_status()
    expect(page.locator(".top .clock")).to_contain_text("08:00:12")
    expect(page.locator("h1")).to_contain_text("10 %")
    mock.http.post("/__falkit/reset").raise_for_status()
    expect(page.get_by_role("heading", name="It is not there any more")).to_be_visible()
    expect(page.locator(".empty")).to_contain_text("What you see is what there was: the mock was")
    expect(page.get_by_role("group", name="What to do with the job")).to_have_count(0)
    expect(page.locator("#requests ~ .rows .item")).to_have_count(1)
    page.get_by_role("link", name="Go to the jobs").click()
    expect(page.get_by_role("heading", name="No job yet")).to_be_visible()
    mock.submit()
    expect(page.locator(".list .row")).to_have_count(1)
    mock.http.post("/__falkit/reset").raise_for_status()
    expect(page.get_by_role("heading", name="No job yet")).to_be_visible()


def test_what_came_while_it_was_away_is_there_when_it_is_back(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    mock.submit({"prompt": "Before"})
    page = look(mock)
    expect(page.locator(".list .row")).to_have_count(1)
    page.context.set_offline(True)
    mock.submit({"prompt": "Meanwhile"})
    page.context.set_offline(False)
    expect(page.locator(".list .row")).to_have_count(2)


def test_a_cookie_that_is_over_leads_to_the_token(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock)
    refused = {"detail": "The control API needs the token"}
    page.route("**/__falkit/*", lambda route: route.fulfill(status=401, json=refused))
    page.reload()
    expect(page.locator(".connection")).to_have_text("Token needed")
    page.unroute_all()
    page.get_by_role("button", name="Enter it").click()
    expect(page.locator(".connection")).to_have_text("Live")


def test_each_key_has_a_mock_of_its_own(look: Look) -> None:
    with running(Settings(timing="instant", seed=1, tenants=True)) as mock:
        mock.submit({"prompt": "Anna's"}, headers={"authorization": "Key anna:1"})
        mock.submit({"prompt": "Bob's"}, headers={"authorization": "Key bob:1"})
        page = look(mock)
        expect(page.get_by_role("heading", name="Choose a key above")).to_be_visible()
        page.get_by_label("Key").first.select_option("anna")
        expect(page.locator(".list .row")).to_contain_text("Anna's")
        expect(page).to_have_url(f"{mock.url}/#/jobs?key=anna")
        page.get_by_label("Key").first.select_option("bob")
        expect(page.locator(".list .row")).to_contain_text("Bob's")
        page.reload()
        expect(page.locator(".list .row")).to_contain_text("Bob's")
        page.locator(".list .row a").click()
        expect(page.locator("h1")).to_contain_text("Done")


def test_what_the_page_fetches_is_not_the_programs(
    serve: Serve, look: Look, receiver: Receiver
) -> None:
    mock = serve("instant")
    mock.http.post("/__falkit/rules", json={"rule": "media_missing times=1"}).raise_for_status()
    page = look(mock)
    job = mock.submit(params={"fal_webhook": receiver.url})
    expect(page.locator(".list .row canvas")).to_have_count(1)
    receiver.wait()
    page.goto(f"{mock.url}/#/jobs/{job['request_id']}")
    expect(page.locator("figure.video figcaption")).to_contain_text("1920")
    page.locator("details.item > summary").first.click()
    expect(page.locator(".signature")).to_contain_text("good")
    asked = mock.http.get("/__falkit/requests").json()["requests"]
    assert [(one["method"], one["request_id"]) for one in asked] == [("POST", job["request_id"])]
    # Neither does it use up a fault that is meant for one of them.
    url = mock.result(job).json()["video"]["url"]
    assert mock.http.get(url).status_code == 404
