"""The words of `falkit call` become the input that the document asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from falkit import Settings
from falkit_client._cli_io import BadArgument, read_args
from falkit_client.cli import call
from falkit_spec import Catalog, Document, Endpoint
from falkit_spec.media import MediaKind
from serving import A2V, AUDIO, running

FAST = "fal-ai/ltx-2/image-to-video/fast"
RETAKE = "fal-ai/ltx-2/retake-video"
NONE: dict[MediaKind, Path | None] = {"image": None, "video": None, "audio": None}


def read(*words: str, endpoint: str = FAST) -> dict[str, object]:
    return read_args(Catalog.vendored().get(endpoint), words, {})


def odd() -> Endpoint:
    document = b"""{
      "openapi": "3.0.4",
      "paths": {"/o/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {
        "type": "object",
        "properties": {
          "length": {"enum": [6, 8, "auto"]},
          "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
          "sizes": {"type": "array", "items": {"type": "integer"}},
          "more": {"type": "object"},
          "any": {},
          "audio_url": {"type": "string"},
          "label": {"anyOf": [{"type": "string"}, {"type": "null"}]}
        }
      }}}}}}}
    }"""
    return Endpoint(Document(document, source="a test"))


def test_values_are_of_the_documents_types() -> None:
    words = ("prompt=6", "duration=8", "fps=50", "generate_audio=false", "resolution=1440p")
    assert read(*words) == {
        "prompt": "6",
        "duration": 8,
        "fps": 50,
        "generate_audio": False,
        "resolution": "1440p",
    }
    assert read("start_time=3", "duration=2.5", endpoint=RETAKE) == {
        "start_time": 3,
        "duration": 2.5,
    }


def test_values_that_fit_no_type_are_left_to_validation() -> None:
    assert read("duration=long", "fps=25.5", "generate_audio=yes") == {
        "duration": "long",
        "fps": 25.5,
        "generate_audio": "yes",
    }


def test_unions_arrays_and_objects_are_read() -> None:
    words = ("length=8", "seed=null", "sizes=[1]", 'more={"a":1}', "any=7", "label=null")
    assert read_args(odd(), words, {}) == {
        "length": 8,
        "seed": None,
        "sizes": [1],
        "more": {"a": 1},
        "any": "7",
        "label": None,
    }
    assert read_args(odd(), ("length=auto", "label=6"), {}) == {"length": "auto", "label": "6"}


def test_a_value_may_hold_anything() -> None:
    assert read("prompt=a=b: c") == {"prompt": "a=b: c"}
    assert read('prompt:="a\\nb"', "duration:=8") == {"prompt": "a\nb", "duration": 8}


def test_files_go_where_the_endpoint_takes_them() -> None:
    photo = Path("photo.jpg")
    endpoint = Catalog.vendored().get(FAST)
    assert read_args(endpoint, (), {**NONE, "image": photo}) == {"image_url": photo}
    assert read_args(odd(), (), {**NONE, "audio": photo}) == {"audio_url": photo}
    with pytest.raises(BadArgument, match=r"--video: .* takes no video"):
        read_args(endpoint, (), {**NONE, "video": photo})
    with pytest.raises(BadArgument, match="image_url is given twice"):
        read_args(endpoint, ("image_url=data:,",), {**NONE, "image": photo})


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("prompt", "give name=value"),
        ("=x", "give name=value"),
        ("duraton=8", "did you mean duration"),
        ("zzz=8", "it has image_url, prompt, duration"),
        ("duration:=x", "isn't JSON"),
    ],
)
def test_a_malformed_argument_is_explained(word: str, says: str) -> None:
    with pytest.raises(BadArgument, match=says):
        read(word)


def test_no_input_is_given_twice() -> None:
    with pytest.raises(BadArgument, match="fps is given twice"):
        read("fps=25", "fps=50")


def test_an_input_that_fal_took_out_is_read_by_the_documents_that_have_it() -> None:
    word = "aspect_ratio=16:9"
    assert read_args(Catalog.vendored("2026-01").get(FAST), [word], {}) == {"aspect_ratio": "16:9"}
    told = "fal had it until 2026-01: leave it out, or go by --as-of 2026-01"
    with pytest.raises(BadArgument, match=told):
        read(word)


def test_a_month_without_documents_is_refused() -> None:
    result = CliRunner().invoke(call, [FAST, "prompt=x", "--as-of", "2025-12"])
    assert result.exit_code == 2
    assert "--as-of: '2025-12' is before the first documents; there are" in result.stderr


def test_where_a_file_decides_the_price_that_of_a_second_is_told() -> None:
    with running(Settings(timing="instant")) as mock:
        words = [A2V, "prompt=x", f"audio_url={AUDIO}", "--base-url", mock.url]
        told = CliRunner().invoke(call, words).stderr
    assert f"$0.10 per second at fal, nothing at {mock.url}" in told
    assert "at fal it would have cost $0.50 (5 seconds billed)" in told
