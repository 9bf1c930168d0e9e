"""Control requests: checked by the control API's document, answered, refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from starlette.requests import Request

from falkit_mock.core import NotJson, loads
from falkit_mock.core.errors import WireError
from falkit_mock.hosts import joined_body
from falkit_mock.hosts.fields import FieldError, Fields, Schema, sentence
from falkit_mock.hosts.replies import AnyReply, Reply, json_reply
from falkit_mock.service.service import Service
from falkit_spec import JSON
from falkit_spec.schema import follow_ref


class ControlError(WireError):
    """A refusal in one sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__({"detail": detail})


class InvalidField(ControlError):
    """A field that can't be used: its name, its value and what would do."""

    status_code = 422

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(sentence(field, value, fix))


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
            "the control API of this mock needs its token: send Authorization: Bearer TOKEN, "
            "or set FALKIT_CONTROL_TOKEN for the commands; it is what --control-token set, "
            "or what falkit serve made and printed at its start"
        )
        self.headers["www-authenticate"] = 'Bearer realm="falkit"'


class ForbiddenOrigin(ControlError):
    """A request made by a web page of another origin, or by a host name anybody could own."""

    status_code = 403


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
        self._parameters = Fields(
            {
                "properties": {one["name"]: one["schema"] for one in parameters},
                "required": [one["name"] for one in parameters if one.get("required")],
            }
        )
        content = operation.get("requestBody", {}).get("content", {"application/json": {}})
        schema = content.get("application/json", {}).get("schema", {"type": "object"})
        # Other content is a file, which its operation reads as it comes.
        reads = method != "get" and "application/json" in content
        self._body = Fields(_inlined(schema)) if reads else None
        self._renamed: Mapping[str, str] = operation.get("x-renamed", {})
        self._limit = limit

    async def read(self, request: Request) -> Call:
        """Return a request's fields; raise InvalidField, InvalidRequest or BodyTooLarge."""
        query, headers = request.query_params, request.headers
        self._refuse_unknown("query", query, self._query)
        sent = {name: headers[name] for name in self._headers if name in headers}
        try:
            fields = self._parameters.read({**query, **sent, **request.path_params}, as_text=True)
            if self._body is not None:
                announced = headers.get("content-length", "0").encode()
                body = _parsed(await joined_body(request.stream(), announced, self._limit))
                self._refuse_unknown("body", body, [*self._body.properties])
                fields |= self._body.read(body)
        except FieldError as error:
            raise InvalidRequest(str(error)) from None
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
