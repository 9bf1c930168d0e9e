"""Errors of this package.

SpecError                  anything else that is refused, such as too many combinations to list
├── UnknownDate            .date  .known
├── UnknownEndpoint        .endpoint_id  .near  .since
└── BadDocument            .source  .reason
    └── BadOverlay
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

# Characters; nobody misspells anything longer, and comparing takes long. So of many words only
# those are compared that have the most pairs of letters in common with the one.
_LONGEST, _COMPARED = 100, 50


def near_misses(
    word: object, known: Iterable[str], most: int = 1, *, likeness: float = 0.6
) -> list[str]:
    """Return the known words that are most like another word, the likest first."""
    if not isinstance(word, str) or len(word) > _LONGEST:
        return []
    # Lazy: most words are spelt right.
    from difflib import get_close_matches
    from heapq import nlargest

    pairs = _pairs(word)
    alike = nlargest(_COMPARED, known, lambda other: len(pairs & _pairs(other)))
    return get_close_matches(word, alike, most, likeness)


@lru_cache(maxsize=4096)
def _pairs(word: str) -> frozenset[tuple[str, str]]:
    return frozenset(pairwise(word))


class SpecError(Exception):
    """Anything this package refuses."""


class UnknownDate(SpecError):
    """No vendored document is of this date or an earlier one; `known` has the months there are."""

    def __init__(self, date: str, known: Sequence[str], problem: str) -> None:
        self.date = date
        self.known = tuple(known)
        super().__init__(f"{date!r} {problem}; there are documents of {' and '.join(known)}")


class UnknownEndpoint(SpecError):
    """There is no document for this endpoint id, which doesn't mean that fal lacks the endpoint.

    `near` holds up to three ids that look like it; `since` is the month of its first document,
    where that is later than those in force. `model` is the id in front of a `/stream` or
    `/realtime`, unless it has a document.
    """

    def __init__(
        self, endpoint_id: str, near: Sequence[str] = (), since: str = "", model: str = ""
    ) -> None:
        self.endpoint_id = endpoint_id
        self.near = tuple(near)
        self.since = since
        whose = "the model's" if model else "its"
        meant = f"did you mean {' or '.join(self.near)}? " if self.near else ""
        if since:
            super().__init__(
                f"falkit's first document for {endpoint_id!r} is of {since}, and it was told to go "
                "by older ones (--as-of)"
            )
        else:
            super().__init__(
                f"falkit has no document for {endpoint_id!r}, which says nothing about fal: it may "
                f"well exist there; {meant}`falkit spec add {_word(model or endpoint_id)}` fetches "
                f"{whose} document and says how to use it "
                "(docs/documents.md)"
            )


def _word(endpoint_id: str) -> str:
    """Return an id as a command takes it; a word that stands for it, if it can't be one."""
    return endpoint_id if re.fullmatch(r"[\w./-]{1,100}", endpoint_id, re.ASCII) else "ID"


class BadDocument(SpecError):
    """A file that isn't an OpenAPI document of a fal endpoint."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class BadOverlay(BadDocument):
    """An overlay that can't be read or applied, or holds a fact falkit doesn't understand."""
