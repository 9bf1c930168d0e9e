"""A command line's arguments as an input: `duration=8` is a number where the document has one."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from falkit_spec.endpoint import Endpoint
from falkit_spec.facts import MediaKind
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, is_array

_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
}


class BadArgument(click.ClickException):
    """The command as written can't be sent; the message has the reason and a fix."""

    exit_code = 2


def read_args(
    endpoint: Endpoint, words: Iterable[str], files: Mapping[MediaKind, Path | None]
) -> dict[str, object]:
    """The input that the arguments give: `name=value`, or `name:=json`; files by their kind.

    What cannot be read as the type that the document asks for stays text, so that validation
    reports it together with all other faults.
    """
    fields = ordered(endpoint.input_schema)
    found: dict[str, object] = {}
    for word in words:
        left, equals, text = word.partition("=")
        name = left.removesuffix(":")
        if not equals or not name:
            raise BadArgument(f"{word!r} isn't an input: give name=value, or name:=json")
        _check_name(endpoint, name, fields, found)
        is_json = left.endswith(":")
        found[name] = _json(name, text) if is_json else _value(text, fields[name], endpoint)
    for kind, path in files.items():
        if path is not None:
            name = _field(endpoint, kind, fields)
            _check_name(endpoint, name, fields, found)
            found[name] = path
    return found


def _check_name(
    endpoint: Endpoint, name: str, fields: Mapping[str, JSON], found: Mapping[str, object]
) -> None:
    if name in found:
        raise BadArgument(f"{name} is given twice")
    if name not in fields:
        near = difflib.get_close_matches(name, fields, 1)
        advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(fields)}"
        raise BadArgument(f"{endpoint.id} has no input {name!r}; {advice}")


def _field(endpoint: Endpoint, kind: MediaKind, fields: Mapping[str, JSON]) -> str:
    known = [medium.field for medium in endpoint.media_inputs if medium.kind == kind]
    # Without an overlay the field is named as in most documents.
    for name in known or [f"{kind}_url"]:
        if name in fields:
            return name
    raise BadArgument(f"--{kind}: {endpoint.id} takes no {kind}")


def _json(name: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise BadArgument(f"{name}:={text} isn't JSON ({error})") from None
    return value


def _value(text: str, node: JSON, endpoint: Endpoint) -> JSON:
    types = _types(resolve(node, endpoint.input_schema), endpoint.input_schema)
    if types <= {"string"}:
        return text
    try:
        value: JSON = json.loads(text)
    except ValueError:
        return text
    kind = _type(value)
    fits = kind in types or (kind == "integer" and "number" in types)
    # `"6"` in quotes is text to the document as well, and has to be refused as such.
    return value if fits or "string" not in types else text


def _types(schema: Object, root: Object) -> set[str]:
    values, branches, named = schema.get("enum"), schema.get("anyOf"), schema.get("type")
    if is_array(values):
        return {_type(value) for value in values}
    if is_array(branches):
        return {kind for one in branches for kind in _types(resolve(one, root), root)}
    return {named} if isinstance(named, str) else set()


def _type(value: JSON) -> str:
    return _TYPES.get(type(value), "object")
