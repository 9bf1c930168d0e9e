"""Make anything that Python may hold fit to be examined as JSON."""

from __future__ import annotations

from typing import cast

from falkit_spec.types import JSON
from falkit_spec.wording import Words

_DEPTH = 100
_LONG = 10**400
"""More than a float holds, yet short enough to be written out."""

NO_JSON = Words("invalid-json-value", "input was not a valid JSON value")
KEY = Words("invalid_key", "Keys should be strings")
DEEP = Words("recursion_loop", "Recursion error - cyclic reference detected")

Odd = tuple[tuple[str | int, ...], Words]


def tame(value: object) -> tuple[JSON, list[Odd]]:
    """Return a copy that is JSON, shallow and short, and what had to be changed for it.

    Numbers of hundreds of digits are shortened without a word: they break any limit as well.
    """
    odd: list[Odd] = []
    return _tame(value, (), odd), odd


def _tame(value: object, path: tuple[str | int, ...], odd: list[Odd]) -> JSON:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        short = isinstance(value, float) or abs(value) <= _LONG
        return value if short else (_LONG if value > 0 else -_LONG)
    if not isinstance(value, dict | list):
        odd.append((path, NO_JSON))
        return None
    if len(path) >= _DEPTH:
        odd.append((path, DEEP))
        return None
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_tame(item, (*path, index), odd) for index, item in enumerate(items)]
    kept: dict[str, JSON] = {}
    for key, item in cast("dict[object, object]", value).items():
        if isinstance(key, str):
            kept[key] = _tame(item, (*path, key), odd)
        else:
            odd.append(((*path, str(key)), KEY))
    return kept
