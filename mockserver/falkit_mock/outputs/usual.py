"""Outputs as models of a kind usually have them, for documents that say nothing of theirs."""

from __future__ import annotations

from collections.abc import Mapping

from falkit_spec.types import JSON, Object


def _object(fields: Object) -> Object:
    return {"type": "object", "properties": fields, "required": [*fields]}


_TEXT: Object = {"type": "string"}
_NUMBER: Object = {"type": "number"}


def _file(*numbers: str) -> Object:
    texts: dict[str, JSON] = dict.fromkeys(("url", "content_type", "file_name"), _TEXT)
    return _object({**texts, **dict.fromkeys(numbers, _NUMBER)})


_CHUNK = _object({"timestamp": {"type": "array", "prefixItems": [_NUMBER, _NUMBER]}, "text": _TEXT})

USUAL: Mapping[str, Object] = {
    "video": _object({"video": _file("width", "height", "fps", "duration", "num_frames")}),
    "image": _object({"images": {"type": "array", "items": _file("width", "height")}}),
    "audio": _object({"audio": _file()}),
    "speech": _object({"audio": _file()}),
    "transcript": _object({"text": _TEXT, "chunks": {"type": "array", "items": _CHUNK}}),
    "text": _object({"output": _TEXT}),
    "3d": _object({"model_glb": _file()}),
}
"""By what an endpoint makes, as `kinds.kind_of` says it."""
