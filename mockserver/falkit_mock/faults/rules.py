"""A rule, read from a line, a table, a URL or a prompt."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from urllib.parse import parse_qsl, unquote, urlsplit

from falkit_mock.faults import Fault, Operation, RuleError, Table, reached
from falkit_mock.faults.catalogue import find_fault
from falkit_mock.faults.matching import MATCHING, Matcher, read_matcher, written
from falkit_spec import JSON

_STRING = r'"(?:[^"\\]|\\.)*"'
_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)")
_PAIR = re.compile(
    rf"""\s+(?P<key>[A-Za-z_][\w.-]*|{_STRING})=(?P<value>{_STRING}|'[^']*'|[^\s"';\]]*)"""
)
_BARE = re.compile(r"""[^\s"';\]]+""")
_END = re.compile(r"\s*(;|\]|$)")
INPUT = "input."


def parse_text(text: str) -> Table:
    """Read one rule; raise RuleError."""
    table, end = scan(text, 0)
    if end < len(text):
        raise RuleError("rule", text, "goes on after its end; one rule is expected")
    return table


def parse_texts(text: str) -> list[str]:
    """Split several rules, with semicolons between them, and read none; raise RuleError."""
    found: list[str] = []
    at = 0
    while at < len(text):
        if not text[at:].strip(" ;"):
            break
        _, end = scan(text, at)
        if text[end : end + 1] == "]":
            raise RuleError("rule", text, "has a bracket; put its value in quotes")
        found.append(text[at:end].strip())
        at = end + 1
    return found


def scan(text: str, at: int) -> tuple[Table, int]:
    """Read one rule from a place on; return it and where it ended: at `;`, `]` or the end."""
    name = _NAME.match(text, at)
    if name is None:
        raise RuleError("rule", _near(text, at), "does not begin with a fault's name")
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
        rest = _near(text, at)
        raise RuleError("rule", rest, "is not key=value; quote a value that has spaces in it")
    return table, end.start(1)


def to_text(table: Mapping[str, JSON]) -> str:
    """Write a table's rule in one line."""
    words = [str(table["fault"])]
    for key, value in table.items():
        if key == "input" and isinstance(value, dict):
            words += [f"{_shown_key(INPUT + name)}={_json(each)}" for name, each in value.items()]
        elif key != "fault":
            words.append(f"{key}={_plain(value)}")
    return " ".join(words)


def _key(word: str) -> str:
    if not word.startswith('"'):
        return word if word.startswith(INPUT) else word.replace("-", "_")
    return _unquoted("key", word)


def _value(key: str, word: str) -> JSON:
    if word.startswith('"'):
        return _unquoted(key, word)
    raw = word[1:-1] if word.startswith("'") else word
    if not key.startswith(INPUT):
        return raw
    return as_json(raw)


def as_json(raw: str) -> JSON:
    """Return what a text is as JSON, or else the text."""
    try:
        # NaN and Infinity are no JSON, whatever Python says.
        value: JSON = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return raw
    return value


def _refuse(word: str) -> JSON:
    raise ValueError(word)


def _unquoted(key: str, word: str) -> str:
    try:
        value: JSON = json.loads(word, strict=False)
    except ValueError:
        raise RuleError(key, word, "has a backslash that means nothing; double it") from None
    return str(value)


def _plain(value: JSON) -> str:
    if isinstance(value, list):
        words = [item if isinstance(item, str) else json.dumps(item) for item in value]
        joined = ",".join(words)
        simple = all(
            word and "," not in word and _same(item, word)
            for item, word in zip(value, words, strict=True)
        )
        return _text(joined if simple and not joined.startswith("[") else json.dumps(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value if isinstance(value, str) else json.dumps(value))


def _same(item: JSON, word: str) -> bool:
    try:
        return isinstance(item, str) != isinstance(json.loads(word), int | float)
    except (ValueError, RecursionError):
        return isinstance(item, str)


def _text(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text)


def _json(value: JSON) -> str:
    if isinstance(value, str):
        bare = _BARE.fullmatch(value) and as_json(value) == value
        return value if bare else json.dumps(value)
    written = json.dumps(value, separators=(",", ":")).replace("'", "\\u0027")
    return written if _BARE.fullmatch(written) else f"'{written}'"


def _shown_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][\w.-]*", key) else json.dumps(key)


