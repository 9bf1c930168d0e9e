"""Ids, names and choices that look random and follow from the seed alone."""

from __future__ import annotations

import secrets
import string
from hashlib import blake2b
from random import Random

_ALPHABET = string.ascii_letters + string.digits + "_-"
# A fixed moment, so that ids depend on the seed and not on the day: 2026-01-01.
_EPOCH_MS = 1_767_225_600_000


class Identity:
    """Request ids in order, and per-job tokens, from one seed."""

    def __init__(self, seed: int | None) -> None:
        self.seed = secrets.randbits(32) if seed is None else seed
        # Hashed, since a key has at most 64 bytes and a seed any number of digits.
        self._key = blake2b(str(self.seed).encode()).digest()
        self._jobs = 0
        self._replies = 0
        self._uploads = 0

    def request_id(self) -> str:
        """Return the next job's id: a UUID in the form of version 7 (wire.md §3.1, I-3p)."""
        self._jobs += 1
        return self._uuid(b"id", self._jobs)

    def reply_id(self) -> str:
        """Return an id for a reply that is about no job.

        Counted apart, so that a readiness probe or a refusal does not change the jobs' ids.
        """
        self._replies += 1
        return self._uuid(b"reply", self._replies)

    def upload_id(self) -> str:
        """Return the next upload's id; counted apart, so that uploads don't change jobs' ids."""
        self._uploads += 1
        return self._uuid(b"upload", self._uploads)

    def secret(self, purpose: str) -> bytes:
        """Return a key to sign with that nobody outside knows."""
        return self._digest(b"secret " + purpose.encode(), 32)

    def _uuid(self, purpose: bytes, count: int) -> str:
        moment = (_EPOCH_MS + count) & 0xFFFFFFFFFFFF
        noise = int.from_bytes(self._digest(b"%s %d" % (purpose, count), 10), "big")
        head = (moment << 16) | 0x7000 | (noise & 0x0FFF)
        tail = (0b10 << 62) | (noise >> 18 & 0x3FFFFFFFFFFFFFFF)
        text = f"{head:016x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def random(self, request_id: str, purpose: str) -> Random:
        """Return a generator of choices for one purpose of one job."""
        return Random(self._digest(f"{purpose} {request_id}".encode(), 16))

    def file_path(self, request_id: str, file_name: str) -> str:
        """Return where an output file lives: `/files/b/{8 hex}/{name}` (wire.md §1.1, I-3p)."""
        noise = self._digest(b"file " + request_id.encode(), 20)
        stem = "".join(_ALPHABET[byte & 63] for byte in noise[:16])
        return f"/files/b/{noise[16:].hex()}/{stem}_{file_name}"

    def _digest(self, message: bytes, size: int) -> bytes:
        return blake2b(message, digest_size=size, key=self._key).digest()
