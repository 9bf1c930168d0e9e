"""Ids, keys and tokens: which is which, and whose."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b, sha256
from random import Random
from typing import Literal, NamedTuple, TypeAlias, cast

from falkit_mock.core import REAL_KEY
from falkit_mock.core.clock import Clock
from falkit_mock.core.errors import Unauthenticated
from falkit_spec import JSON

_ALPHABET = string.ascii_letters + string.digits + "_-"
# What each byte of noise becomes in a file's name.
_LETTERS = bytes(ord(_ALPHABET[byte & 63]) for byte in range(256))
# A fixed moment, so that ids depend on the seed and not on the day: 2026-01-01.
_EPOCH_MS = 1_767_225_600_000
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}(-[0-9a-f]{4}){2}-[0-9a-f]{12}")


class _Era(NamedTuple):
    """A seed, and the number of jobs that there had been when it came."""

    after: int
    seed: int
    key: bytes
    # What ids and names of files are digested with; a copy takes half the time of a new one.
    ids: blake2b
    names: blake2b

    @classmethod
    def of(cls, after: int, seed: int) -> _Era:
        # Hashed, since a key has at most 64 bytes and a seed any number of digits.
        key = blake2b(str(seed).encode()).digest()
        ids, names = (blake2b(digest_size=size, key=key) for size in (10, 20))
        return cls(after, seed, key, ids, names)


class Identity:
    """Request ids in order, and per-job tokens, from one seed, or from one after the other."""

    def __init__(self, seed: int | None) -> None:
        # 8 hex digits that are in all paths of files, by which a tenant is known; or nothing.
        self.tag = ""
        self._first = secrets.randbits(32) if seed is None else seed
        self._eras: list[_Era] = []
        # How many ids there were of each kind.
        self._counts: Counter[str] = Counter()
        # Of how many counts one is ours, and which: other replicas of a shared state have theirs.
        self._step, self._number = 1, 0
        self.restart()

    @property
    def seed(self) -> int:
        """The seed of what comes next."""
        return self._eras[-1].seed

    def restart(self) -> None:
        """Begin again: the ids are those of the start."""
        self._eras = [_Era.of(0, self._first)]
        self._counts.clear()

    def reseed(self, seed: int) -> None:
        """Take another seed from here on; jobs keep what follows from the one before."""
        self._eras.append(_Era.of(self._counts["id"], seed))

    def deal(self, step: int, number: int) -> None:
        """Count by one number of so many alone, so that others who count give other ids."""
        self._step, self._number = step, number

    def skip(self, jobs: int) -> None:
        """Go on behind so many jobs, whose ids are taken."""
        self._counts["id"] = max(self._counts["id"], jobs)

    @property
    def mark(self) -> object:
        """What differs once an id of the kinds that have to be others has been made."""
        counts = [count for kind, count in self._counts.items() if kind != "reply"]
        return len(self._eras), self.seed, counts

    @property
    def seeds(self) -> object:
        """What differs once another seed counts."""
        return [(era.after, era.seed) for era in self._eras]

    def dump(self) -> dict[str, JSON]:
        """Return all that later ids follow from."""
        seeds: list[JSON] = [[era.after, era.seed] for era in self._eras]
        return {"seeds": seeds, "counts": {**self._counts}}

    def begin_as(self, seed: int) -> None:
        """Have a seed as that of the start."""
        self._first = seed

    def become(self, seed: int, tag: str) -> None:
        """Begin again as a tenant's, whose ids follow from a seed of its own."""
        self._first, self.tag = seed, tag
        self.restart()

    def load(self, seeds: Sequence[tuple[int, int]], counts: Mapping[str, int]) -> None:
        """Go on where a dump() was made; there is one seed at least."""
        self._eras = [_Era.of(after, seed) for after, seed in seeds]
        self._counts = Counter(counts)

    def request_id(self) -> str:
        """Return the next job's id: a UUID in the form of version 7 (wire.md §3.1, I-3p)."""
        return self._next("id")

    def reply_id(self) -> str:
        """Return an id for a reply that is about no job.

        Counted apart, so that a readiness probe or a refusal does not change the jobs' ids.
        """
        return self._next("reply")

    def upload_id(self) -> str:
        """Return the next upload's id; counted apart, so that uploads don't change jobs' ids."""
        return self._next("upload")

    def delivery_id(self) -> str:
        """Return the next delivery's id, of which there may be many per job."""
        return self._next("delivery")

    def gateway_request_id(self, request_id: str, attempts: int) -> str:
        """Return the id of the latest try of a job: its own for the first (wire.md §3.6)."""
        if attempts <= 1:
            return request_id
        return self._uuid(b"try " + request_id.encode(), attempts, self._key_of(request_id))

    def node_id(self, request_id: str, number: int) -> str:
        """Return the request id of a step of a workflow; the first is 1."""
        return self._uuid(b"node " + request_id.encode(), number, self._key_of(request_id))

    def secret(self, purpose: str) -> bytes:
        """Return a secret key to sign with."""
        return self._digest(b"secret " + purpose.encode(), 32)

    def _next(self, kind: str) -> str:
        count = self._counts[kind]
        count += 1 + (self._number - count - 1) % self._step
        self._counts[kind] = count
        return self._uuid(kind.encode(), count)

    def _uuid(self, purpose: bytes, count: int, key: bytes | None = None) -> str:
        moment = (_EPOCH_MS + count) & 0xFFFFFFFFFFFF
        made = blake2b(digest_size=10, key=key) if key else self._eras[-1].ids.copy()
        made.update(b"%s %d" % (purpose, count))
        noise = int.from_bytes(made.digest(), "big")
        head = (moment << 16) | 0x7000 | (noise & 0x0FFF)
        tail = (0b10 << 62) | (noise >> 18 & 0x3FFFFFFFFFFFFFFF)
        text = f"{head:016x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def random(self, request_id: str, purpose: str) -> Random:
        """Return a generator of choices for one purpose of one job."""
        message = f"{purpose} {request_id}".encode()
        return Random(self._digest(message, 16, self._key_of(request_id)))

    def file_path(self, request_id: str, file_name: str, place: int = 0) -> str:
        """Return where an output file lives: `/files/b/{8 hex}/{name}` (wire.md §1.1, I-3p).

        `place` tells the files of one request apart.
        """
        made = self._eras[-1].names.copy()
        made.update(b"file " + request_id.encode())
        if place:
            made.update(b" %d" % place)
        noise = made.digest()
        stem = noise[:16].translate(_LETTERS).decode()
        return f"/files/b/{self.tag or noise[16:].hex()}/{stem}_{file_name}"

    def _digest(self, message: bytes, size: int, key: bytes | None = None) -> bytes:
        return blake2b(message, digest_size=size, key=key or self._eras[-1].key).digest()

    def _key_of(self, request_id: str) -> bytes:
        """Return the key of the seed that a job's id was made with; the id says when that was."""
        if len(self._eras) > 1 and _UUID.fullmatch(request_id):
            count = int(request_id[:8] + request_id[9:13], 16) - _EPOCH_MS
            for era in reversed(self._eras):
                if count > era.after:
                    return era.key
        return self._eras[-1].key


