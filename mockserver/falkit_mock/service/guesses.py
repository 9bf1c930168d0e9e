"""Endpoints without a document, guessed: what they make by the id and the input, and a document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from falkit_mock.core import dumps
from falkit_mock.outputs.kinds import kind_of
from falkit_mock.outputs.openai import shape_of
from falkit_mock.outputs.usual import USUAL
from falkit_spec import Catalog, Document, Endpoint
from falkit_spec.document import is_id
from falkit_spec.streams import WAYS
from falkit_spec.types import Object, is_object

# What may stand behind a known id without being another.
_WAYS = (*WAYS, "ws")
_GUESS = "a guess"
_CATEGORIES: Mapping[str, str] = {
    "video": "text-to-video",
    "image": "text-to-image",
    "audio": "text-to-audio",
    "speech": "text-to-speech",
    "transcript": "speech-to-text",
    "text": "llm",
    "3d": "image-to-3d",
}


def may_be_endpoint(path: str, catalog: Catalog) -> bool:
    """Tell whether a path without a document can be an endpoint's id."""
    match = catalog.find(path)
    other_way = match is not None and match.rest in _WAYS
    return is_id(path) and "requests" not in path.split("/") and not other_way


def guess(endpoint_id: str, input: object) -> Endpoint:
    """Return an endpoint that takes any object, and makes what its id and input sound like."""
    fields = frozenset(input if is_object(input) else ())
    if shape_of(endpoint_id) is not None:
        return _endpoint(endpoint_id, "text")
    return _endpoint(endpoint_id, kind_of(endpoint_id, fields))


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


@lru_cache(maxsize=256)
def _endpoint(endpoint_id: str, kind: str) -> Endpoint:
    category = _CATEGORIES[kind]
    anything: Object = {"type": "object"}
    # What OpenAI's clients call answers in OpenAI's shape, and no document's.
    output = USUAL[kind] if shape_of(endpoint_id) is None else anything
    return written(endpoint_id, anything, output, source=_GUESS, category=category)


def written(
    endpoint_id: str, input: Object, output: Object, *, source: str, category: str = ""
) -> Endpoint:
    """Return an endpoint whose document is written here, from the schemas of input and output."""
    metadata: Object = {"endpointId": endpoint_id, "category": category}
    data: Object = {
        "info": {"x-fal-metadata": metadata},
        "paths": {
            f"/{endpoint_id}": {"post": {"requestBody": _content(input)}},
            f"/{endpoint_id}/requests/{{request_id}}": {
                "get": {"responses": {"200": _content(output)}}
            },
        },
    }
    return Endpoint(Document(dumps(data), source=source, endpoint_id=endpoint_id))


def is_guess(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint's document is made up."""
    return endpoint.document.source == _GUESS


def _content(schema: Object) -> Object:
    return {"content": {"application/json": {"schema": schema}}}
