"""The measured ratios as a picture: SVG, written here."""

from __future__ import annotations

from html import escape
from typing import Any

# Pixels: a bar's height and the row that it stands in, the column of names, a ratio of 1.
_BAR, _ROW, _NAMES, _ONE = 16, 26, 190, 420
_WIDTH = 760
_MET, _MISSED, _OTHER = "#2f7d4f", "#b5532b", "#8a94a6"
_STYLE = "font-family='sans-serif' font-size='13' fill='#222'"
_SMALL = _STYLE.replace("13", "11")


def drawn(found: dict[str, Any]) -> str:
    """Return the picture: a bar for each kind of request, its spread, and its target."""
    rows = [
        (name, table["of"]["starlette"]["processor_time"], table["target"])
        for name, table in found["requests"].items()
    ]
    top = 64
    height = top + _ROW * (len(rows) + 1) + 40
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{height}' "
        f"viewBox='0 0 {_WIDTH} {height}'>",
        f"<rect width='{_WIDTH}' height='{height}' fill='#fff'/>",
        f"<text x='16' y='26' {_STYLE} font-weight='bold'>Requests per second of processor time, "
        "beside bare Starlette with the same bytes (1)</text>",
        f"<text x='16' y='46' {_SMALL}>bar: median; line: least and most of all "
        "rounds; mark: the target</text>",
    ]
    parts += _axis(top, top + _ROW * len(rows))
    for number, (name, ratio, target) in enumerate(rows):
        parts += _row(name, ratio, target, top + number * _ROW)
    about = found["machine"]
    parts.append(
        f"<text x='16' y='{height - 12}' {_SMALL}>"
        f"{escape(about['processor'])}, a core each for server and load, "
        f"Python {about['python']}</text></svg>"
    )
    return "\n".join(parts) + "\n"


def _row(name: str, ratio: dict[str, float], target: float | None, y: int) -> list[str]:
    colour = _OTHER if target is None else _MET if ratio["median"] >= target else _MISSED
    middle = y + _BAR / 2
    parts = [
        f"<text x='16' y='{y + 13}' {_STYLE}>{escape(name)}</text>",
        f"<rect x='{_NAMES}' y='{y}' width='{_x(ratio['median']) - _NAMES:.0f}' height='{_BAR}' "
        f"fill='{colour}'/>",
        f"<path d='M{_x(ratio['least']):.0f} {middle}H{_x(ratio['most']):.0f}' stroke='#222'/>",
        f"<text x='{_x(1) + 50:.0f}' y='{y + 13}' {_STYLE}>{ratio['median']:.2f}</text>",
    ]
    if target is not None:
        at = _x(target)
        parts.append(f"<path d='M{at:.0f} {y - 3}V{y + _BAR + 3}' stroke='#222' stroke-width='3'/>")
    return parts


def _axis(top: int, bottom: int) -> list[str]:
    parts: list[str] = []
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        parts.append(
            f"<path d='M{x:.0f} {top - 6}V{bottom}' stroke='#bbb' stroke-dasharray='2 3'/>"
        )
        label = f"<text x='{x:.0f}' y='{bottom + 16}' {_SMALL} text-anchor='middle'>"
        parts.append(f"{label}{tenth / 10:g}</text>")
    return parts


def _x(ratio: float) -> float:
    return _NAMES + _ONE * min(ratio, 1.1)
