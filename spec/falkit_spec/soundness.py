"""What is wrong with a file that should be a fal endpoint's OpenAPI document."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from urllib.parse import unquote

from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import BadDocument
from falkit_spec.schema import pointed, resolve
from falkit_spec.types import JSON, Object, dig, is_array, is_object


def problems(path: Path) -> list[str]:
    """Return what is wrong with a document, a line each, with the mend; nothing if it is sound.

    Only what falkit would trip over or guess at is named; it loads such documents all the same.
    """
    try:
        document = Document.from_path(path)
        data, endpoint_id = document.data, document.endpoint_id
    except BadDocument as error:
        return [error.reason]
    return [*_wrapper(data, endpoint_id), *_references(data), *_schemas(Endpoint(document))]


def _wrapper(data: Object, endpoint_id: str) -> Generator[str]:
    label = data.get("openapi")
    if not isinstance(label, str) or not label.startswith(("3.0.", "3.1.", "3.2.")):
        yield f"`openapi` is {label!r}; fal's documents say '3.0.4'"
    submit = "/" + endpoint_id
    if not is_object(dig(data, "paths", submit, "post")):
        yield f"no POST at {submit}: `paths` should hold the endpoint's id as it stands"
    if not is_object(dig(data, "paths", submit + "/requests/{request_id}", "get")):
        yield f"no GET at {submit}/requests/{{request_id}}: the result's schema is read from there"


def _references(data: Object) -> list[str]:
    dangling = dict.fromkeys(ref for ref in _refs(data) if pointed(data, ref) is None)
    return [f"{unquote(ref)} leads nowhere: anything is accepted there" for ref in dangling]


def _refs(node: JSON) -> Generator[str]:
    if is_object(node):
        ref = node.get("$ref")
        if isinstance(ref, str):
            yield ref
    children = list(node.values()) if is_object(node) else node if is_array(node) else []
    for child in children:
        yield from _refs(child)


def _schemas(endpoint: Endpoint) -> Generator[str]:
    from falkit_spec.checker import plain_words

    for name, schema in (("input", endpoint.input_schema), ("output", endpoint.output_schema)):
        if not schema:
            yield f"no {name} schema: anything is accepted as {name}"
        properties = schema.get("properties")
        for field, node in properties.items() if is_object(properties) else ():
            read = resolve(node, schema)
            alone = {**read, "$defs": schema.get("$defs", {})}
            for keyword, given in _given(read):
                for words in plain_words(alone, given)[:1]:
                    yield f"{name} {field!r}: {keyword} breaks its own schema ({_short(words)})"


def _given(schema: Object) -> Generator[tuple[str, JSON]]:
    if "default" in schema and schema["default"] is not None:
        yield "its default", schema["default"]
    examples = schema.get("examples")
    if is_array(examples) and examples:
        yield "its first example", examples[0]


def _short(words: str) -> str:
    words = words.removeprefix("$: ")
    return words if len(words) <= 100 else words[:97] + "..."
