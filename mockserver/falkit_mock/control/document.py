"""The control API's own OpenAPI 3.1 document, and the operations that it lists."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from falkit_mock.platform.wire_json import dumps
from falkit_spec import JSON

METHODS = ("get", "put", "post", "delete", "patch")
ROOT = "/__falkit"


@cache
def document() -> dict[str, Any]:
    """Return the document; the same object for all."""
    # Lazy: it takes longer than the server's start.
    import yaml

    text = Path(__file__).with_name("openapi.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return read


@cache
def written() -> bytes:
    """Return the document as JSON."""
    return dumps(document())


def operations() -> list[JSON]:
    """Return `{method, path, summary}` of every operation, as the document has them in order."""
    return [
        {"method": method.upper(), "path": path, "summary": item[method]["summary"]}
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    ]
