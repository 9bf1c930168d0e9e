"""JavaScript and TypeScript as tokens: calls with their arguments, and what is known of values.

It is no parser: it knows strings, comments, brackets, literals, constants and calls, which is what
the patterns of hand-made mocks are made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from falkit_contract.doctor._javascript_tokens import NAMED, Token, UnreadableError, tokens_of
from falkit_contract.doctor._values import (
    MOST_STEPS,
    PART,
    UNKNOWN,
    Either,
    Fields,
    Value,
    joined,
)

_PAIRS = {")": "(", "]": "[", "}": "{"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "undefined": None}
_DEEPEST = 25


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens from `start`, up to `end`, which isn't among them."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its name with dots, its arguments, and the call whose result it is made on."""

    name: str
    at: int
    line: int
    arguments: tuple[Span, ...]
    on: Call | None
    # Where the name begins.
    start: int


class Source:
    """A file's tokens, calls and constants; raise UnreadableError."""

    def __init__(self, text: str) -> None:
        self.tokens = list(tokens_of(text))
        self._steps = MOST_STEPS
        self._close = self._matched()
        self._constants: dict[str, int] = {}
        self._functions: dict[str, Span] = {}
        self._find_names()
        self.calls: dict[int, Call] = {}
        """By where they close."""
        for call in self._find_calls():
            self.calls[self._close[call.at]] = call

    def _matched(self) -> dict[int, int]:
        opened: list[int] = []
        close: dict[int, int] = {}
        for at, token in enumerate(self.tokens):
            if token.kind != "mark":
                continue
            if token.text in ("(", "[", "{"):
                opened.append(at)
            elif token.text in _PAIRS:
                if not opened or self.tokens[opened[-1]].text != _PAIRS[token.text]:
                    raise UnreadableError(f"line {token.line}: a {token.text} that opens nowhere")
                close[opened.pop()] = at
        if opened:
            line = self.tokens[opened[-1]].line
            raise UnreadableError(f"line {line}: a {self.tokens[opened[-1]].text} isn't closed")
        return close

    def spend(self) -> None:
        """Count a step; raise UnreadableError where names lead to names without end."""
        self._steps -= 1
        if self._steps < 0:
            raise UnreadableError("its constants take too long to follow")

    def closes(self, at: int) -> int:
        return self._close[at]

    def is_mark(self, at: int, *texts: str) -> bool:
        return (
            0 <= at < len(self.tokens)
            and self.tokens[at].kind == "mark"
            and self.tokens[at].text in texts
        )

    def is_name(self, at: int, *texts: str) -> bool:
        return (
            0 <= at < len(self.tokens)
            and self.tokens[at].kind == "name"
            and (not texts or self.tokens[at].text in texts)
        )

    def _find_names(self) -> None:
        """Note constants that are set once, and functions."""
        again: set[str] = set()
        for at, token in enumerate(self.tokens):
            if token.kind != "name" or not self.is_name(at - 1, "const", "let", "var", "function"):
                continue
            if self.is_name(at - 1, "function"):
                if self.is_mark(at + 1, "(") and (body := self._body(self._close[at + 1] + 1)):
                    self._functions[token.text] = body
                continue
            sign = at + 1
            while sign < len(self.tokens) and not self.is_mark(sign, "=", ";", ",", ")", "of"):
                sign = self._close.get(sign, sign) + 1
            if not self.is_mark(sign, "="):
                continue
            if token.text in self._constants:
                again.add(token.text)
            self._constants[token.text] = sign + 1
        for name in again:
            del self._constants[name]

    def _body(self, at: int) -> Span | None:
        """Return the block of a function whose parameters end before `at`."""
        while at < len(self.tokens) and not self.is_mark(at, "{", ";"):
            at += 1
        return Span(at, self._close[at] + 1) if self.is_mark(at, "{") else None

    def _find_calls(self) -> Iterator[Call]:
        for at in range(1, len(self.tokens)):
            if not self.is_mark(at, "("):
                continue
            last = at - 1
            if self.is_mark(last, ">"):
                last = self._before_types(last)
            if not self.is_name(last) or self.is_name(last, "if", "for", "while", "switch"):
                continue
            names = [self.tokens[last].text]
            first = last
            while self.is_mark(first - 1, ".", "?.") and self.is_name(first - 2):
                first -= 2
                names.insert(0, self.tokens[first].text)
            # Of a chain the earlier calls are known already, by where they close.
            on = self.calls.get(first - 2) if self.is_mark(first - 1, ".", "?.") else None
            name = f"{'.' if on else ''}{'.'.join(names)}"
            arguments = tuple(self.split(at))
            yield Call(name, at, self.tokens[last].line, arguments, on, on.start if on else first)

    def _before_types(self, at: int) -> int:
        depth = 0
        for back in range(at, max(at - 60, 0), -1):
            depth += self.is_mark(back, ">") - self.is_mark(back, "<")
            if depth == 0:
                return back - 1
        return -1

    def split(self, at: int) -> Iterator[Span]:
        """Yield what stands between commas in a bracket."""
        start, here, end = at + 1, at + 1, self._close[at]
        while here < end:
            if self.is_mark(here, ","):
                yield Span(start, here)
                start = here + 1
            here = self._close.get(here, here) + 1
        if start < end:
            yield Span(start, end)

    def within(self, span: Span) -> Iterator[Call]:
        """Yield the calls that begin in a span."""
        for close in range(span.start, span.end):
            call = self.calls.get(close)
            if call is not None and call.at >= span.start:
                yield call

    def statement(self, at: int) -> Span:
        """Return the expression that begins at a token, up to its end."""
        here = at
        while here < len(self.tokens) and not self.is_mark(here, ";", ",", ")", "]", "}"):
            if here > at and self._begins(here):
                break
            here = self._close.get(here, here) + 1
        return Span(at, here)

    def _begins(self, at: int) -> bool:
        """Tell whether a statement begins here, after one without a semicolon."""
        token, before = self.tokens[at], self.tokens[at - 1]
        ended = before.kind != "mark" or before.text in _PAIRS
        return token.kind == "name" and token.line > before.line and ended

    def definition(self, name: str) -> Span | None:
        """Return what a constant or function of the file is made of."""
        if name in self._constants:
            return self.statement(self._constants[name])
        return self._functions.get(name)

    def value(self, span: Span, depth: int = 0) -> Value:
        """Return what is known of an expression."""
        self.spend()
        start, end = span.start, span.end
        while end - start > 2 and self.is_mark(start, "(") and self._close[start] == end - 1:
            start, end = start + 1, end - 1
        if start >= end or depth > _DEEPEST:
            return Value(0, UNKNOWN)
        if self.is_name(start, "await", "new"):
            start += 1
        # A type says nothing of the value.
        end = next((at for at in self._outer(start, end) if self._is_type(at)), end)
        token = self.tokens[start]
        if end - start == 1:
            return self._single(token, depth)
        if self.is_mark(start, "{") and self._close[start] == end - 1:
            return self._object(start, depth)
        if self.is_mark(start, "[") and self._close[start] == end - 1:
            parts = tuple(self.value(part, depth + 1) for part in self.split(start))
            return Value(token.line, parts)
        marks = {self.tokens[at].text: at for at in self._top(start, end)}
        if "=>" in marks:
            return Value(token.line, UNKNOWN)
        if "?" in marks and ":" in marks:
            yes = self.value(Span(marks["?"] + 1, marks[":"]), depth + 1)
            no = self.value(Span(marks[":"] + 1, end), depth + 1)
            return Value(token.line, Either((yes, no)))
        if "+" in marks:
            cuts = [start - 1, *(at for at in self._top(start, end) if self.is_mark(at, "+")), end]
            pairs = pairwise(cuts)
            return joined([self.value(Span(a + 1, b), depth + 1) for a, b in pairs], token.line)
        call = self.calls.get(end - 1)
        if call is not None and call.start == start:
            return self._called(call, depth)
        return Value(token.line, UNKNOWN)

    def _outer(self, start: int, end: int) -> Iterator[int]:
        """Yield where tokens are that stand in no bracket."""
        while start < end:
            yield start
            start = self._close.get(start, start) + 1

    def _top(self, start: int, end: int) -> list[int]:
        return [at for at in self._outer(start, end) if self.tokens[at].kind == "mark"]

    def _is_type(self, at: int) -> bool:
        return self.is_name(at, "as", "satisfies") and not self.is_mark(at - 1, ".")

    def _single(self, token: Token, depth: int) -> Value:
        if token.kind in ("string", "template", "regex"):
            text = token.text
            if token.kind == "template":
                text = re.sub(
                    rf"{NAMED}([\w$]+){NAMED}", lambda one: self._named(one[1], depth), text
                )
            return Value(token.line, text)
        if token.kind == "number":
            return Value(token.line, int(token.text) if token.text.isdigit() else UNKNOWN)
        if token.text in _CONSTANTS:
            return Value(token.line, _CONSTANTS[token.text])
        if token.kind == "name" and token.text in self._constants and depth < _DEEPEST // 2:
            found = self.value(self.statement(self._constants[token.text]), depth + 2)
            return (
                found
                if isinstance(found.content, Fields | tuple)
                else Value(token.line, found.content)
            )
        return Value(token.line, UNKNOWN)

    def _named(self, name: str, depth: int) -> str:
        content = self._single(Token("name", name, 0), depth).content
        return str(content) if isinstance(content, str | int) else PART

    def _object(self, at: int, depth: int) -> Value:
        values: dict[str, Value] = {}
        complete = True
        for part in self.split(at):
            key, line = self.tokens[part.start], self.tokens[part.start].line
            if self.is_mark(part.start, "..."):
                found = self.value(Span(part.start + 1, part.end), depth + 1).content
                values |= found.values if isinstance(found, Fields) else {}
                complete &= isinstance(found, Fields) and found.complete
            elif key.kind not in ("name", "string", "number"):
                complete = False
            elif part.end - part.start == 1:
                values[key.text] = self._single(key, depth + 1)
            elif self.is_mark(part.start + 1, ":"):
                content = self.value(Span(part.start + 2, part.end), depth + 1).content
                values[key.text] = Value(line, content)
            else:
                values[key.text] = Value(line, UNKNOWN)
        return Value(self.tokens[at].line, Fields(values, complete))

    def _called(self, call: Call, depth: int) -> Value:
        if call.name in ("JSON.stringify", "RegExp", "structuredClone") and call.arguments:
            return self.value(call.arguments[0], depth + 1)
        span = self.definition(call.name)
        if span is not None and depth < _DEEPEST // 2:
            found = [*self.returned(span, depth + 2)]
            if len(found) == 1:
                return found[0]
        return Value(call.line, UNKNOWN)

    def returned(self, span: Span, depth: int = 0) -> Iterator[Value]:
        """Yield what a function returns, whichever way it is written."""
        arrow = next((at for at in self._top(span.start, span.end) if self.is_mark(at, "=>")), None)
        if arrow is not None and not self.is_mark(arrow + 1, "{"):
            yield self.value(Span(arrow + 1, span.end), depth + 1)
            return
        for at in range(span.start, span.end):
            if self.is_name(at, "return"):
                yield self.value(self.statement(at + 1), depth + 1)
