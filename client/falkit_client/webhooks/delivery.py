"""A delivery: the headers that sign it, and its body."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast, runtime_checkable

from falkit_client.errors import BadPayload, MalformedHeader, MissingHeader, StaleTimestamp
from falkit_client.results import JsonObject

REQUEST_ID = "X-Fal-Webhook-Request-Id"
USER_ID = "X-Fal-Webhook-User-Id"
TIMESTAMP = "X-Fal-Webhook-Timestamp"
SIGNATURE = "X-Fal-Webhook-Signature"

# A line end in the first two would let other headers have the same signed text.
_FORMS = {
    REQUEST_ID: (r"[!-~]+", "visible ASCII"),
    USER_ID: (r"[!-~]+", "visible ASCII"),
    TIMESTAMP: (r"[0-9]{1,15}", "whole Unix seconds"),
    SIGNATURE: (r"[0-9A-Fa-f]{128}", "128 hex digits"),
}

Text = str | bytes


@runtime_checkable
class _Items(Protocol):
    # Werkzeug's headers have `items` without being a Mapping.
    def items(self) -> Iterable[tuple[str, object]]: ...


Headers = _Items | Iterable[tuple[Text, Text]]
"""Headers of a request: any mapping by name, a WSGI environ, or pairs of text or bytes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A delivery's four headers and raw body; `timestamp` in Unix seconds."""

    request_id: str
    user_id: str
    timestamp: int
    signature: bytes = field(repr=False)
    message: bytes = field(repr=False)

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> Signed:
        """Read the headers; MissingHeader or MalformedHeader names the wrong one.

        TypeError for a body that isn't bytes: parsed and serialized again, it is not what fal
        signed.
        """
        if not isinstance(cast("object", body), bytes | bytearray | memoryview):
            raise TypeError(
                f"body is {type(body).__name__}: give the raw bytes of the request as they came"
            )
        found = _found(headers)
        values = {name: _value(name, found) for name in _FORMS}
        parts = [values[name] for name in (REQUEST_ID, USER_ID, TIMESTAMP)]
        return cls(
            request_id=values[REQUEST_ID],
            user_id=values[USER_ID],
            timestamp=int(values[TIMESTAMP]),
            signature=bytes.fromhex(values[SIGNATURE]),
            message="\n".join([*parts, hashlib.sha256(body).hexdigest()]).encode(),
        )

    def check_age(self, now: Callable[[], float], leeway: float) -> None:
        """Raise StaleTimestamp if it was signed more than `leeway` seconds before or after now."""
        age = now() - self.timestamp
        if abs(age) <= leeway:
            return
        when = f"{age:.0f} s ago" if age > 0 else f"{-age:.0f} s in the future"
        raise StaleTimestamp(
            f"{TIMESTAMP} is {self.timestamp}, {when}: more than {leeway:g} s"
            " (is this machine's clock right?)",
            timestamp=self.timestamp,
            age=age,
            leeway=leeway,
            request_id=self.request_id,
        )

    def made_by(self, keys: Iterable[bytes]) -> bool:
        """Whether one of these Ed25519 keys, 32 bytes each, made the signature."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        for key in keys:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(self.signature, self.message)
            except InvalidSignature:
                continue
            return True
        return False


def _found(headers: Headers) -> dict[str, list[str]]:
    """The values of each of the four, by the name in lower case."""
    found: dict[str, list[str]] = {name.lower(): [] for name in _FORMS}
    pairs: Iterable[tuple[Text, object]]
    pairs = headers.items() if isinstance(headers, _Items) else headers
    for name, value in pairs:
        # WSGI and CGI write HTTP_X_FAL_WEBHOOK_… (PEP 3333).
        plain = _text(name).lower().replace("_", "-").removeprefix("http-")
        if plain in found and value is not None:
            found[plain].append(_text(value))
    return found


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _value(name: str, found: dict[str, list[str]]) -> str:
    values = found[name.lower()]
    request_id = next(iter(found[REQUEST_ID.lower()]), None)
    if not any(values):
        raise MissingHeader(
            f"{name} is missing: the request is not fal's, or a proxy left it out",
            header=name,
            request_id=request_id,
        )
    pattern, form = _FORMS[name]
    if len(set(values)) > 1:
        # Code that reads the first of them could act on another one than the verified.
        raise MalformedHeader(
            f"{name} is there {len(values)} times, with different values",
            header=name,
            value=", ".join(values),
            request_id=request_id,
        )
    if not re.fullmatch(pattern, values[0]):
        raise MalformedHeader(
            f"{name} is {_short(values[0])}: {form} are needed",
            header=name,
            value=values[0],
            request_id=request_id,
        )
    return values[0]


def _short(value: str) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:40]}… ({len(value)} characters)"


Status = Literal["OK", "ERROR"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome of a job, as fal delivers it (wire.md §5.1), possibly more than once.

    `request_id` names the job, and shows which deliveries are repetitions; `gateway_request_id`
    differs from it where fal ran the job again. `timestamp` is when it was signed, in Unix seconds.
    `status` OK has the output in `payload`; ERROR has `error`, such as `Invalid status code: 422`,
    and the error's body in `payload`. With either, `payload` may be None, and `payload_error` is
    the reason: then the output is still to be read from the queue.
    """

    request_id: str
    gateway_request_id: str
    user_id: str
    timestamp: int
    status: Status
    payload: JsonObject | None
    error: str | None = None
    payload_error: str | None = None

    @classmethod
    def read(cls, signed: Signed, body: bytes) -> Delivery:
        """Read a body; BadPayload says how it differs from wire.md §5.1."""
        try:
            fields: JsonObject | None = json.loads(bytes(body))
        except (ValueError, RecursionError):
            fields = None
        problem = _problem(fields)
        if fields is None or problem:
            message = f"the body is signed, but {problem}"
            raise BadPayload(message, bytes(body), request_id=signed.request_id)
        return cls(
            request_id=fields["request_id"],
            gateway_request_id=fields.get("gateway_request_id") or fields["request_id"],
            user_id=signed.user_id,
            timestamp=signed.timestamp,
            status=fields["status"],
            payload=fields.get("payload"),
            error=fields.get("error"),
            payload_error=fields.get("payload_error"),
        )


def _problem(body: object) -> str | None:
    """Return what is wrong with a signed body; None if it is what wire.md §5.1 has."""
    if not isinstance(body, dict):
        return "it isn't a JSON object"
    fields = cast("dict[str, object]", body)
    for name in ("request_id", "gateway_request_id", "status", "error", "payload_error"):
        if not isinstance(fields.get(name), str | None):
            return f"{name} is a {type(fields[name]).__name__}: it is text"
    for name in ("request_id", "status"):
        if not fields.get(name):
            return f"it has no {name}"
    if fields["status"] not in ("OK", "ERROR"):
        return f"status is {fields['status']!r}: it is OK or ERROR"
    if not isinstance(fields.get("payload"), dict | None):
        return f"payload is a {type(fields['payload']).__name__}: it is an object or null"
    return None
