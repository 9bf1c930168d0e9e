"""The newest requests with headers and bodies, for whoever looks into one; in memory alone.

Nothing is copied: what a request and its reply are made of is let go of a little later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from falkit_mock.core.events import RequestRecord

# How many there are, their bytes in all, and those of the longest body that is kept.
MOST, _BYTES, _LONGEST = 300, 8 << 20, 1 << 18
# A body, or how long it was; None for one that came or went piece by piece.
Body: TypeAlias = bytes | int | None


class Exchange(NamedTuple):
    """A request and its reply."""

    size: int
    record: RequestRecord
    # As they came, names in small letters.
    headers: Sequence[tuple[bytes, bytes]]
    query: bytes
    sent: Body
    # None where there was no reply.
    replied: Mapping[str, str] | None
    body: Body


class Exchanges:
    """The newest of them, each as long as there is room."""

    def __init__(self) -> None:
        self._kept: deque[Exchange] = deque()
        self._size = 0

    def keep(
        self,
        record: RequestRecord,
        headers: Sequence[tuple[bytes, bytes]],
        query: bytes,
        sent: bytes | None,
        replied: Mapping[str, str] | None,
        body: bytes | None,
    ) -> None:
        """Keep one, and let go of the oldest; `headers` and `replied` are no longer changed."""
        size = (0 if sent is None else len(sent)) + (0 if body is None else len(body))
        kept = self._kept
        if size > _LONGEST:
            whole = _unless_long(sent), _unless_long(body)
            size = sum(len(one) for one in whole if isinstance(one, bytes))
            kept.append(Exchange(size, record, headers, query, whole[0], replied, whole[1]))
        else:
            kept.append(Exchange(size, record, headers, query, sent, replied, body))
        self._size += size
        while self._size > _BYTES or len(kept) > MOST:
            self._size -= kept.popleft().size

    def find(self, number: int) -> Exchange | None:
        """Return the one whose request has a number in the request log; None if it is gone."""
        return next((one for one in self._kept if one.record.number == number), None)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._size = 0


def _unless_long(body: bytes | None) -> Body:
    return body if body is None or len(body) <= _LONGEST else len(body)
