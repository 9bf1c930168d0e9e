"""What names and shapes of fields say of an output: sizes, lengths, counts, kinds of files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import MediaValue, ParsedRequest
from falkit_mock.outputs import Made, output_of
from falkit_mock.outputs.figures import NOTHING_SEEN, Seen
from falkit_spec import JSON, Document, Endpoint, Object
from falkit_spec.media import MediaInput, MediaKind
from own_documents import answering, data_of

FILE: Object = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string"},
        "content_type": {"type": "string"},
        "file_name": {"type": "string"},
    },
}
SOME: Object = {"type": "array", "items": FILE}
NUMBER: Object = {"type": "number"}
NUMBERS: Object = {"type": "array", "items": NUMBER}
TEXT: Object = {"type": "string"}
KNOWN = Seen(
    picture=(600, 400), clip=(640, 360), fps=25, clip_seconds=4.0, sound_seconds=3.0, small=b"png"
)


def thing(**fields: JSON) -> Object:
    """Describe an object with all of these fields."""
    return {"type": "object", "properties": {**fields}, "required": [*fields]}


def made(
    output: Object,
    input: dict[str, Any] | None = None,
    *,
    fields: Object | None = None,
    seen: Seen = NOTHING_SEEN,
    endpoint_id: str = "acme/paint",
    kinds: Sequence[MediaKind] = (),
) -> Made:
    """Write the output of a document with such an output; `fields` are its inputs.

    `kinds` are those of the input's files.
    """
    input = input or {}
    inputs: dict[str, Any] = {**{name: {} for name in input}, **(fields or {})}
    data = answering(data_of(endpoint_id, inputs), output)
    endpoint = Endpoint(Document(json.dumps(data).encode(), source="paint.json"))
    media = [MediaValue(MediaInput(kind, kind, (kind,), ()), (kind,), "data:,") for kind in kinds]
    whole = endpoint.with_defaults(input)
    parsed = ParsedRequest(endpoint, whole, "abc123", tuple(media), None, None, None)
    found = output_of(
        parsed, "0f3a9c1e-1", Identity(1), "http://127.0.0.1", seen=seen, run=1.5, details=False
    )
    assert endpoint.validate_output(found.output) == []
    return found


def wanted(output: Object, input: dict[str, Any] | None = None, **more: Any) -> list[Wanted]:
    return [file.wanted for file in made(output, input, **more).draft.files]


@pytest.mark.parametrize(
    ("input", "size"),
    [
        # What is about something else.
        ({"operating_resolution": "2048x2048"}, (600, 400)),
        ({"octree_resolution": 256}, (600, 400)),
        ({"stroke_width": 3, "font_size": 24}, (600, 400)),
        ({"tone_map_compression_ratio": 0.5, "foreground_ratio": 0.9}, (600, 400)),
        ({"original_image_size": [100, 100]}, (600, 400)),
        # What is about the picture.
        ({"canvas_size": [1000, 500]}, (1000, 500)),
        ({"resolution": "768x512", "aspect_ratio": "1:1"}, (512, 512)),
        ({"resolution": "768x512", "aspect_ratio": "2:3"}, (512, 768)),
        ({"resolution": "landscape_16_9"}, (1024, 576)),
        ({"resolution": "2048", "aspect_ratio": "1:1"}, (2048, 2048)),
        ({"image_size": {}}, (512, 512)),
        ({"image_size": {"width": 640}}, (640, 512)),
        ({"output_size": 256}, (256, 256)),
        ({"aspect_ratio": "portrait_4_3"}, (888, 1184)),
        ({"aspect_ratio": "vertical"}, (768, 1368)),
    ],
)
def test_a_size_is_one_of_the_output(input: dict[str, Any], size: tuple[int, int]) -> None:
    [file] = wanted(thing(image=FILE), input, seen=KNOWN)
    assert (file.width, file.height) == size


def test_what_is_to_be_reached_goes_before_a_factor() -> None:
    input = {"upscale_factor": 2, "target_resolution": "1080p", "upscale_mode": "target"}
    kinds = {"video_url": {"type": "string"}}
    [file] = wanted(
        thing(video=FILE), input, seen=KNOWN, fields=kinds, endpoint_id="acme/upscale/video"
    )
    assert (file.width, file.height) == (1920, 1080)


@pytest.mark.parametrize(
    ("input", "seconds"),
    [
        ({"multi_prompt": [{"prompt": "a", "duration": "3"}, {"prompt": "b", "duration": 4}]}, 7),
        ({"shots": [{"duration": "2s"}, {}], "duration": 5}, 7),
        ({"shots": [{"prompt": "a"}], "duration": 6}, 6),
        ({"shots": [], "duration": "1:05"}, 65),
        ({"duration": "2000ms"}, 2),
        ({"start_time": "00:00:02", "end_time": "00:00:09"}, 7),
        ({"start_time": 1, "end_time": 3, "duration": 5}, 5),
        ({"num_frames": 24, "fps": 24, "match_input_num_frames": True}, 4),
        ({"num_frames": 24, "match_input_num_frames": False}, 0.96),
        ({"num_frames": 24, "match_audio_length": True}, 3),
    ],
)
def test_a_clip_is_as_long_as_is_asked_for(input: dict[str, Any], seconds: float) -> None:
    [file] = wanted(thing(video=FILE), input, seen=KNOWN)
    assert file.frames / file.fps == pytest.approx(seconds)


@pytest.mark.parametrize(("end", "seconds"), [(3, 2), (None, 5)])
def test_an_end_goes_before_a_length_that_nobody_gave(end: int | None, seconds: float) -> None:
    usual: Object = {"duration": {"type": "number", "default": 5}}
    [file] = wanted(thing(video=FILE), {"start_time": 1, "end_time": end}, fields=usual)
    assert file.frames / file.fps == seconds


@pytest.mark.parametrize(
    ("input", "seconds"),
    [
        ({"prompt": "word " * 30, "voice": "alto"}, 10),
        ({"prompt": "word " * 30, "voice_setting": {"speed": 2}}, 5),
        ({"inputs": [{"text": "word " * 15}, {"text": "word " * 15}], "speakers": []}, 10),
        ({"dialogue": ["word " * 15, "word " * 15]}, 10),
        ({"prompt": "word " * 60}, 10),
    ],
)
def test_speech_is_as_long_as_what_is_said(input: dict[str, Any], seconds: float) -> None:
    [file] = wanted(thing(audio=FILE), input)
    assert file.seconds == pytest.approx(seconds, abs=0.1)


def test_speech_is_not_as_long_as_the_voice_that_is_shown() -> None:
    [file] = wanted(thing(audio=FILE), {"text": "word " * 30, "ref_audio_url": "x"}, seen=KNOWN)
    assert file.seconds == pytest.approx(10, abs=0.1)


def test_the_rate_is_that_of_the_input_where_it_is_to_match() -> None:
    for name in ("match_input_fps", "match_input_frames_per_second"):
        [file] = wanted(thing(video=FILE), {"fps": 16, name: True}, seen=KNOWN)
        assert file.fps == 25


@pytest.mark.parametrize(
    ("field", "input", "count"),
    [
        ("audio", {"num_songs": 2}, 2),
        ("images", {"num_layers": 3}, 3),
        ("audios", {"texts": ["a", "b", "c"]}, 3),
        ("images", {"prompts": ["a"] * 3, "num_images": 2}, 2),
    ],
)
def test_as_many_come_as_are_asked_for(field: str, input: dict[str, Any], count: int) -> None:
    assert len(wanted(thing(**{field: SOME}), input)) == count


def test_a_list_has_as_many_items_as_the_input_of_its_name_says() -> None:
    masks: Object = {"type": "array", "items": thing(image=FILE, score=NUMBER)}
    files = wanted(thing(result=thing(masks=masks)), {"num_masks": 3, "num_images": 2})
    assert [file.look for file in files] == ["mask"] * 3
    assert len(wanted(thing(masks={**masks, "maxItems": 2}), {"number_of_masks": 10**9})) == 2


@pytest.mark.parametrize(
    ("name", "endpoint_id", "format"),
    [
        ("material_mtl", "acme/3d", "mtl"),
        ("gaussian_splat", "acme/3d", "ply"),
        ("lottie_file", "acme/animate", "json"),
        ("visualization", "acme/image-to-3d", "png"),
        ("image", "acme/vectorize", "svg"),
        ("image", "acme/image-to-svg", "svg"),
        ("thumbnail", "acme/image-to-svg", "png"),
    ],
)
def test_a_file_is_of_the_kind_that_its_name_says(name: str, endpoint_id: str, format: str) -> None:
    [file] = wanted(thing(**{name: FILE}), endpoint_id=endpoint_id)
    assert file.format == format
    assert make(file)


def test_a_file_is_of_the_format_that_the_document_describes() -> None:
    described: Object = {**SOME, "description": "The parts, in FBX format."}
    several: Object = {**SOME, "description": "The parts as GLB or FBX."}
    assert [file.format for file in wanted(thing(files=described))] == ["fbx"]
    assert [file.format for file in wanted(thing(files=several))] == ["png"]


def test_an_object_that_tells_of_frames_is_a_clip() -> None:
    clip = thing(url=TEXT, content_type=TEXT, fps=NUMBER, num_frames=NUMBER, start_frame_url=TEXT)
    output = made(thing(image=clip))
    assert [file.wanted.format for file in output.draft.files] == ["mp4", "png"]


def test_what_has_to_be_told_of_a_sound_is_true_of_it() -> None:
    told = thing(
        url=TEXT, content_type=TEXT, sample_rate=NUMBER, channels=NUMBER, codec=TEXT, bitrate=NUMBER
    )
    found: Any = made(thing(audio=told), {"output_format": "mp3"}).output
    assert found["audio"]["url"].startswith("http://127.0.0.1/")
    assert (found["audio"]["sample_rate"], found["audio"]["codec"]) == (44_100, "mp3")
    assert found["audio"]["bitrate"] > 0


@pytest.mark.parametrize(
    ("format", "rate", "told"),
    [("wav", 0, 24_000), ("opus", 8000, 48_000), ("m4a", 22_050, 24_000), ("mp3", 16_000, 16_000)],
)
def test_the_rate_that_is_told_is_that_of_the_bytes(format: str, rate: int, told: int) -> None:
    heard = thing(url=TEXT, content_type=TEXT, sample_rate=NUMBER)
    input = {"output_format": format, **({"sample_rate": rate} if rate else {})}
    found: Any = made(thing(audio=heard), input).output
    assert found["audio"]["sample_rate"] == told


def test_masks_are_masks_and_what_is_cut_out_has_no_ground() -> None:
    files = wanted(thing(image=FILE, combined_mask=FILE), endpoint_id="acme/background/remove")
    assert [(file.look, file.alpha, file.count) for file in files] == [
        ("card", True, 2),
        ("mask", False, 2),
    ]
    [file] = wanted(thing(image=FILE), {"background": "transparent"})
    assert file.alpha
    files = wanted(thing(background_removed_image=FILE, object_removed_image=FILE))
    assert [file.alpha for file in files] == [True, False]
    [file] = wanted(thing(image=FILE), {"background": "transparent", "output_format": "jpeg"})
    assert not file.alpha
    [file] = wanted(thing(image=FILE), {"background": "opaque"})
    assert not file.alpha


def test_a_model_shows_the_picture_that_it_is_made_of() -> None:
    assert [file.picture for file in wanted(thing(model_glb=FILE), seen=KNOWN)] == [b"png"]


def test_a_hint_says_where_a_size_or_length_is_bounded() -> None:
    output = made(thing(image=FILE), {"image_size": {"width": 14142, "height": 14142}})
    assert output.draft.hints == ["pictures: made as 4096x4096, not 14142x14142"]
    output = made(thing(video=FILE), {"width": 8192, "height": 4096, "duration": 3600})
    assert output.draft.hints == [
        "clips: made as 4096x2048, not 8192x4096",
        "clips: 600 s at most",
    ]
    assert made(thing(video=FILE), {"width": 641, "height": 361}).draft.hints == []


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"boxes": {"type": "array", "items": NUMBERS}}, [[150, 100, 450, 300]]),
        ({"bbox": thing(x_min=NUMBER, y_max=NUMBER)}, {"x_min": 150, "y_max": 300}),
        ({"w": {"type": "number", "maximum": 1}}, 0.5),
        ({"center": NUMBERS}, [300, 200]),
        ({"scores": NUMBERS}, [0.9]),
        ({"score": NUMBER}, 0.9),
        ({"nsfw_probability": NUMBER}, 0),
        ({"upscaled_size": {"type": "array", "items": {}}}, [600, 400]),
        ({"durations": {"type": "array", "items": NUMBER}}, [3]),
        ({"finish_reason": TEXT}, "stop"),
        ({"frame_rate": TEXT}, "25"),
        ({"role": {"type": "string", "enum": ["system", "user", "assistant"]}}, "assistant"),
        ({"timings": {}}, {"inference": 1.5}),
        ({"timings": thing(inference=NUMBER, load=NUMBER)}, {"inference": 1.5, "load": 0}),
        ({"original_width": NUMBER}, 600),
        ({"palette": {"type": "array", "items": TEXT}}, ["#abc123"]),
        ({"rotation": NUMBERS}, [1, 0, 0, 0]),
        ({"voice": TEXT}, "alto"),
        ({"model": TEXT}, "large"),
    ],
)
def test_a_value_is_such_as_its_reader_takes(fields: Object, value: JSON) -> None:
    input = {"image_url": "x", "voice": "alto", "model": "large"}
    assert made(thing(**fields), input, seen=KNOWN).output == {next(iter(fields)): value}


def test_vectors_and_waves_have_as_many_figures_as_they_are_to_have() -> None:
    found: Any = made(
        thing(waveform=NUMBERS, embedding={**NUMBERS, "minItems": 512, "maxItems": 512}),
        {"points_per_second": 5},
        seen=KNOWN,
    ).output
    assert len(found["waveform"]) == 15
    assert all(-1 <= figure <= 1 for figure in found["waveform"])
    assert len(found["embedding"]) == 512


def test_words_have_their_times_even_where_the_document_tells_nothing_of_them() -> None:
    found: Any = made(
        thing(words={"type": "array", "items": {}}, svg_content=TEXT), seen=KNOWN
    ).output
    ends = [word["end"] for word in found["words"]]
    assert len(ends) > 3
    assert ends == sorted(ends)
    assert found["svg_content"].startswith("<?xml")


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_the_parts_make_up_the_text_whatever_a_prompt_says(kind: MediaKind) -> None:
    parts: Object = {"type": "array", "items": thing(start=NUMBER, end=NUMBER, text=TEXT)}
    heard = thing(text=TEXT, segments=parts, speakers={"type": "array", "items": TEXT})
    input = {f"{kind}_url": "data:,", "prompt": "Names: Ann"}
    for output in (heard, thing(transcript=heard)):
        found: Any = made(output, input, seen=KNOWN, kinds=(kind,)).output
        found = found.get("transcript", found)
        assert " ".join(part["text"] for part in found["segments"]) == found["text"]
        assert "Ann" not in found["text"]
        assert found["speakers"] == ["SPEAKER_00"]


def test_subtitles_in_a_text_are_subtitles() -> None:
    found: Any = made(thing(srt=TEXT), seen=KNOWN).output
    assert found["srt"].startswith("1\n00:00:0")
