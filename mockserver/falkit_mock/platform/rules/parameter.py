"""One thing that a fault takes: its kind, what it is where nothing is said, and its reading."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from falkit_mock.platform.rules.distribution import parse_distribution
from falkit_mock.platform.rules.errors import RuleError
from falkit_spec import JSON

Kind: TypeAlias = Literal["number", "integer", "text", "list", "choice", "boolean", "seconds"]
_INFINITE = (math.inf, -math.inf)
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A fault's parameter. `default` is None where the fault itself finds one."""

    name: str
    kind: Kind
    default: JSON
    about: str
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()

    def read(self, value: JSON) -> JSON:
        """Return a value as the fault takes it; raise RuleError. Infinity is the text `inf`."""
        match self.kind:
            case "number" | "integer":
                return self._number(value)
            case "boolean":
                return self._boolean(value)
            case "list":
                return self._list(value)
            case "seconds":
                return parse_distribution(self.name, value).written
            case "choice":
                return self._choice(value)
            case "text":
                if not isinstance(value, str | int | float) or not str(value):
                    raise RuleError(self.name, value, "is not a text")
                return str(value)

    def _number(self, value: JSON) -> JSON:
        number = as_number(value)
        if number is None:
            raise RuleError(self.name, value, "is not a number")
        check_range(self.name, number, self.least, self.most)
        if math.isinf(number):
            return "inf"
        if self.kind == "integer" and number != int(number):
            raise RuleError(self.name, value, "is not a whole number")
        return int(number) if number == int(number) else number

    def _boolean(self, value: JSON) -> bool:
        known = _TRUTH.get(str(value).lower())
        if known is None:
            raise RuleError(self.name, value, "is neither true nor false")
        return known

    def _choice(self, value: JSON) -> str:
        if str(value) not in self.choices:
            raise RuleError(self.name, value, f"is not {' or '.join(self.choices)}")
        return str(value)

    def _list(self, value: JSON) -> list[JSON]:
        items = read_list(value) if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            raise RuleError(self.name, value, "is not a list such as a,b")
        if not all(_is_plain(item) for item in items):
            raise RuleError(self.name, value, "has items that are neither texts nor numbers")
        return items


def _is_plain(value: JSON) -> bool:
    return isinstance(value, str) or as_number(value) is not None


def as_number(value: JSON) -> float | None:
    """Return a value as a number if it is one, or is a text that reads as one; else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def check_range(name: str, number: float, least: float, most: float) -> None:
    """Raise RuleError for a number outside its bounds, and for infinity without a bound."""
    if math.isinf(number) and most != math.inf:
        raise RuleError(name, str(number), f"is not a number from {least:g} to {most:g}")
    if number < least or number > most:
        shown = int(number) if number == int(number) else number
        limit = f"{least:g} or more" if number < least else f"{most:g} or less"
        raise RuleError(name, shown, f"is outside; give {limit}")


def read_list(text: str) -> list[JSON] | None:
    """Read `a,b,3` or a JSON array; None for what is neither."""
    if text.startswith("["):
        try:
            value: JSON = json.loads(text)
        except ValueError:
            return None
        return value if isinstance(value, list) else None
    return [scalar(word) for word in text.split(",")] if text else None


def scalar(word: str) -> JSON:
    """Return a word as the number that it is, or else as it stands."""
    try:
        value: JSON = json.loads(word)
    except ValueError:
        return word
    return value if as_number(value) is not None and value not in _INFINITE else word
