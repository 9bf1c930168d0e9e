"""Control: the clock, faults, seed, reset, export and import, and keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from falkit import Settings
from page.conftest import Look, at_night
from page.test_record_views import rows, said
from serving import Mock, Serve, running


def press(page: Page, name: str, told: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    said(page, told)


def now(mock: Mock) -> float:
    moment: float = mock.http.get("/__falkit/clock").json()["now"]
    return moment


def test_the_clock_runs_pauses_and_jumps(serve: Serve, look: Look) -> None:
    mock = serve("10,20", clock="manual", clock_start=1_800_000_000.0)
    mock.submit()
    page = look(mock, "#/control")
    moment = page.locator(".moment")
    expect(moment).to_contain_text("2027-01-15 08:00:00 paused")
    press(page, "+10 s", "The clock moved by 10 s")
    expect(moment).to_contain_text("08:00:10")
    press(page, "+1 min", "done")
    assert mock.jobs()[0]["status"] == "COMPLETED"
    for name, seconds in (("+10 min", 600), ("+1 h", 3600), ("+1 day", 86_400)):
        before = now(mock)
        press(page, name, "nothing was due")
        expect(page.locator(".moment")).not_to_contain_text("08:01:10 ")
        assert now(mock) == before + seconds
    page.get_by_label("To a moment").fill("2027-02-01T12:30:00")
    press(page, "Jump", "The clock moved to 2027-02-01 12:30:00")
    expect(moment).to_contain_text("2027-02-01 12:30:00")
    # A moment that is over isn't asked for: the field says why.
    field = page.get_by_label("To a moment")
    field.fill("2027-01-01T12:30:00")
    page.get_by_role("button", name="Jump").click()
    assert field.evaluate("(one) => one.validity.rangeUnderflow")
    expect(moment.locator("time")).to_have_attribute("title", "2027-02-01T12:30:00.000Z")
    expect(page.get_by_text("Webhooks tried again10 times in 2 hours")).to_be_visible()
    press(page, "Run", "The clock runs")
    expect(moment).to_contain_text("runs")
    press(page, "Pause", "The clock is paused")


def rules(mock: Mock) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mock.http.get("/__falkit/rules").json()["rules"]
    return found


def test_faults_are_switched_on_and_off(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, "#/control")
    form = page.get_by_role("form", name="Switch a fault on")
    form.get_by_label("Fault", exact=True).select_option("image_too_small")
    form.get_by_label(re.compile("^min_width")).fill("600")
    form.get_by_label(re.compile("^endpoint")).fill("fal-ai/ltx-2/*")
    form.get_by_label(re.compile("^prompt")).fill("(?i)two rains")
    form.get_by_label(re.compile("^times")).fill("2")
    form.get_by_role("button", name="Only where a field").click()
    form.get_by_label("Field of the input").fill("duration")
    form.get_by_label("Value of the field, as JSON").fill("8")
    form.get_by_label("submit", exact=True).check()
    line = form.get_by_label("the rule as a line", exact=True).inner_text()
    press(page, "Switch on", "On: image_too_small")
    table = page.get_by_role("region", name="Rules, in the order")
    expect(table.locator("tbody tr")).to_have_count(1)
    # The line that the form shows says the same.
    mock.http.post("/__falkit/rules", json={"rule": line}).raise_for_status()
    first, second = rules(mock)
    assert first["rule"] == second["rule"]
    assert first["rule"]["input"] == {"duration": 8}
    failed = mock.submit({"prompt": "Two Rains", "duration": 8})["request_id"]
    mock.submit({"prompt": "Two Rains", "duration": 6})
    row = table.get_by_role("row").filter(has_text="r1")
    expect(row).to_contain_text(re.compile(f"to …{failed[-8:]} all requests *11"))
    for _ in range(2):
        mock.submit({"prompt": "Two Rains", "duration": 8})
    expect(row).to_contain_text("32 used up")
    row.get_by_role("link", name=failed[-8:]).click()
    expect(page).to_have_url(f"{mock.url}/#/jobs/{failed}")
    page.go_back()
    row.get_by_role("link", name="all requests").click()
    expect(rows(page)).to_have_count(2)
    page.go_back()
    page.get_by_role("button", name="Remove r1", exact=True).click()
    said(page, "Off: image_too_small")
    assert [one["id"] for one in rules(mock)] == ["r2"]
    page.get_by_role("button", name="As a line", exact=True).click()
    page.get_by_label("Rule", exact=False).last.fill("nonsense")
    page.get_by_role("button", name="Switch on").click()
    expect(form.get_by_role("alert")).to_contain_text("nonsense")
    page.get_by_label("Rule", exact=False).last.fill("latency seconds=0 endpoint=nobody/*")
    press(page, "Switch on", "On, but: no endpoint of this mock fits")
    page.get_by_role("button", name="Remove all…").click()
    press(page, "Remove all", "2 rules removed")
    expect(page.get_by_text("No fault is on")).to_be_visible()


@at_night
def test_every_fault_of_the_catalogue_has_a_form(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, "#/control")
    choice = page.get_by_label("Fault", exact=True)
    expect(choice.locator("option").nth(10)).to_be_attached()
    for fault in mock.http.get("/__falkit/faults").json()["faults"]:
        choice.select_option(fault["name"])
        names = [one["name"] for one in fault["parameters"]]
        expect(page.locator("[data-fault] label")).to_have_count(len(names))


def test_the_seed_is_set(serve: Serve, look: Look) -> None:
    mock = serve("instant", seed=7)
    page = look(mock, "#/control")
    field = page.get_by_label("Seed", exact=True)
    expect(field).to_have_value("7")
    field.fill("12")
    press(page, "Set", "The seed is 12 from now on")
    field.fill("twelve")
    press(page, "Set", "is not a whole number")
    press(page, "Random", "The seed is")
    expect(field).not_to_have_value("12")


def test_the_state_is_saved_forgotten_and_taken_back(
    serve: Serve, look: Look, tmp_path: Path
) -> None:
    mock = serve("instant")
    mock.http.post("/__falkit/rules", json={"rule": "latency seconds=0"})
    job = mock.submit()
    page = look(mock, "#/control")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "falkit-state.tar"
    file = tmp_path / "state.tar"
    download.value.save_as(file)
    page.get_by_role("button", name="Reset…").click()
    press(page, "Reset", "The mock is empty again; rules stay")
    assert mock.jobs() == []
    assert len(rules(mock)) == 1
    page.get_by_role("button", name="Reset…").click()
    page.get_by_label("Keep the rules").uncheck()
    press(page, "Reset", "empty again")
    expect(page.get_by_text("No fault is on")).to_be_visible()
    page.get_by_role("button", name="Import…").click()
    bad = tmp_path / "bad.tar"
    bad.write_bytes(b"not a tar")
    page.get_by_label("File of an export").set_input_files(bad)
    page.get_by_role("button", name="Replace the state").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("export")
    assert mock.jobs() == []
    page.get_by_label("File of an export").set_input_files(file)
    press(page, "Replace the state", "The state of state.tar is here: 1 job")
    assert mock.jobs()[0]["request_id"] == job["request_id"]


@at_night
def test_keys_with_a_mock_of_their_own_are_listed_and_forgotten(look: Look) -> None:
    with running(Settings(timing="instant", seed=1, tenants=True)) as mock:
        for key in ("anna", "bob"):
            mock.submit(headers={"authorization": f"Key {key}:1"})
        page = look(mock, "#/control?key=anna")
        table = page.get_by_role("region", name="Keys", exact=True)
        expect(table.locator("tbody tr")).to_have_count(2)
        page.get_by_role("button", name="Forget bob").click()
        press(page, "Forget it", "The mock of bob is forgotten")
        expect(table.locator("tbody tr")).to_have_count(1)
        # What is done is done to the key that is shown.
        page.get_by_role("button", name="Reset…").click()
        expect(page.get_by_role("dialog")).to_contain_text("of the key anna alone")
        press(page, "Reset", "empty again")
        assert mock.http.get("/__falkit/jobs?key=anna").json()["jobs"] == []
