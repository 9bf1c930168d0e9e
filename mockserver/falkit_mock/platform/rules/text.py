"""Rules in one line: `NAME key=value key="a value"`, read to a table and written from one.

A value stands bare, or in double quotes as JSON writes a string, or in single quotes as it is.
Below `input.` a value that isn't in double quotes is read as JSON where it is some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from falkit_mock.platform.rules.errors import RuleError
from falkit_spec import JSON

Table = dict[str, JSON]

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
