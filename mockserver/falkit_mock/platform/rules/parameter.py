"""One thing that a fault takes: its kind, what it is where nothing is said, and its reading."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from falkit_mock.platform.figures import figure
from falkit_mock.platform.rules.distribution import parse_distribution
from falkit_mock.platform.rules.errors import RuleError
from falkit_spec import JSON

Kind: TypeAlias = Literal["number", "integer", "text", "list", "choice", "boolean", "seconds"]
# Whatever can be encoded: JSON may hold halves of characters.
_WHOLE = re.compile(r"[^\ud800-\udfff]*")
_HEADER = re.compile(r"[\x20-\x7e]*")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A fault's parameter. `default` is None where the fault itself finds one.

    `endless` numbers may be infinite, `header` texts end up in a header.
    """

    name: str
    kind: Kind
    default: JSON
    about: str
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()
    endless: bool = False
    header: bool = False

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
                return self._text(value)

    def _number(self, value: JSON) -> JSON:
        number = as_number(value)
        if number is None:
            raise RuleError(self.name, value, "is not a number")
        if self.endless and number == math.inf:
            return "inf"
        check_range(self.name, number, self.least, self.most)
        if self.kind == "integer" and number != int(number):
            raise RuleError(self.name, value, "is not a whole number")
        return int(number) if number == int(number) else number

    def _boolean(self, value: JSON) -> bool:
        known = _TRUTH.get(_text(value).lower())
        if known is None:
            raise RuleError(self.name, value, "is neither true nor false")
        return known

    def _choice(self, value: JSON) -> str:
        text = _text(value)
        if text not in self.choices:
            raise RuleError(self.name, value, f"is not {' or '.join(self.choices)}")
        return text

    def _text(self, value: JSON) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RuleError(self.name, value, "is not a text")
        text = _text(value)
        if not text or not _WHOLE.fullmatch(text):
            raise RuleError(self.name, value, "is not a text")
        if self.header and not _HEADER.fullmatch(text):
            raise RuleError(self.name, value, "can't stand in a header; use ASCII in one line")
        return text

    def _list(self, value: JSON) -> list[JSON]:
        items = read_list(value) if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            raise RuleError(self.name, value, "is not a list such as a,b")
        if not all(_is_plain(item) for item in items):
            raise RuleError(self.name, value, "has items that are neither texts nor numbers")
        return items


def _text(value: JSON) -> str:
    """Return a value as it would be written; nothing for what is neither text nor number."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return ""


def _is_plain(value: JSON) -> bool:
    number = as_number(value)
    return isinstance(value, str) or (number is not None and math.isfinite(number))


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
    """Raise RuleError for a number outside its bounds, infinity among them."""
    if math.isinf(number):
        mend = f"is not a number from {figure(least)} to {figure(most)}"
        raise RuleError(name, str(number), mend)
    if not least <= number <= most:
        shown = int(number) if number == int(number) else number
        limit = f"{figure(least)} or more" if number < least else f"{figure(most)} or less"
        raise RuleError(name, shown, f"is outside; give {limit}")


def read_list(text: str) -> list[JSON] | None:
    """Read `a,b,3` or a JSON array; None for what is neither."""
    if text.startswith("["):
        value = _parsed(text)
        return value if isinstance(value, list) else None
    return [scalar(word) for word in text.split(",")] if text else None


def scalar(word: str) -> JSON:
    """Return a word as the number that it is, or else as it stands."""
    value = _parsed(word)
    number = None if isinstance(value, str) else as_number(value)
    return word if number is None or math.isinf(number) else value


def _parsed(text: str) -> JSON:
    try:
        value: JSON = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