def _near(text: str, at: int) -> str:
    rest = text[at:].strip()
    return rest if len(rest) <= 40 else f"{rest[:40]}…"


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom and what; `given` are the parameters that were said, the others have their defaults."""

    fault: Fault
    matcher: Matcher
    given: tuple[tuple[str, JSON], ...] = ()

    @classmethod
    def read(cls, source: str | Mapping[str, JSON]) -> Rule:
        """Read a line or a table; raise RuleError, which names the field and the mend."""
        table = parse_text(source) if isinstance(source, str) else dict(source)
        if "fault" not in table:
            raise RuleError.lacking("fault", "give the name of one; `falkit faults` lists them")
        name = table.pop("fault")
        if not isinstance(name, str):
            raise RuleError("fault", name, "is no fault's name; `falkit faults` lists them")
        fault = find_fault(name)
        table = _gathered(table)
        given = [
            (key, _parameter(fault, key, value))
            for key, value in table.items()
            if key not in MATCHING
        ]
        return cls(fault, read_matcher(table, fault), tuple(sorted(given)))

    def table(self) -> Table:
        """Return the rule as a file or the control API has it."""
        return {"fault": self.fault.name, **written(self.matcher, self.fault), **dict(self.given)}

    def text(self) -> str:
        """Return the rule in one line."""
        return to_text(self.table())

    def missed(self, endpoints: Iterable[str]) -> str | None:
        """Say that none of the endpoints there are is one that the rule means, if so.

        It is no error: what is posted to may be more than the documents have.
        """
        glob = self.matcher.endpoint
        known = [*endpoints]
        if glob is None or any(fnmatchcase(endpoint, glob) for endpoint in known):
            return None
        near = get_close_matches(glob.strip("*"), known, n=1)
        meant = f"did you mean {near[0]}?" if near else "`falkit spec list` has those that do"
        return f"no endpoint of this mock fits endpoint={glob}; {meant}"

    def misplaced(self, here: Operation) -> str | None:
        """Say why the rule does nothing where a call of one operation names it, if so."""
        on, name = self.matcher.on, self.fault.name
        if any(operation in on for operation in reached(here)):
            return None
        if here in self.fault.may:
            return f"{name} happens on {', '.join(on)}, not on {here}; say on={here} to have it"
        return f"{name} can't happen on {here}; it can on {', '.join(self.fault.may)}"

    def parameters(self) -> Table:
        """Return all of the fault's parameters, with their defaults."""
        every = {parameter.name: parameter.default for parameter in self.fault.parameters}
        return {**every, **dict(self.given)}


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
            found[key if key in MATCHING else key.replace("-", "_")] = value
    if fields:
        found["input"] = fields
    return found


def _parameter(fault: Fault, key: str, value: JSON) -> JSON:
    parameter = fault.parameter(key)
    if parameter is not None:
        return parameter.read(value)
    own = [each.name for each in fault.parameters]
    near = get_close_matches(key, [*own, *MATCHING], n=1)
    if near:
        mend = f"did you mean {near[0]}?"
    elif own:
        mend = f"{fault.name} takes {', '.join(own)}"
    else:
        mend = f"{fault.name} takes none"
    raise RuleError(key, value, f"belongs to no parameter; {mend}")


DOMAIN = "falkit.test"
_URL = re.compile(rf"https?://{re.escape(DOMAIN)}(?::\d+)?(?:[/?#]|$)", re.I)
_TOKEN = re.compile(r"\[falkit:\s*", re.I)
# Whatever has none of these in its bytes needs no look.
_MARKS = (b"falkit", b"FALKIT", b"Falkit")
# A name that asks for nothing: an ordinary file.
ORDINARY = "ok"


@dataclass(frozen=True, slots=True)
class Magic:
    """What an input names: rules as text, and what it says that none can be made of."""

    texts: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


NO_MAGIC = Magic()
Reader = Callable[[], str | None]


def may_have(body: bytes) -> bool:
    """Say at little cost whether a body is worth a look."""
    return any(mark in body for mark in _MARKS)


def find(input: Mapping[str, JSON]) -> Magic:
    """Return what an input names, by its fields in order and then by its prompt."""
    readers: list[tuple[str, Reader]] = [
        (value, partial(_of_url, value, field))
        for field, value in _strings(input)
        if _URL.match(value)
    ]
    prompt = input.get("prompt")
    if isinstance(prompt, str):
        readers += [
            (prompt[token.start() :], partial(_of_token, prompt, token.end()))
            for token in _TOKEN.finditer(prompt)
        ]
    texts: list[str] = []
    hints: list[str] = []
    for source, read in readers:
        try:
            text = read()
        except RuleError as error:
            hints.append(f"{_short(source)} makes no fault: {error}")
        else:
            texts += [text] if text else []
    return Magic(tuple(texts), tuple(hints)) if readers else NO_MAGIC


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _strings(input: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    """Yield every string of an input by its dotted place, in order."""
    rest: deque[tuple[str, JSON]] = deque(input.items())
    while rest:
        place, value = rest.popleft()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            rest.extendleft((f"{place}.{key}", each) for key, each in reversed(value.items()))
        elif isinstance(value, list):
            rest.extendleft((f"{place}.{n}", each) for n, each in reversed([*enumerate(value)]))


def _of_token(prompt: str, at: int) -> str:
    table, end = scan(prompt, at)
    if prompt[end : end + 1] != "]":
        raise RuleError("rule", _short(prompt[at:]), "has no closing bracket")
    return Rule.read(table).text()


def _of_url(url: str, field: str) -> str | None:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise RuleError("url", _short(url), f"can't be read: {error}") from None
    name = unquote(parts.path).strip("/").rpartition("/")[2].partition(".")[0]
    if name == ORDINARY:
        return None
    if not name:
        mend = "names no fault; add one, as /image_load_error.png, or /ok.png for a picture"
        raise RuleError("url", _short(url), mend)
    table: Table = {"fault": name}
    for key, value in pairs:
        if key in table:
            raise RuleError(key, value, "comes twice; give it once")
        table[key] = as_json(value) if key.startswith(INPUT) else value
    rule = Rule.read(table)
    if rule.fault.parameter("field") is not None and "field" not in dict(rule.given):
        rule = Rule.read({**rule.table(), "field": field})
    return rule.text()
