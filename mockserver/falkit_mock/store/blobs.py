"""A temporary folder that goes with its process, at the latest when the next server starts."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path
from secrets import token_hex

_PREFIX = "falkit-uploads-"
# A folder has another name until it is locked, for less than so many seconds.
_NEW, _YOUNG = "falkit-new-uploads-", 60.0


def sweep() -> None:
    """Delete the folders that killed processes of this user left behind; blocks."""
    root = Path(tempfile.gettempdir())
    for folder in (*root.glob(f"{_PREFIX}*"), *root.glob(f"{_NEW}*")):
        try:
            young = time.time() - folder.stat().st_mtime < _YOUNG
        except OSError:
            continue
        if folder.name.startswith(_NEW) and young:
            continue
        if (lock := locked(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _new_folder() -> tuple[Path, int | None]:
    """Return a new folder under its own name, and the descriptor that locks it."""
    made = Path(tempfile.mkdtemp(prefix=_NEW))
    lock = locked(made)
    return made.rename(made.with_name(made.name.replace(_NEW, _PREFIX))), lock


def locked(folder: Path) -> int | None:
    """Return a descriptor that locks a folder; None if another process does, or nobody can."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@dataclass(frozen=True, slots=True)
class Piece:
    """One blob: its name in the folder, its size in bytes, and a digest of what is in it."""

    blob: str
    size: int
    etag: str


class Sink:
    """A blob while it is written; whoever opens it must either keep or drop it."""

    def __init__(self, path: Path, *, lasting: bool = False) -> None:
        self._path = path
        # Whether it is to be on the disk before anybody is told of it.
        self._lasting = lasting
        self._file = FileIO(path, "xb")
        self._digest = sha256()
        self._size = 0
        # A cancelled writer's thread may still be at it when the blob is dropped.
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Append; blocks. OSError if the disk takes no more."""
        with self._lock:
            if self._file.closed:
                return
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._digest.update(data)
            self._size += len(data)

    def keep(self, last: bytes = b"") -> Piece:
        """End it, with these bytes; blocks for as long as the disk takes, where it is to last."""
        if last:
            self.write(last)
        with self._lock:
            if self._lasting:
                os.fsync(self._file.fileno())
                sync_folder(self._path.parent)
            self._file.close()
        return Piece(self._path.name, self._size, self._digest.hexdigest()[:32])

    def drop(self) -> None:
        with self._lock:
            self._file.close()
            self._path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a system knows of that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Blobs:
    """A temporary folder of blobs.

    It is locked for as long as its process lives; a killed process leaves it unlocked.
    """

    def __init__(self) -> None:
        # Raises what refuses one of so many bytes.
        self.check_room: Callable[[int], object] = lambda size: None
        self._folder: Path | None = None
        self._lock: int | None = None
        self._held = 0
        self._doomed: list[Piece] = []

    @property
    def folder(self) -> Path:
        """The folder, made when it is first needed."""
        if self._folder is None:
            self._folder, self._lock = _new_folder()
        return self._folder

    def sink(self) -> Sink:
        return Sink(self.folder / token_hex(16))

    def scratch(self) -> AbstractContextManager[Blobs]:
        """Have blobs for a while that are no uploads, in files of this machine."""
        return nullcontext(self)

    def read(
        self, pieces: Sequence[Piece], start: int, end: int, step: int = 1 << 20
    ) -> Generator[bytes]:
        """Yield the bytes [start, end) of pieces laid end to end, `step` at most at a time."""
        offset = 0
        for piece in pieces:
            first, last = max(start - offset, 0), min(end - offset, piece.size)
            offset += piece.size
            if first >= last:
                continue
            with FileIO(self.folder / piece.blob) as file:
                file.seek(first)
                while first < last:
                    data = file.read(min(step, last - first))
                    if not data:
                        raise EOFError(f"the blob {piece.blob} is shorter than it was")
                    first += len(data)
                    yield data

    def are_whole(self, pieces: Sequence[Piece]) -> bool:
        """Tell whether all bytes of pieces are there; blocks."""
        return all(self.size(piece) == piece.size for piece in pieces)

    def size(self, piece: Piece) -> int:
        """Return how many bytes there are of a blob, -1 if it is gone; blocks."""
        try:
            return (self.folder / piece.blob).stat().st_size
        except FileNotFoundError:
            return -1

    def remove(self, pieces: Sequence[Piece]) -> None:
        if self._held:
            self._doomed.extend(pieces)
            return
        for piece in pieces:
            (self.folder / piece.blob).unlink(missing_ok=True)

    @contextmanager
    def held(self, pieces: Sequence[Piece]) -> Generator[Sequence[Piece]]:
        """Put off every removal to the block's end, for somebody who reads pieces for a while.

        Yield them as they are to be read.
        """
        self._held += 1
        try:
            yield pieces
        finally:
            self._held -= 1
            if not self._held:
                doomed, self._doomed = self._doomed, []
                self.remove(doomed)

    def close(self) -> None:
        """End; the folder is deleted."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._folder = self._lock = None
