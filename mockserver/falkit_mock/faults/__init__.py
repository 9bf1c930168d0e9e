"""What a fault is: its name, its parameters, and the errors of a rule that can't be read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple, TypeAlias, get_args

from falkit_mock.core import figure, shortened
from falkit_spec import JSON
from falkit_spec.errors import near_misses

Table = dict[str, JSON]
# Characters of a value that are shown.
_MOST = 100


class RuleError(ValueError):
    """A rule that can't work.

    `field` and `value` are what is wrong, `fix` what would do; `where` is the rule's place
    among others, such as `rule 2`, and may be added later by who knows it.
    """

    def __init__(
        self, field: str, value: JSON, fix: str, *, missing: bool = False, unknown: bool = False
    ) -> None:
        super().__init__(field, value, fix)
        self.field = field
        self.value = value
        self.fix = fix
        self.where = ""
        self._missing = missing
        # Whether the field itself is wrong, whatever its value.
        self._unknown = unknown

    def __str__(self) -> str:
        shown = "missing;" if self._missing else _shown(self.value)
        place = f"{self.where}: " if self.where else ""
        if self._unknown:
            return f"{place}{self.field!r} {self.fix}"
        return f"{place}{self.field}: {shown} {self.fix}"

    def at(self, where: str) -> RuleError:
        """Say also which rule it is."""
        self.where = where
        return self


def _shown(value: JSON) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    try:
        shown = repr(value)
    except ValueError:
        # Python writes no number of thousands of digits.
        return "so long a number"
    return shown if len(shown) <= _MOST else f"{shown[:_MOST]}…"


def shortened_json(value: JSON) -> str:
    """Return a value as JSON, or the beginning of it."""
    return shortened(as_text(value), _MOST)


def suggestion(word: JSON, known: Iterable[str], otherwise: str) -> str:
    """Ask whether the known word was meant that is near to one; or else say what to do."""
    near = near_misses(word, known)
    return f"did you mean {near[0]}?" if near else otherwise


def as_json(text: str) -> JSON:
    """Return what a text is as JSON, or else the text."""
    try:
        # NaN and Infinity are not JSON, whatever Python says.
        value: JSON = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return value


def _refuse(word: str) -> JSON:
    raise ValueError(word)


def as_text(value: JSON) -> str:
    """Return a value as a rule would write it; nothing for what JSON can't hold."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return ""


def letters(text: str) -> str:
    """Return a text's letters alone, in lower case: `TOP_UP` and `Top up.` are the same."""
    return "".join(filter(str.isalpha, text.lower()))


