"""What the platform asks of a store about uploads: what they are, and the pieces they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from falkit_mock.store.blobs import Blobs, Piece


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sends or has sent. Moments are unix seconds."""

    id: str
    # Where it is read, on the media host.
    path: str
    content_type: str
    created: float
    # When it is gone; infinite for never. Before it is done: when it is given up.
    expires: float
    # Seconds that it lives once it is done; None for ever.
    lifetime: float | None
    # The access rules as JSON, or nothing (wire.md §3.1).
    acl: str
    done: bool


class UploadStore(Protocol):
    """Uploads by id and by path, and the pieces of each by number."""

    blobs: Blobs

    def add(self, upload: Upload) -> None: ...

    def update(self, upload: Upload) -> None:
        """Store a known upload's expiry, access rules and whether it is done."""
        ...

    def get(self, upload_id: str) -> Upload | None: ...

    def at(self, path: str) -> Upload | None:
        """Return the upload that is read at a path, done or not."""
        ...

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        """Store a piece; one with the same number before it, and its blob, are gone."""
        ...

    def pieces(self, upload_id: str) -> dict[int, Piece]:
        """Return an upload's pieces by number, in order."""
        ...

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        """Drop the pieces of other numbers, and their blobs."""
        ...

    def remove(self, upload_id: str) -> None:
        """Forget an upload, its pieces and their blobs."""
        ...

    def due(self, now: float) -> list[str]:
        """Return the ids of the uploads that have expired."""
        ...
