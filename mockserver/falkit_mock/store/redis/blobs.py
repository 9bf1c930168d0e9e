"""Uploads in Redis: each a hash of chunks, which goes by itself until its row is there."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from hashlib import sha256
from secrets import token_hex

from falkit_mock.store.blobs import Blobs, Piece, Sink
from falkit_mock.store.redis.server import Command, Server

# Bytes of a chunk, and the most that one upload, or one part of one, may have in Redis.
_CHUNK, MOST = 1 << 20, 256 << 20
# Seconds after which the chunks of an upload that never was finished are gone.
_LEFT = 24 * 3600


class RedisBlobs(Blobs):
    """Blobs in Redis, written and read by threads; what is removed goes once its rows are gone."""

    def __init__(
        self,
        server: Server,
        also: Callable[[Command], object],
        later: Callable[[Command], object],
    ) -> None:
        """Take what has a command done with the next commit, and with any, whatever thread asks."""
        super().__init__()
        self._server = server
        self._also = also
        self._later = later

    def sink(self) -> Sink:
        return _RedisSink(self._server, self.key(token_hex(16)), self._later)

    def scratch(self) -> AbstractContextManager[Blobs]:
        return closing(Blobs())

    def read(
        self, pieces: Sequence[Piece], start: int, end: int, step: int = 1 << 20
    ) -> Generator[bytes]:
        offset = 0
        for piece in pieces:
            first, last = max(start - offset, 0), min(end - offset, piece.size)
            offset += piece.size
            while first < last:
                number, skip = divmod(first, _CHUNK)
                chunk = self._server.ask_now("HGET", self.key(piece.blob), number)
                if chunk is None or len(chunk) < min(_CHUNK, piece.size - number * _CHUNK):
                    raise EOFError(f"the blob {piece.blob} is not whole in Redis")
                data = chunk[skip : skip + min(step, last - first)]
                first += len(data)
                yield data

    def remove(self, pieces: Sequence[Piece]) -> None:
        if self._held:
            self._doomed.extend(pieces)
        elif pieces:
            self._also(("UNLINK", *(self.key(one.blob) for one in pieces)))

    def names(self) -> list[str]:
        """Return the names of all blobs there are."""
        keys: list[bytes] = self._server.ask_now("KEYS", self.key("*"))
        return [key.decode().rpartition(":")[2] for key in keys]

    def size(self, piece: Piece) -> int:
        """Return how many bytes there are of a blob, -1 if it is gone; blocks."""
        last = max(piece.size - 1, 0) // _CHUNK
        key = self.key(piece.blob)
        whole = self._server.ask_now("HLEN", key)
        return (whole - 1) * _CHUNK + self._server.ask_now("HSTRLEN", key, last) if whole else -1

    def key(self, blob: str) -> str:
        """Return the name of the hash that has a blob's chunks."""
        return self._server.key(f"blob:{blob}")


class _RedisSink(Sink):
    """A blob while it is written, a chunk at a time."""

    def __init__(self, server: Server, key: str, later: Callable[[Command], object]) -> None:
        self._server, self._key, self._later = server, key, later
        self._rest = bytearray()
        self._chunks = self._size = 0
        self._digest = sha256()
        self._lock = threading.Lock()
        self._closed = False

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                return
            self._size += len(data)
            if self._size > MOST:
                most = f"{MOST >> 20} MiB"
                raise OSError(
                    errno.EFBIG,
                    f"in Redis an upload has at most {most}; add ?uploads=FOLDER to the state's "
                    "URL, a folder that all replicas see",
                )
            self._digest.update(data)
            self._rest += data
            while len(self._rest) >= _CHUNK:
                self._put(bytes(self._rest[:_CHUNK]))
                del self._rest[:_CHUNK]

    def keep(self, last: bytes = b"") -> Piece:
        if last:
            self.write(last)
        with self._lock:
            if self._rest or not self._chunks:
                self._put(bytes(self._rest))
            self._closed = True
        return Piece(self._key.rpartition(":")[2], self._size, self._digest.hexdigest()[:32])

    def drop(self) -> None:
        with self._lock:
            self._closed = True
            if self._chunks:
                # Whoever drops it may be the event loop, which never waits.
                self._later(("UNLINK", self._key))

    def _put(self, chunk: bytes) -> None:
        self._server.ask_now("HSET", self._key, self._chunks, chunk)
        if not self._chunks:
            self._server.ask_now("EXPIRE", self._key, _LEFT)
        self._chunks += 1
