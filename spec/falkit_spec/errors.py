"""Errors of this package.

SpecError                  anything else that is refused, such as too many combinations to list
├── UnknownEndpoint        .endpoint_id  .near
└── BadDocument            .source  .reason
    └── BadOverlay
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Characters; nobody misspells anything longer, and comparing takes long.
_LONGEST = 100


def near_misses(
    word: object, known: Iterable[str], most: int = 1, *, likeness: float = 0.6
) -> list[str]:
    """Return the known words that are most like another word, the likest first."""
    if not isinstance(word, str) or len(word) > _LONGEST:
        return []
    # Lazy: most words are spelt right.
    from difflib import get_close_matches

    return get_close_matches(word, known, most, likeness)


class SpecError(Exception):
    """Anything this package refuses."""


class UnknownEndpoint(SpecError):
    """No document has this endpoint id; `near` holds up to three ids that look like it."""

    def __init__(self, endpoint_id: str, near: Sequence[str] = ()) -> None:
        self.endpoint_id = endpoint_id
        self.near = tuple(near)
        hint = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(f"no endpoint {endpoint_id!r}{hint}")


class BadDocument(SpecError):
    """A file that isn't an OpenAPI document of a fal endpoint."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class BadOverlay(BadDocument):
    """An overlay that can't be read or applied, or holds a fact falkit doesn't understand."""
