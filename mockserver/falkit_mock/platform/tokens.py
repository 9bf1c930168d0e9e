"""Tokens that the mock signs and knows again: for the CDN, for realtime, and in signed URLs."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import Literal, TypeAlias, cast

from falkit_mock.platform.clock import Clock
from falkit_spec import JSON

# What a token opens; one made for one thing opens no other.
Purpose: TypeAlias = Literal["cdn", "apps", "upload", "read"]


class BadToken(Exception):
    """A token that opens nothing; `expired` tells one that did from one that never did."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "not signed here for this")
        self.expired = expired


class Tokens:
    """JSON Web Tokens (HS256) on the mock's clock."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self.key = key
        self._clock = clock

    def issue(self, purpose: Purpose, seconds: float, **claims: JSON) -> str:
        """Return a token that is good for `seconds` from now."""
        head = _encode({"alg": "HS256", "typ": "JWT"})
        now = self._clock.now()
        body = _encode({**claims, "aud": purpose, "iat": now, "exp": now + seconds})
        return f"{head}.{body}.{self._signature(f'{head}.{body}')}"

    def read(self, token: str, purpose: Purpose) -> dict[str, JSON]:
        """Return a token's claims; raise BadToken if it is forged, for something else or over."""
        signed, _, signature = token.rpartition(".")
        expected = self._signature(signed)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise BadToken(expired=False)
        claims = _decode(signed.partition(".")[2])
        if claims.get("aud") != purpose:
            raise BadToken(expired=False)
        if self._clock.now() >= cast(float, claims["exp"]):
            raise BadToken(expired=True)
        return claims

    def _signature(self, text: str) -> str:
        digest = hmac.new(self.key, text.encode("utf-8", "surrogateescape"), sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _encode(value: dict[str, JSON]) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _decode(text: str) -> dict[str, JSON]:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return cast("dict[str, JSON]", json.loads(data))
