"""Errors of this package.

SpecError                  anything else that is refused, such as too many combinations to list
├── UnknownEndpoint        .endpoint_id  .near
└── BadDocument            .source  .reason
    └── BadOverlay
"""

from __future__ import annotations

from collections.abc import Sequence


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
