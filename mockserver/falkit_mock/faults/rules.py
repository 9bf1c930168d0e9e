"""A rule, read from a line, a table, a URL or a prompt."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from falkit_mock.core import shortened
from falkit_mock.core.limits import RULE_LENGTH, RULES, SEARCHED_VALUES
from falkit_mock.faults import (
    FOLLOWING,
    Fault,
    Operation,
    RuleError,
    Table,
    as_json,
    as_list,
    as_text,
    suggestion,
)
from falkit_mock.faults.catalogue import find_fault
from falkit_mock.faults.matching import MATCHING, Matcher, read_matcher
from falkit_mock.faults.pins import OUTPUT, Pin, read_pin
from falkit_spec import JSON

_STRING = r'"(?:[^"\\]|\\.)*"'
_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)")
_KEY = re.compile(r"[A-Za-z_][\w.-]*")
_PAIR = re.compile(
    rf"""\s+(?P<key>{_KEY.pattern}|{_STRING})=(?P<value>{_STRING}|'[^']*'|[^\s"';\]]*)"""
)
_BARE = re.compile(r"""[^\s"';\]]+""")
_BEGINS = re.compile("[^ ;]")
_END = re.compile(r"\s*(;|\]|$)")
_MOST_OUTPUT = 300
_PINS = re.compile(r"\s*output=")
INPUT = "input."


def parse_texts(text: str, most: float = math.inf) -> list[str]:
    """Split rules with semicolons between them, and read none; raise RuleError, or for too many."""
    found: list[str] = []
    at = 0
    while (begins := _BEGINS.search(text, at)) is not None:
        at = begins.start()
        _, end = _scan(text, at)
        if text[end : end + 1] == "]":
            raise RuleError("rule", text, "has a bracket; put its value in quotes")
        found.append(text[at:end].strip())
        if len(found) > most:
            raise RuleError("rule", _short(text), f"has more rules than {most}")
        at = end + 1
    return found


def parse_text(text: str) -> Table:
    """Return the table that a line stands for; raise RuleError."""
    pins = _PINS.match(text) is not None
    table, end = _scan(f"output {text}" if pins else text, 0)
    if end < len(text):
        raise RuleError("rule", text, "goes on after its end; one rule is expected")
    if pins:
        del table["fault"]
    return table


def _scan(text: str, at: int) -> tuple[Table, int]:
    """Read one rule from a place on; return it and where it ended: at `;`, `]` or the end."""
    name = _NAME.match(text, at)
    if name is None:
        raise RuleError("rule", _short(text[at:]), "does not begin with a fault's name")
    table: Table = {"fault": name[1]}
    at = name.end()
    while pair := _PAIR.match(text, at):
        key = _key(pair["key"])
        if key in table:
            raise RuleError(key, pair["value"], "comes twice; give it once")
        table[key] = _value(key, pair["value"])
        at = pair.end()
    end = _END.match(text, at)
    if end is None:
        fix = "is not key=value; quote a value that has spaces in it"
        raise RuleError("rule", _short(text[at:]), fix)
    return table, end.start(1)


def _key(word: str) -> str:
    if word.startswith('"'):
        return _unquoted("key", word)
    return word if word.startswith(INPUT) else word.replace("-", "_")


def _value(key: str, word: str) -> JSON:
    if word.startswith('"'):
        return _unquoted(key, word)
    raw = word[1:-1] if word.startswith("'") else word
    return as_json(raw) if key.startswith(INPUT) else raw


def _unquoted(key: str, word: str) -> str:
    try:
        value: JSON = json.loads(word, strict=False)
    except ValueError:
        raise RuleError(key, word, "has a backslash that means nothing; double it") from None
    return str(value)


def _short(text: str) -> str:
    return shortened(text.strip())


def to_text(table: Mapping[str, JSON]) -> str:
    """Write a table's rule in one line; of a long output only the beginning."""
    words = [str(table["fault"])] if "fault" in table else []
    for key, value in table.items():
        if key == "input" and isinstance(value, dict):
            words += [_input_pair(f"{INPUT}{name}", each) for name, each in value.items()]
        elif key == "output" and isinstance(value, dict):
            words.append(shortened(_input_pair(key, value), _MOST_OUTPUT))
        elif key != "fault":
            words.append(f"{key}={_plain(value)}")
    return " ".join(words)


