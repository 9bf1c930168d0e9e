"""Every answer of fal, read here and nowhere else: into a value, or into the error it means."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http.client import responses
from typing import cast

from falkit_client._requests import Request
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
from falkit_spec.types import Fault

_PENDING = "Request is still in progress"
_PHRASES = {**responses, 499: "Client Closed Request"}

# Faults of the model and not of the input (wire.md §6.1).
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
        """Whether the code means success; 202 is an unfinished job's."""
        return 200 <= self.status < 300


def read_submit(request: Request, reply: Reply) -> tuple[str, Mapping[str, object]]:
    """The request id, and the body with the URLs that go with it (wire.md §3.1)."""
    body = _object(request, accepted(request, reply))
    request_id = body.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise _bad(request, reply.body, "the submit was accepted, but no request_id came back")
    return request_id, body


def parse_status(request: Request, text: str | bytes) -> Status:
    """A status from a body, or from the data of one event (wire.md §3.2)."""
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
            return Completed(
                request_id,
                logs,
                _numbers(body.get("metrics")),
                _text(body.get("error")),
                _text(body.get("error_type")),
            )
        case other:
            raise _bad(request, raw, f"{other!r} isn't a status of fal's")


def read_result(request: Request, reply: Reply) -> Result[JsonObject]:
    """The output (wire.md §3.4, §4)."""
    return Result(
        output=cast("JsonObject", _object(request, accepted(request, reply))),
        endpoint=request.endpoint,
        request_id=request.request_id or reply.headers.get("x-fal-request-id"),
        billable_units=_decimal(reply.headers.get("x-fal-billable-units")),
    )


def read_cancel(request: Request, reply: Reply) -> bool:
    """True if the cancellation was accepted, False if the job had ended before (wire.md §3.5)."""
    if reply.status == 400 and (_fields(reply.body) or {}).get("status") == "ALREADY_COMPLETED":
        return False
    accepted(request, reply)
    return True


def read_fields(request: Request, reply: Reply, *names: str) -> dict[str, str]:
    """Texts that an answer of fal's storage must have (wire.md §7.2)."""
    body = accepted(request, reply)
    fields = _object(request, body)
    found = {name: _text(fields.get(name)) or "" for name in names}
    missing = [name for name in names if not found[name]]
    if missing:
        raise _bad(request, body, f"the answer has no {' and no '.join(missing)}")
    return found


def is_outcome(reply: Reply) -> bool:
    """Whether an error in place of the result is the job's own, which repeating won't change.

    Only errors on the way to the job lack the request id (wire.md §6.3).
    """
    return is_for_good(reply) or (reply.status != 429 and "x-fal-request-id" in reply.headers)


def is_for_good(reply: Reply) -> bool:
    """Whether the caller's own time limit ended the job (wire.md §6.3)."""
    return "x-fal-request-timeout-type" in reply.headers


def accepted(request: Request, reply: Reply) -> bytes:
    """The body of an answer that isn't an error; else the error that it means."""
    if not reply.ok:
        raise refusal(request, reply)
    return reply.body


def refusal(request: Request, reply: Reply) -> FalkitError:
    """The error that an answer means."""
    fields = _fields(reply.body) or {}
    detail = fields.get("detail", fields.get("status"))
    if detail is None:
        detail = reply.body.decode(errors="replace")[:500]
    evidence: Evidence = {
        "endpoint": request.endpoint,
        "request_id": request.request_id or reply.headers.get("x-fal-request-id"),
        "status": reply.status,
        "detail": detail,
        "hint": reply.headers.get("x-falkit-hint"),
        "error_type": _text(fields.get("error_type")) or reply.headers.get("x-fal-error-type"),
        "retryable": _retryable(reply.headers),
        "faults": _faults(detail),
        "billable_units": _decimal(reply.headers.get("x-fal-billable-units")),
    }
    message = f"{reply.status} {_PHRASES.get(reply.status, 'Error')} for {request.endpoint}"
    if detail and not evidence["faults"]:
        text = detail if isinstance(detail, str) else json.dumps(detail, default=str)[:500]
        message += f": {text}"
    return _kind(reply, evidence)(message, **evidence)


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


def _bad(request: Request, body: bytes, what: str) -> BadReply:
    return BadReply(
        f"{request.method} {request.url}: {what}",
        body,
        endpoint=request.endpoint,
        request_id=request.request_id,
    )


def _fields(body: bytes) -> dict[str, object] | None:
    """The fields of a JSON object; None for any other body."""
    try:
        value: object = json.loads(body)
    except ValueError:
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _object(request: Request, body: bytes) -> dict[str, object]:
    fields = _fields(body)
    if fields is None:
        raise _bad(request, body, "the answer isn't a JSON object")
    return fields


def _items(value: object) -> list[dict[str, object]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]


def _faults(detail: object) -> tuple[Fault, ...]:
    return tuple(
        cast("Fault", {**item, "type": str(item.get("type")), "msg": str(item.get("msg"))})
        for item in _items(detail)
        if isinstance(item.get("loc"), list)
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


def _retryable(headers: Mapping[str, str]) -> bool | None:
    text = headers.get("x-fal-retryable", headers.get("x-fal-needs-retry"))
    return None if text is None else text.lower() in ("1", "true", "yes")


class EventReader:
    r"""Turns pieces of an event stream, cut anywhere, into the data of its events.

    Lines end in `\n`, `\r\n` or `\r`, and nowhere else: a line separator inside JSON is data.

    >>> reader = EventReader()
    >>> reader.feed(b'data: {"a"')
    []
    >>> reader.feed(b": 1}\n\n: still here\n\n")
    ['{"a": 1}']
    """

    def __init__(self) -> None:
        """Start at the head of a stream."""
        utf8 = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
        self._rest = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """Take the next piece; return the data of each event that it completes."""
        *lines, self._rest = (self._rest + self._decoder.decode(piece)).split("\n")
        events: list[str] = []
        for line in lines:
            name, _, value = line.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            elif not line and self._data:
                events.append("\n".join(self._data))
                self._data = []
        return events
