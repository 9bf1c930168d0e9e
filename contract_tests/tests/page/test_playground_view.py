"""The playground: a form for every document, its price and errors, runs, files, and code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from page.conftest import Look, Scheme, at_night, by_night, too_wide
from page.test_shell import violations
from serving import I2V_FAST, RETAKE, T2V, Serve

IMAGE = "https://example.com/input.png"


def at(endpoint: str, input: Any = None) -> str:
    """Return the hash of an endpoint's form, filled."""
    query = f"?input={quote(json.dumps(input))}" if input is not None else ""
    return f"#/playground/{endpoint}{query}"


def field(page: Page, path: str) -> Locator:
    return page.locator(f'.input[data-path="{path}"]')


def choose(page: Page, path: str, text: str) -> None:
    """Choose one of the choices that are seen all at once."""
    field(page, path).locator(".segments label").filter(
        has_text=re.compile(rf"^{re.escape(text)}\b")
    ).locator("input").check()


def fill(page: Page, path: str, text: str) -> None:
    """Type into a field; one of a list first gets its place."""
    field(page, path).locator(
        "input:not([type=range], [type=radio], [type=file]), textarea"
    ).last.fill(text)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def pick(page: Page, path: str, value: Any) -> None:
    field(page, path).locator("select").select_option(json.dumps(value))


def ran(page: Page, way: str) -> None:
    """Run what is in the form, and wait for its result."""
    link = page.locator(".runhead a")
    before = [one.get_attribute("href") for one in link.all()]
    page.get_by_role("radio", name=way).check()
    page.locator("main").evaluate("(main) => main.scrollTo(0, main.scrollHeight)")
    press(page, "Run")
    # Wherever one is in the form, its result is seen.
    expect(page.locator(".runhead")).to_be_in_viewport(ratio=1)
    for href in before:
        expect(link).not_to_have_attribute("href", str(href))
    expect(page.locator(".runhead")).to_contain_text("Done")


def i2v(page: Page) -> None:
    choose(page, "duration", "8")
    choose(page, "generate_audio", "false")


def retake(page: Page) -> None:
    fill(page, "start_time", "1.5")
    choose(page, "retake_mode", "replace_audio")


def kling(page: Page) -> None:
    press(page, "Add to multi_prompt")
    fill(page, "multi_prompt.0.prompt", "Dusk")
    press(page, "Add another to multi_prompt")
    fill(page, "multi_prompt.1.prompt", "Dawn")
    pick(page, "multi_prompt.1.duration", "3")
    press(page, "Move multi_prompt 2 up")


def flux(page: Page) -> None:
    press(page, "width, height")
    press(page, "Show the 2 fields of image_size")
    fill(page, "image_size.width", "640")
    fill(page, "image_size.height", "480")


def nano(page: Page) -> None:
    press(page, "Add another to image_urls")
    fill(page, "image_urls.2", "https://example.com/third.png")
    press(page, "Move image_urls 3 up")
    press(page, "Remove image_urls 1")


def speech(page: Page) -> None:
    press(page, "Show the 6 fields of voice_setting")
    fill(page, "voice_setting.speed", "1.5")
    choose(page, "output_format", "url")


def whisper(page: Page) -> None:
    pick(page, "language", "de")
    fill(page, "num_speakers", "2")


def router(page: Page) -> None:
    fill(page, "prompt", "Say it.")
    fill(page, "temperature", "0.5")


def trellis(page: Page) -> None:
    choose(page, "resolution", "512")
    fill(page, "seed", "7")


def ideogram(page: Page) -> None:
    press(page, "a name")
    press(page, "Show the 2 fields of color_palette")
    press(page, "Add to members")
    for place, value in (("r", "10"), ("g", "20"), ("b", "30")):
        fill(page, f"color_palette.members.0.rgb.{place}", value)


