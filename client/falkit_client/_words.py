"""The words of `falkit call` as the input that an endpoint's document asks for.

`duration=8` is a number where the document has one, `image_size.width=512` a field of an object,
and `image_urls=@a.png image_urls=@b.png` a list of two files.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import cast

import click

from falkit_spec.catalog import dropped_inputs
from falkit_spec.cli.describing import REQUIRED, input_rows
from falkit_spec.endpoint import Endpoint
from falkit_spec.schema import Compiled, ordered, resolve
from falkit_spec.types import JSON, Object, is_array, is_object

_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
}
_INDEX = re.compile(r"\[(\d+)\]")
# Unions in unions, and bytes of a text in a file.
_DEEPEST, _LARGEST = 8, 2**20
_ANYTHING: Object = {}


class BadArgument(click.ClickException):
    """The command as written can't be sent; the message has the reason and a fix."""

    exit_code = 2


def read_args(
    endpoint: Endpoint, words: Iterable[str], files: Mapping[str, Path | None]
) -> dict[str, object]:
    """The input that the arguments give; `files` are those of options, by the kind of the file.

    Words are `name=value`, `name:=json`, and `name=@file`: a file to send where the field takes
    one, else the text in it. Names with dots lead into objects and lists; a list's name is
    repeated for each item. What cannot be read as the type that the document asks for stays text,
    so that validation reports it together with all other faults.
    """
    reader = _Reader(endpoint)
    for word in words:
        left, equals, text = word.partition("=")
        name = left.removesuffix(":")
        if not equals or not name:
            raise BadArgument(f"{word!r} isn't an input: give name=value, or name:=json")
        reader.take(name, text, is_json=left.endswith(":"))
    for kind, path in files.items():
        if path is not None:
            reader.take_file(kind, path)
    return reader.found