def check(authorization: str, app: str | None, api_keys: frozenset[str]) -> None:
    """Raise Unauthenticated unless the header names a key.

    `app` is the app that is called; None where a key is asked for by no app, as by rest.fal.ai.
    With no `api_keys` any key is taken, also one without the colon that fal's have; with
    some, the key must be one of them.
    """
    if not api_keys and authorization[:4] == "Key " and authorization[4:].strip():
        # As nearly all are.
        return
    scheme, _, credential = authorization.strip().partition(" ")
    credential, scheme = credential.strip(), scheme.lower()
    if credential and scheme == "key":
        if api_keys and credential not in api_keys:
            raise Unauthenticated.unknown() if ":" in credential else Unauthenticated.malformed()
    elif credential and scheme == "bearer":
        # A login token is a JWT; nothing here could verify one.
        if (api_keys and credential not in api_keys) or credential.count(".") != 2:
            raise Unauthenticated.bearer()
    else:
        raise Unauthenticated.missing(app, keys_are_named=bool(api_keys))


def check_hub_token(authorization: str, api_keys: frozenset[str]) -> None:
    """Raise Unauthenticated unless the header names a token of Hugging Face's."""
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith("hf_"):
        raise Unauthenticated.hub_token("it takes Authorization: Bearer hf_…, and no key of fal's")
    if api_keys and token not in api_keys:
        raise Unauthenticated.hub_token("this token isn't one that this mock was started with")


