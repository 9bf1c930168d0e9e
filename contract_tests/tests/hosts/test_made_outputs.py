"""What an output follows from: the input, its files, the seed; and what is told of its files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Generator
from typing import Any

import pytest
from PIL import Image

from falkit import Settings
from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.settings import Assumptions
from falkit_spec import JSON, Catalog, Document, Object
from opening import opened
from serving import Mock, running

TEXT: Object = {"type": "string"}
WHOLE: Object = {"type": "integer"}
NULL: Object = {"type": "null"}


def maybe(schema: Object) -> Object:
    return {"anyOf": [schema, NULL]}


def listed(schema: Object) -> Object:
    return {"type": "array", "items": schema}


def thing(*required: str, **fields: JSON) -> Object:
    return {"type": "object", "properties": dict(fields), "required": [*required]}


FILE = thing(
    "url", url=TEXT, content_type=maybe(TEXT), file_name=maybe(TEXT), file_size=maybe(WHOLE)
)
PICTURE = thing(
    "url", url=TEXT, content_type=maybe(TEXT), file_size=maybe(WHOLE), width=WHOLE, height=WHOLE
)
TIMES: Object = {"type": "array", "items": {"type": "number"}}
SPOKEN: dict[str, JSON] = {"text": TEXT, "timestamp": TIMES}
CHUNK = thing("text", "timestamp", **SPOKEN)
USAGE = thing(prompt_tokens=WHOLE, completion_tokens=WHOLE, total_tokens=WHOLE)
NAMED: Object = {"examples": [{"url": "https://example.com/made.png", "file_name": "made.png"}]}
SIZED = thing("url", url=TEXT, file_name=maybe(TEXT), width=maybe(WHOLE), height=WHOLE)
VIEWS: Object = {**listed(SIZED), "examples": [NAMED["examples"]]}
MODELS: dict[str, tuple[Object, Object]] = {
    "acme/paint": (
        thing(
            prompt=TEXT,
            seed=maybe(WHOLE),
            num_images=WHOLE,
            image_url=TEXT,
            aspect_ratio=TEXT,
            resolution=TEXT,
            sync_mode={"type": "boolean", "default": False},
        ),
        thing(
            "images",
            "seed",
            images=listed(PICTURE),
            seed=WHOLE,
            prompt=TEXT,
            timings={"type": "object", "additionalProperties": {"type": "number"}},
            has_nsfw_concepts=listed({"type": "boolean"}),
        ),
    ),
    "acme/edit": (thing(image_url=TEXT), thing("image", image={**FILE, **NAMED}, views=VIEWS)),
    "acme/background-removal": (thing(), thing("image", image=PICTURE, mask_image=FILE)),
    "acme/logo": (thing(background=TEXT), thing("image", image=PICTURE)),
    "acme/upscale": (thing(image_url=TEXT, scale=WHOLE), thing("image", image=PICTURE)),
    "acme/move": (
        thing(
            image_url=TEXT, audio_url=TEXT, video_url=TEXT, format=TEXT, fps=WHOLE, duration=TEXT
        ),
        thing(
            "video",
            video=thing(
                "url",
                url=TEXT,
                width=WHOLE,
                height=WHOLE,
                fps={"type": "number"},
                duration={"type": "number"},
                num_frames=WHOLE,
            ),
        ),
    ),
    "acme/say": (
        thing(text=TEXT, speed={"type": "number"}, output_format=TEXT),
        thing("audio", audio=FILE, duration_ms=WHOLE),
    ),
    "acme/read": (thing(prompt=TEXT, voice_setting=thing(voice_id=TEXT)), thing(audio=FILE)),
    "acme/sing": (thing(prompt=TEXT, style=TEXT), thing(audio=FILE)),
    "acme/hear": (thing(audio_url=TEXT), thing("text", text=TEXT, chunks=listed(CHUNK))),
    "acme/tell": (
        thing(
            audio_url=TEXT,
            diarize={"type": "boolean", "default": False},
            chunk_level={"type": "string", "default": "word"},
        ),
        thing(
            "text",
            "diarization_segments",
            text=TEXT,
            chunks=listed(thing(**SPOKEN, speaker=TEXT)),
            diarization_segments=listed(thing(timestamp=TIMES, speaker=TEXT)),
        ),
    ),
    "acme/split": (
        thing(audio_url=TEXT, stems=listed({"enum": ["vocals", "drums", "bass"]})),
        thing(vocals=maybe(FILE), drums=maybe(FILE), bass=maybe(FILE)),
    ),
    "acme/talk": (
        thing(prompt=TEXT, seed=WHOLE, reasoning={"type": "boolean"}),
        {
            **thing(
                "output",
                output=TEXT,
                reasoning=maybe(TEXT),
                usage=maybe(USAGE),
                loudness=WHOLE,
                finish_reason=TEXT,
            ),
            "examples": [{"output": "x", "loudness": 7}],
        },
    ),
    "acme/bare": (
        thing(),
        thing(
            audio_url=TEXT,
            mesh={"type": "object", "additionalProperties": FILE},
            images=listed({}),
            masks=listed({"type": "object"}),
            more={},
            timings={},
            notes=listed({}),
        ),
    ),
}


def document(name: str) -> Document:
    given, made = MODELS[name]
    data: Object = {
        "paths": {
            f"/{name}": {"post": {"requestBody": content(given)}},
            f"/{name}/requests/{{request_id}}": {"get": {"responses": {"200": content(made)}}},
        }
    }
    return Document(json.dumps(data).encode(), source=f"{name}.json")


def content(schema: Object) -> Object:
    return {"content": {"application/json": {"schema": schema}}}


CATALOG = Catalog.from_documents([document(name) for name in MODELS])


@pytest.fixture(scope="module")
def any_mock() -> Generator[Mock]:
    with running(Settings(timing="instant", seed=1), catalog=CATALOG) as mock:
        yield mock


def made(mock: Mock, endpoint: str, **input: Any) -> dict[str, Any]:
    reply = mock.run(input, endpoint)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    assert CATALOG.get(endpoint).validate_output(body) == []
    return body


def inline(wanted: Wanted, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(make(wanted)).decode()}"


def test_a_seed_is_the_inputs_or_follows_from_the_request(any_mock: Mock) -> None:
    assert made(any_mock, "acme/paint", seed=7)["seed"] == 7
    first, second = (made(any_mock, "acme/paint", seed=None)["seed"] for _ in range(2))
    assert first != second
    assert min(first, second) > 0


def test_lists_are_as_long_as_the_pictures_and_fields_of_a_name_are_echoed(any_mock: Mock) -> None:
    output = made(any_mock, "acme/paint", prompt="A boat", num_images=3)
    assert output["has_nsfw_concepts"] == [False] * 3
    assert len({file["url"] for file in output["images"]}) == 3
    assert (output["prompt"], output["timings"]) == ("A boat", {"inference": 0.0})
    pictures = [any_mock.http.get(file["url"]).content for file in output["images"]]
    assert len(set(pictures)) == 3


def test_timings_are_the_seconds_of_the_job() -> None:
    settings = Settings(timing="0,0.2", seed=1)
    with running(settings, catalog=CATALOG) as mock:
        assert made(mock, "acme/paint")["timings"] == {"inference": 0.2}


def test_a_data_uri_stands_in_place_of_a_url_where_that_is_asked_for(any_mock: Mock) -> None:
    output = made(any_mock, "acme/paint", sync_mode=True, num_images=2)
    for file in output["images"]:
        head, _, data = file["url"].partition(",")
        assert head == f"data:{file['content_type']};base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.size == (file["width"], file["height"])


def test_by_the_queue_it_is_the_same(any_mock: Mock) -> None:
    job = any_mock.submit({"sync_mode": True}, "acme/paint")
    assert any_mock.result(job).json()["images"][0]["url"].startswith("data:image/png;")


@pytest.mark.parametrize("uploaded", [False, True])
def test_a_picture_has_the_size_of_the_picture_that_it_is_made_from(
    any_mock: Mock, uploaded: bool
) -> None:
    wanted = Wanted("png", width=300, height=200)
    url = inline(wanted, "image/png")
    if uploaded:
        url = made(any_mock, "acme/upscale", image_url=url, scale=1)["image"]["url"]
    upscaled = made(any_mock, "acme/upscale", image_url=url, scale=3)["image"]
    assert (upscaled["width"], upscaled["height"]) == (900, 600)
    edited = made(any_mock, "acme/edit", image_url=url)["image"]
    with Image.open(io.BytesIO(any_mock.http.get(edited["url"]).content)) as picture:
        assert picture.size == (300, 200)
    # Nothing else says how long it is, and the picture what shape it has.
    clip = made(any_mock, "acme/move", image_url=url)["video"]
    assert (clip["width"], clip["height"], clip["duration"]) == (300, 200, 5)


def test_the_picture_that_it_is_made_from_shows_in_it(any_mock: Mock) -> None:
    def shades(colour: str) -> set[Any]:
        file = io.BytesIO()
        Image.new("RGB", (400, 400), colour).save(file, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        edited = made(any_mock, "acme/edit", image_url=url)["image"]
        with Image.open(io.BytesIO(any_mock.http.get(edited["url"]).content)) as picture:
            return {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}

    assert (255, 0, 254) in shades("#ff00fe")
    assert (255, 0, 254) not in shades("#00ff01")


def test_what_has_no_background_is_transparent_and_a_mask_is_white_on_black(any_mock: Mock) -> None:
    def corner(file: Any) -> Any:
        with Image.open(io.BytesIO(any_mock.http.get(file["url"]).content)) as picture:
            levels = picture.getcolors() if picture.mode == "L" else None
            return levels and sorted(level for _, level in levels), picture.getpixel((0, 0))

    cut = made(any_mock, "acme/background-removal")
    assert corner(cut["image"])[1][3] == 0
    assert corner(cut["mask_image"]) == ([0, 255], 0)
    assert corner(made(any_mock, "acme/logo", background="transparent")["image"])[1][3] == 0
    assert len(corner(made(any_mock, "acme/logo", background="opaque")["image"])[1]) == 3


def test_a_clip_is_as_long_as_the_sound_or_the_clip_that_it_is_made_from(any_mock: Mock) -> None:
    sound = inline(Wanted("wav", seconds=3), "audio/wav")
    assert made(any_mock, "acme/move", audio_url=sound)["video"]["duration"] == 3
    clip = inline(Wanted("mp4", width=320, height=180, fps=30, frames=45), "video/mp4")
    video = made(any_mock, "acme/move", video_url=clip)["video"]
    facts = {"width": 320, "height": 180, "fps": 30, "duration": 1.5, "num_frames": 45}
    assert {name: video[name] for name in facts} == facts
    both = made(any_mock, "acme/move", video_url=clip, audio_url=sound)["video"]
    assert both["duration"] == 1.5


@pytest.mark.parametrize("format", ["mp4", "webm", "mov", "gif"])
def test_what_is_told_of_a_clip_is_true_in_every_format(any_mock: Mock, format: str) -> None:
    video = made(any_mock, "acme/move", format=format, fps=30, duration="2s")["video"]
    reply = any_mock.http.get(video["url"])
    file = opened(video["url"], reply.headers["content-type"], reply.content)
    assert (file.format, file.size) == (format, (video["width"], video["height"]))
    assert file.frames == video["num_frames"]
    assert (file.fps, file.seconds) == pytest.approx((video["fps"], video["duration"]), rel=1e-3)
    assert file.seconds == pytest.approx(2, abs=0.02)


def test_speech_is_as_long_as_its_text_takes(any_mock: Mock) -> None:
    lengths: list[float] = []
    for input in ({"text": "a" * 30}, {"text": "a" * 90}, {"text": "a" * 90, "speed": 2}):
        output = made(any_mock, "acme/say", output_format="mp3_22050_32", **input)
        url = output["audio"]["url"]
        reply = any_mock.http.get(url)
        file = opened(url, reply.headers["content-type"], reply.content)
        assert (file.format, output["audio"]["content_type"]) == ("mp3", "audio/mpeg")
        assert file.seconds == pytest.approx(output["duration_ms"] / 1000, abs=0.1)
        lengths.append(file.seconds)
    assert lengths == pytest.approx([2, 6, 3], abs=0.1)
    # A prompt is spoken where the input says by what voice.
    said = [made(any_mock, name, prompt="a" * 45)["audio"] for name in ("acme/read", "acme/sing")]
    files = [opened(one["url"], "audio/wav", any_mock.http.get(one["url"]).content) for one in said]
    assert [file.seconds for file in files] == [3, 10]


def test_the_parts_of_a_transcript_make_it_up_and_rise_within_the_sound(any_mock: Mock) -> None:
    sound = inline(Wanted("wav", seconds=20), "audio/wav")
    output = made(any_mock, "acme/hear", audio_url=sound)
    assert " ".join(chunk["text"] for chunk in output["chunks"]) == output["text"]
    times = [moment for chunk in output["chunks"] for moment in chunk["timestamp"]]
    assert times == sorted(times)
    assert (times[0], times[-1], len(output["chunks"])) == (0, 20, 5)
    assert made(any_mock, "acme/hear", audio_url=sound) == output


def test_who_speaks_is_told_where_the_input_asks_for_it(any_mock: Mock) -> None:
    sound = inline(Wanted("wav", seconds=3.337), "audio/wav")
    silent = made(any_mock, "acme/tell", audio_url=sound)
    assert silent["diarization_segments"] == []
    assert {len(chunk["text"].split()) for chunk in silent["chunks"]} == {1}
    assert all(chunk.get("speaker") is None for chunk in silent["chunks"])
    told = made(any_mock, "acme/tell", audio_url=sound, diarize=True)
    parts = [*told["chunks"], *told["diarization_segments"]]
    assert {part["speaker"] for part in parts} == {"SPEAKER_00"}
    # To a hundredth, and not behind the end.
    assert told["chunks"][-1]["timestamp"][1] == 3.33
    whole = made(any_mock, "acme/tell", audio_url=sound, diarize=True, chunk_level="none")
    assert (whole["chunks"], len(whole["diarization_segments"])) == ([], 1)


def test_optional_files_are_there_where_the_input_asks_for_them(any_mock: Mock) -> None:
    url = "https://example.com/x.mp3"
    output = made(any_mock, "acme/split", audio_url=url, stems=["drums", "bass"])
    assert output["vocals"] is None
    assert [output[stem]["content_type"] for stem in ("drums", "bass")] == ["audio/wav"] * 2


def test_text_follows_from_the_input_and_tokens_add_up(any_mock: Mock) -> None:
    reply = any_mock.run({"prompt": "Say", "seed": 1}, "acme/talk")
    output = reply.json()
    usage = output["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
    assert made(any_mock, "acme/talk", prompt="Say", seed=1) == output
    assert made(any_mock, "acme/talk", prompt="Say", seed=2)["output"] != output["output"]
    assert (output["reasoning"], output["finish_reason"]) == (None, "stop")
    assert made(any_mock, "acme/talk", prompt="Say", reasoning=True)["reasoning"]
    assert (output["loudness"], "loudness" in reply.headers["x-falkit-hint"]) == (7, True)
    assert "only the document's example: loudness" in reply.headers["x-falkit-hint"]


def test_files_of_odd_shapes_are_served_too(any_mock: Mock) -> None:
    output = made(any_mock, "acme/bare")
    reply = any_mock.http.get(output["audio_url"])
    assert reply.headers["content-type"] == "audio/wav"
    [mesh] = output["mesh"].values()
    assert any_mock.http.get(mesh["url"]).content[:4] == b"glTF"
    # What is in a list isn't said, but how the list is called.
    for name in ("images", "masks"):
        [file] = output[name]
        with Image.open(io.BytesIO(any_mock.http.get(file["url"]).content)) as picture:
            assert (picture.size, file["content_type"]) == ((1024, 1024), "image/png")
    assert (output["notes"], output["timings"]) == ([], {"inference": 0.0})


def test_names_and_sizes_of_files_are_told_by_assumption(any_mock: Mock) -> None:
    edited = made(any_mock, "acme/edit")
    file, [view] = edited["image"], edited["views"]
    assert (file["file_name"], file["file_size"]) == ("made.png", None)
    assert (view["file_name"], view["width"], view["height"]) == ("made_1.png", None, None)
    spoken = made(any_mock, "acme/say", text="Hello")["audio"]
    assert (spoken["file_name"], spoken["file_size"]) == (None, None)
    settings = Settings(timing="instant", assumptions=Assumptions(file_details="known"))
    with running(settings, catalog=CATALOG) as mock:
        assert made(mock, "acme/edit")["views"][0]["width"] == 1024
        spoken = made(mock, "acme/say", text="Hello")["audio"]
        data = mock.http.get(spoken["url"]).content
        assert (spoken["file_name"], spoken["file_size"]) == ("output.wav", len(data))
        assert spoken["url"].endswith("_output.wav")


@pytest.mark.parametrize(
    ("input", "size"),
    [
        ({"aspect_ratio": "1:1", "resolution": "2K"}, (2048, 2048)),
        ({"aspect_ratio": "9:16", "resolution": "720p"}, (720, 1280)),
        ({"aspect_ratio": "auto"}, (1368, 768)),
        ({"resolution": "640x480"}, (640, 480)),
        ({"resolution": "9999x9999"}, (4096, 4096)),
        ({"aspect_ratio": "1:9", "resolution": "nonsense"}, (344, 3072)),
        ({"aspect_ratio": "0:0", "resolution": "00x00099"}, (1, 99)),
    ],
)
def test_sizes_in_words_are_bounded(
    any_mock: Mock, input: dict[str, str], size: tuple[int, int]
) -> None:
    [file] = made(any_mock, "acme/paint", **input)["images"]
    assert (file["width"], file["height"]) == size
    assert any_mock.http.get(file["url"]).status_code == 200