def _plain(value: JSON) -> str:
    """Write a value whose kind its key tells."""
    text = as_text(value)
    if isinstance(value, list):
        joined = ",".join(map(as_text, value))
        text = joined if as_list(joined) == value else text
    return text if _BARE.fullmatch(text) else json.dumps(text)


def _input_pair(key: str, value: JSON) -> str:
    """Write a field of the input and its value so that it reads back as the same JSON."""
    key = key if _KEY.fullmatch(key) else json.dumps(key)
    if isinstance(value, str):
        bare = _BARE.fullmatch(value) and as_json(value) == value
        return f"{key}={value if bare else json.dumps(value)}"
    text = json.dumps(value, separators=(",", ":")).replace("'", "\\u0027")
    return f"{key}={text}" if _BARE.fullmatch(text) else f"{key}='{text}'"


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, and the requests that it is for; or, in its place, an output.

    `given` are the parameters that the rule says; the others have their defaults.
    """

    fault: Fault
    matcher: Matcher
    given: tuple[tuple[str, JSON], ...] = ()
    pin: Pin | None = None

    @classmethod
    def read(cls, source: str | Mapping[str, JSON], folders: Collection[str] | None = ()) -> Rule:
        """Read a line or a table; raise RuleError, which names the field and the fix.

        `folders` are the real paths of those in which files of outputs may be; None for anywhere.
        """
        table = parse_text(source) if isinstance(source, str) else dict(source)
        known = "`falkit faults` lists them"
        if "output" in table and "fault" not in table:
            return cls._pinning(table, folders)
        if "fault" not in table:
            raise RuleError("fault", None, f"give the name of one; {known}", missing=True)
        name = table.pop("fault")
        if not isinstance(name, str):
            raise RuleError("fault", name, f"isn't a fault's name; {known}")
        fault = find_fault(name)
        table = _gathered(table)
        given = [
            (key, _parameter(fault, key, value))
            for key, value in table.items()
            if key not in MATCHING
        ]
        return cls(fault, read_matcher(table, fault), tuple(sorted(given)))

    @classmethod
    def _pinning(cls, table: Table, folders: Collection[str] | None) -> Rule:
        value = table.pop("output")
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = as_json(value)
        table = _gathered(table)
        known = [(key, each) for key, each in table.items() if key not in MATCHING]
        given = tuple((key, _parameter(OUTPUT, key, each)) for key, each in known)
        matcher = read_matcher(table, OUTPUT)
        if matcher.endpoint is None:
            fix = "say whose output it is, such as fal-ai/flux/dev"
            raise RuleError("endpoint", None, fix, missing=True)
        check = dict(given).get("check", True) is True
        return cls(OUTPUT, matcher, given, read_pin(value, check=check, folders=folders))

    def table(self) -> Table:
        """Return the rule as a file or the control API has it."""
        what: Table = {"fault": self.fault.name}
        if self.pin is not None:
            what = {"output": self.pin.source}
        return {**what, **self.matcher.table(self.fault), **dict(self.given)}

    def text(self) -> str:
        """Return the rule in one line."""
        return to_text(self.table())

    def values(self) -> Table:
        """Return all of the fault's parameters, with their defaults."""
        defaults = {parameter.name: parameter.default for parameter in self.fault.parameters}
        return {**defaults, **dict(self.given)}

    def missed(self, endpoints: Iterable[str]) -> str | None:
        """Say that the rule means none of these endpoints, if so.

        It is not an error: what is posted to may be more than the documents have. Of a redirect
        it is where it leads that has to be there.
        """
        field, glob = "endpoint", self.matcher.endpoint
        if (to := self.values().get("to")) is not None:
            field, glob = "to", str(to).strip("/")
        known = [*endpoints]
        if glob is None or any(fnmatchcase(endpoint, glob) for endpoint in known):
            return None
        near = suggestion(glob.strip("*"), known, "`falkit spec list` has those that do")
        return f"no endpoint of this mock fits {field}={glob}; {near}"

    def misplaced(self, here: Operation) -> str | None:
        """Say why the rule does nothing where a call of one operation names it, if so.

        What a job's own call names applies to all that follows of the job.
        """
        on, name = self.matcher.on, self.fault.name
        follows = {"submit": (*FOLLOWING, "media"), "run": ("media",)}.get(here, ())
        if any(operation in on for operation in (here, *follows)):
            return None
        if here in self.fault.allowed_on:
            return f"{name} happens on {', '.join(on)}, not on {here}; say on={here} to have it"
        return f"{name} can't happen on {here}; it can on {', '.join(self.fault.allowed_on)}"


