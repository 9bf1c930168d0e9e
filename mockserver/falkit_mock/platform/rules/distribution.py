"""How long something takes: a number of seconds, or a distribution that it is drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Literal

from falkit_mock.platform.rules.errors import RuleError
from falkit_spec import JSON

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