@dataclass
class _Reader:
    endpoint: Endpoint
    found: dict[str, object] = field(default_factory=dict[str, object])
    _open: set[int] = field(default_factory=set[int])
    """Lists and objects that words put together, and later words may add to."""

    def __post_init__(self) -> None:
        self.root = self.endpoint.input_schema
        self.fields: Object = {}
        for branch in self._branches(self.root):
            self.fields |= ordered(branch)
        self.files = {medium.field: medium.kind for medium in self.endpoint.file_fields}

    def take(self, name: str, text: str, *, is_json: bool) -> None:
        steps = self._steps(name)
        at: object = self.found
        node: JSON = self.root
        place = ""
        for step, following in pairwise(steps):
            node, place = self._inside(node, step, place, name)
            at = self._entered(at, step, node, following, name)
        node, place = self._inside(node, steps[-1], place, name)
        self._put(at, steps[-1], name, node, self._value(name, text, node, place, is_json))

    def take_file(self, kind: str, path: Path) -> None:
        """Put a file where the input takes one of its kind: by itself rather than in a list."""
        fitting = [one for one, of in self.files.items() if of == kind and "." not in one]
        for place in sorted(fitting, key=lambda one: one.endswith("[]")):
            name = place.removesuffix("[]")
            if name in self.fields:
                value = [path] if place.endswith("[]") else path
                self._put(self.found, name, name, self.fields[name], value)
                return
        raise BadArgument(f"--{kind}: {self.endpoint.id} takes no {kind}")

    def _steps(self, name: str) -> list[str]:
        """Split a name where its dots aren't part of a field's own name."""
        if name in self.fields or not self.fields:
            return [name]
        if "[]" in name:
            advice = f"give a number in place of [], from 0: {name.replace('[]', '.0')}"
            raise BadArgument(f"{name}: {advice}")
        name = _INDEX.sub(r".\1", name)
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            first = ".".join(parts[:length])
            if first in self.fields:
                return [first, *parts[length:]]
        return [name]

    def _inside(self, node: JSON, step: str, place: str, name: str) -> tuple[JSON, str]:
        """What a step leads to from a schema, and its place as the document's files are named."""
        of = self._of(node)
        known: dict[str, JSON] = {}
        for branch in self._branches(of):
            known |= ordered(branch)
            if step in known:
                return known[step], f"{place}.{step}".removeprefix(".")
            if step.isdecimal() and "array" in self._kinds(branch):
                return branch.get("items", _ANYTHING), f"{place}[]"
            more = branch.get("additionalProperties")
            if is_object(more) and place:
                return more, f"{place}[]"
        open_ = not known and (not place or self._kinds(of) <= {"object"})
        if open_:
            return _ANYTHING, f"{place}.{step}".removeprefix(".")
        raise BadArgument(self._unknown(step, known, place, name))

    def _unknown(self, step: str, known: Mapping[str, JSON], place: str, name: str) -> str:
        near = difflib.get_close_matches(step, known, 1)
        if place:
            has = f"{place} has {', '.join(known)}" if known else f"{place} has no fields"
            return f"{name}: {f'did you mean {near[0]}?' if near else has}"
        advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
        if last := dropped_inputs(self.endpoint).get(step):
            advice = f"fal had it until {last}: leave it out, or go by --as-of {last}"
        return f"{self.endpoint.id} has no input {name!r}; {advice}"

    def _entered(self, at: object, step: str, node: JSON, following: str, name: str) -> object:
        """The object or list that a step leads to, which is begun where there is none."""
        inner = self._get(at, step, name)
        if inner is None:
            named = any(following in ordered(one) for one in self._branches(self._of(node)))
            in_list = following.isdecimal() and not named
            inner = list[object]() if in_list else dict[str, object]()
            self._open.add(id(inner))
            self._set(at, step, inner, name)
        elif id(inner) not in self._open:
            raise BadArgument(f"{name}: {step} is given twice, as a whole and in parts")
        return inner

    def _put(self, at: object, step: str, name: str, node: JSON, value: object) -> None:
        before = self._get(at, step, name)
        if before is None and not self._has(at, step):
            self._set(at, step, value, name)
            return
        if "array" not in self._kinds(self._of(node)):
            raise BadArgument(f"{name} is given twice")
        first, more = _listed(before), _listed(value)
        self._set(at, step, [*first, *more], name)

    def _has(self, at: object, step: str) -> bool:
        return not isinstance(at, list) and step in cast("dict[str, object]", at)

    def _get(self, at: object, step: str, name: str) -> object:
        if isinstance(at, list):
            items, index = cast("list[object]", at), self._index(step, name)
            return items[index] if index < len(items) else None
        return cast("dict[str, object]", at).get(step)

    def _set(self, at: object, step: str, value: object, name: str) -> None:
        if not isinstance(at, list):
            cast("dict[str, object]", at)[step] = value
            return
        items, index = cast("list[object]", at), self._index(step, name)
        if index > len(items):
            raise BadArgument(
                f"{name}: the list has {len(items)} items so far; the next is {len(items)}"
            )
        items[index : index + 1] = [value]

    def _index(self, step: str, name: str) -> int:
        if not step.isdecimal():
            raise BadArgument(f"{name}: {step!r} is no place in a list; give a number from 0")
        return int(step[:9])

    def _of(self, node: JSON) -> Object:
        return resolve(node, self.root)

    def _value(self, name: str, text: str, node: JSON, place: str, is_json: bool) -> object:
        if text[:1] == "@" and len(text) > 1:
            path = Path(text[1:])
            if not is_json and place in self.files:
                return path
            if not is_json and f"{place}[]" in self.files:
                return [path]
            text = _text_of(path, name)
        if is_json:
            return _json(name, text)
        return self._read(text, node)

    def _read(self, text: str, node: JSON, deep: int = _DEEPEST) -> JSON:
        of = self._of(node)
        kinds = self._kinds(of)
        if kinds <= {"string"}:
            return text
        try:
            value: JSON = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        if "array" in kinds and "string" not in kinds and not is_array(value) and deep:
            # One item of the list, or null in its place.
            if value is None and "null" in kinds:
                return None
            branches = [one for one in self._branches(of) if "array" in self._kinds(one)]
            return [self._read(text, branches[0].get("items"), deep - 1)]
        kind = _type(value)
        fits = kind in kinds or (kind == "integer" and "number" in kinds)
        if "string" not in kinds:
            return value
        # `"6"` in quotes is text to the document as well, and has to be refused as such.
        if not fits or value == text:
            return text
        whole = Compiled({**of, "$defs": self.root.get("$defs", {})})
        return text if whole.is_valid(text) and not whole.is_valid(value) else value

    def _branches(self, of: Object, deep: int = _DEEPEST) -> list[Object]:
        """A schema's own branches, those in them included; itself where it has none."""
        branches = of.get("anyOf", of.get("oneOf"))
        if not is_array(branches) or not deep:
            return [of]
        inner = [self._of(one) for one in branches]
        return [one for each in inner for one in self._branches(each, deep - 1)]

    def _kinds(self, of: Object) -> set[str]:
        """The types of what a schema takes; none where it says nothing."""
        kinds: set[str] = set()
        for branch in self._branches(of):
            values, named = branch.get("enum"), branch.get("type")
            if "const" in branch:
                values = [branch["const"]]
            if is_array(values):
                kinds |= {_type(value) for value in values}
            elif is_array(named):
                kinds |= {str(one) for one in named}
            elif isinstance(named, str):
                kinds.add(named)
            elif ordered(branch):
                kinds.add("object")
            elif "prefixItems" in branch or "items" in branch:
                kinds.add("array")
        return kinds


def inputs_of(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Each input with what it takes, for `falkit call ID --help`."""
    return [
        (name.replace("[]", ".0"), f"{takes}  {_told(default)}".strip())
        for name, takes, default in input_rows(endpoint.input_schema)
    ]


def _told(default: str) -> str:
    return default if default in ("", REQUIRED) else f"[default: {default}]"


def _listed(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _json(name: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadArgument(f"{name}:={text[:100]} isn't JSON ({error})") from None
    return value


def _text_of(path: Path, name: str) -> str:
    advice = f"for a text that begins with @, write {name}:='\"@…\"'"
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadArgument(f"{name}: {path} can't be read ({why}); {advice}") from None
    if len(data) > _LARGEST:
        raise BadArgument(f"{name}: {path} has more than {_LARGEST:,} bytes of text")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadArgument(f"{name}: {path} isn't text, and {name} takes no file") from None


def _type(value: JSON) -> str:
    return _TYPES.get(type(value), "object")
