"""What is wrong with an input, as fal's `detail`: in Pydantic's words, which fal's models speak.

Pydantic's core is imported and a model built when the first input is refused, in 30 ms or so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from functools import cached_property
from typing import Any, cast

from jsonschema_rs import Draft202012Validator, ValidationError as InvalidByDocument
from pydantic_core import SchemaError, SchemaValidator, ValidationError

from falkit_spec.facts import Rule
from falkit_spec.models import Model, build
from falkit_spec.schema import NOT_JSON, Compiled, ordered
from falkit_spec.types import (
    JSON,
    Fault,
    Object,
    Path,
    is_array,
    is_number,
    is_object,
    sanitize,
    whole,
)

# What values that are no JSON, or are too long or too deep to be written, may raise.
_UNREADABLE = (*NOT_JSON, RecursionError)
_NO_OBJECT = build({})
_MOST = 5_000
"""Of more values, or more faults, only the first wrong item of each list is named: Pydantic itself
would take seconds in one call, and gigabytes for the words."""


class InputValidator:
    """Validates inputs against one schema and its rules; never raises, whatever the input."""

    def __init__(self, schema: Object, rules: Sequence[Rule], defaults: Object) -> None:
        self._schema = schema
        self._rules = rules
        self._defaults = defaults
        self._document = Compiled(schema)
        self._model: SchemaValidator | None = None
        # By whether they are strict and brief.
        self._others: dict[tuple[bool, bool], SchemaValidator] = {}
        try:
            self._model = build(schema)
        except (SchemaError, *_UNREADABLE):
            # Limits that no machine can count to: then the document has its own say.
            return

    def faults(self, input: JSON, *, coerce: bool = False) -> list[Fault]:
        """List all that is wrong, in the document's order.

        `coerce` goes by Pydantic's lax mode alone; else the document forbids more.
        """
        if not is_object(input):
            return _faults(_NO_OBJECT, input) or []
        model = self._model
        faults = self._said(input)
        if not coerce:
            faults = self._by_document(input, faults)
        elif model is None:
            faults = self._other(input)
        elif not faults:
            input = cast("Object", self.coerced(input))
        return self._with_rules(input, faults)

    def coerced(self, input: JSON) -> JSON:
        """Return the input as lax mode takes it; one that it refuses stays as it is."""
        try:
            model = self._of(brief=_has_many(input))
            read = model.validate_python(input, from_attributes=True) if model else input
        except (ValidationError, *_UNREADABLE):
            return input
        return _as_read(input, read)

    def _with_rules(self, input: Object, faults: list[Fault]) -> list[Fault]:
        full = {**self._defaults, **input}
        wrong = {fault["loc"][1] for fault in faults if len(fault["loc"]) > 1}
        broken = [
            rule.fault(full)
            for rule in self._rules
            if not rule.reads & wrong and rule.broken_by(full)
        ]
        if not broken:
            return faults
        fields = list(ordered(self._schema))

        def place(fault: Fault) -> int:
            name = "".join(map(str, fault["loc"][1:2]))
            return fields.index(name) if name in fields else len(fields)

        return sorted([*faults, *broken], key=place)

    def _of(self, *, strict: bool = False, brief: bool = False) -> SchemaValidator | None:
        """Return the model in one of its forms, each built when first needed."""
        if self._model is None or not (strict or brief):
            return self._model
        if (strict, brief) not in self._others:
            self._others[strict, brief] = build(self._schema, strict=strict, brief=brief)
        return self._others[strict, brief]

    def _said(self, input: Object, *, strict: bool = False) -> list[Fault]:
        """Return what Pydantic says of an input; of lists the first fault where there are many."""
        for brief in (True,) if _has_many(input) else (False, True):
            model = self._of(strict=strict, brief=brief)
            if model is None:
                break
            try:
                found = _faults(model, input, None if brief else _MOST)
            except _UNREADABLE:
                found = _faults(model, sanitize(input)[0], None if brief else _MOST)
            if found is not None:
                return found
        return []

    def _by_document(self, input: Object, lax: list[Fault]) -> list[Fault]:
        """Add to lax mode's faults what only the document forbids, in strict mode's words."""
        if self._document.is_valid(input):
            return lax
        wrong = {name for name in input if not self._fields.is_valid({name: input[name]})}
        # Lists, since two branches of a union may have one name.
        said: dict[Path, list[Fault]] = {}
        found: dict[Path, list[Fault]] = {}
        for fault in lax:
            said.setdefault(tuple(fault["loc"]), []).append(fault)
        for fault in self._said(input, strict=True):
            loc = tuple(fault["loc"])
            # A whole number written with a point is an integer to the document.
            whole = isinstance(fault["input"], float) and fault["input"].is_integer()
            if loc in said or (loc[1] in wrong and not (whole and fault["type"] == "int_type")):
                found.setdefault(loc, []).append(fault)
        faults = [fault for faults in {**found, **said}.values() for fault in faults]
        return faults or self._other(input)

    @cached_property
    def _fields(self) -> Compiled:
        kept = ("properties", "additionalProperties", "$defs")
        return Compiled({key: self._schema[key] for key in kept if key in self._schema})

    def _other(self, input: Object) -> list[Fault]:
        """List what no model can say: values that are no JSON, or the first of what is left."""
        sanitized, replaced = sanitize(input)
        if replaced:
            return [_fault(*words, path, None) for path, words in replaced]
        try:
            Draft202012Validator(self._schema).validate(whole(sanitized))
        except InvalidByDocument as error:
            words = "value_error", f"Value error, does not meet {error.kind.name!r}"
            fault = _fault(*words, tuple(error.instance_path), error.instance)
            return [{**fault, "ctx": {"error": {}}}]
        return []


def _has_many(value: JSON) -> bool:
    """Tell whether there are more values in a value than each fault of is named."""
    count, left = 0, [value]
    while left and count <= _MOST:
        one = left.pop()
        if isinstance(one, dict | list):
            count += len(one)
            left += one.values() if isinstance(one, dict) else one
    return count > _MOST


def _faults(model: SchemaValidator, input: JSON, most: int | None = None) -> list[Fault] | None:
    """Return what a model says of an input; None where that is more than `most` faults."""
    try:
        # FastAPI asks for attributes, which shows in the words for a value that is no object.
        model.validate_python(input, from_attributes=True)
    except ValidationError as error:
        if most is not None and error.error_count() > most:
            return None
        return [_item(item) for item in cast("list[Any]", error.errors(include_url=False))]
    return []


def _item(item: dict[str, Any]) -> Fault:
    fault = _fault(item["type"], item["msg"], item["loc"], item["input"])
    if ctx := item.get("ctx"):
        # As FastAPI renders the ValueError that Pydantic keeps here.
        fault["ctx"] = {
            name: {} if isinstance(value, Exception) else value for name, value in ctx.items()
        }
    return fault


def _fault(type: str, msg: str, path: Path, input: object) -> Fault:
    loc = [part if isinstance(part, int) else str(part) for part in path]
    return {"type": type, "loc": ["body", *loc], "msg": msg, "input": sanitize(input)[0]}


def _as_read(given: JSON, read: Any) -> JSON:
    """Return a value as it was read; what was read as itself stays as it was given."""
    if isinstance(read, Model) and is_object(given):
        fields = {**vars(read), **(read.__pydantic_extra__ or {})}
        return {
            name: _as_read(value, fields[name]) if name in fields else value
            for name, value in given.items()
        }
    if is_object(read) and is_object(given):
        return {name: _as_read(given[name], value) for name, value in read.items()}
    if isinstance(read, list | tuple) and is_array(given):
        items = cast("Sequence[Any]", read)
        return [_as_read(one, value) for one, value in zip(given, items, strict=False)]
    return _scalar_as_read(given, read)


def _scalar_as_read(given: JSON, read: Any) -> JSON:
    if isinstance(given, str) and not isinstance(read, bool | int | float):
        return given
    if is_number(given) and is_number(read):
        return given
    if isinstance(read, date | time):
        # Given as a number; the document takes texts.
        return read.isoformat()
    return cast("JSON", read)
