"""Endpoints without a document, guessed: what they make by the id and the input, and a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from falkit_mock.core import dumps
from falkit_spec import JSON, Catalog, Document, Endpoint, VideoFacts
from falkit_spec.document import is_id
from falkit_spec.types import Object, is_array, is_object

# What may stand behind a known id without being another: ways to call it.
_WAYS = ("stream", "realtime", "ws")
# What an endpoint makes by the words of its id, the most telling first.
_BY_WORD: Mapping[str, tuple[str, ...]] = {
    "transcript": ("whisper", "wizper", "transcribe", "transcription", "asr", "stt", "diarization"),
    "text": ("llm", "vlm", "chat", "completions", "caption", "captioning", "ocr", "moderation"),
    "speech": ("tts", "speech", "voice"),
    "audio": ("music", "audio", "sound", "sfx", "song"),
    "3d": ("3d", "mesh", "glb"),
    "video": ("video", "lipsync", "avatar", "animate", "i2v", "t2v", "v2v"),
    "image": ("image", "images", "photo", "inpaint", "inpainting", "t2i", "i2i"),
}
# And by fields of the input; of the first kind that has one.
_BY_FIELD: Mapping[str, tuple[str, ...]] = {
    "text": ("messages",),
    "video": ("video_url", "video_urls", "fps", "num_frames", "frames_per_second", "duration"),
    "image": ("image_url", "image_urls", "image_size", "num_images", "mask_url", "negative_prompt"),
    "transcript": ("audio_url",),
    "audio": ("lyrics",),
    "speech": ("voice", "voice_id", "text"),
}
_FILES: Mapping[str, tuple[str, str, str]] = {
    "video": ("video", "output.mp4", "video/mp4"),
    "image": ("images", "output.png", "image/png"),
    "audio": ("audio", "output.wav", "audio/wav"),
    "speech": ("audio", "output.wav", "audio/wav"),
    "3d": ("model_glb", "output.glb", "model/gltf-binary"),
}
_CATEGORIES: Mapping[str, str] = {
    "video": "text-to-video",
    "image": "text-to-image",
    "audio": "text-to-audio",
    "speech": "text-to-speech",
    "transcript": "speech-to-text",
    "text": "llm",
    "3d": "image-to-3d",
}
NO_VIDEO = VideoFacts(width=0, height=0, fps=0, seconds=Decimal(0), frames=0, audio=False)
"""The figures of a file that is no video."""
_TEXT = "An output that falkit made up."
_EVIDENCE: Object = {"certainty": "inferred", "source": "A guess: there is no document"}
_VIDEO: Object = {
    "size": {"value": [1920, 1080], **_EVIDENCE},
    "fps": {"value": 25, **_EVIDENCE},
    "seconds": {"value": 5, **_EVIDENCE},
    "audio": {"value": False, **_EVIDENCE},
}


def may_be_endpoint(path: str, catalog: Catalog) -> bool:
    """Tell whether a path without a document can be an endpoint's id."""
    match = catalog.find(path)
    other_way = match is not None and match.rest in _WAYS
    return is_id(path) and "requests" not in path.split("/") and not other_way


def guess(endpoint_id: str, input: object) -> Endpoint:
    """Return an endpoint that takes any object, and makes what its id and input sound like."""
    fields = frozenset(input if is_object(input) else ())
    return _endpoint(endpoint_id, kind_of(endpoint_id, fields))


def kind_of(endpoint_id: str, fields: frozenset[str]) -> str:
    """Return what an endpoint probably makes: image, video, audio, speech, transcript, text, 3d."""
    name = endpoint_id.lower().partition("/")[2]
    # `image-to-video` makes a video, whatever else the id says.
    made: list[str] = re.findall(r"(?<![a-z0-9])to[-/_]([a-z0-9]+)", name)
    if made and made[-1] == "text":
        return "transcript" if re.search("speech|audio", name) else "text"
    if made and made[-1] in _CATEGORIES:
        return made[-1]
    words = set(re.findall(r"[a-z0-9]+", name))
    for kind, known in _BY_WORD.items():
        if words.intersection(known):
            return kind
    for kind, known in _BY_FIELD.items():
        if fields.intersection(known):
            return kind
    return "image"


def hint_of(endpoint: Endpoint) -> str:
    """Say that an endpoint is a guess, and how to have its document."""
    kind = next(kind for kind, one in _CATEGORIES.items() if one == endpoint.category)
    what = {"3d": "a 3D model", "audio": "a sound", "image": "an image", "speech": "speech"}.get(
        kind, f"a {kind}"
    )
    return (
        f"guessed: falkit has no document for {endpoint.id!r}, took any input and made up {what}; "
        f"`falkit spec add {endpoint.id}` fetches the document (docs/documents.md)"
    )


def file_in(output: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """Return the file in a guess's output; None where it is text."""
    for value in output.values():
        file = value[0] if is_array(value) and value else value
        if is_object(file) and "url" in file:
            return file
    return None


def is_guess(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint was guessed."""
    return endpoint.document.source == _SOURCE


_SOURCE = "a guess"


@lru_cache(maxsize=256)
def _endpoint(endpoint_id: str, kind: str) -> Endpoint:
    post: Object = {"requestBody": _content({"type": "object"})}
    if kind == "video":
        post["x-falkit"] = {"video": _VIDEO}
    output: Object = {"type": "object", "examples": [_example(kind)]}
    result: Object = {"get": {"responses": {"200": _content(output)}}}
    named: Object = {"endpointId": endpoint_id, "category": _CATEGORIES[kind]}
    data: Object = {
        "info": {"x-fal-metadata": named},
        "paths": {
            f"/{endpoint_id}": {"post": post},
            f"/{endpoint_id}/requests/{{request_id}}": result,
        },
    }
    return Endpoint(Document(dumps(data), source=_SOURCE, endpoint_id=endpoint_id))


def _content(schema: JSON) -> Object:
    return {"content": {"application/json": {"schema": schema}}}


def _example(kind: str) -> Object:
    if kind == "transcript":
        return {"text": _TEXT, "chunks": [{"timestamp": [0.0, 1.0], "text": _TEXT}]}
    if kind == "text":
        return {"output": _TEXT}
    field, name, content_type = _FILES[kind]
    file: Object = {
        "url": f"https://v3.fal.media/files/{name}",
        "content_type": content_type,
        "file_name": name,
    }
    return {field: [{**file, "width": 256, "height": 144}] if kind == "image" else file}
