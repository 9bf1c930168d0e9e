"""What is known of a value in a program that isn't run, and what a mock answers made of such."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

# What stands in a text for a part that isn't known: one value, such as a request's id, or
# whatever a pattern takes, slashes included.
PART, ANY = "\0", "\1"
# Values that are looked at in one file, and characters of a text that is put together.
MOST_STEPS, _LONGEST = 300_000, 2_000


class Unknown:
    """The content of a value of which nothing is known."""


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Fields:
    """An object; `complete` unless something else is put into it that isn't known."""

    values: dict[str, Value]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Either:
    """One of several, as after `if`."""

    options: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A value and the line on which it is written."""

    line: int
    content: Content


Content: TypeAlias = (
    "str | bytes | int | float | Fields | tuple[Value, ...] | Either | Reply | Unknown | None"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mock answers; a status that isn't known is None, and no body is an unknown one."""

    line: int
    status: int | None
    body: Value


@dataclass(frozen=True, slots=True)
class Route:
    """What a mock answers to one method and URL; any method if it is empty."""

    line: int
    method: str
    url: str
    replies: tuple[Reply, ...] = ()
    # The body that it waits for.
    expects: Value | None = None
    # How calls are let through, where they are.
    passes: str = ""


@dataclass
class Facts:
    """What one file has to do with fal."""

    routes: list[Route] = field(default_factory=list[Route])
    # What the file calls of fal by itself: a method, a URL, and a body if there is one.
    calls: list[Route] = field(default_factory=list[Route])
    # Objects that belong to no route.
    objects: list[Value] = field(default_factory=list[Value])
    # Line and what is seen, by code, of what needs no judgement.
    seen: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    # Lines on which fal's client is replaced.
    patched: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    # Where calls that nothing answers are let out or refused, of the whole project.
    nock: int = 0
    msw: bool = False
    refuses_others: bool = False
    lets_out: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    signs_webhooks: bool = False


def options(value: Value) -> Iterator[Value]:
    """Yield what a value may be."""
    if isinstance(value.content, Either):
        for one in value.content.options:
            yield from options(one)
    else:
        yield value


def text_of(value: Value | None) -> str | None:
    """Return a value's text, with PART and ANY in it; None if it isn't one."""
    return value.content if value is not None and isinstance(value.content, str) else None


def number_of(value: Value | None) -> int | None:
    content = value.content if value is not None else None
    return content if isinstance(content, int) and not isinstance(content, bool) else None


def items_of(value: Value | None) -> tuple[Value, ...]:
    content = value.content if value is not None else None
    return content if isinstance(content, tuple) else ()


def fields_of(value: Value | None) -> Fields | None:
    return value.content if value is not None and isinstance(value.content, Fields) else None


def joined(values: list[Value], line: int) -> Value:
    """Return the text that several make, with PART for those that aren't known."""
    parts = [str(one.content) if isinstance(one.content, str | int) else PART for one in values]
    return Value(line, "".join(parts)[:_LONGEST])


def texts_within(value: Value, depth: int = 8) -> Iterator[tuple[int, str]]:
    """Yield the texts in a value with their lines."""
    content = value.content
    if isinstance(content, str):
        yield value.line, content
    elif depth and isinstance(content, Fields):
        for one in content.values.values():
            yield from texts_within(one, depth - 1)
    elif depth and isinstance(content, tuple | Either):
        for one in content.options if isinstance(content, Either) else content:
            yield from texts_within(one, depth - 1)


# One segment, or anything.
_ONE = re.compile(
    r"\((?:\?P<\w+>|\?:)?\[\^/\][+*]\)|\[\^/[^\]]*\][+*]|\\w[+*]|\[[\\\w-]+\][+*]|\\d\+"
)
_REST = re.compile(r"\(?\.[*+]\??\)?|\(\?:[^)]*\)|\(.*\)")


def from_pattern(pattern: str) -> str:
    """Return the text that a regular expression stands for, with PART and ANY in it.

    One that is too long to be of a URL stands for anything.
    """
    if len(pattern) > _LONGEST:
        return ANY
    text = _REST.sub(ANY, _ONE.sub(PART, pattern))
    text = re.sub(r"https\?", "https", text)
    text = text.removeprefix("^")
    text = text.removesuffix("$") if text.endswith("$") else text + ANY
    return re.sub(r"\\(.)", r"\1", text)
