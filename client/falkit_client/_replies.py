"""Every answer of fal, read here and nowhere else: into a value, or into the error it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from falkit_client.errors import (
    BadReply,
    Cancelled,
    Evidence,
    FalkitError,
    Forbidden,
    InvalidInput,
    ModelError,
    NotFound,
    NotReady,
    RateLimited,
    Refused,
    ServerError,
    StartTimeout,
    Unauthorized,
)
from falkit_client.results import Completed, InProgress, JsonObject, LogLine, Queued, Result, Status

if TYPE_CHECKING:
    from falkit_client._requests import Request
    from falkit_spec.types import Fault

_PENDING = "Request is still in progress"

# Faults that say nothing against the input (wire.md §6.1).
_OF_THE_MODEL = frozenset(
    {
        "content_policy_violation",
        "downstream_service_error",
        "downstream_service_unavailable",
        "generation_timeout",
        "internal_server_error",
        "no_media_generated",
    }
)

_BY_STATUS: dict[int, type[Refused]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    429: RateLimited,
    499: Cancelled,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the code says success; 202 is an unfinished job's."""
        return 200 <= self.status < 300


def read_submit(request: Request, reply: Reply) -> tuple[str, Mapping[str, object]]:
    """The request id, and the body with the URLs that go with it (wire.md §3.1)."""
    body = _object(request, _accepted(request, reply).body)
    request_id = body.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise _strange(request, reply.body, "the submit was taken, but no request_id came back")
    return request_id, body


def read_status(request: Request, reply: Reply) -> Status:
    """How far the job is (wire.md §3.2)."""
    return parse_status(request, _accepted(request, reply).body)


def parse_status(request: Request, text: str | bytes) -> Status:
    """A status from a body, or from the data of one event."""
    raw = text.encode() if isinstance(text, str) else text
    body = _object(request, raw)
    request_id = str(body.get("request_id") or request.request_id)
    logs = _logs(body.get("logs"))
    match body.get("status"):
        case "IN_QUEUE":
            position = body.get("queue_position")
            return Queued(request_id, position if isinstance(position, int) else None, logs)
        case "IN_PROGRESS":
            return InProgress(request_id, logs)
        case "COMPLETED":
            metrics = _numbers(body.get("metrics"))
            return Completed(
                request_id, logs, metrics, _text(body.get("error")), _text(body.get("error_type"))
            )
        case other:
            raise _strange(request, raw, f"{other!r} is no status that fal has")


def read_result(request: Request, reply: Reply) -> Result[JsonObject]:
    """The output (wire.md §3.4, §4)."""
    body = _object(request, _accepted(request, reply).body)
    return Result(
        output=cast("JsonObject", body),
        endpoint=request.endpoint,
        request_id=request.request_id or reply.headers.get("x-fal-request-id"),
        billable_units=_decimal(reply.headers.get("x-fal-billable-units")),
    )


def read_cancel(request: Request, reply: Reply) -> bool:
    """True if the cancellation was taken, False if the job had ended already (wire.md §3.5)."""
    if reply.status == 400 and _field(reply.body, "status") == "ALREADY_COMPLETED":
        return False
    _accepted(request, reply)
    return True


def read_fields(request: Request, reply: Reply, *names: str) -> dict[str, str]:
    """Texts that an answer of fal's storage must have (wire.md §7.2)."""
    body = _accepted(request, reply).body
    fields = _object(request, body) if names else {}
    found = {name: value for name in names if isinstance(value := fields.get(name), str)}
    if missing := [name for name in names if not found.get(name)]:
        raise _strange(request, body, f"the answer has no {' and no '.join(missing)}")
    return found


def is_error(reply: Reply) -> bool:
    """Whether it is any error at all."""
    return not reply.ok


def is_outcome(reply: Reply) -> bool:
    """Whether an error met at the result is the job's own, which asking again won't change.

    Only trouble on the way there lacks the request id (wire.md §6.3).
    """
    return is_for_good(reply) or (reply.status != 429 and "x-fal-request-id" in reply.headers)


def is_for_good(reply: Reply) -> bool:
    """Whether fal says that the caller's own time limit ended it (wire.md §6.3)."""
    return "x-fal-request-timeout-type" in reply.headers


def _accepted(request: Request, reply: Reply) -> Reply:
    if not reply.ok:
        raise refusal(request, reply)
    return reply


