"""What came of media that a client was asked for: files as independent readers see them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clients.judging import Judge, Told, value
from falkit_spec import JSON, Catalog
from opening import Opened, opened

KINDS = Path(__file__).parent / "kinds.json"
ASKED: dict[str, tuple[str, dict[str, Any]]] = json.loads(KINDS.read_text())
# The text of the speech has so many letters, of which 15 are spoken in a second.
SPEECH = len(ASKED["speech"][1]["prompt"]) / 15


def read(file: Mapping[str, str]) -> Opened:
    """Open a file that a program told of with its bytes."""
    return opened(file["name"], file["type"], base64.b64decode(file["data"]))


def pictures(count: int, size: tuple[int, int]) -> Judge:
    """So many pictures of a size."""

    def judge(told: Told) -> None:
        found = [read(file) for file in value(told)["files"]]
        assert [(one.kind, one.size) for one in found] == [("image", size)] * count

    return judge


def ai_images(count: int) -> Judge:
    """Pictures of 640 by 320 and what the AI SDK tells of each."""

    def judge(told: Told) -> None:
        pictures(count, (640, 320))(told)
        came = value(told)
        types = [file["type"] for file in came["files"]]
        facts = {"width": 640, "height": 320, "nsfw": False}
        assert came["told"] == [{**facts, "contentType": kind} for kind in types]
        assert came["warnings"] == []

    return judge


def litellm_images(told: Told) -> None:
    """Two pictures, and what litellm tells of each."""
    pictures(2, (1024, 576))(told)
    facts = {"width": 1024, "height": 576, "content_type": "image/jpeg"}
    assert value(told)["told"] == [facts] * 2


def clips(size: tuple[int, int], seconds: float) -> Judge:
    """A clip of a size and a length."""

    def judge(told: Told) -> None:
        [clip] = (read(file) for file in value(told)["files"])
        assert (clip.kind, clip.size) == ("video", size)
        assert clip.seconds == pytest.approx(seconds, abs=0.05)

    return judge


def sounds(seconds: float) -> Judge:
    """A sound of a length."""

    def judge(told: Told) -> None:
        [sound] = (read(file) for file in value(told)["files"])
        assert sound.kind == "audio"
        assert sound.seconds == pytest.approx(seconds, abs=0.1)

    return judge


def is_transcript(text: str, parts: list[tuple[str, float, float]], seconds: float) -> None:
    """Judge a text and its parts, each with its start and end."""
    assert text.split()
    assert " ".join(part for part, _, _ in parts) == text
    times = [moment for _, *moments in parts for moment in moments]
    assert times == sorted(times)
    assert times[0] == 0
    assert times[-1] == pytest.approx(seconds, abs=0.05)


def transcript(seconds: float, language: str | None = None) -> Judge:
    """A text with its parts, and the language, where the client tells it."""

    def judge(told: Told) -> None:
        came = value(told)
        parts = [(part["text"], part["start"], part["end"]) for part in came["parts"]]
        is_transcript(came["text"], parts, seconds)
        assert came.get("language") == language

    return judge


def said(told: Told) -> None:
    """A text, and nothing beside it."""
    assert len(value(told).split()) > 3


def _of_kind(kind: str, output: dict[str, Any], files: list[Opened]) -> None:
    """Judge the output of a kind of model by what it was asked for."""
    _, asked = ASKED[kind]
    kinds = [file.kind for file in files]
    match kind:
        case "pictures":
            assert [file.size for file in files] == [(512, 320)] * 2
            assert [(one["width"], one["height"]) for one in output["images"]] == [(512, 320)] * 2
            assert (output["seed"], output["prompt"]) == (asked["seed"], asked["prompt"])
            assert output["has_nsfw_concepts"] == [False, False]
        case "clip":
            [clip] = files
            assert clip.seconds == pytest.approx(5, abs=0.05)
            assert not clip.sound
            assert clip.size[0] < clip.size[1]
        case "speech":
            [speech] = files
            assert speech.seconds == pytest.approx(SPEECH, abs=0.1)
            assert output["duration_ms"] == pytest.approx(SPEECH * 1000, abs=1)
        case "transcript":
            parts = [(chunk["text"], *chunk["timestamp"]) for chunk in output["chunks"]]
            is_transcript(output["text"], parts, 2)
            assert {len(part.split()) for part, _, _ in parts} == {1}
            assert output["inferred_languages"] == [asked["language"]]
        case "mesh":
            assert kinds == ["model"]
        case "weights":
            assert sorted(kinds) == ["document", "weights"]
        case _:
            assert len(output["output"].split()) > 3
            usage = output["usage"]
            assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def every(catalog: Catalog, asked: Mapping[str, tuple[str, JSON]]) -> Judge:
    """Judge an output of each kind: valid, all its URLs served, and every file opened."""

    def judge(told: Told) -> None:
        came = value(told)
        assert came.keys() == asked.keys()
        for kind, (endpoint, _) in asked.items():
            assert "output" in came[kind], (endpoint, came[kind]["error"])
            output = came[kind]["output"]
            assert catalog.get(endpoint).validate_output(output) == [], endpoint
            files = [read(file) for file in came[kind]["files"]]
            if kind in ASKED:
                _of_kind(kind, output, files)

    return judge


def all_kinds(told: Told) -> None:
    """What was asked of one model of each kind."""
    every(Catalog.vendored(), ASKED)(told)
