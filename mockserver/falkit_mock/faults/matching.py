"""Which requests a rule applies to."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeGuard

from falkit_mock.faults import (
    JOBS,
    OPERATIONS,
    Fault,
    Operation,
    RuleError,
    Table,
    as_number,
    read_list,
)
from falkit_spec import JSON
from falkit_spec.types import is_array, is_finite, is_object

Input = Callable[[], Mapping[str, JSON]]


def no_input() -> Mapping[str, JSON]:
    """Return the input of a request that has none."""
    return {}


@dataclass(frozen=True, slots=True)
class MatchContext:
    """One request as rules see it; of a request about a job, that job's endpoint, input and key."""

    operation: Operation
    # As posted; empty where no model is called.
    endpoint: str = ""
    # The key's id; its secret is nowhere kept.
    key: str = ""
    # Faults that the request itself names, by header, URL or prompt.
    named: tuple[str, ...] = ()
    # Read only by rules that ask, since most don't.
    input: Input = no_input


_EVERY = re.compile(r"every[ :]([0-9]{1,9})")
# A step of a dotted path that may be a place in a list.
INDEX = re.compile(r"[0-9]{1,9}")
# Binary digits; Python writes no number of many more.
_LONGEST = 10_000
_ABOUT_INPUTS = ("endpoint", "prompt", "input")
# What has no model behind it: tokens, and uploads before they are used.
_NO_MODEL = ("initiate", "upload", "token")


@dataclass(frozen=True, slots=True)
class Matcher:
    """All that a rule asks; what it leaves out is always so.

    `nth` are places in the row of matches, from 1; `every` counts in that row; both begin behind
    the `skip` first ones. `times` and `probability` then thin out what is left.
    """

    on: tuple[Operation, ...]
    endpoint: str | None = None
    key: str | None = None
    prompt: re.Pattern[str] | None = None
    # Dotted paths and what has to be there.
    input: tuple[tuple[str, JSON], ...] = ()
    skip: int = 0
    nth: tuple[int, ...] = ()
    every: int | None = None
    times: int | None = None
    probability: float | None = None

    def fits(self, context: MatchContext) -> bool:
        """Say whether a request is one that the rule means, whatever its place in the row."""
        if context.operation not in self.on:
            return False
        if self.endpoint is not None and not fnmatchcase(context.endpoint, self.endpoint):
            return False
        if self.key is not None and not fnmatchcase(context.key, self.key):
            return False
        if self.prompt is None and not self.input:
            return True
        given = context.input()
        if self.prompt is not None:
            prompt = given.get("prompt")
            if not isinstance(prompt, str) or self.prompt.search(prompt) is None:
                return False
        return all(_same(found_at(given, path), value) for path, value in self.input)

    def due(self, place: int) -> bool:
        """Say whether the match at a place in the row, from 1, is one that the rule means."""
        place -= self.skip
        if place < 1 or (self.nth and place not in self.nth):
            return False
        return self.every is None or place % self.every == 0


MATCHING = ("on", "endpoint", "key", "prompt", "input", "skip", "nth", "times", "probability")


def read_matcher(table: Mapping[str, JSON], fault: Fault) -> Matcher:
    """Read what a rule's table says of whom it is for; raise RuleError."""
    nth, every = _nth(table.get("nth"))
    times = _count(table, "times", least=1)
    if nth and times is not None:
        mend = "contradicts nth, which says already which ones; leave one of the two out"
        raise RuleError("times", times, mend)
    found = Matcher(
        on=_on(table.get("on"), fault),
        endpoint=_glob(table, "endpoint"),
        key=_glob(table, "key"),
        prompt=_pattern(table.get("prompt")),
        input=_input(table.get("input")),
        skip=_count(table, "skip", least=0) or 0,
        nth=nth,
        every=every,
        times=times,
        probability=_probability(table.get("probability")),
    )
    asked = [name for name in _ABOUT_INPUTS if getattr(found, name)]
    if asked and all(operation in _NO_MODEL for operation in found.on):
        mend = f"can't be asked of {' and '.join(found.on)}, which call no model; leave it out"
        raise RuleError(asked[0], table[asked[0]], mend)
    return found


def written(matcher: Matcher, fault: Fault) -> Table:
    """Return the table of a matcher: what it says beyond what always holds."""
    table: Table = {}
    if matcher.on != fault.on:
        table["on"] = list(matcher.on)
    for name in ("endpoint", "key", "times", "probability"):
        if getattr(matcher, name) is not None:
            table[name] = getattr(matcher, name)
    if matcher.prompt is not None:
        table["prompt"] = matcher.prompt.pattern
    if matcher.input:
        table["input"] = dict(matcher.input)
    if matcher.skip:
        table["skip"] = matcher.skip
    if matcher.nth:
        table["nth"] = list(matcher.nth) if len(matcher.nth) > 1 else min(matcher.nth)
    if matcher.every is not None:
        table["nth"] = f"every:{matcher.every}"
    return table