def refusal(request: Request, reply: Reply) -> FalkitError:
    """The error that an answer means."""
    body = _json(reply.body)
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    detail = fields.get("detail", fields.get("status"))
    faults = _faults(detail)
    error_type = _text(fields.get("error_type")) or reply.headers.get("x-fal-error-type")
    evidence: Evidence = {
        "endpoint": request.endpoint,
        "request_id": request.request_id or reply.headers.get("x-fal-request-id"),
        "status": reply.status,
        "detail": detail if detail is not None else reply.body.decode(errors="replace")[:500],
        "hint": reply.headers.get("x-falkit-hint"),
        "error_type": error_type,
        "retryable": _advice(reply.headers),
        "faults": faults,
        "billable_units": _decimal(reply.headers.get("x-fal-billable-units")),
    }
    words = _words(evidence["detail"]) if not faults else ""
    message = f"{reply.status} {_phrase(reply.status)} for {request.endpoint}"
    return _kind(reply, evidence)(f"{message}: {words}" if words else message, **evidence)


def _kind(reply: Reply, evidence: Evidence) -> type[Refused] | type[InvalidInput]:
    if any(fault["type"] in _OF_THE_MODEL for fault in evidence.get("faults", ())):
        return ModelError
    if reply.status == 422:
        return InvalidInput
    if reply.status == 400 and evidence.get("detail") == _PENDING:
        return NotReady
    if reply.status == 504 and evidence.get("error_type") == "request_timeout":
        return StartTimeout
    if reply.status >= 500:
        return ServerError
    return _BY_STATUS.get(reply.status, Refused)


def _strange(request: Request, body: bytes, what: str) -> BadReply:
    return BadReply(
        f"{request.method} {request.url}: {what}",
        body,
        endpoint=request.endpoint,
        request_id=request.request_id,
    )


def _json(body: bytes) -> object:
    try:
        return cast("object", json.loads(body))
    except ValueError:
        return None


def _object(request: Request, body: bytes) -> dict[str, object]:
    value = _json(body)
    if not isinstance(value, dict):
        raise _strange(request, body, "the answer is no JSON object")
    return cast("dict[str, object]", value)


def _field(body: bytes, name: str) -> object:
    value = _json(body)
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None


def _items(value: object) -> list[dict[str, object]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]


def _faults(detail: object) -> tuple[Fault, ...]:
    whole = [item for item in _items(detail) if isinstance(item.get("loc"), list)]
    return tuple(
        cast("Fault", {**item, "type": str(item.get("type")), "msg": str(item.get("msg"))})
        for item in whole
    )


def _logs(value: object) -> tuple[LogLine, ...]:
    return tuple(
        LogLine(
            message=str(line.get("message", "")),
            timestamp=_text(line.get("timestamp")),
            level=_text(line.get("level")),
            source=_text(line.get("source")),
        )
        for line in _items(value)
    )


def _numbers(value: object) -> dict[str, float]:
    pairs = cast("dict[str, object]", value).items() if isinstance(value, dict) else ()
    return {name: float(number) for name, number in pairs if isinstance(number, (int, float))}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _decimal(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text is not None else None
    except InvalidOperation:
        return None


def _advice(headers: Mapping[str, str]) -> bool | None:
    said = headers.get("x-fal-retryable", headers.get("x-fal-needs-retry"))
    return said.lower() in ("1", "true", "yes") if said is not None else None


def _words(detail: object) -> str:
    return detail if isinstance(detail, str) else json.dumps(detail, default=str)[:500]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request" if status == 499 else "Error"


class EventReader:
    r"""Turns pieces of an event stream into the data of its events.

    Lines end in `\n`, `\r\n` or `\r`, and nowhere else: a line separator inside JSON is data.

    >>> reader = EventReader()
    >>> reader.feed("data: {\"a\"")
    []
    >>> reader.feed(": 1}\n\n: still here\n\n")
    ['{"a": 1}']
    """

    def __init__(self) -> None:
        """Start at the head of a stream."""
        self._rest = ""
        self._data: list[str] = []
        self._started = False

    def feed(self, piece: str) -> list[str]:
        """Take the next piece of text; give the data of each event that it completes."""
        if not self._started and piece:
            self._started = True
            piece = piece.removeprefix("\ufeff")
        events = [self._read(line) for line in self._lines(piece)]
        return [data for data in events if data is not None]

    def _lines(self, piece: str) -> list[str]:
        text = self._rest + piece
        # A last "\r" may be half of "\r\n": it waits for the next piece.
        held = "\r" if text.endswith("\r") else ""
        text = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
        *lines, last = text.split("\n")
        self._rest = last + held
        return lines

    def _read(self, line: str) -> str | None:
        if not line:
            event, self._data = self._data, []
            return "\n".join(event) if event else None
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return None
