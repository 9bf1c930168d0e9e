"""Webhook deliveries, verified and read.

>>> from falkit_client import errors, webhooks
>>> try:
...     webhooks.verify({"Content-Type": "application/json"}, b"{}")
... except errors.Unverified as error:
...     print(error)
X-Fal-Webhook-Request-Id is missing: the request is not fal's, or a proxy left it out
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache

from falkit_client.errors import WrongSignature
from falkit_client.webhooks.delivery import Delivery, Headers, Signed
from falkit_client.webhooks.keys import FAL_JWKS, KEY_BYTES, KeyRing, Now, jwks_url, read_jwks

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
    now: Now = time.time,
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
    now: Now = time.time,
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
