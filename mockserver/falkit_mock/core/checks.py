"""What settings are checked with: each returns the value as it is kept.

A ValueError says what is wrong with the value, and the fix.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from os import PathLike, fspath
from typing import Any, TypeAlias, TypeGuard, get_args

from falkit_mock.core import parse_duration
from falkit_mock.core.settings import is_almost_url
from falkit_spec import JSON
from falkit_spec.facts import read_dollars

Reader: TypeAlias = Callable[[Any], object]
# Above this a number isn't the same to every reader of JSON.
_MOST = 2**53


def checked(value: Any, holds: bool, problem: str) -> Any:
    """Return a value for which something holds."""
    if not holds:
        raise ValueError(f"{shown(value)} {problem}")
    return value


def text(value: Any) -> Any:
    """Take text."""
    return checked(value, isinstance(value, str), "isn't text; write it in quotes")


def is_whole(value: object) -> bool:
    """Tell whether a value is a whole number; a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(least: int) -> Reader:
    """Take a whole number from `least` on."""

    def read(value: Any) -> Any:
        checked(value, is_whole(value), f"isn't a whole number; give one from {least} on")
        checked(value, value >= least, f"is too small; the least is {least}")
        return checked(value, value <= _MOST, f"is too large; the most is {_MOST}")

    return read


def choice(choices: object) -> Reader:
    """Take one of a Literal's words."""
    words: tuple[str, ...] = get_args(choices)
    problem = f"isn't {' or '.join(words)}; give one of these"
    return lambda value: checked(value, value in words, problem)


def flag(value: Any) -> Any:
    """Take True or False."""
    return checked(value, isinstance(value, bool), "isn't True or False; give one of these")


def seconds(value: Any) -> float:
    """Take a time to wait, in seconds or as a length such as `30s`."""
    found = length(value)
    fix = "give seconds above 0, or a length such as 30s"
    checked(value, 0 < found < math.inf, f"isn't a time to wait; {fix}")
    return found


def length(value: Any) -> float:
    """Return a length of time in seconds; NaN for what is none."""
    if isinstance(value, bool):
        return math.nan
    try:
        return parse_duration(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def seed(value: Any) -> Any:
    """Take a whole number, or None."""
    whole = value is None or is_whole(value)
    return checked(value, whole, "isn't a whole number; give one such as 7")


def result_ttl(value: Any) -> float | None:
    """Take how long a result can be fetched, seconds; None for as long as at fal."""
    if value is None or value == "fal":
        return None
    if value == "forever":
        return math.inf
    found = length(value)
    fix = "give fal, forever, seconds above 0, or a length such as 2h"
    checked(value, found > 0, f"isn't a time to fetch a result in; {fix}")
    return found


def state(value: Any) -> str | None:
    """Take the path of a file, or the URL of a Redis, or None."""
    if value is None:
        return None
    good = isinstance(value, str | PathLike) and value != ""
    path = str(text(fspath(checked(value, good, "is no path; give a file"))))
    fix = f"is neither a path nor a URL; write redis://HOST:PORT/DB, or ./{path} for a file"
    return str(checked(path, not is_almost_url(path), fix))


def dollars(value: Any) -> Decimal:
    """Take an amount of US dollars."""
    found = read_dollars(value)
    checked(value, found is not None, "isn't an amount; give US dollars such as 2.50")
    assert found is not None, "it was checked"
    return found


def amounts(value: Any) -> tuple[Decimal, ...]:
    """Take a list of amounts of US dollars above 0."""
    one = isinstance(value, str | Decimal | float | int)
    checked(value, not one, f"is one amount; give a list such as [{shown(value)}]")
    given = items(value)
    found = tuple(map(dollars, given))
    for each, amount in zip(given, found, strict=True):
        checked(each, amount > 0, "is reached at once; give US dollars above 0")
    return found


def token(value: Any) -> Any:
    """Take a secret, which isn't shown, or None."""
    if value == "":
        raise ValueError("is empty; give a token, or None for none")
    if value is not None and not fits_header(text(value)):
        raise ValueError("a header can't hold it; use ASCII without spaces")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Take a list of texts that aren't empty."""
    checked(value, not isinstance(value, str), f"is a string; give a list such as [{value!r}]")
    found = items(value)
    for item in found:
        good = isinstance(item, str) and item != ""
        checked(item, good, "isn't text; give a list of non-empty texts")
    return found


def keys(value: Any) -> frozenset[str]:
    """Take a list of keys of fal's."""
    found = texts(value)
    for key in found:
        checked(key, fits_header(key), "can't be a key; use ASCII without spaces")
    return frozenset(found)


def fits_header(word: str) -> bool:
    """Tell whether a header can hold a word."""
    return re.fullmatch("[!-~]+", word) is not None


def items(value: Any) -> tuple[Any, ...]:
    """Take a list."""
    listed = hasattr(value, "__iter__") and not isinstance(value, bytes) and not is_table(value)
    return tuple(checked(value, listed, "isn't a list; give one"))


def is_table(value: object) -> TypeGuard[Mapping[str, JSON]]:
    """Tell whether a value is a table."""
    return isinstance(value, Mapping)


def shown(value: object) -> str:
    """Return a value as an error shows it."""
    try:
        written = repr(value)
    except ValueError:
        # Python writes no number of thousands of digits.
        return "so long a number"
    return written if len(written) <= 100 else f"{written[:99]}…"
