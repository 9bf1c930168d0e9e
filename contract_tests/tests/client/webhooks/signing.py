"""A signer of deliveries and a host of its keys, as wire.md §5 has them; nothing of falkit's."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Unix seconds at which the tests' deliveries are signed.
NOON = 1_800_000_000
NAMES = ("Request-Id", "User-Id", "Timestamp", "Signature")
REQUEST = "019b76da-a801-74c7-aab7-01d3c98e3dee"
DONE: dict[str, object] = {
    "error": None,
    "gateway_request_id": REQUEST,
    "payload": {
        "prompt": "Möwen über dem Hafen",
        "seed": 17454220438242315174,
        "timings": {"inference": 1.3716533930000878},
        "video": {"file_size": None, "url": "https://v3b.fal.media/files/b/0/clip.mp4"},
    },
    "request_id": REQUEST,
    "status": "OK",
}


def header(name: str) -> str:
    """Return the whole name of one of the four headers."""
    return f"X-Fal-Webhook-{name}"


@dataclass(frozen=True)
class Sent:
    """A delivery on the wire."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Signer:
    """One Ed25519 key and what it signs; the same seed makes the same key."""

    seed: int = 1

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed.to_bytes(32, "big"))

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(
        self,
        body: object = DONE,
        *,
        at: int = NOON,
        request_id: str = REQUEST,
        user_id: str = "github|179263",
    ) -> Sent:
        """Return a delivery of this body: bytes as they are, anything else as fal writes JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body, sort_keys=True).encode()
        lines = [request_id, user_id, str(at), hashlib.sha256(raw).hexdigest()]
        signature = self._private.sign("\n".join(lines).encode("utf-8")).hex()
        values = [request_id, user_id, str(at), signature]
        return Sent(dict(zip(map(header, NAMES), values, strict=True)), raw)

    def entry(self, *, padded: bool = True) -> dict[str, object]:
        """Return the key as fal publishes it, or without the padding that RFC 7517 forbids."""
        x = _base64url(self.public)
        x = x if padded else x.rstrip("=")
        kid = _base64url(hashlib.sha256(x.encode()).digest()).rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x, "use": "sig"}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def key_set(*entries: object) -> bytes:
    """Return a JWKS."""
    return json.dumps({"keys": entries}).encode()


def as_published(*signers: Signer) -> bytes:
    """Return a JWKS in fal's form."""
    return key_set(*(one.entry() for one in signers))


def in_both_forms(*signers: Signer) -> bytes:
    """Return a JWKS that every reader finds each key in."""
    return key_set(*(one.entry(padded=padded) for one in signers for padded in (False, True)))


@dataclass
class KeyHost:
    """Answers every GET with a document that a test may change, and counts."""

    document: bytes
    status: int = 200
    asked: list[str] = field(default_factory=list[str])
    base: str = ""

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"{self.base}/rest.fal.ai/.well-known/jwks.json"


@contextmanager
def key_host(document: bytes) -> Generator[KeyHost]:
    """Serve a key set on a free port for the length of the block."""
    host = KeyHost(document)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append(self.path)
            self.send_response(host.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(host.document)))
            self.end_headers()
            self.wfile.write(host.document)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.base = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()
