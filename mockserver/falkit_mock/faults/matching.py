"""Which requests a rule applies to."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from falkit_mock.faults import (
    OPERATIONS,
    Fault,
    Operation,
    RuleError,
    Table,
    as_list,
    as_number,
    as_text,
    read_number,
    suggestion,
)
from falkit_spec import JSON

Input = Callable[[], Mapping[str, JSON]]


class MatchContext(NamedTuple):
    """One request as rules see it; of a request about a job, that job's endpoint, input and key."""

    operation: Operation
    # As posted; empty where no model is called.
    endpoint: str = ""
    # The key's id; its secret is nowhere kept.
    key: str = ""
    # Faults that the request itself names, by header, URL or prompt.
    named: tuple[str, ...] = ()
    # Called only by rules that ask for a field, since most don't.
    input: Input = dict
    # The id of the job that it makes or is about; empty where there is none.
    job: str = ""


_EVERY = re.compile(r"every[ :]([0-9]{1,9})")
# A step of a dotted path that may be a place in a list.
INDEX = re.compile(r"[0-9]{1,9}")
_MOST = 1_000_000_000
_ABOUT_INPUTS = ("endpoint", "prompt", "input")
# What has no model behind it: tokens, and uploads before they are used.
_NO_MODEL = ("initiate", "upload", "token")


class Matcher(NamedTuple):
    """All that a rule asks of a request; what it leaves out holds for every request.

    `nth` are places among the matches, from 1; `every` counts the matches; both begin behind
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
        """Tell whether the rule means a request, whatever its place among the matches."""
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
        """Tell whether the rule means the match at a place, from 1."""
        place -= self.skip
        if place < 1 or (self.nth and place not in self.nth):
            return False
        return self.every is None or place % self.every == 0

    def table(self, fault: Fault) -> Table:
        """Return what a fault's rule says of this beyond what holds anyway."""
        nth: JSON = self.nth[0] if len(self.nth) == 1 else list(self.nth) or None
        table: Table = {
            "on": None if self.on == fault.on else list(self.on),
            "endpoint": self.endpoint,
            "key": self.key,
            "times": self.times,
            "probability": self.probability,
            "prompt": None if self.prompt is None else self.prompt.pattern,
            "input": dict(self.input) or None,
            "skip": self.skip or None,
            "nth": nth if self.every is None else f"every:{self.every}",
        }
        return {name: value for name, value in table.items() if value is not None}


MATCHING = ("on", "endpoint", "key", "prompt", "input", "skip", "nth", "times", "probability")


def read_matcher(table: Mapping[str, JSON], fault: Fault) -> Matcher:
    """Read what a rule's table says of the requests that it means; raise RuleError."""
    given = [(name, value) for name in MATCHING if (value := table.get(name)) is not None]
    fields: dict[str, Any] = {"on": fault.on}
    for name, value in given:
        fields |= _read(name, value, fault)
    found = Matcher(**fields)
    if found.nth and found.times is not None:
        fix = "contradicts nth, which says already which ones; leave one of the two out"
        raise RuleError("times", found.times, fix)
    for name, value in given:
        if name in _ABOUT_INPUTS and all(operation in _NO_MODEL for operation in found.on):
            fix = f"can't be asked of {' and '.join(found.on)}, which call no model; leave it out"
            raise RuleError(name, value, fix)
    return found


def _read(name: str, value: JSON, fault: Fault) -> dict[str, Any]:
    """Return the fields of a Matcher that one entry of a rule's table gives."""
    match name:
        case "on":
            return {"on": _on(value, fault)}
        case "endpoint" | "key":
            return {name: _glob(name, value)}
        case "prompt":
            return {"prompt": _pattern(value)}
        case "input":
            return {"input": _input(value)}
        case "nth":
            return _nth(value)
        case "probability":
            return {"probability": _probability(value)}
        case _:
            return {name: _whole(name, value, least=1 if name == "times" else 0)}


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
    listed = value.split(",") if isinstance(value, str) else value
    names: Sequence[JSON] = listed if isinstance(listed, list) else [listed]
    for name in names:
        if name not in OPERATIONS:
            near = suggestion(name, OPERATIONS, f"give {', '.join(OPERATIONS)}")
            raise RuleError("on", name, f"isn't an operation; {near}")
        if name not in fault.allowed_on:
            allowed = ", ".join(fault.allowed_on)
            raise RuleError("on", name, f"is where {fault.name} can't happen; it can on {allowed}")
    if not names:
        raise RuleError("on", value, "names no operation; leave it out")
    return tuple(operation for operation in OPERATIONS if operation in names)


def _glob(name: str, value: JSON) -> str:
    # A key's id may look like a number.
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    text = as_text(value) if is_text else ""
    if not text.strip():
        raise RuleError(name, value, "isn't a pattern such as fal-ai/ltx-2/*")
    if name == "endpoint" and (text.startswith("/") or "://" in text):
        raise RuleError(name, text, "matches nothing; an endpoint is owner/alias/…, not a URL")
    if text.count("[") != text.count("]"):
        raise RuleError(name, text, "has a bracket that isn't closed; [[] stands for one")
    return text


def _pattern(value: JSON) -> re.Pattern[str]:
    if not isinstance(value, str) or not value:
        raise RuleError("prompt", value, "isn't a regular expression")
    try:
        # What a later Python may read otherwise doesn't matter to this one.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise RuleError("prompt", value, f"isn't a regular expression: {error}") from None


def _input(value: JSON) -> tuple[tuple[str, JSON], ...]:
    if not isinstance(value, dict) or not value or not all(value):
        raise RuleError("input", value, "isn't a table of fields and their values")
    for path, wanted in value.items():
        if not all(path.split(".")):
            fix = "names no field; a path is such as input.image.0.url, with something at each dot"
            raise RuleError(f"input.{path}", wanted, fix)
        if not _is_json(wanted):
            raise RuleError(f"input.{path}", wanted, "equals nothing, since JSON can't hold it")
    return tuple(value.items())


def _is_json(value: JSON) -> bool:
    """Tell whether a value can be in an input; a TOML file has dates and infinities, too."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _whole(name: str, value: JSON, least: int) -> int:
    return int(read_number(name, value, least, _MOST, whole=True))


def _nth(value: JSON) -> dict[str, Any]:
    if isinstance(value, str) and (match := _EVERY.fullmatch(value.strip())):
        return {"every": _whole("nth", match[1], 1)}
    listed = as_list(value) if isinstance(value, str) else value
    items: Sequence[JSON] = listed if isinstance(listed, list) else [listed]
    try:
        places = [_whole("nth", each, 1) for each in items]
    except RuleError:
        places = []
    if not places:
        raise RuleError("nth", value, "isn't a place from 1, such as 3, 1,2 or every:2")
    if len(set(places)) < len(places):
        raise RuleError("nth", value, "names a place twice; give each once")
    return {"nth": tuple(sorted(places))}


def _probability(value: JSON) -> float:
    number = as_number(value)
    if number is None or not 0 < number <= 1:
        raise RuleError("probability", value, "is out of range; give more than 0 and at most 1")
    return number
