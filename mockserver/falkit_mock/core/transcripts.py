"""The newest requests with headers and bodies, for whoever looks into one; in memory alone.

Nothing is copied: what a request and its reply are made of is let go of a little later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from falkit_mock.core.events import RequestRecord

# How many there are; bytes of a body that is short, of the longest that is kept, and of all that
# aren't short.
MOST, _SHORT, _LONGEST, _BYTES = 300, 1 << 14, 1 << 18, 8 << 20
# A body, or how long it was; PIECES for one that came piece by piece, and None for one that wasn't
# read, or went piece by piece.
Body: TypeAlias = bytes | int | None
PIECES = -1
_Headers: TypeAlias = Sequence[tuple[bytes, bytes]]


class Transcript(NamedTuple):
    """A request and its reply."""

    record: RequestRecord
    # As they came, names in small letters.
    headers: _Headers
    query: bytes
    sent: Body
    # None where there was no reply.
    replied: Mapping[str, str] | None
    body: Body


class _Long:
    """A body that isn't short, until there is no room for it."""

    def __init__(self, body: bytes) -> None:
        self.body: bytes | int = body


class Transcripts:
    """The newest of them."""

    def __init__(self) -> None:
        self._kept: deque[
            tuple[RequestRecord, _Headers, bytes, object, Mapping[str, str] | None, object]
        ] = deque(maxlen=MOST)
        # Those that aren't short, the oldest first, and their bytes.
        self._long: deque[_Long] = deque()
        self._size = 0

    def keep(
        self,
        record: RequestRecord,
        headers: _Headers,
        query: bytes,
        sent: Body,
        replied: Mapping[str, str] | None,
        body: bytes | None,
    ) -> None:
        """Keep one, and let go of the oldest; `headers` and `replied` are no longer changed."""
        short = not isinstance(sent, bytes) or len(sent) <= _SHORT
        if short and (body is None or len(body) <= _SHORT):
            self._kept.append((record, headers, query, sent, replied, body))
        else:
            whole = self._held(sent), self._held(body)
            self._kept.append((record, headers, query, whole[0], replied, whole[1]))

    def find(self, number: int) -> Transcript | None:
        """Return the one whose request has a number in the request log; None if it is gone."""
        for record, headers, query, sent, replied, body in self._kept:
            if record.number == number:
                return Transcript(record, headers, query, _body(sent), replied, _body(body))
        return None

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._long.clear()
        self._size = 0

    def _held(self, body: Body) -> object:
        if not isinstance(body, bytes) or len(body) <= _SHORT:
            return body
        if len(body) > _LONGEST:
            return len(body)
        held = _Long(body)
        self._long.append(held)
        self._size += len(body)
        while self._size > _BYTES:
            oldest = self._long.popleft()
            assert isinstance(oldest.body, bytes), "it is let go of once"
            oldest.body = len(oldest.body)
            self._size -= oldest.body
        return held


def _body(kept: object) -> Body:
    found = kept.body if isinstance(kept, _Long) else kept
    return found if isinstance(found, bytes | int) else None
