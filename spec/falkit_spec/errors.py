"""Errors of this package.

SpecError
├── UnknownEndpoint        .endpoint_id  .near
├── UnknownSchema          .name  .names
├── BadDocument            .source  .reason
├── BadOverlay             .source  .reason
└── TooManyCombinations    .endpoint_id  .count  .limit
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


class UnknownSchema(SpecError):
    """The protocol has no schema of this name; `names` holds those that it has."""

    def __init__(self, name: str, names: Sequence[str]) -> None:
        self.name = name
        self.names = tuple(names)
        super().__init__(f"the protocol has no schema {name!r}; it has {', '.join(self.names)}")


class _BadSource(SpecError):
    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class BadDocument(_BadSource):
    """A file that is not an OpenAPI document of a fal endpoint."""


class BadOverlay(_BadSource):
    """An overlay that cannot be read or applied, or holds a fact falkit does not understand."""


class TooManyCombinations(SpecError):
    """An endpoint whose enumerated inputs have too many combinations to list."""

    def __init__(self, endpoint_id: str, count: int, limit: int) -> None:
        self.endpoint_id = endpoint_id
        self.count = count
        self.limit = limit
        super().__init__(f"{endpoint_id} has {count:,} combinations; at most {limit:,} are listed")
