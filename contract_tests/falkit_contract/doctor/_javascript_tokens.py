"""The tokens of JavaScript and TypeScript: strings, templates, patterns, names, numbers, marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from falkit_contract.doctor._values import PART, from_pattern

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*)"
    r"|(?P<string>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<number>\d[\w.]*)"
    r"|(?P<name>[A-Za-z_$][\w$]*)"
    r"|(?P<mark>=>|\?\.(?!\d)|\?\?|\.\.\.|===?|!==?|&&|\|\||.)",
    re.DOTALL,
)
# Bounded, or a line of brackets would be read once for each of them.
_REGEX = re.compile(r"/(?![*/])((?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.){0,100}\]){1,400})/[a-z]*")
# After these a slash begins a regular expression.
_BEFORE_REGEX = ("(", ",", "=", ":", "[", "!", "&&", "||", "?", "{", "}", ";", "=>", "return", "")
# What stands around a name that is put into a template.
NAMED = "\2"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": ""}
_MOST_TOKENS = 200_000


class UnreadableError(Exception):
    """Brackets that don't match, or a text that is too long."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """string, template, regex, number, name or mark."""
    text: str
    """Of strings and templates what they contain."""
    line: int


def tokens_of(text: str) -> Iterator[Token]:
    """Yield a file's tokens; raise UnreadableError."""
    at, previous, count, line = 0, "", 0, 1
    while at < len(text):
        count += 1
        if count > _MOST_TOKENS:
            raise UnreadableError("it is too long")
        kind, found, length = _next(text, at, previous)
        if kind != "space":
            yield Token(kind, found, line)
            previous = found if kind in ("mark", "name") else "value"
        line += text.count("\n", at, at + length)
        at += length


def _next(text: str, at: int, previous: str) -> tuple[str, str, int]:
    if text[at] == "`":
        return ("template", *_template(text, at))
    if text.startswith("/*", at):
        end = text.find("*/", at + 2)
        return "space", "", (len(text) if end < 0 else end + 2) - at
    if text[at] == "/" and previous in _BEFORE_REGEX and (regex := _REGEX.match(text, at)):
        return "regex", from_pattern(regex[1]), len(regex[0])
    match = _TOKEN.match(text, at)
    assert match is not None
    kind = str(match.lastgroup)
    found = match[0]
    if kind == "string":
        text = re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), found[1:-1])
        return kind, text, len(found)
    return kind, found, len(found)


def _template(text: str, at: int) -> tuple[str, int]:
    """Return a template's text and length; what is put in is a name within NAMED, or PART."""
    here, parts = at + 1, [""]
    while here < len(text) and text[here] != "`":
        if text[here] == "\\":
            parts.append(text[here + 1 : here + 2])
            here += 2
        elif text.startswith("${", here):
            end = _end_of_part(text, here + 2)
            name = text[here + 2 : end].strip()
            plain = re.fullmatch(r"[A-Za-z_$][\w$]*", name)
            parts.append(f"{NAMED}{name}{NAMED}" if plain else PART)
            here = end + 1
        else:
            parts.append(text[here])
            here += 1
    return "".join(parts), min(here + 1, len(text)) - at


def _end_of_part(text: str, at: int) -> int:
    """Return where the brace closes that a template opened."""
    depth = 1
    while at < len(text):
        if text[at] in "'\"":
            quoted = _TOKEN.match(text, at)
            at += len(quoted[0]) if quoted and quoted.lastgroup == "string" else 1
            continue
        if text[at] == "`":
            at += _template(text, at)[1]
            continue
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
        at += 1
    return at
