"""Fields of a query or a body: checked by their JSON schema, returned as their types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from jsonschema_rs import Draft202012Validator, ValidationError

from falkit_mock.core import figure
from falkit_spec import JSON

Schema: TypeAlias = Mapping[str, Any]


class FieldError(ValueError):
    """A field that its schema rules out; the message names it, its value and the fix."""


def sentence(field: str, value: object, fix: str) -> str:
    """Return a refusal's sentence, however long the value is."""
    # In JSON's words, where Python's are others.
    shown = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return f"{field}: {shown if len(shown) <= 100 else f'{shown[:99]}…'} {fix}"


class Fields:
    """The fields of a body, or all parameters of an operation, by the schema of an object.

    Beside JSON Schema it knows `format: moment`, unix seconds or ISO 8601, and `x-expected`, which
    says in words what a schema takes.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.properties: Mapping[str, Schema] = schema.get("properties", {})
        self._schema = schema
        self._validator = Draft202012Validator(schema)

    def read(self, given: Mapping[str, JSON], *, as_text: bool = False) -> dict[str, Any]:
        """Return the fields as their types, with defaults; raise FieldError for one.

        `as_text`: they come as text, or lists of it, whatever their types.
        """
        values = dict(given)
        if as_text:
            values = {name: _from_text(given[name], self.properties[name]) for name in given}
        # That one of several fields is needed says less than what is wrong with a field.
        errors = sorted(self._errors(values), key=lambda error: error.schema_path[-1] == "anyOf")
        if errors:
            # As it was written, but a list in its parts.
            shown = {
                name: value if isinstance(value, list) else given[name]
                for name, value in values.items()
            }
            raise _refusal(errors[0], self._schema, shown)
        defaults = {
            name: schema["default"]
            for name, schema in self.properties.items()
            if "default" in schema
        }
        return defaults | {
            name: _typed(name, value, self.properties[name]) for name, value in values.items()
        }

    def _errors(self, values: JSON) -> list[ValidationError]:
        try:
            return [*self._validator.iter_errors(values)]
        except UnicodeEncodeError:
            # A lone surrogate, which JSON can write and UTF-8 can't.
            return [*self._validator.iter_errors(_encodable(values))]


_NUMBER = re.compile(r"-?\d{1,300}(\.\d+)?([eE][+-]?\d{1,3})?", re.A)
_DIGITS = re.compile(r"-?\d+", re.A)
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _from_text(given: JSON, schema: Schema) -> JSON:
    """Return text as the type of its schema; as it is, where it can't be that."""
    types = _types(schema)
    if isinstance(given, list):
        return [_from_text(item, schema.get("items", {})) for item in given]
    text = str(given)
    for choice in schema.get("enum", ()):
        if text in (choice, choice.lower()):
            return str(choice)
    if "boolean" in types:
        return _WORDS.get(text.lower(), text)
    if types & {"number", "integer"} and _NUMBER.fullmatch(text):
        # Beyond 2**53 a float is not the number that was written.
        number = int(text) if _DIGITS.fullmatch(text) else float(text)
        return number if math.isfinite(number) else text
    return text


def _types(schema: Schema) -> set[str]:
    own = schema.get("type", ())
    below = (_types(part) for part in schema.get("anyOf", ()))
    return {own} if isinstance(own, str) else set(own).union(*below)


def _typed(name: str, value: Any, schema: Schema) -> Any:
    """Return a valid value as its operation takes it."""
    if schema.get("format") == "moment":
        return _moment(name, value, schema)
    # 5.0 is a whole number to JSON.
    return int(value) if isinstance(value, float) and "integer" in _types(schema) else value


def _moment(name: str, value: str | float, schema: Schema) -> float:
    """Return unix seconds, written as such or as ISO 8601; UTC where no zone is given."""
    if not isinstance(value, str):
        return value
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise FieldError(sentence(name, value, f"is not {_expected(schema)}")) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _encodable(value: JSON) -> JSON:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {str(_encodable(name)): _encodable(item) for name, item in value.items()}
    return value


def _refusal(error: ValidationError, schema: Schema, given: Mapping[str, JSON]) -> FieldError:
    """Return the refusal that names the field of an error, its value and the fix."""
    (*above, keyword), path = error.schema_path, error.instance_path
    part, value = _at(schema, above), _at(given, path)
    field = ".".join(map(str, path))
    if keyword == "required":
        name = next(name for name in part["required"] if name not in value)
        return _missing(name, _expected(part["properties"][name]))
    if keyword == "dependentRequired":
        name, others = next(item for item in part[keyword].items() if item[0] in value)
        return FieldError(sentence(name, value[name], f"needs {' and '.join(others)} beside it"))
    if keyword == "anyOf" and not field:
        names = [name for choice in part["anyOf"] for name in choice["required"]]
        return _missing(names[0], " or ".join(names))
    if "dependentSchemas" in above:
        other = above[above.index("dependentSchemas") + 1]
        return FieldError(sentence(field, value, f"can't be given together with {other}"))
    if "propertyNames" in above:
        value = next(name for name in value if not Draft202012Validator(dict(part)).is_valid(name))
    return FieldError(sentence(field, value, f"is not {_expected(part)}"))


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for key in path:
        # A name of digits only comes as a number.
        value = value[key if isinstance(value, list) else str(key)]
    return value


def _missing(name: str, expected: str) -> FieldError:
    return FieldError(f"{name}: missing; give {expected}")


_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a list",
    "null": "null",
}


def _expected(schema: Schema) -> str:
    """Say in words what a schema takes."""
    if "x-expected" in schema:
        return str(schema["x-expected"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    words = " or ".join(words for kind, words in _KINDS.items() if kind in _types(schema))
    if "minimum" in schema:
        words = f"{words} from {figure(schema['minimum'])} to {figure(schema['maximum'])}"
    if "maxItems" in schema:
        words = f"{words} of at most {schema['maxItems']}"
    return words
