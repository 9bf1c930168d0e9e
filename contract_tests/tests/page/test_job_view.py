"""One job: its course, input, output, requests and webhook, and what buttons do to it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from page.conftest import Look, at_night, by_night
from receiver import Receiver, Reply, receiving
from serving import PROMPT, T2V, Mock, Serve


def opened(look: Look, mock: Mock, job: dict[str, Any]) -> Page:
    return look(mock, f"#/jobs/{job['request_id']}")


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def press(page: Page, name: str, said: str) -> None:
    """Press a button, and wait until what came of it is read out."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".said[aria-live]")).to_contain_text(said)


def test_why_a_job_failed_is_at_the_top_and_at_its_field(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    job = mock.submit({"prompt": "Rain", "duration": "6", "colour": "red"})
    mock.result(job)
    page = opened(look, mock, job)
    expect(page.locator(".why")).to_contain_text("Failed with 422 duration: Input should be 6, 8")
    field = section(page, "Input").locator(".field.bad")
    # The quotes tell text from a number, which would be taken.
    expect(field).to_contain_text('duration"6"')
    expect(field).to_contain_text("Input should be 6, 8")
    fields = section(page, "Input").locator(".field")
    expect(fields.filter(has_text="colour")).to_contain_text("the document has no such field")
    expect(fields.filter(has_text="fps")).to_have_class("field  dimmed")
    expect(fields.filter(has_text="fps")).to_have_text("fps2525 | 50")
    asked = section(page, "Requests").locator("summary")
    expect(asked).to_have_count(2)
    expect(asked.first).to_contain_text("has no such input: colour")
    expect(asked.last).to_contain_text("422")
    # What takes no time to speak of isn't none, and no moment after another.
    told = """async () => {
        const { duration, plus } = await import("/__falkit/page/format.js");
        return [duration(0.0003), duration(0), plus(0.0003), plus(0.002)];
    }"""
    assert page.evaluate(told) == ["< 1 ms", "0 s", "0", "+2 ms"]


@at_night
def test_the_course_grows_as_things_happen(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    with receiving(lambda _: Reply(500)) as receiver:
        _grows(mock, look, receiver)


def _grows(mock: Mock, look: Look, receiver: Receiver) -> None:
    job = mock.submit(params={"fal_webhook": receiver.url})
    page = opened(look, mock, job)
    course = page.get_by_role("img", name=re.compile("queued|waits"))
    expect(course).to_have_accessible_name(re.compile("waits for 0 s; queued; 1 request; 0"))
    expect(section(page, "Output")).to_contain_text("In 30 s")
    mock.status(job)
    expect(course).to_have_accessible_name(re.compile("2 requests"))
    mock.advance(10)
    expect(page.get_by_role("heading", level=1)).to_contain_text("0 %")
    mock.advance(20)
    receiver.wait()
    expect(course).to_have_accessible_name(
        "queued 10 s, ran 20 s; done; 2 requests; 1 webhook attempt"
    )
    expect(section(page, "Webhook")).to_contain_text("To be tried again")
    expect(section(page, "Webhook")).to_contain_text("Next attemptin ")
    expect(page.locator(".why")).to_have_text(
        "The webhook isn't taken: attempt 1: answered 500, the next is 7 s later"
    )


@at_night
def test_a_webhook_shows_what_was_sent_and_is_sent_again(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    with receiving(lambda _: Reply(200, {"content-type": "text/plain"}, b"thanks")) as receiver:
        _resends(mock, look, receiver)


def _resends(mock: Mock, look: Look, receiver: Receiver) -> None:
    page = opened(look, mock, mock.submit(params={"fal_webhook": receiver.url}))
    receiver.wait()
    webhook = section(page, "Webhook")
    webhook.locator("summary").click()
    expect(webhook.locator(".signature")).to_contain_text("The signature is good")
    expect(webhook.locator(".exchange")).to_contain_text("X-Fal-Webhook-Signature")
    expect(webhook.get_by_label("Body that was answered", exact=True)).to_have_text("thanks")
    press(page, "Send the webhook again", "sent again")
    receiver.wait(2)
    expect(webhook.locator("summary")).to_have_count(2)
    press(page, "Send this again", "with a new signature")
    receiver.wait(3)


@at_night
def test_a_body_that_was_changed_on_its_way_has_a_bad_signature(
    serve: Serve, look: Look, receiver: Receiver
) -> None:
    mock = serve("instant")
    mock.submit(params={"fal_webhook": receiver.url})
    (came,) = receiver.wait()
    page = look(mock)
    verdicts = page.evaluate(
        """async ([headers, body]) => {
            const { verify } = await import("/__falkit/page/views/job_attempts.js");
            return [
                (await verify({ headers, body })).state,
                (await verify({ headers, body: body + " " })).state,
                (await verify({ headers: {}, body })).state,
            ];
        }""",
        [came.headers, came.body.decode()],
    )
    assert verdicts == ["done", "failed", "warning"]


PICTURE = "https://example.com/photo.png"
KINDS = {
    "a clip": (T2V, PROMPT, "video", "1920"),
    "a picture": ("fal-ai/flux/dev", PROMPT, "img", "1024"),
    "a model": ("fal-ai/trellis-2", {"image_url": PICTURE}, ".filetype", "GLB"),
    "a sound": ("fal-ai/elevenlabs/tts/eleven-v3", {"text": "Rain"}, "audio", "Length"),
}


@pytest.mark.parametrize("name", [name if name == "a clip" else by_night(name) for name in KINDS])
def test_an_output_is_seen_or_heard_beside_what_was_asked(
    serve: Serve, look: Look, name: str
) -> None:
    endpoint, input, element, fact = KINDS[name]
    mock = serve("instant")
    page = opened(look, mock, mock.submit(input, endpoint))
    output = section(page, "Output")
    expect(output.locator(f"figure {element}").first).to_be_visible()
    expect(output.locator("figure").first).to_contain_text(fact)
    expect(output.locator("figcaption").first).to_contain_text("Bytes")


@at_night
def test_what_was_asked_is_beside_what_was_measured(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = opened(look, mock, mock.submit({"prompt": "Rain", "duration": 8, "resolution": "1440p"}))
    rows = page.locator(".compared tbody tr")
    expect(rows).to_have_text(
        [
            re.compile(r"Sizeresolution 1440p\s*2560 . 1440"),
            re.compile(r"Lengthduration 8\s*8 s"),
            re.compile(r"Ratefps 25 \(default\)\s*25 fps"),
        ]
    )


@at_night
def test_a_request_opens_to_its_headers_and_bodies(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = opened(look, mock, mock.submit({"prompt": "Räin"}))
    asked = section(page, "Requests")
    asked.locator("summary").click()
    expect(asked.get_by_label("Body of the request", exact=True)).to_contain_text(
        '"prompt": "Räin"'
    )
    expect(asked.get_by_label("Body of the response", exact=True)).to_contain_text("response_url")
    expect(asked.locator(".exchange")).to_contain_text("***")
    expect(asked).not_to_contain_text("secret")


@at_night
def test_the_same_request_as_code_runs(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    input = {"prompt": 'It\'s "rain" \\ 雨 🌧', "generate_audio": False, "duration": 8}
    page = opened(look, mock, mock.submit(input))
    code = section(page, "The same request as code")
    seen: dict[str, str] = {}
    for language in ("curl", "Python", "JavaScript", "falkit_client"):
        code.get_by_role("button", name=language, exact=True).click()
        seen[language] = code.locator("pre").inner_text()
    assert mock.url in seen["curl"]
    namespace: dict[str, Any] = {}
    exec(seen["falkit_client"].replace("print(result.output)", ""), namespace)
    assert mock.job({"request_id": mock.jobs()[0]["request_id"]})["input"] == input
    assert 'generate_audio": False' in seen["Python"]
    assert '"generate_audio": false' in seen["JavaScript"]


def test_buttons_do_what_they_say(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    job = mock.submit()
    page = opened(look, mock, job)
    buttons = page.get_by_role("group", name="What to do with the job").get_by_role("button")
    expect(buttons.nth(1)).to_be_disabled()

    def places() -> list[object]:
        return [one.bounding_box() for one in buttons.all()]

    before = places()
    heading = page.get_by_role("heading", level=1)
    page.get_by_role("button", name="Hold", exact=True).press("Enter")
    expect(heading).to_contain_text("Held")
    # The button is another one by now.
    expect(heading).to_be_focused()
    assert places() == before
    press(page, "Start", "goes on")
    expect(buttons.nth(1)).to_be_disabled()
    assert places() == before
    assert mock.job(job)["status"] == "IN_PROGRESS"
    press(page, "Release", "goes on")
    press(page, "Complete", "done")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Done")
    expect(section(page, "Output").locator("video")).to_have_count(1)
    press(page, "Expire", "expired")
    expect(heading).to_contain_text("Expired")
    expect(section(page, "Output")).to_contain_text("It has expired: whoever asks for the status")
    expect(section(page, "Output")).to_contain_text("The file has expired, too.")
    expect(page.get_by_role("button", name="Expire")).to_have_count(0)
    press(page, "Submit again", "Submitted again")
    expect(heading).to_contain_text("Queued")
    expect(section(page, "Requests")).to_contain_text("no program has asked for it yet")
    press(page, "Cancel", "cancelled")
    expect(heading).to_contain_text("Cancelled")
    press(page, "Submit again", "Submitted again")
    page.get_by_role("button", name="Fail…").press("Enter")
    page.get_by_role("button", name="Fail the job").press("Enter")
    expect(heading).to_contain_text("Failed 500")
    expect(heading).to_be_focused()
    expect(page.locator(".why")).to_contain_text("Failed with 500 Internal")
    newest = mock.jobs()[0]["request_id"]
    assert newest != job["request_id"]


def test_a_job_fails_with_any_error_or_reply(timed: Serve, look: Look) -> None:
    mock = timed("10,20", concurrency=10)
    first = mock.submit({"prompt": "Rain [falkit:webhook_duplicate]"})
    second, third = mock.submit(), mock.submit()
    page = opened(look, mock, first)
    page.get_by_role("button", name="Fail…").click()
    dialog = page.get_by_role("dialog", name="Fail the job")
    dialog.get_by_label("Error", exact=True).select_option("image_too_small")
    dialog.get_by_label("min_width").fill("abc")
    dialog.get_by_role("button", name="Fail the job").click()
    expect(dialog.get_by_role("alert")).to_have_text("min_width: 'abc' is not a number")
    expect(dialog.locator("[aria-invalid]")).to_have_attribute("name", "min_width")
    expect(dialog.get_by_label("min_width")).to_be_focused()
    dialog.get_by_label("min_width").fill("600")
    press(page, "Fail the job", "has failed")
    expect(dialog).to_have_count(0)
    assert "600" in mock.result(first).text
    told = "On purpose: webhook_duplicate, ended by hand"
    expect(page.locator(".why p").last).to_have_text(told)
    page.goto(f"{mock.url}/#/jobs/{second['request_id']}")
    page.get_by_role("button", name="Fail…").click()
    dialog.get_by_label("With a reply in full").check()
    dialog.get_by_label("Headers").fill("x-fal-retryable: true")
    dialog.get_by_label("Body").fill("{")
    dialog.get_by_role("button", name="Fail the job").click()
    expect(dialog.get_by_role("alert")).to_contain_text("body: not JSON")
    dialog.get_by_label("Body").fill('{"detail": "later"}')
    press(page, "Fail the job", "has failed")
    expect(page.locator(".why")).to_contain_text("Failed with 503 later")
    reply = mock.result(second)
    assert (reply.status_code, reply.headers["x-fal-retryable"]) == (503, "true")
    page.goto(f"{mock.url}/#/jobs/{third['request_id']}")
    page.get_by_role("button", name="Complete with…").click()
    page.get_by_role("dialog").get_by_label("Output").fill('{"video": null}')
    press(page, "Complete the job", "done")
    assert mock.result(third).json() == {"video": None}


@at_night
def test_what_the_mock_refuses_is_said(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    job = mock.submit()
    page = opened(look, mock, job)
    hold = page.get_by_role("button", name="Hold", exact=True)
    expect(hold).to_be_visible()
    page.route("**/hold", lambda route: route.fulfill(status=409, json={"detail": "It is over"}))
    hold.press("Enter")
    expect(page.locator(".said")).to_contain_text("It is over")
    # It was out of use meanwhile.
    expect(hold).to_be_focused()


# What asked again for ever did so at every second frame.
FRAMES = "async () => { for (let n = 0; n < 12; n += 1) await new Promise(requestAnimationFrame) }"


def test_what_is_not_there_is_said_and_asked_for_once(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    mock.submit()
    asked = Counter[str]()
    page = look(mock, "#/jobs/019b76da-0000-7000-8000-000000000000")

    def answered(response: Response) -> None:
        missing = response.status == 404 and not response.url.endswith("/gateway")
        if missing or response.url.endswith("/requests/1"):
            asked[response.url.partition("/__falkit/")[2]] += 1

    page.on("response", answered)
    expect(page.get_by_role("heading", name="This mock has no such job")).to_be_visible()
    page.evaluate(FRAMES)
    for at in ("requests/999", "webhooks/none", "playground/none", "endpoints/no", "requests/1"):
        page.goto(f"{mock.url}/#/{at}")
        expect(page.locator(".empty, .exchange").first).to_be_visible()
        page.evaluate(FRAMES)
    page.remove_listener("response", answered)
    assert len(asked) >= 5, asked
    assert set(asked.values()) == {1}, asked
