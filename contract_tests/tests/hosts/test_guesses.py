"""`unknown_endpoints="guess"`: endpoints without a document, answered by their id and input."""

from __future__ import annotations

import io
import json
import struct
import wave
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from PIL import Image

from falkit import Settings
from falkit_mock.cli.summary import Summary
from falkit_mock.outputs.kinds import kind_of
from serving import PROMPT, T2V, Mock, running

HINT = "x-falkit-hint"
FLUX = "fal-ai/flux-9/schnell"


@pytest.fixture(scope="module")
def guessing() -> Generator[Mock]:
    with running(Settings(timing="instant", concurrency=0, unknown_endpoints="guess")) as mock:
        yield mock


@pytest.mark.parametrize(
    ("endpoint_id", "fields", "kind"),
    [
        ("acme/x/image-to-video", "prompt image_url", "video"),
        ("acme/x/video-to-audio", "video_url", "audio"),
        ("acme/image-to-3d", "image_url", "3d"),
        ("acme/speech-to-text/turbo", "audio_url", "transcript"),
        ("acme/image-to-text", "image_url", "text"),
        ("acme/text-to-music", "prompt", "audio"),
        ("acme/whisper", "audio_url", "transcript"),
        ("acme/tts/turbo", "prompt", "speech"),
        ("acme/any-llm", "prompt", "text"),
        ("acme/video-upscaler", "image_url", "video"),
        ("acme/upscale", "video_url scale", "video"),
        ("acme/upscale", "image_url scale", "image"),
        ("acme/x", "prompt duration", "video"),
        ("acme/x", "prompt image_size", "image"),
        ("acme/x", "messages model", "text"),
        ("acme/x", "text voice_id", "speech"),
        ("acme/x", "lyrics prompt", "audio"),
        ("acme/x", "audio_url video_url", "video"),
        ("acme/x", "prompt", "image"),
        ("acme/x", "", "image"),
        # Of the owner nothing follows, nor of a part of a word.
        ("video/x", "", "image"),
        ("acme/audiophile", "", "image"),
    ],
)
def test_the_kind_follows_from_the_id_and_then_from_the_input(
    endpoint_id: str, fields: str, kind: str
) -> None:
    assert kind_of(endpoint_id, frozenset(fields.split())) == kind


def fetched(mock: Mock, body: dict[str, Any], field: str) -> httpx.Response:
    file = body[field][0] if isinstance(body[field], list) else body[field]
    reply = mock.http.get(file["url"])
    assert reply.status_code == 200
    assert reply.headers["content-type"] == file["content_type"]
    return reply


def test_the_output_has_a_file_that_is_served(guessing: Mock) -> None:
    image = Image.open(
        io.BytesIO(fetched(guessing, guessing.run({}, FLUX).json(), "images").content)
    )
    assert image.size == (1024, 1024)
    sound = fetched(guessing, guessing.run({}, "acme/tts").json(), "audio").content
    with wave.open(io.BytesIO(sound)) as read:
        assert read.getnframes() / read.getframerate() == 10.0
    clip = fetched(guessing, guessing.run({}, "acme/x/text-to-video").json(), "video").content
    assert clip[4:8] == b"ftyp"
    model = fetched(guessing, guessing.run({}, "acme/mesh").json(), "model_glb").content
    magic, version, size = struct.unpack_from("<4sII", model)
    assert (magic, version, size) == (b"glTF", 2, len(model))
    length, kind = struct.unpack_from("<I4s", model, 12)
    assert (kind, json.loads(model[20 : 20 + length])["asset"]["version"]) == (b"JSON", "2.0")


def test_text_is_answered_too(guessing: Mock) -> None:
    assert isinstance(guessing.run({"messages": []}, "acme/x").json()["output"], str)
    assert guessing.run({"audio_url": "x"}, "acme/whisper").json()["chunks"]


@pytest.mark.parametrize(
    ("name", "field"),
    [("chat/completions", "choices"), ("v1/responses", "output"), ("v1/embeddings", "data")],
)
def test_what_openais_clients_call_answers_as_openai_does_and_no_more(
    guessing: Mock, name: str, field: str
) -> None:
    body = guessing.run({"model": "a/model", "input": "Hi"}, f"acme/openai/{name}").json()
    assert body["model"] == "a/model"
    assert body[field]
    assert "images" not in body


def test_it_is_a_guess_and_how_to_have_the_document_is_said(guessing: Mock) -> None:
    said = (
        f"guessed: falkit has no document for '{FLUX}', took any input and made up an image; "
        f"`falkit spec add {FLUX}` fetches the document (docs/documents.md)"
    )
    reply = guessing.run({"prompt": 1, "anything": {}}, FLUX)
    assert (reply.status_code, reply.headers[HINT]) == (200, said)
    assert "x-fal-billable-units" not in reply.headers
    submit = guessing.http.post(f"/queue.fal.run/{FLUX}", json={})
    assert submit.headers[HINT] == said
    job = submit.json()
    assert job["status_url"].endswith(f"/fal-ai/flux-9/requests/{job['request_id']}/status")
    assert guessing.status(job)["status"] == "COMPLETED"
    assert guessing.result(job).headers[HINT] == said


def test_what_is_no_object_is_refused(guessing: Mock) -> None:
    reply = guessing.run([1], FLUX)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["type"] == "model_attributes_type"
    assert guessing.http.post(f"/fal.run/{FLUX}", content=b"{").status_code == 422


@pytest.mark.parametrize(
    "path", ["acme", "acme/requests/x", f"{T2V}/stream", f"{T2V}/realtime", "acme/x%20y", "a/.b"]
)
def test_a_path_that_is_no_other_id_is_404(guessing: Mock, path: str) -> None:
    assert guessing.http.post(f"/fal.run/{path}", json=PROMPT).status_code == 404


def test_a_get_and_a_document_are_what_they_were(guessing: Mock) -> None:
    assert guessing.http.get(f"/fal.run/{FLUX}").status_code == 404
    reply = guessing.run({"prompt": 1})
    assert (reply.status_code, reply.json()["detail"][0]["loc"]) == (422, ["body", "prompt"])


def test_an_id_below_a_known_app_is_guessed(guessing: Mock) -> None:
    reply = guessing.run(PROMPT, "fal-ai/ltx-2/image-to-image")
    assert [*reply.json()] == ["images"]


def test_the_summary_says_it_and_that_no_price_is_known() -> None:
    with running(Settings(timing="instant", unknown_endpoints="guess")) as mock:
        app = mock.server.wait()
        summary = Summary(app.service, app.catalog)
        app.service.events.listen(summary)
        assert mock.run({}, FLUX).status_code == 200
        text = mock.server.call(summary.text)
    assert "1 job: 1 done; would have cost an unknown price" in text
    assert f"hint: guessed: falkit has no document for '{FLUX}'" in text


def test_by_default_nothing_is_guessed(mock: Mock) -> None:
    assert mock.run({}, FLUX).status_code == 404
