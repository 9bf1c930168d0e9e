"""fal's published procedure of verifying, in Python with PyNaCl; nothing of falkit's.

Written from wire.md §5.2, with the habits of those who follow the samples: answers are True and
False, keys that can't be read are skipped, any key may match, and keys are kept for a day.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

DAY = 24 * 60 * 60
LEEWAY = 300
Decode = Callable[[dict[str, Any]], bytes]


def as_the_sample(entry: dict[str, Any]) -> bytes:
    """Decode a key as the published sample does: without adding the padding that may lack."""
    return base64.urlsafe_b64decode(entry["x"])


def as_jose(entry: dict[str, Any]) -> bytes:
    """Decode a key as RFC 7517 and RFC 8037 have it: the right kind, and `x` never padded."""
    if entry["kty"] != "OKP" or entry["crv"] != "Ed25519" or entry.get("use", "sig") != "sig":
        raise ValueError("another kind of key")
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", entry["x"]):
        raise ValueError("x is not 32 bytes in base64url without padding")
    return base64.urlsafe_b64decode(entry["x"] + "=")


class Verifier:
    """Says whether deliveries are good by the keys at a URL."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._kept: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    def accepts(self, url: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """Judge a delivery that comes at `now`, in Unix seconds."""
        given = {name.lower(): value for name, value in headers.items()}
        named = ("request-id", "user-id", "timestamp", "signature")
        values = [given.get(f"x-fal-webhook-{name}", "") for name in named]
        if not all(values):
            return False
        request_id, user_id, timestamp, signature = values
        try:
            if abs(now - int(timestamp)) > LEEWAY:
                return False
            made = bytes.fromhex(signature)
        except ValueError:
            return False
        digest = hashlib.sha256(body).hexdigest()
        message = "\n".join([request_id, user_id, timestamp, digest]).encode("utf-8")
        return any(self._made_by(entry, message, made) for entry in self._keys(url, now))

    def _made_by(self, entry: dict[str, Any], message: bytes, signature: bytes) -> bool:
        try:
            VerifyKey(self._decode(entry)).verify(message, signature)
        except (BadSignatureError, ValueError, KeyError, TypeError):
            return False
        return True

    def _keys(self, url: str, now: float) -> list[dict[str, Any]]:
        since, keys = self._kept.get(url, (float("-inf"), []))
        if now - since > DAY:
            with urllib.request.urlopen(url, timeout=10) as reply:
                keys = json.load(reply).get("keys", [])
            self._kept[url] = now, keys
        return keys
