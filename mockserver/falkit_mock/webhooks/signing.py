"""What a webhook carries: keys, signature headers, bodies and samples."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from falkit_mock.core import dumps
from falkit_mock.core.clock import Clock
from falkit_mock.core.fal_errors import model_error, platform_error, refusal
from falkit_mock.core.jobs import JobFaults, Outcome, WebhookFaultName
from falkit_mock.core.settings import JwksPadding
from falkit_mock.store import DeliveryStore, KeyRecord
from falkit_mock.webhooks import KeyInUse
from falkit_spec import JSON, Endpoint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Never published, so what it signs doesn't verify.
UNPUBLISHED = 0
# What a new mock publishes: two keys, as fal does (wire.md §5.2). The newer one signs.
_AT_FIRST = (1, 2)


@lru_cache(maxsize=64)
def private_key(number: int) -> Ed25519PrivateKey:
    """Return a key by its number.

    Keys follow from their numbers alone, the same in every falkit: a receiver that keeps keys
    for a day goes on accepting what a restarted mock sends. They aren't secret, and what they sign
    proves only that it was not changed on its way.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = blake2b(b"falkit webhook key %d" % number, digest_size=32).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


class KeyRing:
    """The keys of one mock, kept in its store. The newest signs."""

    def __init__(self, store: DeliveryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Kept, since each signature needs it.
        self._current: int | None = None

    def all(self) -> list[KeyRecord]:
        """Return every key there ever was, the oldest first."""
        if not self._store.keys():
            for number in _AT_FIRST:
                self._store.put_key(KeyRecord(number, self._clock.now(), withdrawn=False))
        return self._store.keys()

    @property
    def current(self) -> int:
        """The number of the key that signs."""
        if self._current is None:
            self._current = self.all()[-1].number
        return self._current

    def forget(self) -> None:
        """Read the keys from the store again, which may be another mock's now."""
        self._current = None

    def rotate(self) -> KeyRecord:
        """Sign with a new key from now on; the others stay published."""
        made = KeyRecord(self.current + 1, self._clock.now(), withdrawn=False)
        self._store.put_key(made)
        self.forget()
        return made

    def withdraw(self, number: int) -> KeyRecord:
        """Stop publishing an old key; raise KeyInUse if it signs, or there is no such key."""
        known = {key.number: key for key in self.all()}
        if number not in known:
            raise KeyInUse(f"key {number}: no such key; keys are {', '.join(map(str, known))}")
        if number == self.current:
            raise KeyInUse(f"key {number}: it signs; rotate first, then withdraw it")
        gone = KeyRecord(number, known[number].created, withdrawn=True)
        self._store.put_key(gone)
        return gone

    def jwks(self, padding: JwksPadding) -> dict[str, JSON]:
        """Return the document at `/.well-known/jwks.json`, the key that signs first.

        `padding` says in which forms each key is in it (wire.md §5.2).
        """
        keys: list[JSON] = []
        for key in reversed(self.all()):
            if not key.withdrawn:
                keys += _published(key.number, padding)
        return {"keys": keys}


def _published(number: int, padding: JwksPadding) -> list[JSON]:
    """Return one key in each of the forms that `padding` names; fal names no `alg`."""
    padded = _base64url(private_key(number).public_key().public_bytes_raw())
    forms = {"padded": padded, "unpadded": padded.rstrip("=")}
    return [
        {"kty": "OKP", "crv": "Ed25519", "kid": _kid(x), "x": x, "use": "sig"}
        for form, x in forms.items()
        if padding in (form, "both")
    ]


def _kid(x: str) -> str:
    """Return an id of 43 characters: as fal's, not RFC 7638's thumbprint. Each form has its own."""
    return _base64url(blake2b(b"falkit kid " + x.encode(), digest_size=32).digest()).rstrip("=")


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()


REQUEST_ID = "X-Fal-Webhook-Request-Id"
USER_ID = "X-Fal-Webhook-User-Id"
TIMESTAMP = "X-Fal-Webhook-Timestamp"
SIGNATURE = "X-Fal-Webhook-Signature"
# What falkit calls itself (wire.md §5.2 has what fal does).
_USER_AGENT = "falkit-webhooks"


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


def sign_attempt(
    body: bytes,
    faults: JobFaults,
    number: int,
    *,
    request_id: str,
    user_id: str,
    moment: float,
    key: int,
) -> tuple[dict[str, str], bytes, tuple[str, ...]]:
    """Return all headers and the body of an attempt, and the names of the faults in them.

    The body is signed with `key` for `moment`, unix seconds, unless a fault corrupts that.
    """
    found: list[str] = []
    if faults.corrupts("stale", number):
        found.append("stale")
        moment -= faults.webhook_number("stale", "seconds")
    if faults.corrupts("unknown_key", number):
        found.append("unknown_key")
        key = UNPUBLISHED
    head = {"User-Agent": _USER_AGENT, "Accept": "*/*", "Content-Type": "application/json"}
    head |= signed(body, request_id=request_id, user_id=user_id, moment=moment, key=key)
    if faults.corrupts("tampered", number):
        found.append("tampered")
        # Still JSON in the same form, so that a receiver which doesn't verify is deceived.
        body = body[:-1] + b', "tampered": true}'
    if faults.corrupts("reserialised", number):
        found.append("reserialised")
        body = _reserialised(body)
    return head, body, tuple(found)


# What is wrong with the probes: who signed the one, and that the other's bytes weren't signed.
PROBE_FAULTS: tuple[WebhookFaultName, ...] = ("unknown_key", "reserialised")


def _reserialised(body: bytes) -> bytes:
    """Write the same JSON without the spaces, as JavaScript does.

    The order stays, so that whoever writes it again in fal's way gets the bytes that were signed.
    """
    return json.dumps(json.loads(body), separators=(",", ":")).encode()


def user_id(key_id: str) -> str:
    """Return the invented user id of an API key: always the same for the same key id."""
    digest = blake2b(b"falkit user " + key_id.encode(), digest_size=8).digest()
    return f"github|{int.from_bytes(digest, 'big') % 90_000_000 + 10_000_000}"


# wire.md §5.1: what fal sends, word for word, in place of a payload that isn't JSON.
PAYLOAD_ERROR = (
    "Response payload is not JSON serializable. Either return a JSON serializable object or "
    "use the queue endpoint to retrieve the response."
)


def body_of(outcome: Outcome, request_id: str, gateway_request_id: str) -> bytes:
    """Return a webhook's body, as Python's `json.dumps` writes it with sorted keys (wire.md §5.1).

    What Python can't read as JSON, or can't write as such again, isn't JSON.
    """
    facts: dict[str, JSON] = {
        "error": None if outcome.ok else f"Invalid status code: {outcome.status_code}",
        "gateway_request_id": gateway_request_id,
        "request_id": request_id,
        "status": "OK" if outcome.ok else "ERROR",
    }
    try:
        payload = json.loads(outcome.body.decode(), parse_constant=_refuse)
        return _written({**facts, "payload": payload})
    except (ValueError, RecursionError):
        return _written({**facts, "payload": None, "payload_error": PAYLOAD_ERROR})


def _written(body: dict[str, JSON]) -> bytes:
    # A number such as 1e400 is read as infinite, which JSON has no word for.
    return json.dumps(body, sort_keys=True, allow_nan=False).encode()


def _refuse(constant: str) -> object:
    raise ValueError(constant)


SampleName: TypeAlias = Literal[
    "completed", "failed", "timed-out", "cancelled", "unserialisable", "failed-unserialisable"
]
SAMPLES: tuple[SampleName, ...] = get_args(SampleName)
# What each sample is, in the order of SAMPLES.
ABOUT = (
    "the endpoint's example output",
    "the model refused the prompt (422)",
    "the job did not start in time (504)",
    "the job was cancelled (499)",
    "an output that isn't JSON: OK without a payload",
    "an error that isn't JSON (404)",
)


def sample(name: SampleName, endpoint: Endpoint) -> Outcome:
    """Return what a job of an endpoint answers that ends as the name says."""
    makers: dict[SampleName, Callable[[], Outcome]] = {
        "completed": lambda: Outcome(200, dumps(endpoint.example_output())),
        "failed": lambda: refusal(
            [model_error("content_policy_violation", ["prompt"])], error=None
        ),
        "timed-out": lambda: platform_error("request_timeout"),
        "cancelled": lambda: platform_error("client_cancelled"),
        "unserialisable": lambda: Outcome(200, b"\x89PNG\r\n"),
        "failed-unserialisable": lambda: Outcome(404, b"404 page not found"),
    }
    return makers[name]()
