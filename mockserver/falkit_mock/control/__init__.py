"""Control requests: checked by the control API's document, answered, refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from jsonschema_rs import Draft202012Validator, ValidationError
from starlette.requests import Request

from falkit_mock.core import NotJson, figure, loads
from falkit_mock.core.errors import WireError
from falkit_mock.hosts import joined_body
from falkit_mock.hosts.replies import AnyReply, Reply, json_reply
from falkit_mock.service.service import Service
from falkit_spec import JSON
from falkit_spec.schema import follow_ref


class ControlError(WireError):
    """A refusal in one sentence."""

    status_code: ClassVar[int]

    def __init__(self, detail: str) -> None:
        super().__init__({"detail": detail})


class InvalidField(ControlError):
    """A field that can't be used: its name, its value and what would do."""

    status_code = 422

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(f"{field}: {_short(value)} {fix}")


class InvalidRequest(ControlError):
    """A request that can't be used, where the sentence isn't about one field's value."""

    status_code = 422


class Unknown(InvalidField):
    """An id that names nothing, and where the known ones are listed."""

    status_code = 404


class Renamed(ControlError):
    """A path by its old name."""

    status_code = 404


class Conflict(ControlError):
    """What the present state doesn't allow."""

    status_code = 409


class TokenNeeded(ControlError):
    """A request without the token of this mock, or with a wrong one."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__(
            "the control API of this mock needs its token: send Authorization: Bearer TOKEN; "
            "falkit serve prints it at the start, --control-token sets it"
        )
        self.headers["www-authenticate"] = 'Bearer realm="falkit"'


class ForbiddenOrigin(ControlError):
    """A request made by a web page of another origin, or by a host name anybody could own."""

    status_code = 403


def _short(value: object) -> str:
    # In JSON's words, where Python's are others.
    shown = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 100 else f"{shown[:99]}…"


def answer(service: Service, body: Mapping[str, JSON], status_code: int = 200) -> Reply:
    """Return a reply of the control API."""
    return json_reply(body, request_id=service.identity.reply_id(), status_code=status_code)


@dataclass(frozen=True, slots=True)
class Call:
    """A control request that the document allows.

    `fields` has what it says in its path, query, headers and body by name: as the type that the
    document gives it, times as unix seconds, and with the document's defaults.
    """

    request: Request
    fields: Mapping[str, Any]


Operation: TypeAlias = Callable[[Call], Awaitable[AnyReply]]
Schema: TypeAlias = Mapping[str, Any]


@cache
def document() -> dict[str, Any]:
    """Return the document; the same object for all callers."""
    # Lazy: reading it takes longer than the server's start.
    import yaml

    text = Path(__file__).with_name("openapi.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return read


class Signature:
    """The fields that an operation of the document takes."""

    def __init__(self, method: str, path_item: Schema, *, limit: int) -> None:
        operation: Schema = path_item[method]
        parameters = _inlined([*path_item.get("parameters", ()), *operation.get("parameters", ())])
        self._query = [one["name"] for one in parameters if one["in"] == "query"]
        self._headers = [one["name"] for one in parameters if one["in"] == "header"]
        self._parameters = _Object(
            {
                "properties": {one["name"]: one["schema"] for one in parameters},
                "required": [one["name"] for one in parameters if one.get("required")],
            }
        )
        content = operation.get("requestBody", {}).get("content", {"application/json": {}})
        schema = content.get("application/json", {}).get("schema", {"type": "object"})
        # Other content is a file, which its operation reads as it comes.
        reads = method != "get" and "application/json" in content
        self._body = _Object(_inlined(schema)) if reads else None
        self._renamed: Mapping[str, str] = operation.get("x-renamed", {})
        self._limit = limit

    async def read(self, request: Request) -> Call:
        """Return a request's fields; raise InvalidField, InvalidRequest or BodyTooLarge."""
        query, headers = request.query_params, request.headers
        self._refuse_unknown("query", query, self._query)
        sent = {name: headers[name] for name in self._headers if name in headers}
        fields = self._parameters.read({**query, **sent, **request.path_params}, as_text=True)
        if self._body is not None:
            announced = headers.get("content-length", "0").encode()
            body = _parsed(await joined_body(request.stream(), announced, self._limit))
            self._refuse_unknown("body", body, [*self._body.properties])
            fields |= self._body.read(body)
        return Call(request, fields)

    def _refuse_unknown(self, place: str, given: Iterable[str], known: list[str]) -> None:
        for name in given:
            if name in self._renamed:
                raise InvalidRequest(f"{name}: is now called {self._renamed[name]}")
            if name not in known:
                names = f"the fields are {', '.join(known)}" if known else "there are no fields"
                raise InvalidField(place, name, f"is not a field here; {names}")


