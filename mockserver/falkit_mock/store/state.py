"""What the platform asks of a store about all of it at once: emptied, written down, read back."""

from __future__ import annotations

from typing import Protocol

from falkit_mock.store.blobs import Piece


class BadCopy(ValueError):
    """Bytes that are no copy of such a store; the message says why."""


class StateStore(Protocol):
    """The whole of a store but the bytes of its uploads, which are blobs."""

    @property
    def jobs(self) -> int:
        """How many jobs have been numbered."""
        ...

    def clear(self) -> None:
        """Forget all but the keys that sign webhooks, which receivers keep for a day."""
        ...

    def dump(self) -> bytes:
        """Return a copy of all tables."""
        ...

    def pieces(self) -> list[Piece]:
        """Return every piece of every upload."""
        ...

    def read(self, data: bytes) -> StateCopy:
        """Return what dump() gave; raise BadCopy for anything else."""
        ...


class StateCopy(Protocol):
    """A copy that was read, and is not yet in place of what the store has."""

    def pieces(self) -> list[Piece]:
        """Return every piece of every upload in it."""
        ...

    def rename(self, blob: str, new: str) -> None:
        """Have the pieces with one blob be in another."""
        ...

    def take(self) -> None:
        """Put it in place of what the store has; all of it or, with BadCopy, nothing."""
        ...

    def close(self) -> None: ...