def _gathered(table: Mapping[str, JSON]) -> Table:
    """Bring `input.duration` and `input = {duration = …}` to the one form."""
    found: Table = {}
    fields: Table = {}
    for key, value in table.items():
        if key.startswith(INPUT) and len(key) > len(INPUT):
            fields[key.removeprefix(INPUT)] = value
        elif key == "input" and isinstance(value, dict) and value:
            fields |= value
        else:
            found[key.replace("-", "_")] = value
    return {**found, "input": fields} if fields else found


def _parameter(fault: Fault, key: str, value: JSON) -> JSON:
    parameter = fault.parameter(key)
    if parameter is not None:
        return parameter.read(value)
    own = [each.name for each in fault.parameters]
    takes = f"{fault.name} takes {', '.join(own) or 'none'}"
    near = suggestion(key, [*own, *MATCHING], takes)
    raise RuleError(key, value, f"isn't a parameter; {near}", unknown=True)


DOMAIN = "falkit.test"
_URL = re.compile(rf"https?://{re.escape(DOMAIN)}(?::\d+)?(?:[/?#]|$)", re.I)
_TOKEN = re.compile(r"\[falkit:\s*", re.I)
# A name that asks for nothing: an ordinary file.
ORDINARY = "ok"


class Magic(NamedTuple):
    """The rules that a request names itself, as text, and hints about those that do nothing."""

    texts: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


NO_MAGIC = Magic()
Reader = Callable[[], Rule | None]


# What a body has that names a fault: it tells at little cost whether it is worth a look.
MARKS = (b"falkit", b"FALKIT", b"Falkit")


def find_magic(input: Mapping[str, JSON], here: Operation | None = None) -> Magic:
    """Return what an input names, by its fields in order and then by its prompt.

    `here` is the operation that has the input: a rule that does nothing there makes a hint too.
    """
    texts: list[str] = []
    hints: list[str] = []
    misplaced: list[str] = []
    readers = _readers(input)
    for source, read in islice(readers, RULES):
        try:
            rule = read()
        except RuleError as error:
            hints.append(f"{_short(source)} can't be used: {error}")
            continue
        if rule is not None:
            texts.append(rule.text())
            misplaced += [] if here is None else filter(None, [rule.misplaced(here)])
    if next(readers, None) is not None:
        hints.append(f"only the first {RULES} faults that an input names are read")
    return Magic(tuple(texts), (*hints, *misplaced))


def _readers(input: Mapping[str, JSON]) -> Iterator[tuple[str, Reader]]:
    """Yield every text of an input that may name a rule, and what reads it."""
    for field, value in _strings(input):
        if _URL.match(value):
            url = value[:RULE_LENGTH]
            yield url, partial(_of_url, url, field)
    prompt = input.get("prompt")
    if isinstance(prompt, str):
        for token in _TOKEN.finditer(prompt):
            text = prompt[token.start() : token.start() + RULE_LENGTH]
            yield text, partial(_of_token, text, token.end() - token.start())


def _strings(input: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    """Yield the strings among an input's first values by their dotted places, in order."""
    rest: list[Iterator[tuple[str, JSON]]] = [iter(input.items())]
    for _ in range(SEARCHED_VALUES):
        while (found := next(rest[-1], None)) is None:
            rest.pop()
            if not rest:
                return
        place, value = found
        if isinstance(value, str):
            yield place, value
        else:
            rest.append(_below(place, value))


def _below(place: str, value: JSON) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in items:
            yield f"{place}.{key}", each


def _of_token(prompt: str, at: int) -> Rule:
    table, end = _scan(prompt, at)
    if prompt[end : end + 1] != "]":
        raise RuleError("rule", _short(prompt[at:]), "has no closing bracket")
    return Rule.read(table)


def _of_url(url: str, field: str) -> Rule | None:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise RuleError("url", _short(url), f"can't be read: {error}") from None
    name = unquote(parts.path).strip("/").rpartition("/")[2].partition(".")[0]
    if name == ORDINARY:
        return None
    if not name:
        fix = "names no fault; add one, as /image_load_error.png, or /ok.png for a picture"
        raise RuleError("url", _short(url), fix)
    table: Table = {"fault": name}
    for key, value in pairs:
        if key in table:
            raise RuleError(key, value, "comes twice; give it once")
        table[key] = as_json(value) if key.startswith(INPUT) else value
    if find_fault(name).parameter("field") is not None:
        table.setdefault("field", field)
    return Rule.read(table)
