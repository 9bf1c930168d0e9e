"""`falkit spec validate`: what of a document falkit would fail on, or guess at."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from textwrap import shorten
from urllib.parse import unquote

from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import BadDocument
from falkit_spec.schema import follow_ref, ordered, resolve
from falkit_spec.types import JSON, Object, dig, is_array, is_object


def lint(path: Path) -> list[str]:
    """List the problems of a document, a line each; an empty list where there is none.

    Only what falkit would fail on or guess at is named; it loads such documents all the same.
    """
    try:
        document = Document.from_path(path)
        data, endpoint_id = document.data, document.endpoint_id
    except BadDocument as error:
        return [error.reason]
    dangling = dict.fromkeys(ref for ref in _refs(data) if follow_ref(data, ref) is None)
    return [
        *_path_problems(data, endpoint_id),
        *(f"{unquote(ref)} leads nowhere: anything is accepted there" for ref in dangling),
        *_schema_problems(Endpoint(document)),
    ]


def _path_problems(data: Object, endpoint_id: str) -> Generator[str]:
    label = data.get("openapi")
    if not isinstance(label, str) or not label.startswith(("3.0.", "3.1.", "3.2.")):
        yield f"`openapi` is {label!r}; fal's documents say '3.0.4'"
    submit = "/" + endpoint_id
    if not is_object(dig(data, "paths", submit, "post")):
        yield f"no POST at {submit}: `paths` should hold the endpoint's id as it stands"
    if not is_object(dig(data, "paths", submit + "/requests/{request_id}", "get")):
        yield f"no GET at {submit}/requests/{{request_id}}: the result's schema is read from there"


def _refs(node: JSON) -> Generator[str]:
    if is_object(node):
        ref = node.get("$ref")
        if isinstance(ref, str):
            yield ref
        node = list(node.values())
    for child in node if is_array(node) else ():
        yield from _refs(child)


def _schema_problems(endpoint: Endpoint) -> Generator[str]:
    # Imported here: jsonschema is slow to import, and the other commands do without.
    from falkit_spec.validation import describe_errors

    for name, schema in (("input", endpoint.input_schema), ("output", endpoint.output_schema)):
        if not schema:
            yield f"no {name} schema: anything is accepted as {name}"
        for field, node in ordered(schema).items():
            read = resolve(node, schema)
            alone = {**read, "$defs": schema.get("$defs", {})}
            examples = read.get("examples")
            given = {"its first example": examples[0]} if is_array(examples) and examples else {}
            if read.get("default") is not None:
                given = {"its default": read["default"], **given}
            for title, value in given.items():
                for error in describe_errors(alone, value)[:1]:
                    why = shorten(error.removeprefix("$: "), 100, placeholder="...")
                    yield f"{name} {field!r}: {title} breaks its own schema ({why})"