def found_at(value: JSON | Mapping[str, JSON], path: str) -> JSON:
    """Return what an input has at a dotted path; None for nothing."""
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value if not isinstance(value, Mapping) else dict(value)


def _same(found: JSON, wanted: JSON) -> bool:
    # True equals 1 in Python, and not in JSON.
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _on(value: JSON, fault: Fault) -> tuple[Operation, ...]:
    if value is None:
        return fault.on
    names = value if isinstance(value, list) else _words(value)
    found: list[Operation] = []
    for name in names:
        known = next((each for each in OPERATIONS if each == name), None)
        if known is None:
            near = get_close_matches(name, OPERATIONS, n=1) if isinstance(name, str) else []
            meant = f"did you mean {near[0]}?" if near else f"give {', '.join(OPERATIONS)}"
            raise RuleError("on", name, f"is no operation; {meant}")
        if known not in fault.may:
            may = ", ".join(fault.may)
            raise RuleError("on", name, f"is where {fault.name} can't happen; it can on {may}")
        if known not in found:
            found.append(known)
    if not found:
        raise RuleError("on", value, "names no operation; leave it out")
    return tuple(found)


def _words(value: JSON) -> list[JSON]:
    return [*value.split(",")] if isinstance(value, str) else [value]


def _glob(table: Mapping[str, JSON], name: str) -> str | None:
    value = table.get(name)
    if value is None:
        return None
    # A key's id may look like a number.
    text = f"{value}" if _is_short(value) else value
    if not isinstance(text, str) or isinstance(value, bool) or not text.strip():
        raise RuleError(name, value, "is no pattern such as fal-ai/ltx-2/*")
    if name == "endpoint" and (text.startswith("/") or "://" in text):
        raise RuleError(name, text, "matches nothing; an endpoint is owner/alias/…, no URL")
    if text.count("[") != text.count("]"):
        raise RuleError(name, text, "has a bracket that isn't closed; [[] stands for one")
    return text


def _pattern(value: JSON) -> re.Pattern[str] | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise RuleError("prompt", value, "is no regular expression")
    try:
        # What a later Python may read otherwise is no matter of this one's.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise RuleError("prompt", value, f"is no regular expression: {error}") from None


def _input(value: JSON) -> tuple[tuple[str, JSON], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or not value or not all(value):
        raise RuleError("input", value, "is no table of fields and their values")
    for path, wanted in value.items():
        if not all(path.split(".")):
            mend = "names no field; a path is such as input.image.0.url, with something at each dot"
            raise RuleError(f"input.{path}", wanted, mend)
        if not _is_json(wanted):
            raise RuleError(f"input.{path}", wanted, "equals nothing, since JSON can't hold it")
    return tuple(value.items())


def _is_json(value: object) -> bool:
    """Say whether a value can be in an input; a TOML file has dates and infinities, too."""
    if is_object(value):
        return all(map(_is_json, value.values()))
    if is_array(value):
        return all(map(_is_json, value))
    if isinstance(value, float):
        return is_finite(value)
    return value is None or isinstance(value, str) or _is_short(value)


def _is_short(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value.bit_length() < _LONGEST


def _count(table: Mapping[str, JSON], name: str, least: int) -> int | None:
    value = table.get(name)
    return None if value is None else _whole(name, value, least)


def _whole(name: str, value: JSON, least: int) -> int:
    number = as_number(value)
    if number is None or number != number // 1 or abs(number) > 1e9:
        raise RuleError(name, value, "is not a whole number")
    if number < least:
        raise RuleError(name, int(number), f"is too small; give {least} or more")
    return int(number)


def _nth(value: JSON) -> tuple[tuple[int, ...], int | None]:
    if value is None:
        return (), None
    if isinstance(value, str) and (match := _EVERY.fullmatch(value.strip())):
        return (), _whole("nth", match[1], 1)
    items = read_list(value) if isinstance(value, str) else value
    if not isinstance(items, list):
        items = [items]
    try:
        places = [_whole("nth", item, 1) for item in items]
    except RuleError:
        places = []
    if not places:
        raise RuleError("nth", value, "is no place from 1, such as 3, 1,2 or every:2")
    if len(set(places)) < len(places):
        raise RuleError("nth", value, "names a place twice; give each once")
    return tuple(sorted(places)), None


def _probability(value: JSON) -> float | None:
    if value is None:
        return None
    number = as_number(value)
    if number is None or not 0 < number <= 1:
        raise RuleError("probability", value, "is outside; give more than 0 and at most 1")
    return number


def starts_jobs(matcher: Matcher) -> bool:
    """Say whether a rule can decide about a job when that is taken."""
    return any(operation in JOBS for operation in matcher.on)
