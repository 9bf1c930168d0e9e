"""Figures: the median of a row with its ends, and one beside a target."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from falkit_spec import JSON


@dataclass(frozen=True)
class Spread:
    """The median of a row of figures, and its ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        return cls(statistics.median(figures), min(figures), max(figures))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"

    def to_json(self) -> dict[str, JSON]:
        return {name: round(value, 3) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Figure:
    """Something measured, in its unit ("x" for a ratio); `most` or `least` is the target."""

    name: str
    value: Spread
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.most is not None:
            return self.value.median <= self.most
        return None if self.least is None else self.value.median >= self.least

    def __str__(self) -> str:
        aim = ""
        if self.met is not None:
            sign = "at most" if self.most is not None else "at least"
            aim = f"  target: {sign} {self.most or self.least:g}; {'' if self.met else 'not '}met"
        return f"{self.name:<52} {self.value} {self.unit}{aim}"

    def to_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            **self.value.to_json(),
            "unit": self.unit,
            "target": self.least if self.most is None else self.most,
            "met": self.met,
        }


def shown(figure: Figure) -> Figure:
    """Print a figure, and return it."""
    print(figure, flush=True)
    return figure
