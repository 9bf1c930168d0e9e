"""Is a webhook fal's? As fal documents it: https://fal.ai/docs, "Webhooks"."""

import base64
import hashlib
import time
from collections.abc import Mapping

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEYS = "https://rest.fal.ai/.well-known/jwks.json"
# Seconds that keys may be kept, and that a webhook may be old.
DAY, LEEWAY = 86_400.0, 300.0

_kept: list[Ed25519PublicKey] = []
_until = 0.0


async def _keys() -> list[Ed25519PublicKey]:
    global _until
    if time.time() >= _until:
        async with httpx.AsyncClient() as http:
            reply = (await http.get(KEYS)).raise_for_status()
        # fal writes them with the padding; without it they would have to be padded here.
        raw = [base64.urlsafe_b64decode(key["x"] + "==") for key in reply.json()["keys"]]
        _kept[:] = [Ed25519PublicKey.from_public_bytes(key) for key in raw]
        _until = time.time() + DAY
    return _kept


async def is_fals(headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether fal signed this body, as it came, within the last five minutes."""
    names = ("request-id", "user-id", "timestamp", "signature")
    request_id, user_id, timestamp, signature = (
        headers.get(f"x-fal-webhook-{name}", "") for name in names
    )
    try:
        signed, age = bytes.fromhex(signature), time.time() - int(timestamp)
    except ValueError:
        return False
    if abs(age) > LEEWAY:
        return False
    digest = hashlib.sha256(body).hexdigest()
    message = "\n".join([request_id, user_id, timestamp, digest]).encode()
    for key in await _keys():
        try:
            key.verify(signed, message)
        except InvalidSignature:
            continue
        return True
    return False
