"""Name what falkit fails on in a document, or guesses at: `falkit spec validate`."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from textwrap import shorten

from falkit_spec.document import RESULT, Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import BadDocument
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, dig, is_array, is_object, printable

_MOST = 100
_LONGEST = 200
"""So many lines for a document, and so many characters each."""


def lint(document: Document) -> list[str]:
    """List the problems of a document, a line each; an empty list where there is none.

    Only what falkit would fail on or guess at is named; it loads such documents all the same.
    """
    try:
        data, endpoint = document.data, Endpoint(document)
    except BadDocument as error:
        return [shorten(error.reason, _LONGEST, placeholder=" …")]
    found = [
        *_path_problems(data, endpoint.id),
        *endpoint.notes,
        *islice(_schema_problems(endpoint), _MOST),
    ]
    return [_line(one) for one in found]


def _line(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _path_problems(data: Object, endpoint_id: str) -> Generator[str]:
    label = data.get("openapi")
    if not isinstance(label, str) or not label.startswith(("3.0.", "3.1.", "3.2.")):
        label = label if isinstance(label, str | int | float | None) else type(label).__name__
        yield f"`openapi` is {label!r}; fal's documents say '3.0.4'"
    submit = "/" + endpoint_id
    if not is_object(dig(data, "paths", submit, "post")):
        yield f"no POST at {submit}: `paths` should hold the endpoint's id as it stands"
    if not is_object(dig(data, "paths", submit + RESULT, "get")):
        yield f"no GET at {submit}{RESULT}: the result's schema is read from there"


def _schema_problems(endpoint: Endpoint) -> Generator[str]:
    # Imported here: jsonschema is slow to import, and the other commands do without.
    from falkit_spec.validation import describe_errors

    for name, schema in (("input", endpoint.input_schema), ("output", endpoint.output_schema)):
        if not schema:
            yield f"no {name} schema: anything is accepted as {name}"
        for field, node in _fields(schema):
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
    if not endpoint.is_valid(endpoint.example_input()):
        yield "input: no example can be made of it that is valid"
    if endpoint.validate_output(endpoint.example_output()):
        yield "output: no example can be made of it that is valid; {} is answered"


def _fields(schema: Object) -> Generator[tuple[str, JSON]]:
    """Yield the fields of a schema and of what it refers to, each with its name."""
    yield from ordered(schema).items()
    definitions = schema.get("$defs")
    for name, definition in definitions.items() if is_object(definitions) else ():
        if is_object(definition) and definition.get("properties") != schema.get("properties"):
            yield from ((f"{name}.{field}", node) for field, node in ordered(definition).items())
