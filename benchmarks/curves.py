"""What was seen over time as a picture: SVG, written here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Protocol

# Pixels: a panel and the space around it.
_WIDE, _HIGH, _LEFT, _TOP, _GAP = 300, 84, 64, 64, 46
_STYLE = "font-family='sans-serif' font-size='12' fill='#222'"
_SMALL = _STYLE.replace("12", "10")
_COLOUR = "#2f5f8f"
# Points of a curve.
_MOST = 240


class Seen(Protocol):
    """Rows by name, and when each look was."""

    name: str
    unit: str
    at: list[float]
    seen: dict[str, list[float]]


def drawn(runs: Sequence[Seen]) -> str:
    """Return the picture: a column for each run, a panel for each row."""
    width = _LEFT + len(runs) * (_WIDE + _LEFT)
    height = _TOP + max(len(run.seen) for run in runs) * (_HIGH + _GAP)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}'>",
        f"<rect width='{width}' height='{height}' fill='#fff'/>",
    ]
    for column, run in enumerate(runs):
        x = _LEFT + column * (_WIDE + _LEFT)
        parts.append(f"<text x='{x}' y='26' {_STYLE} font-weight='bold'>{escape(run.name)}</text>")
        for place, (name, row) in enumerate(run.seen.items()):
            parts += _panel(name, run, row, x, _TOP + place * (_HIGH + _GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(name: str, run: Seen, row: Sequence[float], x: int, y: int) -> list[str]:
    most, last = max(*row, 1.0) * 1.15, run.at[-1] or 1.0
    bottom = y + _HIGH
    # The highest of the looks that share a point.
    step = max(1, len(row) // _MOST)
    points = [
        f"{x + _WIDE * run.at[place] / last:.1f} "
        f"{bottom - _HIGH * max(row[place : place + step]) / most:.1f}"
        for place in range(0, len(row), step)
    ]
    return [
        f"<text x='{x}' y='{y - 6}' {_STYLE}>{escape(name)}</text>",
        f"<path d='M{x} {y}V{bottom}H{x + _WIDE}' fill='none' stroke='#bbb'/>",
        f"<text x='{x - 4}' y='{bottom}' {_SMALL} text-anchor='end'>0</text>",
        f"<text x='{x - 4}' y='{y + 8}' {_SMALL} text-anchor='end'>{most:,.0f}</text>",
        f"<text x='{x + _WIDE}' y='{bottom + 13}' {_SMALL} text-anchor='end'>"
        f"{last:,.0f} {run.unit}</text>",
        f"<path d='M{'L'.join(points)}' fill='none' stroke='{_COLOUR}' stroke-width='1.5'/>",
    ]