def as_number(value: JSON) -> float | None:
    """Return a value as a number if it is one, or is a text that reads as one; else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def as_list(text: str) -> list[JSON] | None:
    """Read `a,b,3` or a JSON array; None for what is neither."""
    if text.startswith("["):
        value = as_json(text)
        return value if isinstance(value, list) else None
    return [_scalar(word) for word in text.split(",")] if text else None


def _scalar(word: str) -> JSON:
    value = as_json(word)
    return value if not isinstance(value, str) and _is_scalar(value) else word


def _is_scalar(value: JSON) -> bool:
    number = as_number(value)
    return isinstance(value, str) or (number is not None and math.isfinite(number))


def read_number(
    name: str, value: JSON, least: float, most: float, *, whole: bool = False
) -> int | float:
    """Return a number within its bounds; raise RuleError."""
    number = as_number(value)
    if number is None or (whole and not number.is_integer()):
        raise RuleError(name, value, f"is not a {'whole ' if whole else ''}number")
    if math.isinf(number):
        fix = f"is not a number from {figure(least)} to {figure(most)}"
        raise RuleError(name, str(number), fix)
    short = int(number) if number.is_integer() else number
    if number < least:
        raise RuleError(name, short, f"is too small; give {figure(least)} or more")
    if number > most:
        raise RuleError(name, short, f"is too large; give {figure(most)} or less")
    return short


# A week: more is a slip of the hand.
WEEK = 604_800
_FORMS = (
    "is not a time; give seconds, uniform:1..3, normal:2,0.5 (mean, deviation) or lognormal:2,0.5"
)
_SEPARATORS = {"uniform": "..", "normal": ",", "lognormal": ","}


class Distribution(NamedTuple):
    """Seconds: drawn by a form of `_SEPARATORS`, or exact where the form is empty.

    `first` and `second` are the bounds, or mean and deviation, or median and sigma.
    """

    form: str
    first: float
    second: float = 0.0

    def draw(self, random: Random) -> float:
        """Return a number of seconds, 0 or more."""
        match self.form:
            case "uniform":
                return random.uniform(self.first, self.second)
            case "normal":
                return min(WEEK, max(0.0, random.gauss(self.first, self.second)))
            case "lognormal":
                # By its median, which is what a latency is known by.
                power = random.normalvariate(math.log(self.first), self.second)
                return math.exp(min(power, math.log(WEEK)))
            case _:
                return self.first

    def to_json(self) -> JSON:
        """Return the distribution as a rule has it."""
        if not self.form:
            return int(self.first) if self.first.is_integer() else self.first
        return f"{self.form}:{self.first!r}{_SEPARATORS[self.form]}{self.second!r}"


def parse_distribution(name: str, value: JSON) -> Distribution:
    """Read seconds or a distribution; raise RuleError."""
    form, colon, rest = as_text(value).rpartition(":")
    try:
        numbers = [*map(float, rest.split(_SEPARATORS[form]) if colon else [rest])]
    except (KeyError, ValueError):
        numbers = []
    if len(numbers) != (2 if colon else 1):
        raise RuleError(name, value, _FORMS)
    if not all(0 <= number <= WEEK for number in numbers):
        raise RuleError(name, value, f"is out of range; give 0 to {WEEK} seconds")
    found = Distribution(form, *numbers)
    if form == "uniform" and found.second < found.first:
        raise RuleError(name, value, "ends before it begins; give the smaller number first")
    if form == "lognormal" and not found.first:
        raise RuleError(name, value, "needs a median above 0")
    return found


Kind: TypeAlias = Literal["number", "integer", "text", "list", "choice", "boolean", "seconds"]
# Whatever can be encoded: JSON may hold halves of characters.
_ENCODABLE = re.compile(r"[^\ud800-\udfff]+")
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
    # Other ways to write a choice, by their letters alone, in lower case.
    spellings: Mapping[str, str] = field(default_factory=dict[str, str])
    endless: bool = False
    header: bool = False

    def read(self, value: JSON) -> JSON:
        """Return a value as the fault takes it; raise RuleError. Infinity is the text `inf`."""
        match self.kind:
            case "number" | "integer":
                if self.endless and as_number(value) == math.inf:
                    return "inf"
                whole = self.kind == "integer"
                return read_number(self.name, value, self.least, self.most, whole=whole)
            case "seconds":
                return parse_distribution(self.name, value).to_json()
            case "list":
                return self._list(value)
            case "text":
                return self._text(value)
            case "boolean" if as_text(value).lower() in _TRUTH:
                return _TRUTH[as_text(value).lower()]
            case "choice":
                return self._choice(value, as_text(value))
            case "boolean":
                raise RuleError(self.name, value, "is not true or false")

    def _choice(self, value: JSON, text: str) -> str:
        found = text if text in self.choices else self.spellings.get(letters(text))
        if found is not None:
            return found
        near = near_misses(text, self.choices)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise RuleError(self.name, value, f"is not {' or '.join(self.choices)}{meant}")

    def _text(self, value: JSON) -> str:
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        text = as_text(value)
        if not plain or not _ENCODABLE.fullmatch(text):
            raise RuleError(self.name, value, "is not a text")
        if self.header and not _HEADER.fullmatch(text):
            raise RuleError(self.name, value, "can't stand in a header; use ASCII in one line")
        return text

    def _list(self, value: JSON) -> list[JSON]:
        items = as_list(value) if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            raise RuleError(self.name, value, "is not a list such as a,b")
        if not all(map(_is_scalar, items)):
            raise RuleError(self.name, value, "has items that are neither texts nor numbers")
        if self.choices:
            return [self._choice(item, as_text(item)) for item in items]
        return items

    def to_json(self) -> Table:
        """Return the parameter as the control API lists it."""
        listed: Table = {
            "name": self.name,
            "kind": self.kind,
            "default": self.default,
            "about": self.about,
        }
        return {**listed, "choices": list(self.choices)} if self.choices else listed


Operation: TypeAlias = Literal[
    "submit",
    "run",
    "status",
    "stream",
    "result",
    "cancel",
    "media",
    "initiate",
    "upload",
    "token",
]
# Where something can happen to the connection itself; what starts a job; what asks about one.
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
JOBS: tuple[Operation, ...] = ("submit", "run")
FOLLOWING: tuple[Operation, ...] = ("status", "stream", "result", "cancel")
# Of one phase, the first rule that matches decides; rules of different phases go together.
Phase: TypeAlias = Literal[
    "latency", "answer", "queue", "outcome", "output", "logs", "media", "webhook"
]
Family: TypeAlias = Literal[
    "model error",
    "request error",
    "raw answer",
    "gateway",
    "connection",
    "time",
    "media",
    "webhook",
    "output",
]
# What kind of field a model error is about where the rule names none; "" for none at all.
Concern: TypeAlias = Literal["", "image", "video", "audio", "media", "prompt", "number"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong.

    It happens on the operations `on` where a rule says nothing; a rule may name those of
    `allowed_on`.
    """

    name: str
    family: Family
    phase: Phase
    about: str
    on: tuple[Operation, ...]
    allowed_on: tuple[Operation, ...]
    parameters: tuple[Parameter, ...] = ()
    # Of an outcome: its status where no parameter says another.
    status: int = 200
    # Of an outcome: whether a runner works on it before it fails, or it takes no time.
    ran: bool = True
    # Of a request error: whether the queue tries again before it gives up (wire.md §3.6), and
    # fal.run says that its caller may (wire.md §4).
    temporary: bool = False
    # Of a model error: what it is about, and the parameters that make its `ctx`.
    concerns: Concern = ""
    ctx: tuple[str, ...] = ()
    # Of a connection fault: whether the request is carried out before.
    done: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of a name, or None."""
        return next((each for each in self.parameters if each.name == name), None)

    def to_json(self) -> Table:
        """Return the fault as the control API and `falkit faults` list it."""
        return {
            "name": self.name,
            "family": self.family,
            "phase": self.phase,
            "about": self.about,
            "on": list(self.on),
            "allowed_on": list(self.allowed_on),
            "parameters": [parameter.to_json() for parameter in self.parameters],
        }
