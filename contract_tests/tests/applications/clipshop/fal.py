"""fal's queue and storage, spoken with httpx alone."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json: TypeAlias = dict[str, Any]
_LEEWAY = 300.0


class FalError(Exception):
    """What fal answered where it wasn't a success."""

    def __init__(self, reply: httpx.Response) -> None:
        super().__init__(f"fal answered {reply.status_code}: {reply.text[:200]}")
        self.status = reply.status_code


class Unsure(Exception):
    """A submit got no reply: the job may be running, and be paid, all the same."""


class Fal:
    """Calls with one key. `sleep` and `now` are in seconds; tests bring their own."""

    def __init__(
        self,
        http: httpx.Client,
        key: str,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.http = http
        self.auth = {"Authorization": f"Key {key}", "User-Agent": "clipshop/1.4"}
        self.sleep = sleep
        self.now = now
        self._keys: list[Ed25519PublicKey] = []

    def submit(
        self,
        endpoint: str,
        wanted: Json,
        *,
        webhook: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """Put a job into fal's queue once; raise Unsure if it isn't known what came of that."""
        try:
            reply = self.http.post(
                f"https://queue.fal.run/{endpoint}",
                json=wanted,
                params={"fal_webhook": webhook} if webhook else None,
                headers={**self.auth, **(headers or {})},
            )
        except httpx.ConnectError:
            raise
        except httpx.TransportError as error:
            raise Unsure(endpoint) from error
        return _read(reply)

    def status(self, endpoint: str, job: Json, logs: bool = False) -> Json:
        """Return a job's status; `endpoint` is what it was submitted to."""
        query = {"logs": "1"} if logs else None
        return _read(self.http.get(job["status_url"], params=query, headers=self.auth))

    def result(self, endpoint: str, job: Json) -> Json:
        """Return what a job answered; raise FalError where it failed."""
        return _read(self.http.get(job["response_url"], headers=self.auth))

    def cancel(self, endpoint: str, job: Json) -> None:
        """Ask for a job's end; that it has ended already is fine."""
        self.http.put(job["cancel_url"], headers=self.auth)

    def logs(self, endpoint: str, job: Json) -> list[str]:
        """Return the newest lines of a job's log."""
        lines: list[Json] = self.status(endpoint, job, logs=True)["logs"] or []
        return [str(line["message"]) for line in lines]

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        """Return what a job answers; cancel it and raise TimeoutError after `limit` seconds."""
        until = self.now() + limit
        while self.status(endpoint, job)["status"] != "COMPLETED":
            if self.now() >= until:
                self.cancel(endpoint, job)
                raise TimeoutError(f"no clip within {limit:g} s")
            self.sleep(2.0)
        return self.result(endpoint, job)

    def upload(self, name: str, content_type: str, data: bytes) -> str:
        """Put a file into fal's storage; return its URL."""
        reply = self.http.post(
            "https://rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3",
            json={"file_name": name, "content_type": content_type},
            headers=self.auth,
        )
        place = _read(reply)
        self.http.put(
            place["upload_url"], content=data, headers={"Content-Type": content_type}
        ).raise_for_status()
        return str(place["file_url"])

    def download(self, url: str) -> bytes:
        """Return a file's bytes; fal's files need no key."""
        return self.http.get(url).raise_for_status().content

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Tell whether fal signed this body, as it came, within the last five minutes."""
        names = ("request-id", "user-id", "timestamp", "signature")
        request_id, user_id, moment, signature = (
            headers.get(f"x-fal-webhook-{name}", "") for name in names
        )
        try:
            made, age = bytes.fromhex(signature), time.time() - int(moment)
        except ValueError:
            return False
        if abs(age) > _LEEWAY:
            return False
        digest = hashlib.sha256(body).hexdigest()
        message = "\n".join((request_id, user_id, moment, digest)).encode()
        return any(_fits(key, made, message) for key in self._published())

    def _published(self) -> list[Ed25519PublicKey]:
        if not self._keys:
            found = self.http.get("https://rest.fal.ai/.well-known/jwks.json").raise_for_status()
            texts = [f"{key['x']}==" for key in found.json()["keys"]]
            raw = [base64.urlsafe_b64decode(text) for text in texts]
            self._keys = [Ed25519PublicKey.from_public_bytes(one) for one in raw]
        return self._keys


def _read(reply: httpx.Response) -> Json:
    if not reply.is_success:
        raise FalError(reply)
    read: Json = reply.json()
    return read


def _fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
