"""Numbers and lengths of time as people write them."""

from __future__ import annotations

# Beyond this a float is not the integer that it looks like.
_EXACT = 2.0**53
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def figure(number: float) -> str:
    """Return a number without an exponent where it is whole, and short where it isn't."""
    if isinstance(number, int) or (number.is_integer() and abs(number) <= 1e18):
        return str(int(number))
    return repr(number) if abs(number) < _EXACT else f"{number:g}"


def span(seconds: float) -> str:
    """Return a length of time by its largest unit and the one below: `2 h 5 min`, `0.5 s`."""
    if seconds < 1:
        return f"{seconds:.3g} s"
    left, words = round(seconds), list[str]()
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
        if words and (len(words) == 2 or not count):
            break
    return " ".join(words)