FILLED: dict[str, tuple[Callable[[Page], None], dict[str, Any]]] = {
    "fal-ai/ltx-2/image-to-video": (i2v, {"duration": 8, "generate_audio": False}),
    RETAKE: (retake, {"start_time": 1.5, "retake_mode": "replace_audio"}),
    "fal-ai/kling-video/v3/pro/image-to-video": (
        kling,
        {"multi_prompt": [{"prompt": "Dawn", "duration": "3"}, {"prompt": "Dusk"}]},
    ),
    "fal-ai/flux/dev": (flux, {"image_size": {"width": 640, "height": 480}}),
    "fal-ai/nano-banana-2/edit": (nano, {"image_urls": ["https://example.com/third.png", IMAGE]}),
    "fal-ai/minimax/speech-2.6-hd": (
        speech,
        {"voice_setting": {"speed": 1.5}, "output_format": "url"},
    ),
    "fal-ai/whisper": (whisper, {"language": "de", "num_speakers": 2}),
    "openrouter/router": (router, {"prompt": "Say it.", "temperature": 0.5}),
    "fal-ai/trellis-2": (trellis, {"resolution": 512, "seed": 7}),
    "fal-ai/ideogram/v3": (
        ideogram,
        {"color_palette": {"members": [{"rgb": {"r": 10, "g": 20, "b": 30}}]}},
    ),
}


# By day the one whose shapes have most of what there is.
@pytest.mark.parametrize("endpoint", [one if "kling" in one else by_night(one) for one in FILLED])
def test_forms_of_ten_shapes_are_filled_and_run(serve: Serve, look: Look, endpoint: str) -> None:
    edit, changed = FILLED[endpoint]
    mock = serve("instant")
    page = look(mock, at(endpoint))
    example = mock.http.get(f"/__falkit/endpoints/{endpoint}").json()["example"]
    press(page, "Fill with the example")
    edit(page)
    expect(page.locator(".verdict")).to_contain_text("A legal input")
    for way in ("directly", "by the queue"):
        ran(page, way)
        (newest, *_) = mock.jobs()
        assert newest["endpoint_id"] == endpoint
        assert newest["entry"] == ("run" if way == "directly" else "queue")
        # Nothing is sent but what was given.
        assert mock.job(newest)["input"] == {**example, **changed}


def test_price_and_errors_follow_what_is_typed_without_a_job(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, at(T2V))
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("missing: prompt")
    # What nobody has come to yet isn't wrong.
    expect(page.locator(".input.bad")).to_have_count(0)
    fill(page, "prompt", "Rain")
    expect(verdict).to_contain_text("$0.36 at fal")
    choose(page, "duration", "10")
    expect(verdict).to_contain_text("$0.60")
    press(page, "JSON")
    page.get_by_label("Input as JSON").fill('{"prompt": "Rain", "duration": 7, "colour": "red"')
    expect(page.get_by_role("alert")).to_contain_text("Not JSON yet")
    expect(verdict).to_have_text("Not JSON yet, so there is nothing to run.")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    expect(page.get_by_role("region", name="As code")).to_contain_text("Once the input is JSON")
    # What is typed so far isn't thrown away.
    press(page, "Form")
    expect(page.locator(".said")).to_contain_text("Not JSON yet: finish it first")
    expect(page.get_by_label("Input as JSON")).to_have_value(re.compile('"red"$'))
    page.get_by_label("Input as JSON").fill("[1]")
    expect(page.get_by_role("alert")).to_contain_text("an object is needed")
    press(page, "Fill with the example")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(verdict).to_contain_text("A legal input")
    page.get_by_label("Input as JSON").fill('{"prompt": "Rain", "duration": 7, "colour": "red"}')
    expect(verdict).to_contain_text("duration: Input should be 6, 8 or 10")
    expect(verdict).to_contain_text("has no such input: colour")
    press(page, "Form")
    expect(field(page, "duration")).to_contain_text("Input should be 6, 8 or 10")
    expect(field(page, "duration")).to_contain_text("Now 7, which is none of them")
    press(page, "Leave out duration")
    press(page, "Leave out colour")
    expect(verdict).to_contain_text("$0.36")
    assert mock.jobs() == []


