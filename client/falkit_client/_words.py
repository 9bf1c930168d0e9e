"""The words of a command line as an input: `duration=8` is a number where the document has one."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from falkit_spec.endpoint import Endpoint
from falkit_spec.facts import MediaKind
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, is_array


class BadWord(Exception):
    """A word that cannot be part of an input; the message says why, and the mend."""


def read_words(
    endpoint: Endpoint, words: Iterable[str], files: Mapping[MediaKind, Path | None]
) -> dict[str, object]:
    """The input that the words say: `name=value`, or `name:=json`; files by their kind.

    What cannot be read as the type that the document asks for stays text, so that the document
    says what is wrong with it, together with all other faults.
    """
    fields = ordered(endpoint.input_schema)
    found: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        raw = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            raise BadWord(f"{word!r} is no input: give name=value, or name:=json")
        _check_name(endpoint, name, fields, found)
        found[name] = _json(name, text) if raw else _value(text, fields[name], endpoint)
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
        raise BadWord(f"{name} is given twice")
    if name not in fields:
        near = difflib.get_close_matches(name, fields, 1)
        mend = f"did you mean {near[0]}?" if near else f"it has {', '.join(fields)}"
        raise BadWord(f"{endpoint.id} has no input {name!r}; {mend}")


def _field(endpoint: Endpoint, kind: MediaKind, fields: Mapping[str, JSON]) -> str:
    known = [medium.field for medium in endpoint.media_inputs if medium.kind == kind]
    # Where no overlay tells, the documents' own habit does.
    named = [name for name in known or [f"{kind}_url"] if name in fields]
    if not named:
        raise BadWord(f"--{kind}: {endpoint.id} takes no {kind}")
    return named[0]


def _json(name: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise BadWord(f"{name}:={text} is no JSON ({error})") from None
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
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
