"""The four headers of a webhook, and what is signed (wire.md §5.2)."""

from __future__ import annotations

from hashlib import blake2b, sha256

from falkit_mock.platform.webhooks.keys import private_key

REQUEST_ID = "X-Fal-Webhook-Request-Id"
USER_ID = "X-Fal-Webhook-User-Id"
TIMESTAMP = "X-Fal-Webhook-Timestamp"
SIGNATURE = "X-Fal-Webhook-Signature"


def signed(
    body: bytes, *, request_id: str, user_id: str, moment: float, key: int
) -> dict[str, str]:
    """Return the headers that sign exactly these bytes at a moment, in unix seconds."""
    timestamp = str(int(moment))
    lines = (request_id, user_id, timestamp, sha256(body).hexdigest())
    return {
        REQUEST_ID: request_id,
        USER_ID: user_id,
        TIMESTAMP: timestamp,
        SIGNATURE: private_key(key).sign("\n".join(lines).encode()).hex(),
    }


def user_id(key_id: str) -> str:
    """Return the made-up id of whoever holds a key: always the same for the same key's id."""
    digest = blake2b(b"falkit user " + key_id.encode(), digest_size=8).digest()
    return f"github|{int.from_bytes(digest, 'big') % 90_000_000 + 10_000_000}"
