"""What proves that a delivery is fal's: the headers that sign it, and fal's public keys.

The keys are fetched, kept for a day, and fetched again when a signature fits none.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast, runtime_checkable
from weakref import WeakKeyDictionary

import httpx

from falkit_client._requests import REST, Address, origin
from falkit_client._transport import tls
from falkit_client.errors import (
    BadKeys,
    KeysUnavailable,
    MalformedHeader,
    MissingHeader,
    StaleTimestamp,
    WrongSignature,
)

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


def clock() -> float:
    """Return the machine's time, Unix seconds: time.time as it is when this is called.

    So that a test which replaces it moves the time of this module, too.
    """
    return time.time()


@runtime_checkable
class _Items(Protocol):
    # Werkzeug's headers have `items` without being a Mapping.
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
        """Read the headers; MissingHeader or MalformedHeader names the wrong one.

        TypeError for a body that isn't bytes: parsed and serialized again, it is not what fal
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
        # WSGI and CGI write HTTP_X_FAL_WEBHOOK_… (PEP 3333).
        plain = _text(name).lower().replace("_", "-").removeprefix("http-")
        if plain in found and value is not None:
            found[plain].append(_text(value))
    return found


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _value(name: str, found: dict[str, list[str]]) -> str:
    values = found[name.lower()]
    request_id = next(iter(found[REQUEST_ID.lower()]), None)
    if not any(values):
        raise MissingHeader(
            f"{name} is missing: the request is not fal's, or a proxy left it out",
            header=name,
            request_id=request_id,
        )
    pattern, form = _FORMS[name]
    if len(set(values)) > 1:
        # Code that reads the first of them could act on another one than the verified.
        raise MalformedHeader(
            f"{name} is there {len(values)} times, with different values",
            header=name,
            value=", ".join(values),
            request_id=request_id,
        )
    if not re.fullmatch(pattern, values[0]):
        raise MalformedHeader(
            f"{name} is {_short(values[0])}: {form} are needed",
            header=name,
            value=values[0],
            request_id=request_id,
        )
    return values[0]


def _short(value: str) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:40]}… ({len(value)} characters)"


DAY = 86_400.0
_TIMEOUT = 10.0
# So that deliveries that come while the host is down do not each wait for it.
_AFTER_FAILURE = 5.0

Fetch = Callable[[str], bytes]
AsyncFetch = Callable[[str], Awaitable[bytes]]
Now = Callable[[], float]

_PATH = ".well-known/jwks.json"
FAL_JWKS = Address().url(REST, _PATH)
_FOR_A_MOCK = "; if it came from falkit, set FALKIT_BASE_URL (or base_url=) to the mock"

KEY_BYTES = 32
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def read_jwks(document: bytes, url: str) -> tuple[bytes, ...]:
    """The Ed25519 keys of a JWKS, 32 bytes each; BadKeys if it has none (wire.md §5.2).

    Keys of other kinds are skipped (RFC 7517). `x` may have padding or not.
    """
    try:
        value: object = json.loads(document)
    except (ValueError, RecursionError):
        raise BadKeys(f"{url}: not JSON, where fal's keys should be", url=url) from None
    listed = _fields(value).get("keys")
    if not isinstance(listed, list):
        raise BadKeys(f'{url}: not a JWKS: an object with a list "keys" is needed', url=url)
    found = [_key(_fields(entry)) for entry in cast("list[object]", listed)]
    keys = tuple(dict.fromkeys(key for key in found if key is not None))
    if not keys:
        raise BadKeys(f"{url}: none of the {len(found)} keys there is an Ed25519 key", url=url)
    return keys


