"""Validation errors in fal's form: jsonschema's errors, sorted and worded as Pydantic would.

jsonschema finds every error in a value. Pydantic, which fal runs, stops at the first failing
check of a field, reads leniently ("5" passes for a number), and reports in the order of the
model's fields; so the errors are grouped by field, the one that Pydantic would have met first
is kept, and the groups are put in order.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias, cast

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator

from falkit_spec import wording
from falkit_spec.facts import Rule
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Fault, Object, dig, is_array, is_finite, is_number, is_object

Path: TypeAlias = tuple[str | int, ...]


class InputValidator:
    """Validates inputs against one schema and its rules, and turns the errors into Pydantic's."""

    def __init__(self, schema: Object, rules: Sequence[Rule], defaults: Object) -> None:
        self._root = schema
        self._rules = rules
        self._defaults = defaults

    def faults(self, input: JSON, *, coerce: bool = False) -> list[Fault]:
        """List all that is wrong, in the document's order."""
        found = self._errors(input)
        if coerce:
            input = _coerced(input, found)
            found = [error for error in found if not error.lenient]
        faults = [error.fault() for error in found]
        if not is_object(input):
            # Whatever the document leaves open, a body is read into a model.
            message = wording.of_type("object", {"properties": {}})
            return faults or [FieldError((), (), message, input).fault()]
        full = {**self._defaults, **input}
        wrong = {fault["loc"][1] for fault in faults if len(fault["loc"]) > 1}
        broken = [
            rule.fault(full)
            for rule in self._rules
            if not rule.reads & wrong and rule.broken_by(full)
        ]
        if not broken:
            return faults
        fields = list(ordered(self._root))

        def place(fault: Fault) -> int:
            name = "".join(map(str, fault["loc"][1:2]))
            return fields.index(name) if name in fields else len(fields)

        return sorted([*faults, *broken], key=place)

    def coerced(self, input: JSON) -> JSON:
        """Return the input with the values coerced that lax mode would take."""
        return _coerced(input, self._errors(input))

    def _errors(self, value: JSON) -> list[FieldError]:
        """Find all that is wrong; never raises, whatever the value."""
        try:
            found = self._read(value, (), (), self._root)
            if found:
                return found
        except _MESSAGE_FAILURES:
            pass
        sanitized, replaced = wording.sanitize(value)
        found = self._read(sanitized, (), (), self._root)
        reported = {error.path[:1] for error in found}
        rest = [(path, message) for path, message in replaced if path[:1] not in reported]
        return [*found, *(FieldError(path, path, message, None) for path, message in rest)]

    def _read(self, value: JSON, path: Path, loc: Path, schema: JSON) -> list[FieldError]:
        """Read the errors of one value: a group per place below it, the first check of each."""
        groups: dict[Path, list[ValidationError]] = {}
        own: Object = schema if is_object(schema) else {"allOf": [schema is not False]}
        whole = {**own, "$defs": self._root.get("$defs", {})}
        for error in SchemaValidator(whole).iter_errors(value):
            groups.setdefault(tuple(error.relative_path), []).append(error)
        leading = {place: min(group, key=_rank) for place, group in groups.items()}
        final = {place for place, error in leading.items() if error.validator in _FINAL}
        found: list[tuple[Path, list[FieldError]]] = []
        for place, group in groups.items():
            if any(place[:length] in final for length in range(len(place))):
                continue
            below = any(other[: len(place)] == place and other != place for other in groups)
            first = leading[place]
            errors = self._translated(first, group, path + place, loc + place, below)
            if first.validator in _MISSING:
                found.extend((error.path[len(path) :], [error]) for error in errors)
            else:
                # The branches of a union stay together, in the document's order.
                found.append((place, errors))
        found.sort(key=lambda item: self._position(schema, value, item[0]))
        return [error for _, errors in found for error in errors]

    def _translated(
        self,
        error: ValidationError,
        group: list[ValidationError],
        path: Path,
        loc: Path,
        below: bool,
    ) -> list[FieldError]:
        schema, value = _schema(error), cast("JSON", error.instance)
        keyword = str(error.validator)
        limit = schema.get(keyword)
        if keyword in ("enum", "const"):
            values = limit if keyword == "enum" and is_array(limit) else [limit]
            return [FieldError(path, loc, wording.of_values(values, value), value)]
        if keyword == "type":
            return self._typed(schema, value, path, loc)
        if keyword in ("anyOf", "oneOf") and is_array(limit):
            return self._union(limit, value, path, loc)
        if keyword == "required":
            names = [
                str(name)
                for item in group
                for name in cast("list[JSON]", _schema(item).get("required", []))
                if item.validator == "required" and is_object(value) and name not in value
            ]
            return [
                FieldError((*path, name), (*loc, name), wording.MISSING, value)
                for name in dict.fromkeys(names)
            ]
        if keyword == "minItems" and is_array(value) and isinstance(limit, int):
            if "prefixItems" in schema:
                absent = range(len(value), limit)
                return [FieldError((*path, n), (*loc, n), wording.MISSING, value) for n in absent]
            if below:
                return []
        return [FieldError(path, loc, wording.of_constraint(keyword, schema, value), value)]

    def _typed(self, schema: Object, value: JSON, path: Path, loc: Path) -> list[FieldError]:
        kinds = schema.get("type")
        if is_array(kinds):
            wanted = [kind for kind in kinds if kind != "null"] or ["null"]
            return self._union([{**schema, "type": kind} for kind in wanted], value, path, loc)
        kind = str(kinds)
        if kind == "object" and not path:
            # Whatever the model, Pydantic refuses a body that is not an object in these words.
            schema = {**schema, "properties": {}}
        read = wording.lax(kind, schema, value)
        if isinstance(read, wording.Message):
            return [FieldError(path, loc, read, value)]
        coerced = read.value
        if isinstance(coerced, float) and not math.isfinite(coerced):
            return [FieldError(path, loc, wording.of_non_finite(schema, coerced), value)]
        remaining = self._read(coerced, path, loc, schema)
        if remaining:
            return [replace(error, input=value) for error in remaining]
        message = wording.of_type(kind, schema)
        return [FieldError(path, loc, message, value, lenient=True, coerced=read)]

    def _union(self, branches: list[JSON], value: JSON, path: Path, loc: Path) -> list[FieldError]:
        real = [branch for branch in branches if branch != {"type": "null"}] or branches
        read: list[list[FieldError]] = []
        for branch in real:
            place = loc if len(real) == 1 else (*loc, self._label(branch))
            read.append(self._read(value, path, place, branch))
        if len(real) == 1:
            return read[0]
        accepted = next((found for found in read if all(error.lenient for error in found)), None)
        if accepted is None:
            # Lax mode refuses the whole, so what it would accept within one branch doesn't count.
            return [error for found in read for error in found if not error.lenient]
        return [
            replace(
                error,
                message=_STRICT.get(error.message.type, error.message),
                lenient=True,
                coerced=error.coerced if found is accepted else None,
            )
            for found in read
            for error in found
        ]

    def _label(self, branch: JSON) -> str:
        schema = resolve(branch, self._root)
        ref = branch.get("$ref") if is_object(branch) else None
        name = ref.rpartition("/")[2] if isinstance(ref, str) else None
        if schema.get("type") == "array" and "prefixItems" not in schema:
            return f"list[{self._label(schema.get('items', {}))}]"
        return wording.label(schema, name)

    def _position(self, schema: JSON, value: JSON, path: Path) -> tuple[int, ...]:
        """Return a sort key that puts paths in the order of the document's fields."""
        key: list[int] = []
        for part in path:
            node = resolve(schema, self._root)
            if isinstance(part, int):
                key.append(part)
                firsts = node.get("prefixItems")
                in_tuple = dict(enumerate(firsts)) if is_array(firsts) else {}
                schema = in_tuple.get(part, node.get("items"))
            else:
                fields = ordered(node)
                # Keys that the document does not know come last, as they stand in the input.
                names = dict.fromkeys([*fields, *(value if is_object(value) else ()), part])
                key.append(list(names).index(part))
                schema = fields.get(part, node.get("additionalProperties"))
            value = dig(value, str(part))
        return tuple(key)


