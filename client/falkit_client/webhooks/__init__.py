"""Webhook deliveries, verified and read.

>>> from falkit_client import errors, webhooks
>>> try:
...     webhooks.verify({"Content-Type": "application/json"}, b"{}")
... except errors.Unverified as error:
...     print(error)
X-Fal-Webhook-Request-Id is missing: the request is not fal's, or a proxy left it out
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from falkit_client.errors import BadPayload, WrongSignature
from falkit_client.results import JsonObject
from falkit_client.webhooks.signature import (
    FAL_JWKS,
    KEY_BYTES,
    Headers,
    KeyRing,
    Now,
    Signed,
    clock,
    jwks_url,
    read_jwks,
)

LEEWAY = 300.0

Keys = KeyRing | Iterable[bytes]

__all__ = [
    "FAL_JWKS",
    "LEEWAY",
    "Delivery",
    "Headers",
    "KeyRing",
    "Keys",
    "Now",
    "jwks_url",
    "read_jwks",
    "verify",
    "verify_async",
]


def verify(
    headers: Headers,
    body: bytes,
    *,
    keys: Keys | None = None,
    base_url: str | None = None,
    leeway: float = LEEWAY,
    now: Now = clock,
) -> Delivery:
    """Return a delivery, once it is proven to be fal's (wire.md §5.2).

    `headers`: the request's, as your framework has them: a mapping, a WSGI environ, or pairs.
    `body`: the raw bytes as received: JSON parsed and serialized again isn't what fal signed.
    `keys`: a KeyRing of your own, or Ed25519 public keys of 32 bytes; else those at
    `jwks_url(base_url)`, fetched when first needed and kept for a day by the whole process.
    `leeway`: seconds that the timestamp may be off, either way. `now`: gives Unix seconds.

    Raises errors.WebhookError: Unverified if it isn't proven to be fal's, BadPayload if it is, but
    isn't a webhook's body, KeysUnavailable if the keys can't be fetched. TypeError if the body
    isn't bytes.
    """
    signed = Signed.read(headers, body)
    signed.check_age(now, leeway)
    ring = _ring(keys, base_url)
    if isinstance(ring, KeyRing):
        ring.check(signed, now)
    else:
        _check(signed, ring)
    return Delivery.read(signed, body)


async def verify_async(
    headers: Headers,
    body: bytes,
    *,
    keys: Keys | None = None,
    base_url: str | None = None,
    leeway: float = LEEWAY,
    now: Now = clock,
) -> Delivery:
    """As `verify`, for asynchronous programs: fetching the keys leaves the event loop free."""
    signed = Signed.read(headers, body)
    signed.check_age(now, leeway)
    ring = _ring(keys, base_url)
    if isinstance(ring, KeyRing):
        await ring.check_async(signed, now)
    else:
        _check(signed, ring)
    return Delivery.read(signed, body)


def _ring(keys: Keys | None, base_url: str | None) -> KeyRing | tuple[bytes, ...]:
    if keys is None:
        return _shared(jwks_url(base_url))
    if base_url is not None:
        raise ValueError("keys and base_url are both given: base_url only says where to fetch keys")
    if isinstance(keys, KeyRing):
        return keys
    given = tuple(keys)
    for key in given:
        if len(key) != KEY_BYTES:
            raise ValueError(f"keys has {key!r}: an Ed25519 public key is {KEY_BYTES} bytes")
    return given


def _check(signed: Signed, keys: tuple[bytes, ...]) -> None:
    if not signed.made_by(keys):
        raise WrongSignature(
            f"none of the {len(keys)} keys made the signature over these headers and this body",
            request_id=signed.request_id,
        )


@cache
def _shared(url: str) -> KeyRing:
    return KeyRing(url)


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
