"""What fal signs of a delivery, read from its headers in whatever form a framework has them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, cast, runtime_checkable

from falkit_client.errors import MalformedHeader, MissingHeader, StaleTimestamp

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
    # Werkzeug's headers are no Mapping, yet have this.
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
        """Read the headers; MissingHeader or MalformedHeader says which is wrong, and how.

        TypeError for a body that isn't bytes: what was parsed and written anew is not what fal
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
        # WSGI and CGI say HTTP_X_FAL_WEBHOOK_… (PEP 3333).
        plain = _text(name).lower().replace("_", "-").removeprefix("http-")
        if plain in found and value is not None:
            found[plain].append(_text(value))
    return found


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _value(name: str, found: dict[str, list[str]]) -> str:
    values = found[name.lower()]
    told = next(iter(found[REQUEST_ID.lower()]), None)
    if not any(values):
        raise MissingHeader(
            f"{name} is missing: the request is not fal's, or a proxy left it out",
            header=name,
            request_id=told,
        )
    pattern, form = _FORMS[name]
    if len(set(values)) > 1:
        # Who reads the first of them would act on another than the one that is proven.
        raise MalformedHeader(
            f"{name} is there {len(values)} times, with different values",
            header=name,
            value=", ".join(values),
            request_id=told,
        )
    if not re.fullmatch(pattern, values[0]):
        raise MalformedHeader(
            f"{name} is {_short(values[0])}: {form} are needed",
            header=name,
            value=values[0],
            request_id=told,
        )
    return values[0]


def _short(value: str) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:40]}… ({len(value)} characters)"
