"""Faults that an input names itself, with no change to the program: by a URL, or in its prompt.

`https://falkit.test/image_load_error.png?times=2` in any field, and `[falkit:NAME key=value]` in
the prompt. The domain is reserved (RFC 6761): nobody can own it, and nothing is fetched.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl, unquote, urlsplit

from falkit_mock.platform.rules.errors import RuleError
from falkit_mock.platform.rules.rule import Rule
from falkit_mock.platform.rules.text import INPUT, Table, as_json, scan
from falkit_spec import JSON

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
