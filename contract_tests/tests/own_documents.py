"""Documents of a user's own, written to files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAINT = "acme/paint"
TEXTS: dict[str, Any] = {"prompt": {"type": "string"}, "duration": {"type": "integer"}}


def data_of(
    endpoint_id: str, properties: dict[str, Any] | None = None, required: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a document of fal's shape whose output is one picture."""
    body = {"type": "object", "required": [*required], "properties": properties or TEXTS}
    image = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}
    result = {"type": "object", "required": ["image"], "properties": {"image": image}}

    def content(schema: object) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema}}}

    return {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": endpoint_id, "category": "text-to-image"}},
        "paths": {
            f"/{endpoint_id}": {"post": {"requestBody": content(body)}},
            f"/{endpoint_id}/requests/{{request_id}}": {
                "get": {"responses": {"200": content(result)}}
            },
        },
    }


def write(path: Path, content: object) -> Path:
    """Write text as it is, and anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def overlay(endpoint_id: str, facts: object, **more: object) -> dict[str, Any]:
    """Return an overlay that says facts of an endpoint."""
    target = f"$.paths['/{endpoint_id}'].post"
    actions = [{"target": target, "update": {"x-falkit": facts, **more}}]
    info = {"title": "t", "version": "1"}
    return {"overlay": "1.0.0", "info": info, "actions": actions}


def priced(field: str) -> dict[str, Any]:
    """Return a price of $0.10 for each of what a field counts."""
    evidence = {"certainty": "inferred", "source": "a test"}
    return {"unit": "second", "quantity": {"field": field}, "amount": {"value": "0.1"}, **evidence}


def answering(document: dict[str, Any], output: object) -> dict[str, Any]:
    """Return a document whose output is another schema."""
    (path, _), (result, _) = document["paths"].items()
    content = {"application/json": {"schema": output}}
    replies = {"200": {"content": content}}
    paths = {**document["paths"], result: {"get": {"responses": replies}}}
    assert path != result
    return {**document, "paths": paths}


EVIDENCE = {"certainty": "inferred", "source": "a test"}