def _coerced(input: JSON, found: list[FieldError]) -> JSON:
    for error in found:
        if error.coerced is not None:
            input = _with(input, error.path, error.coerced.value)
    return input


def _with(whole: JSON, path: Path, value: JSON) -> JSON:
    """Return the whole with one value replaced; the rest is shared."""
    if not path:
        return value
    changed = cast("dict[str | int, JSON]", copy.copy(whole))
    changed[path[0]] = _with(changed[path[0]], path[1:], value)
    return cast("JSON", changed)


# The check that Pydantic meets first comes first.
_PRECEDENCE = (
    *("enum", "const", "type", "anyOf", "oneOf"),
    *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("minLength", "maxLength", "maxItems", "maxProperties", "required"),
    *("minProperties", "minItems", "uniqueItems"),
)
# What is inside a value that fails these is not checked.
_FINAL = frozenset(("enum", "const", "type", "anyOf", "oneOf", "maxItems", "maxProperties"))
# Each thing that these find missing is reported in its own place.
_MISSING = frozenset(("required", "minItems"))


@dataclass(frozen=True)
class FieldError:
    """One validation error; `lenient` where lax mode would take the value all the same."""

    path: Path
    loc: Path
    message: wording.Message
    input: JSON
    lenient: bool = False
    coerced: wording.Coerced | None = None

    def fault(self) -> Fault:
        """Return it as an item of `detail`."""
        fault: Fault = {
            "type": self.message.type,
            "loc": ["body", *self.loc],
            "msg": self.message.msg,
            "input": self.input,
        }
        if self.message.ctx:
            fault["ctx"] = dict(self.message.ctx)
        return fault