def test_choices_that_dont_go_together_say_why(serve: Serve, look: Look) -> None:
    page = look(serve("instant"), at(I2V_FAST, {"prompt": "Rain", "image_url": IMAGE}))
    pick(page, "duration", 20)
    illegal = field(page, "fps").locator("label.illegal")
    expect(illegal).to_have_count(1)
    expect(illegal).to_contain_text("50")
    expect(illegal).to_have_attribute("title", "durations above 10 s need 25 fps and 1080p")
    expect(field(page, "fps")).to_contain_text("50 not with the others: durations above 10 s")
    expect(field(page, "resolution").locator("label.illegal")).to_have_count(2)
    # It can be chosen all the same, and then the first choice is one that doesn't go.
    choose(page, "fps", "50")
    expect(field(page, "duration").locator("option.illegal")).to_have_count(5)
    expect(field(page, "duration")).to_contain_text("Value error, durations above 10 s")
    choose(page, "fps", "25")
    expect(page.locator(".verdict")).to_contain_text("A legal input")
    expect(field(page, "duration").locator("option.illegal")).to_have_count(0)


DROP = """([element, name, type, text]) => {
    const bytes = Uint8Array.from(atob(text), (one) => one.codePointAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type }));
    element.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""
# A picture of one pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def drop(page: Page, path: str) -> None:
    box = field(page, path).locator(".file").element_handle()
    page.evaluate(DROP, [box, "dot.png", "image/png", PNG])


def test_files_are_dropped_uploaded_or_sent_in_the_input(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    page = look(mock, at("fal-ai/nano-banana-2/edit", {"prompt": "Rain"}))
    drop(page, "image_urls")
    expect(field(page, "image_urls.0").locator("img.preview")).to_be_visible()
    address = field(page, "image_urls.0").locator("input").first
    expect(address).to_have_value(re.compile(r"/v3b\.fal\.media/files/.*dot\.png$"))
    press(page, "data URIs")
    with page.expect_file_chooser() as chooser:
        press(page, "Choose files for image_urls")
    chooser.value.set_files(
        {"name": "dot.png", "mimeType": "image/png", "buffer": b"not a picture"}
    )
    second = field(page, "image_urls.1").locator("input").first
    expect(second).to_have_attribute("placeholder", "data URI of 42 B")
    expect(field(page, "image_urls.1")).to_contain_text("The browser can't show it")
    assert mock.http.get(address.input_value()).headers["content-type"] == "image/png"
    press(page, "Remove image_urls 2")
    ran(page, "by the queue")
    (upload, *_) = mock.http.get("/__falkit/files", params={"kind": "upload"}).json()["files"]
    assert upload["file_name"].endswith("dot.png")


@at_night
def test_an_upload_that_is_refused_is_said(serve: Serve, look: Look) -> None:
    mock = serve("instant", api_keys=("right",))
    page = look(mock, at(I2V_FAST, {"prompt": "Rain"}))
    drop(page, "image_url")
    expect(field(page, "image_url")).to_contain_text("The upload was refused: 401")
    press(page, "Run")
    expect(page.get_by_role("region", name="Result")).to_contain_text("401")


def test_what_only_the_run_finds_is_at_its_field_too(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    rule = "image_too_small times=1"
    mock.http.post("/__falkit/rules", json={"rule": rule}).raise_for_status()
    page = look(mock, at(I2V_FAST, {"prompt": "Rain", "image_url": IMAGE}))
    expect(page.locator(".verdict")).to_contain_text("A legal input")
    press(page, "Run")
    expect(page.locator(".runhead")).to_contain_text("Failed 422")
    expect(page.locator(".input.bad")).to_have_count(1)
    expect(page.get_by_role("region", name="Result")).to_contain_text("422:")
    fill(page, "prompt", "Rain again")
    expect(page.locator(".input.bad")).to_have_count(0)
    # What the check says too is one error, not two; and whoever tries that here is no program.
    pick(page, "duration", 20)
    choose(page, "fps", "50")
    page.get_by_role("radio", name="directly").check()
    for _ in range(2):
        press(page, "Run")
        expect(page.locator(".runhead")).to_contain_text("Failed 422")
    expect(page.locator(".verdict")).to_contain_text("Not a legal input yet; duration: Value error")
    report = mock.http.get("/__falkit/report").json()
    assert (report["findings"], report["requests"]["total"]) == ([], 0)
    input = json.loads(parse_qs(urlsplit(page.url).fragment.partition("?")[2])["input"][0])
    for _ in range(2):
        assert mock.http.post(f"/fal.run/{I2V_FAST}", json=input).status_code == 422
    (found,) = mock.http.get("/__falkit/report").json()["findings"]
    assert found["code"] == "refusal-retried"


# Rules by which a bar would take its time.
MOVED = """() => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule.selectorText?.includes("progress") && rule.style.transition)
    .map((rule) => rule.cssText)"""


def test_log_and_progress_come_as_they_are_made(timed: Serve, look: Look) -> None:
    mock = timed("10,20")
    page = look(mock, at(T2V, {"prompt": "Rain"}))
    press(page, "Run")
    expect(page.locator(".runhead")).to_contain_text("Queued")
    mock.advance(10)
    mock.advance(10)
    expect(page.get_by_role("log")).to_contain_text("Generating:  50%")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.5")
    # What it shows is where it is, and not where it was a second ago.
    assert page.evaluate(MOVED) == []
    mock.advance(10)
    expect(page.locator(".runhead")).to_contain_text("Done")
    expect(page.get_by_role("region", name="Result").locator("video")).to_have_count(1)
    press(page, "Run")
    expect(page.locator(".runhead")).to_contain_text("Queued")
    press(page, "Cancel")
    expect(page.locator(".runhead")).to_contain_text("Cancelled")


def test_the_request_is_in_the_url(serve: Serve, look: Look) -> None:
    prompt = 'It\'s 100 % "rain" & 雨? #1'
    page = look(serve("instant"), at(T2V))
    fill(page, "prompt", prompt)
    choose(page, "duration", "8")
    page.get_by_role("radio", name="directly").check()
    expect(page).to_have_url(re.compile("way=run"))
    expect(page.locator(".verdict")).to_contain_text("A legal input")
    path, _, query = urlsplit(page.url).fragment.partition("?")
    assert path == f"/playground/{T2V}"
    assert json.loads(parse_qs(query)["input"][0]) == {"prompt": prompt, "duration": 8}
    page.reload()
    expect(field(page, "prompt").locator("textarea")).to_have_value(prompt)
    expect(field(page, "duration").get_by_role("radio", name="8")).to_be_checked()
    expect(page.get_by_role("radio", name="directly")).to_be_checked()
    page.goto(page.url.partition("#")[0] + at(T2V, {"prompt": "Another"}))
    expect(field(page, "prompt").locator("textarea")).to_have_value("Another")
    expect(page).to_have_url(re.compile("%3A%22Another"))
    page.goto(page.url.partition("#")[0] + f"#/playground/{T2V}?input=%5B1")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("not a JSON object")


@at_night
def test_no_endpoint_of_that_name_is_said(serve: Serve, look: Look) -> None:
    page = look(serve("instant"), at("fal-ai/ltx-2/text-to-vido"))
    expect(page.get_by_role("heading", name="There is no document")).to_be_visible()
    expect(page.locator(".empty")).to_contain_text(T2V)


@pytest.mark.parametrize("scheme", ["light", by_night("dark")])
def test_axe_finds_nothing_in_forms(serve: Serve, look: Look, scheme: Scheme) -> None:
    input = {
        "prompt": "Rain",
        "image_urls": ["https://example.com/a.png"],
        "colour": 1,
        "color_palette": {"members": [{"rgb": {"r": 1, "g": 2, "b": 300}}]},
        "image_size": {"width": 5, "height": 5},
    }
    mock = serve("instant")
    page = look(mock, at("fal-ai/ideogram/v3", input), scheme=scheme)
    press(page, "Run")
    expect(page.locator(".runhead")).to_contain_text("Failed")
    assert violations(page) == []
    wrong = {"prompt": "Rain", "image_url": IMAGE, "duration": 20, "fps": 50}
    page.goto(f"{mock.url}/{at(I2V_FAST, wrong)}")
    expect(page.locator(".illegal").first).to_be_attached()
    assert violations(page) == []


@at_night
def test_it_fits_a_narrow_window(serve: Serve, look: Look) -> None:
    size: ViewportSize = {"width": 390, "height": 800}
    input = {"prompt": "Rain", "elements": [{"frontal_image_url": IMAGE}]}
    page = look(serve("instant"), at("fal-ai/kling-video/v3/pro/image-to-video", input), size=size)
    expect(field(page, "elements.0.video_url")).to_be_visible()
    assert too_wide(page) == []
