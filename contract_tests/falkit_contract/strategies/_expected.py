"""What a faulty input is: wrong in known places, each with the fault that names it."""

from __future__ import annotations

from dataclasses import dataclass

from falkit_spec.types import JSON


@dataclass(frozen=True)
class Expected:
    """One thing wrong with an input, and how fal says so."""

    field: str
    """The field of the input; empty where the body itself is no object."""
    way: str
    """What is wrong, such as `missing`, `too long` or `wrong type: string for integer`."""
    type: str
    """The `type` of the item in `detail`, such as `string_too_long`."""
    loc: tuple[str | int, ...]
    """The item's `loc`; for a value that fits no branch of a union, what each `loc` begins with."""


@dataclass(frozen=True)
class FaultyInput:
    """An input in which exactly one thing is wrong."""

    input: JSON
    expected: Expected

    @property
    def field(self) -> str:
        """The field that is wrong."""
        return self.expected.field

    @property
    def way(self) -> str:
        """What is wrong with it."""
        return self.expected.way

    @property
    def type(self) -> str:
        """The `type` of the one item in `detail`."""
        return self.expected.type

    @property
    def loc(self) -> tuple[str | int, ...]:
        """The `loc` of the one item in `detail`."""
        return self.expected.loc


@dataclass(frozen=True)
class SeveralFaults:
    """An input in which several things are wrong, one per field."""

    input: JSON
    expected: tuple[Expected, ...]
    """In the order of the document's fields, which is that of `detail`."""