# Strict mode's message where lax mode tried to parse first.
_STRICT = {
    "int_parsing": wording.of_type("integer", {}),
    "int_parsing_size": wording.of_type("integer", {}),
    "int_from_float": wording.of_type("integer", {}),
    "float_parsing": wording.of_type("number", {}),
    "bool_parsing": wording.of_type("boolean", {}),
}


def _rank(error: ValidationError) -> int:
    keyword = str(error.validator)
    return _PRECEDENCE.index(keyword) if keyword in _PRECEDENCE else len(_PRECEDENCE)


def _schema(error: ValidationError) -> Object:
    return cast("Object", error.schema) if isinstance(error.schema, dict) else {}


# jsonschema writes the value into each message, which fails for numbers of thousands of
# digits and for nesting without end.
_MESSAGE_FAILURES = (RecursionError, ValueError, OverflowError, TypeError)


def describe_errors(schema: Object, value: JSON) -> list[str]:
    """List all that is wrong with a value in jsonschema's words, each after its path."""
    try:
        errors = SchemaValidator(schema).iter_errors(value)
        ordered_errors = sorted(errors, key=lambda error: str(error.json_path))
        return [f"{error.json_path}: {error.message}" for error in ordered_errors]
    except _MESSAGE_FAILURES:
        _, replaced = wording.sanitize(value)
        return [f"${''.join(f'[{part!r}]' for part in path)}: {why.msg}" for path, why in replaced]


def _is_number(_checker: object, value: object) -> bool:
    return is_number(value) and is_finite(value)


def _is_integer(_checker: object, value: object) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def _multiple_of(
    _validator: Validator, step: JSON, value: JSON, _schema: JSON
) -> Iterable[ValidationError]:
    # jsonschema divides floats, for which 0.3 is not a multiple of 0.1; Pydantic and the compiled
    # validator take numbers as they are written.
    known = is_number(step) and is_number(value) and is_finite(value)
    if known and Fraction(repr(value)) % Fraction(repr(step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


_CHECKER = Draft202012Validator.TYPE_CHECKER
SchemaValidator = cast(
    "type[Validator]",
    validators.extend(  # type: ignore[no-untyped-call]  # the stub has no types
        Draft202012Validator,
        {"multipleOf": _multiple_of},
        type_checker=_CHECKER.redefine("number", _is_number).redefine("integer", _is_integer),
    ),
)
