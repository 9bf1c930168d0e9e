"""The words of `falkit call` become the input that the document asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from falkit import Settings
from falkit_client._words import BadArgument, read_args
from falkit_client.cli import call
from falkit_spec import Catalog, Document, Endpoint
from serving import A2V, AUDIO, running

FAST = "fal-ai/ltx-2/image-to-video/fast"
RETAKE = "fal-ai/ltx-2/retake-video"
NONE: dict[str, Path | None] = {"image": None, "video": None, "audio": None}


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
          "label": {"anyOf": [{"type": "string"}, {"type": "null"}]},
          "steps": {"type": "integer"},
          "count": {"enum": ["1", "2", 3]},
          "length_or_text": {"oneOf": [{"type": "integer", "maximum": 9}, {"type": "string"}]},
          "image_url": {"type": "string"},
          "image_size": {"anyOf": [
            {"type": "object", "properties": {
              "width": {"type": "integer"}, "note": {"type": "string"}}},
            {"enum": ["square", "wide"]}
          ]},
          "loras": {"type": "array", "items": {"type": "object", "properties": {
            "path": {"type": "string"}, "scale": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}}}}},
          "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
          "text_or_texts": {"anyOf": [{"type": "string"},
                                      {"type": "array", "items": {"type": "string"}}]},
          "table": {"type": "object", "additionalProperties": {"type": "number"}},
          "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]},
          "a.b": {"type": "integer"}
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
    assert "as-of: '2025-12' is before the first documents; there are" in result.stderr


def test_where_a_file_decides_the_price_that_of_a_second_is_told() -> None:
    with running(Settings(timing="instant")) as mock:
        words = [A2V, "prompt=x", f"audio_url={AUDIO}", "--base-url", mock.url]
        told = CliRunner().invoke(call, words).stderr
    assert f"$0.10 per second of audio_url at fal, nothing at {mock.url}" in told
    assert "at fal it would have cost $0.50 (5 seconds billed)" in told


@pytest.mark.parametrize(
    ("words", "gives"),
    [
        (["steps=5"], {"steps": 5}),
        (["steps=null"], {"steps": None}),
        (["count=2"], {"count": "2"}),
        (["count=3"], {"count": 3}),
        (["length_or_text=9"], {"length_or_text": 9}),
        (["length_or_text=10"], {"length_or_text": "10"}),
        (["image_size=square"], {"image_size": "square"}),
        (['image_size={"width": 8}'], {"image_size": {"width": 8}}),
        (["image_size.width=8", "image_size.note=8"], {"image_size": {"width": 8, "note": "8"}}),
        (["sizes=1", "sizes=2"], {"sizes": [1, 2]}),
        (["sizes=7"], {"sizes": [7]}),
        (["sizes=[1]", "sizes=2"], {"sizes": [1, 2]}),
        (["tags=a", "tags=1"], {"tags": ["a", "1"]}),
        (["tags=null"], {"tags": None}),
        (["text_or_texts=a"], {"text_or_texts": "a"}),
        (["text_or_texts=a", "text_or_texts=b"], {"text_or_texts": ["a", "b"]}),
        (
            ["loras.0.path=a", "loras.0.scale=0.5", "loras[1].path=b", "loras.1.tags=x"],
            {"loras": [{"path": "a", "scale": 0.5}, {"path": "b", "tags": ["x"]}]},
        ),
        (["table.x=1", "table.y=2"], {"table": {"x": 1, "y": 2}}),
        (["more.deep.0.er=1"], {"more": {"deep": [{"er": "1"}]}}),
        (["a.b=1"], {"a.b": 1}),
        (["image_url=@photo.jpg"], {"image_url": Path("photo.jpg")}),
        (["label=@", "any=x@y"], {"label": "@", "any": "x@y"}),
        (['label:="@me"'], {"label": "@me"}),
    ],
)
def test_words_lead_into_objects_lists_and_files(
    words: list[str], gives: dict[str, object]
) -> None:
    assert read_args(odd(), words, {}) == gives


def test_a_word_may_be_in_a_file(tmp_path: Path) -> None:
    text, data = tmp_path / "prompt.txt", tmp_path / "loras.json"
    text.write_text("Ein Tag\nin Köln", encoding="utf-8")
    data.write_text('[{"path": "a"}]')
    words = [f"label=@{text}", f"loras:=@{data}"]
    assert read_args(odd(), words, {}) == {"label": "Ein Tag\nin Köln", "loras": [{"path": "a"}]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["image_size.widht=1"], "did you mean width?"),
        (["image_size.zzz=1"], "image_size has width, note"),
        (["steps.x=1"], "steps has no fields"),
        (["loras.1.path=a"], "the list has 0 items so far; the next is 0"),
        (["loras[].path=a"], r"give a number in place of \[\], from 0: loras.0.path"),
        (["loras.x.path=a"], "loras has path, scale, tags|no place in a list|has no fields"),
        (["more.0=1", "more.x=2"], "'x' is no place in a list"),
        (["image_size=square", "image_size.width=1"], "given twice, as a whole and in parts"),
        (["image_size.width=1", "image_size=square"], "image_size is given twice"),
        (["label=@absent.txt"], r"absent.txt can't be read .*; for a text that begins with @"),
        (["loras:=@absent.json"], "absent.json can't be read"),
        (["loras:=" + "[" * 100_000], "isn't JSON"),
    ],
)
def test_words_that_lead_nowhere_are_explained(words: list[str], says: str) -> None:
    with pytest.raises(BadArgument, match=says):
        read_args(odd(), words, {})


def test_a_file_that_is_no_text_is_refused_where_none_is_sent(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (2**20 + 1))
    for name, says in (("x", "isn't text, and label takes no file"), ("large", "1,048,576 bytes")):
        with pytest.raises(BadArgument, match=says):
            read_args(odd(), [f"label=@{tmp_path / name}"], {})


def test_any_input_may_be_named_where_the_document_says_nothing() -> None:
    document = b'{"openapi": "3.0.4", "paths": {"/o/a": {"post": {}}}}'
    endpoint = Endpoint(Document(document, source="a test"))
    assert read_args(endpoint, ["anything=7", "at.all:=[1]"], {}) == {
        "anything": "7",
        "at.all": [1],
    }


def test_the_help_of_an_endpoint_lists_its_inputs() -> None:
    for words in ([FAST, "--help"], ["--help", "--as-of", "2026-01", FAST, "prompt=x"]):
        result = CliRunner().invoke(call, words, env={"COLUMNS": "100"})
        assert result.exit_code == 0, result.output
        assert f"Inputs of {FAST}:" in result.stdout
        assert "1 to 5000 characters  (required)" in result.stdout
        assert "[default: 1080p]" in result.stdout
        assert ("aspect_ratio" in result.stdout) == ("2026-01" in words)
    assert "Inputs of" not in CliRunner().invoke(call, ["--help"]).stdout
    unknown = CliRunner().invoke(call, ["fal-ai/ltx-2/no", "--help"])
    assert unknown.exit_code == 2
    assert "no document for 'fal-ai/ltx-2/no'" in unknown.stderr
