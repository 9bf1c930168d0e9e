"""What a store keeps of output files, before they are made, and of attempts at webhooks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from falkit_fixtures.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Given:
    """A file of the user's, of which an output has a URL; it is read where it is."""

    # Its real path on this machine.
    path: str
    content_type: str


@dataclass(slots=True)
class FileRecord:
    """An output file before it is made: what it is like and whose request it belongs to."""

    path: str
    request_id: str
    wanted: Wanted | Given
    # Seconds that it lasts after its job's end, None for ever; and its access rules (wire.md §3.1).
    lifetime: float | None = None
    acl: str = ""


def by_owner(files: Iterable[FileRecord]) -> dict[str, list[FileRecord]]:
    """Return files by the requests that they belong to."""
    found: dict[str, list[FileRecord]] = {}
    for file in files:
        found.setdefault(file.request_id, []).append(file)
    return found


@dataclass(frozen=True, slots=True)
class Claim:
    """Which replica makes which attempt at a job's webhook."""

    request_id: str
    number: int
    replica: int
