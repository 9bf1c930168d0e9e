"""Uploads, and the pieces that they came in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.tables import MakeTable, bare


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


class UploadStore:
    """Uploads by id and by path, and the pieces of each by number."""

    def __init__(self, table: MakeTable, blobs: Blobs | None = None) -> None:
        # Where the bytes of the pieces are.
        self.blobs = blobs or Blobs()
        self._uploads: dict[str, Upload] = table("uploads", Upload)
        self._paths: dict[str, str] = {}
        self._pieces: dict[str, dict[int, Piece]] = table("pieces", bare)
        # Bytes of all pieces.
        self.kept = 0
        self.reloaded()

    def add(self, upload: Upload) -> None:
        self._uploads[upload.id] = upload
        self._paths[upload.path] = upload.id

    def update(self, upload: Upload) -> None:
        """Store a known upload's expiry, access rules and whether it is done."""
        if upload.id in self._uploads:
            self._uploads[upload.id] = upload

    def get(self, upload_id: str) -> Upload | None:
        return self._uploads.get(upload_id)

    def at(self, path: str) -> Upload | None:
        """Return the upload that is read at a path, done or not."""
        return self._uploads.get(self._paths.get(path, ""))

    def put_piece(self, upload_id: str, number: int, piece: Piece) -> None:
        """Store a piece; one with the same number before it, and its blob, are gone."""
        pieces = self._pieces.get(upload_id, {})
        before = pieces.get(number)
        pieces[number] = piece
        self._pieces[upload_id] = pieces
        self.kept += piece.size - (0 if before is None else before.size)
        if before is not None:
            self.blobs.remove([before])

    def pieces(self, upload_id: str) -> dict[int, Piece]:
        """Return an upload's pieces by number, in order."""
        return dict(sorted(self._pieces.get(upload_id, {}).items()))

    def keep_pieces(self, upload_id: str, numbers: set[int]) -> None:
        """Drop the pieces of other numbers, and their blobs."""
        pieces = self._pieces.get(upload_id, {})
        other = [pieces.pop(number) for number in pieces.keys() - numbers]
        self._pieces[upload_id] = pieces
        self.kept -= sum(piece.size for piece in other)
        self.blobs.remove(other)

    def remove(self, upload_id: str) -> None:
        """Forget an upload, its pieces and their blobs."""
        self.keep_pieces(upload_id, set())
        self._pieces.pop(upload_id, None)
        if (upload := self._uploads.pop(upload_id, None)) is not None:
            self._paths.pop(upload.path, None)

    def refreshed(self, ids: Iterable[str]) -> None:
        """Go by uploads that are there by now, as another process has stored them."""
        for id in ids:
            if (upload := self._uploads.get(id)) is not None:
                self._paths[upload.path] = id

    def size(self, ids: Iterable[str]) -> int:
        """Return the bytes of the pieces of some uploads."""
        found = (self._pieces.get(id, {}) for id in ids)
        return sum(piece.size for pieces in found for piece in pieces.values())

    def reloaded(self) -> None:
        """Go by uploads that are all others."""
        self._paths.clear()
        self.refreshed(self._uploads)
        self.kept = self.size(self._pieces)

    def all(self) -> list[Upload]:
        """Return every upload, done or not."""
        return [*self._uploads.values()]

    def due(self, now: float) -> list[str]:
        """Return the ids of the uploads that have expired."""
        return [id for id, upload in self._uploads.items() if upload.expires <= now]

    def clear(self) -> None:
        """Forget every upload; the blobs stay."""
        self.kept = 0
        self._uploads.clear()
        self._paths.clear()
        self._pieces.clear()
