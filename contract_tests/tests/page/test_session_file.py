"""A session saved as one file: a browser opens it without the mock, and it asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from falkit_mock.control import session
from page.conftest import Look, at_night
from page.test_shell import violations
from receiver import Receiver
from serving import T2V, Mock, Serve

EVIL = '</pre></style><script>alert(1)</script><img src="https://example.com/x.png">'


def told(mock: Mock) -> str:
    """Return the file as the mock writes it."""
    return mock.http.get("/__falkit/session").raise_for_status().text


def alone(browser: Browser, file: Path) -> tuple[list[str], str]:
    """Open a file without a network; return what is wrong or asked for, and the texts of it all."""
    seen: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith("data:"):
            seen.append(request.url)

    def said(message: ConsoleMessage) -> None:
        seen.append(message.text)

    with browser.new_context(offline=True) as context:
        page: Page = context.new_page()
        page.set_viewport_size({"width": 1000, "height": 300})
        page.on("request", asked)
        page.on("console", said)
        page.goto(file.as_uri())
        # What is in it is told at its top, and a finding leads to its job, which opens.
        page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
        expect(page.locator("#jobs")).to_be_in_viewport()
        expect(page.locator("summary.job").first).to_contain_text("duration: Input should be")
        page.get_by_role("link", name="its job").first.click()
        expect(page.get_by_role("heading", name="Input").first).to_be_visible()
        expect(page.locator("details[open] > summary.job")).to_be_in_viewport(ratio=1)
        page.go_back()
        page.locator("details[open] > summary.job").click()
        for summary in page.locator(".items summary").all():
            summary.click()
        assert page.locator("script").count() == 0
        expect(page.locator("img")).to_have_count(1)
        expect(page.locator("img")).to_have_js_property("complete", True)
        assert page.locator("img").evaluate("(one) => one.naturalWidth") == 160
        return seen, page.locator("body").inner_text()


def test_the_page_saves_it_and_it_opens_without_the_mock(
    serve: Serve, look: Look, receiver: Receiver, browser: Browser, tmp_path: Path
) -> None:
    mock, file = serve("instant", webhook_timestamps="mock"), tmp_path / "session.html"
    mock.http.put("/__falkit/test", json={"test": "<b>test_a.py"})
    mock.submit(endpoint="fal-ai/flux/dev")
    mock.submit({"prompt": EVIL}, params={"fal_webhook": f"{receiver.url}?<i>"})
    mock.result(mock.submit({"prompt": "Rain", "duration": 7, "colour": "red"}))
    receiver.wait()
    mock.http.get("/__falkit/deliveries", params={"wait": 10}).raise_for_status()
    page = look(mock, "#/control")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as one page").click()
    assert download.value.suggested_filename == "falkit-session.html"
    download.value.save_as(file)
    seen, text = alone(browser, file)
    assert seen == [file.as_uri()]
    assert EVIL in text
    assert json.dumps(EVIL) in text
    for part in (
        *(
            "Jobs: 3",
            "requests judged",
            "<b>test_a.py",
            "Failed 422",
            "duration: Input should be 6, 8 or 10",
            "1024 x 768",
        ),
        *("Requests: ", "has no such input: colour", "Webhooks: 1", "200", "?<i>", "taken"),
        *("Findings", "unknown-field", "would have cost", "Saved at"),
    ):
        assert part in text, part


def test_what_is_left_out_is_said(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    mock = serve("instant")
    for _ in range(3):
        mock.submit({"prompt": "x" * 5000})
        mock.submit(endpoint="fal-ai/flux/dev")
    monkeypatch.setattr(session, "_JOBS", 4)
    monkeypatch.setattr(session, "_REQUESTS", 2)
    monkeypatch.setattr(session, "_PICTURES", 6000)
    page = told(mock)
    assert "Jobs: the newest 4 of 6, 1 picture left out" in page
    assert "Requests: the newest 2 of 6" in page
    assert page.count("data:image/png") == 1
    assert "more characters" in page
    assert "x" * 4001 not in page
    mock.http.delete("/__falkit/requests")
    mock.submit(endpoint=T2V)
    assert "Requests: 1<" in told(mock)


def test_states_and_prices_are_told_as_everywhere(serve: Serve) -> None:
    mock, wan = serve("10,20"), "fal-ai/wan/v2.2-a14b/image-to-video"
    page = told(mock)
    assert "Saved at" in page
    assert "<table" not in page
    example = mock.http.get(f"/__falkit/endpoints/{wan}").json()["example"]
    for job, act in ((mock.submit(), "hold"), (mock.submit(example, wan), "complete")):
        mock.http.post(f"/__falkit/jobs/{job['request_id']}/{act}").raise_for_status()
    page = told(mock)
    assert ">Held<" in page
    assert "$0.405<" in page


@at_night
def test_axe_finds_nothing_in_it(serve: Serve, window: Page, tmp_path: Path) -> None:
    mock, file = serve("instant"), tmp_path / "session.html"
    mock.submit({"prompt": "Rain", "colour": "red"})
    file.write_text(told(mock), "utf-8")
    window.goto(file.as_uri())
    assert violations(window) == []