def _inlined(node: JSON) -> Any:
    """Return a part of the document with the parts that it refers to in their place."""
    if isinstance(node, list):
        return [_inlined(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(ref := node.get("$ref"), str):
        return _inlined(follow_ref(document(), ref))
    return {name: _inlined(value) for name, value in node.items()}


class _Object:
    """The schema of an object: a body, or all parameters of an operation by name."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.properties: Mapping[str, Schema] = schema.get("properties", {})
        self._schema = schema
        self._validator = Draft202012Validator(schema)

    def read(self, given: Mapping[str, JSON], *, as_text: bool = False) -> dict[str, Any]:
        """Return the fields as their types, with defaults; raise for one that is wrong.

        `as_text`: they come as text, whatever their types.
        """
        values = dict(given)
        if as_text:
            values = {name: _from_text(given[name], self.properties[name]) for name in given}
        # That one of several fields is needed says less than what is wrong with a field.
        errors = sorted(self._errors(values), key=lambda error: error.schema_path[-1] == "anyOf")
        if errors:
            raise _refusal(errors[0], self._schema, given)
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


def _parsed(data: bytes) -> dict[str, JSON]:
    """Read a body as a JSON object; an empty body is an empty object."""
    if not data.strip():
        return {}
    try:
        value = loads(data)
    except NotJson as error:
        where = "" if error.position is None else f" at character {error.position}"
        start = data[:60].decode("utf-8", "replace")
        raise InvalidField("body", start, f"is not JSON: {error.message}{where}") from None
    if not isinstance(value, dict):
        raise InvalidField("body", value, "is not a JSON object")
    return value


_NUMBER = re.compile(r"-?\d{1,300}(\.\d+)?([eE][+-]?\d{1,3})?", re.A)
_DIGITS = re.compile(r"-?\d+", re.A)
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _from_text(given: JSON, schema: Schema) -> JSON:
    """Return text as the type of its schema; as it is, where it can't be that."""
    text, types = str(given), _types(schema)
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
        raise InvalidField(name, value, f"is not {_expected(schema)}") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _encodable(value: JSON) -> JSON:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {str(_encodable(name)): _encodable(item) for name, item in value.items()}
    return value


def _refusal(error: ValidationError, schema: Schema, given: Mapping[str, JSON]) -> ControlError:
    """Return the refusal that names the field of an error, its value and the fix."""
    (*above, keyword), path = error.schema_path, error.instance_path
    part, value = _at(schema, above), _at(given, path)
    field = ".".join(map(str, path))
    if keyword == "required":
        name = next(name for name in part["required"] if name not in value)
        return _missing(name, _expected(part["properties"][name]))
    if keyword == "dependentRequired":
        name, others = next(item for item in part[keyword].items() if item[0] in value)
        return InvalidField(name, value[name], f"needs {' and '.join(others)} beside it")
    if keyword == "anyOf" and not field:
        names = [name for choice in part["anyOf"] for name in choice["required"]]
        return _missing(names[0], " or ".join(names))
    if "dependentSchemas" in above:
        other = above[above.index("dependentSchemas") + 1]
        return InvalidField(field, value, f"can't be given together with {other}")
    if "propertyNames" in above:
        value = next(name for name in value if not Draft202012Validator(dict(part)).is_valid(name))
    return InvalidField(field, value, f"is not {_expected(part)}")


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for key in path:
        # A name of digits only comes as a number.
        value = value[key if isinstance(value, list) else str(key)]
    return value


def _missing(name: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: missing; give {expected}")


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
    return words
