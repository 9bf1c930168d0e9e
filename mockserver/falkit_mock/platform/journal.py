"""What was asked of fal's hosts lately: a line for each request, in the order of arrival."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from falkit_mock.platform.clock import Bell
from falkit_spec import JSON


@dataclass(slots=True)
class Seen:
    """One request. Bodies and secrets are kept nowhere; a job's input is with the job."""

    number: int
    # On the mock's clock, unix seconds.
    time: float
    method: str
    host: str
    path: str
    # Whose key it came with: what stands before the colon.
    key: str
    # None until it is answered; 0 for one that never was.
    status: int | None = None
    request_id: str | None = None
    hint: str | None = None
    # The faults that were put upon it, by name.
    faults: tuple[str, ...] = ()
    # Real milliseconds to the end of the reply; None until then.
    ms: float | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return it as the control API lists it."""
        return {
            "number": self.number,
            "time": self.time,
            "method": self.method,
            "host": self.host,
            "path": self.path,
            "key": self.key,
            "status": self.status,
            "request_id": self.request_id,
            "hint": self.hint,
            "faults": [*self.faults],
            "ms": None if self.ms is None else round(self.ms, 2),
        }


class Journal:
    """The newest requests, `size` at most. Its bell rings at arrivals and at answers."""

    def __init__(self, size: int) -> None:
        self.bell = Bell()
        self._seen: deque[Seen] = deque(maxlen=size)
        self._number = 0

    def __iter__(self) -> Iterator[Seen]:
        return iter(self._seen)

    @property
    def last(self) -> int:
        """The number of the latest request; 0 before the first."""
        return self._number

    def arrived(self, method: str, host: str, path: str, key: str, time: float) -> Seen:
        """Note a request that has yet to be answered."""
        self._number += 1
        seen = Seen(self._number, time, method, host, path, key)
        self._seen.append(seen)
        return seen

    def clear(self) -> int:
        """Forget all; return how many there were. The numbers go on."""
        count = len(self._seen)
        self._seen.clear()
        return count

    def restart(self) -> None:
        """Forget all, and number from 1 again."""
        self.clear()
        self._number = 0
