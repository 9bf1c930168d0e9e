"""fal's public keys, read out of the key set that it publishes."""

from __future__ import annotations

import base64
import binascii
import json
from typing import cast

from falkit_client.errors import BadKeys

KEY_BYTES = 32
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def read_jwks(document: bytes, url: str) -> tuple[bytes, ...]:
    """The Ed25519 keys of a JWKS, 32 bytes each; BadKeys if it has none (wire.md §5.2).

    Keys of other kinds are passed over, as RFC 7517 has it. `x` may have padding or not.
    """
    try:
        value: object = json.loads(document)
    except (ValueError, RecursionError):
        raise BadKeys(f"{url}: not JSON, where fal's keys should be", url=url) from None
    listed = _fields(value).get("keys")
    if not isinstance(listed, list):
        raise BadKeys(f'{url}: no JWKS: an object with a list "keys" is needed', url=url)
    found = [_key(_fields(entry)) for entry in cast("list[object]", listed)]
    keys = tuple(dict.fromkeys(key for key in found if key is not None))
    if not keys:
        raise BadKeys(f"{url}: none of the {len(found)} keys there is an Ed25519 key", url=url)
    return keys


def _fields(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _key(entry: dict[str, object]) -> bytes | None:
    x = entry.get("x")
    # The published procedure looks at `x` alone, so only what contradicts it counts.
    kind = entry.get("kty", "OKP"), entry.get("crv", "Ed25519"), entry.get("use", "sig")
    if not isinstance(x, str) or kind != ("OKP", "Ed25519", "sig"):
        return None
    text = x.encode(errors="replace").rstrip(b"=").translate(_TO_STANDARD)
    try:
        key = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None