def _fields(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _key(entry: dict[str, object]) -> bytes | None:
    x = entry.get("x")
    # The published procedure looks at `x` alone: absent members are no reason to skip a key.
    kind = entry.get("kty", "OKP"), entry.get("crv", "Ed25519"), entry.get("use", "sig")
    if not isinstance(x, str) or kind != ("OKP", "Ed25519", "sig"):
        return None
    text = x.encode(errors="replace").rstrip(b"=").translate(_TO_STANDARD)
    try:
        key = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None


def jwks_url(base_url: str | None = None) -> str:
    """Where the keys are: at a stand-in's base, else at FALKIT_BASE_URL's, else at `FAL_JWKS`.

    ValueError if the base isn't an http or https URL.

    >>> jwks_url("http://127.0.0.1:4325")
    'http://127.0.0.1:4325/rest.fal.ai/.well-known/jwks.json'
    """
    return Address.resolve(base_url, os.environ).url(REST, _PATH)


class KeyRing:
    """The keys at one URL, shared by threads and event loops.

    They are fetched when they are first needed, kept for `max_age` seconds (a day, fal's limit),
    and fetched again when a signature fits none of them, since fal may have changed its keys; but
    not twice in `pause` seconds, or forged deliveries could have fal called without end.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        fetch: Fetch | None = None,
        async_fetch: AsyncFetch | None = None,
        max_age: float = DAY,
        pause: float = 60.0,
    ) -> None:
        """Fetch nothing yet. `url` defaults to `jwks_url()`; ValueError if it isn't an http(s) URL.

        `fetch` and `async_fetch` get the URL and give the document; OSError or httpx.HTTPError
        where they can't. Without an `async_fetch` a `fetch` is called in a thread.
        """
        self.url = url or jwks_url()
        if origin(self.url.partition("?")[0]) is None:
            raise ValueError(f"url is {self.url!r}: give the http or https URL of a JWKS")
        self._fetch = fetch or _fetched
        self._async_fetch = async_fetch or (self._in_thread if fetch else _async_fetched)
        self._max_age = max_age
        self._pause = pause
        # With the moment of each, in Unix seconds.
        self._kept: tuple[tuple[bytes, ...], float] | None = None
        self._failed: tuple[KeysUnavailable, float] | None = None
        self._lock = threading.Lock()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    def check(self, signed: Signed, now: Now = clock) -> None:
        """Raise WrongSignature, or KeysUnavailable, unless one of the keys made the signature."""
        if self._settled(signed, now):
            return
        with self._lock:
            if self._settled(signed, now):
                return
            with self._failing(signed, now):
                self._keep(self._fetch(self.url), now)
        self._verify(signed)

    async def check_async(self, signed: Signed, now: Now = clock) -> None:
        """As `check`; fetching the keys leaves the event loop free."""
        if self._settled(signed, now):
            return
        # One per loop, since a lock of asyncio belongs to the loop that first waited for it.
        async with self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._settled(signed, now):
                return
            with self._failing(signed, now):
                self._keep(await self._async_fetch(self.url), now)
        self._verify(signed)

    def _settled(self, signed: Signed, now: Now) -> bool:
        """Whether the signature is proven by what is known; False if the keys are to be fetched."""
        kept, failed, at = self._kept, self._failed, now()
        # A clock that was set back makes keys look younger than they are.
        age = -1.0 if kept is None else at - kept[1]
        if kept is not None and 0 <= age < self._max_age:
            if signed.made_by(kept[0]):
                return True
            if age < self._pause:
                raise self._wrong(signed)
        if failed is not None and 0 <= at - failed[1] < _AFTER_FAILURE:
            error = failed[0]
            raise type(error)(error.message, url=self.url, request_id=signed.request_id)
        return False

    @contextmanager
    def _failing(self, signed: Signed, now: Now) -> Generator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = str(error) or type(error).__name__
            message = f"fal's keys can't be fetched from {self.url}: {why}{self._advice()}"
            failure = KeysUnavailable(message, url=self.url, request_id=signed.request_id)
            self._failed = failure, now()
            raise failure from error
        except KeysUnavailable as error:
            error.request_id = signed.request_id
            self._failed = error, now()
            raise

    def _keep(self, document: bytes, now: Now) -> None:
        self._kept = read_jwks(document, self.url), now()
        self._failed = None

    async def _in_thread(self, url: str) -> bytes:
        return await asyncio.to_thread(self._fetch, url)

    def _verify(self, signed: Signed) -> None:
        if self._kept is None or not signed.made_by(self._kept[0]):
            raise self._wrong(signed)

    def _wrong(self, signed: Signed) -> WrongSignature:
        return WrongSignature(
            f"no key of {self.url} made the signature over these headers and this body"
            f" (is the body raw, as it came?){self._advice()}",
            request_id=signed.request_id,
        )

    def _advice(self) -> str:
        """What to do if a mock has sent it, and not the real fal."""
        return _FOR_A_MOCK if self.url == FAL_JWKS else ""


def _fetched(url: str) -> bytes:
    with httpx.Client(verify=tls(), timeout=_TIMEOUT) as http:
        return _document(http.get(url))


async def _async_fetched(url: str) -> bytes:
    async with httpx.AsyncClient(verify=tls(), timeout=_TIMEOUT) as http:
        return _document(await http.get(url))


def _document(response: httpx.Response) -> bytes:
    if response.status_code != 200:
        raise OSError(f"it answered {response.status_code}")
    return response.content