def key_id(authorization: str) -> str:
    """Return whose key a header names: the part before the colon, never the secret."""
    if authorization[:4] == "Key ":
        return authorization[4:].strip().partition(":")[0]
    scheme, _, credential = authorization.strip().partition(" ")
    return credential.strip().partition(":")[0] if scheme.lower() == "key" else scheme.lower()


def holds_key(authorization: str) -> bool:
    """Tell whether a header has a key of fal's: by its scheme, which is fal's own, or its form."""
    scheme, _, credential = authorization.strip().partition(" ")
    return bool(credential) and (scheme.lower() == "key" or bool(REAL_KEY.search(credential)))


def owner_of(authorization: str) -> str:
    """Return the id of a key; of a token, which is all secret, a digest."""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() == "key":
        return key_id(authorization)
    return f"{scheme.lower()}-{blake2b(token.strip().encode(), digest_size=4).hexdigest()}"


# What a token opens; one made for one thing opens no other.
Purpose: TypeAlias = Literal["cdn", "apps", "upload", "read"]


class BadToken(Exception):
    """A token that opens nothing, and why."""


class Tokens:
    """JSON Web Tokens (HS256) on the mock's clock."""

    def __init__(self, key: bytes, clock: Clock, tag: str = "") -> None:
        self.key = key
        self._clock = clock
        # Who issues them, for whoever can't read what they are signed with.
        self._issuer: dict[str, JSON] = {"iss": tag} if tag else {}

    def issue(self, purpose: Purpose, seconds: float, **claims: JSON) -> str:
        """Return a token that is good for `seconds` from now."""
        head = _encode({"alg": "HS256", "typ": "JWT"})
        now = self._clock.now()
        told = {**claims, **self._issuer, "aud": purpose, "iat": now, "exp": now + seconds}
        body = _encode(told)
        return f"{head}.{body}.{self._signature(f'{head}.{body}')}"

    def read(self, token: str, purpose: Purpose) -> dict[str, JSON]:
        """Return a token's claims; raise BadToken if it is forged, for something else or over."""
        signed, _, signature = token.rpartition(".")
        expected = self._signature(signed)
        ours = hmac.compare_digest(signature.encode(), expected.encode())
        claims = _decode(signed.partition(".")[2]) if ours else {}
        if claims.get("aud") != purpose:
            raise BadToken("not signed here for this")
        if self._clock.now() >= cast(float, claims["exp"]):
            raise BadToken("expired")
        return claims

    def _signature(self, text: str) -> str:
        digest = hmac.new(self.key, text.encode("utf-8", "surrogateescape"), sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def issuer_of(token: str) -> str:
    """Return the tag of whoever issued a token, as it says itself; "" where it says none."""
    try:
        claims = _decode(token.strip().split(".")[1])
        return str(claims.get("iss", ""))
    except (IndexError, ValueError, AttributeError):
        return ""


def _encode(value: dict[str, JSON]) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _decode(text: str) -> dict[str, JSON]:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return cast("dict[str, JSON]", json.loads(data))
