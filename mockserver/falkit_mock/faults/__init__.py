"""What a fault is: its name, its parameters, and the errors of a rule that can't be read."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeAlias, get_args

from falkit_mock.core import figure
from falkit_spec import JSON

# Characters of a value that are shown.
_MOST = 100


class RuleError(ValueError):
    """A rule that can't work.

    `field` and `value` are what is wrong, `mend` what would do; `where` is the rule's place
    among others, such as `rule 2`, and may be added later by who knows it.
    """

    def __init__(self, field: str, value: JSON, mend: str, where: str = "") -> None:
        self.field = field
        self.value = value
        self.mend = mend
        self.where = where
        self._lacks = False
        super().__init__(self.message)

    @classmethod
    def lacking(cls, field: str, mend: str) -> RuleError:
        """Return the error of a rule that lacks a field."""
        error = RuleError(field, None, mend)
        error._lacks = True
        return error

    @property
    def message(self) -> str:
        value = "missing;" if self._lacks else _shown(self.value)
        said = f"{self.field}: {value} {self.mend}"
        return f"{self.where}: {said}" if self.where else said

    def __str__(self) -> str:
        return self.message

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


class UnknownFault(RuleError):
    """No fault has this name; `near` is the one that was probably meant."""

    def __init__(self, name: str, near: str | None) -> None:
        meant = f"did you mean {near}?" if near else "`falkit faults` lists them"
        super().__init__("fault", name, f"is no fault; {meant}")
        self.near = near


Table = dict[str, JSON]
_FORMS = "is no time; give seconds, uniform:1..3, normal:2,0.5 (mean, deviation) or lognormal:2,0.5"
# A week: more is a slip of the hand.
_LONGEST = 604_800


@dataclass(frozen=True, slots=True)
class Distribution:
    """Seconds: `exact`, or drawn. `first` and `second` are what the form's name says."""

    form: Literal["exact", "uniform", "normal", "lognormal"]
    first: float
    second: float = 0.0

    def draw(self, random: Random) -> float:
        """Return a number of seconds, 0 or more."""
        match self.form:
            case "exact":
                return self.first
            case "uniform":
                return random.uniform(self.first, self.second)
            case "normal":
                return min(_LONGEST, max(0.0, random.gauss(self.first, self.second)))
            case "lognormal":
                # By its median, which is what a latency is known by.
                power = random.normalvariate(math.log(self.first), self.second)
                return math.exp(min(power, math.log(_LONGEST)))

    @property
    def written(self) -> JSON:
        """The distribution as a rule has it."""
        if self.form == "exact":
            return int(self.first) if self.first == int(self.first) else self.first
        between = ".." if self.form == "uniform" else ","
        return f"{self.form}:{self.first!r}{between}{self.second!r}"


def parse_distribution(name: str, value: JSON) -> Distribution:
    """Read seconds or a distribution; raise RuleError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RuleError(name, value, _FORMS)
    try:
        form, colon, rest = str(value).partition(":")
        if not colon:
            first, second = float(form), 0.0
        else:
            first, second = (float(part) for part in rest.split(".." if form == "uniform" else ","))
    except (ValueError, OverflowError):
        raise RuleError(name, value, _FORMS) from None
    if not colon:
        return _checked(name, value, Distribution("exact", first))
    match form:
        case "uniform":
            return _checked(name, value, Distribution("uniform", first, second))
        case "normal":
            return _checked(name, value, Distribution("normal", first, second))
        case "lognormal":
            return _checked(name, value, Distribution("lognormal", first, second))
        case _:
            raise RuleError(name, value, _FORMS)


def _checked(name: str, value: JSON, found: Distribution) -> Distribution:
    for number in (found.first, found.second):
        if not 0 <= number <= _LONGEST:
            raise RuleError(name, value, f"is outside; give 0 to {_LONGEST} seconds")
    if found.form == "uniform" and found.second < found.first:
        raise RuleError(name, value, "ends before it begins; give the smaller number first")
    if found.form == "lognormal" and not found.first:
        raise RuleError(name, value, "needs a median above 0")
    return found


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
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
# Of one phase, the first rule that matches decides; rules of different phases go together.
Phase: TypeAlias = Literal["latency", "answer", "queue", "outcome", "logs", "media", "webhook"]
# Where something can happen to the connection itself, and what starts a job.
ANYWHERE = OPERATIONS
JOBS: tuple[Operation, ...] = ("submit", "run")
FOLLOWING: tuple[Operation, ...] = ("status", "stream", "result", "cancel")
# What a fault can befall that the call itself names which makes a job: also what follows of it.
_REACHED: dict[Operation, tuple[Operation, ...]] = {
    "submit": ("submit", *FOLLOWING, "media"),
    "run": ("run", "media"),
}


def reached(operation: Operation) -> tuple[Operation, ...]:
    """Return the operations that a fault counts for which a call names itself."""
    return _REACHED.get(operation, (operation,))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong.

    `on` are the operations it happens on where a rule says nothing, `may` those that a rule may
    say; the families of faults add what they need.
    """

    name: str
    phase: Phase
    about: str
    on: tuple[Operation, ...]
    may: tuple[Operation, ...]
    parameters: tuple[Parameter, ...] = ()
    family: str = field(default="", kw_only=True)

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of a name, or None."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None

    def described(self) -> dict[str, JSON]:
        """Return the fault as the control API and `falkit faults` tell of it."""
        return {
            "name": self.name,
            "family": self.family,
            "phase": self.phase,
            "about": self.about,
            "on": list(self.on),
            "may": list(self.may),
            "parameters": [
                {
                    "name": parameter.name,
                    "kind": parameter.kind,
                    "default": parameter.default,
                    "about": parameter.about,
                    **({"choices": list(parameter.choices)} if parameter.choices else {}),
                }
                for parameter in self.parameters
            ],
        }
