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
# Bounded, or what is long would be read once for each of its parts; in tokens outside of brackets.
_MOST_OF_A_NAME, _LONGEST_TYPE, _LONGEST_STATEMENT = 200, 40, 100


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


@dataclass(frozen=True, slots=True)
class _Name:
    """Where a name is known, and what it is there; None for a parameter, or what is changed."""

    seen: Span
    what: Span | None


class Source:
    """A file's tokens, calls and constants; raise UnreadableError."""

    def __init__(self, text: str) -> None:
        self.tokens = list(tokens_of(text))
        self._steps = MOST_STEPS
        self._open: dict[int, int] = {}
        self._close = self._matched()
        self.calls: dict[int, Call] = {}
        """By where they close."""
        for call in self._find_calls():
            self.calls[self._close[call.at]] = call
        self._names: dict[str, list[_Name]] = {}
        self._find_names()

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
                self._open[at] = next(reversed(close))
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
        """Note constants, functions and parameters, each with where it is seen."""
        blocks: list[Span] = [Span(0, len(self.tokens))]
        for at, token in enumerate(self.tokens):
            while at >= blocks[-1].end:
                blocks.pop()
            if self.is_mark(at, "{"):
                blocks.append(Span(at, self._close[at] + 1))
            elif self.is_mark(at, "=>"):
                block = self.is_mark(at + 1, "{")
                end = self._close[at + 1] + 1 if block else self.statement(at + 1).end
                self._find_parameters(self._before_type(at - 1), Span(at + 1, end))
            elif self.is_mark(at, ")") and self.is_mark(at + 1, "{", ":"):
                # After a colon is the type of what a function returns.
                if found := self._body(at + 1):
                    self._find_parameters(at, found)
            elif token.kind == "name" and self.is_name(at - 1, "function"):
                if self.is_mark(at + 1, "(") and (found := self._body(self._close[at + 1] + 1)):
                    self._note(token.text, _Name(blocks[-1], found))
            elif token.kind == "name" and self.is_name(at - 1, "const"):
                # Its type may stand before the sign.
                ends = self._outer(at + 1, at + _LONGEST_TYPE)
                sign = next((one for one in ends if self.is_mark(one, "=", ";", ",", ")")), at)
                known = self.is_mark(sign, "=")
                what = Span(sign + 1, sign + 1) if known else None
                self._note(token.text, _Name(blocks[-1], what))
            elif self.is_mark(at, "=") and self.is_mark(at - 2, ".") and self.is_name(at - 3):
                self._note(self.tokens[at - 3].text, _Name(blocks[0], None))
        for name in self._assigned():
            self._note(name, _Name(blocks[0], None))

    def _note(self, name: str, found: _Name) -> None:
        known = self._names.setdefault(name, [])
        # More of them are those of no program.
        if len(known) < _MOST_OF_A_NAME:
            known.append(found)

    def _find_parameters(self, last: int, body: Span) -> None:
        """Note the names before a function's body as unknown in it."""
        if self.is_name(last):
            self._note(self.tokens[last].text, _Name(body, None))
        first = self._open.get(last)
        if first is None or self.is_name(first - 1, "if", "while", "switch"):
            return
        for at in range(first, min(last, first + _MOST_OF_A_NAME)):
            if self.tokens[at].kind == "name":
                self._note(self.tokens[at].text, _Name(body, None))

    def _assigned(self) -> set[str]:
        """Return names whose objects get other fields later."""
        called = {"Object.assign", "Object.defineProperty"}
        return {
            self.tokens[call.arguments[0].start].text
            for call in self.calls.values()
            if call.name in called and call.arguments
        }

    def _body(self, at: int) -> Span | None:
        """Return the block of a function whose parameters end before `at`."""
        for here in range(at, min(at + _LONGEST_TYPE, len(self.tokens))):
            if self.is_mark(here, "{"):
                return Span(here, self._close[here] + 1)
            if self.is_mark(here, ";", "=>", ")", "}"):
                break
        return None

    def _before_type(self, at: int) -> int:
        """Return where parameters end, before the type of what an arrow's function returns."""
        if self.is_mark(at, ")"):
            return at
        for back in range(at, max(at - _LONGEST_TYPE, 0), -1):
            if self.is_mark(back, ")") and self.is_mark(back + 1, ":"):
                return back
        return at

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
        for _ in range(_LONGEST_STATEMENT):
            if here >= len(self.tokens) or self.is_mark(here, ";", ",", ")", "]", "}"):
                break
            if here > at and self._begins(here):
                break
            here = self._close.get(here, here) + 1
        return Span(at, min(here, len(self.tokens)))

    def _begins(self, at: int) -> bool:
        """Tell whether a statement begins here, after one without a semicolon."""
        token, before = self.tokens[at], self.tokens[at - 1]
        ended = before.kind != "mark" or before.text in _PAIRS
        return token.kind == "name" and token.line > before.line and ended

    def definition(self, name: str, at: int) -> Span | None:
        """Return what a constant or function is made of that is seen at a token, if it is known."""
        seen = [one for one in self._names.get(name, ()) if one.seen.start <= at < one.seen.end]
        if not seen or any(one.what is None and one.seen.start == 0 for one in seen):
            return None
        nearest = max(one.seen.start for one in seen)
        found = [one for one in seen if one.seen.start == nearest]
        what = found[0].what if len(found) == 1 else None
        # Of a constant it is only known where it begins, until somebody asks.
        return self.statement(what.start) if what is not None and what.start == what.end else what

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
            return self._single(token, start, depth)
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

    def _single(self, token: Token, at: int, depth: int) -> Value:
        """Return the value of one token, with the names that are seen where it stands."""
        if token.kind in ("string", "template", "regex"):
            text = token.text
            if token.kind == "template":
                names = rf"{NAMED}([\w$]+){NAMED}"
                text = re.sub(names, lambda one: self._named(one[1], at, depth), text)
            return Value(token.line, text)
        if token.kind == "number":
            return Value(token.line, int(token.text) if token.text.isdigit() else UNKNOWN)
        if token.text in _CONSTANTS:
            return Value(token.line, _CONSTANTS[token.text])
        span = self.definition(token.text, at) if depth < _DEEPEST // 2 else None
        if token.kind != "name" or span is None:
            return Value(token.line, UNKNOWN)
        found = self.value(span, depth + 2)
        # A text is seen where it is used, an object where it is written.
        structured = isinstance(found.content, Fields | tuple)
        return found if structured else Value(token.line, found.content)

    def _named(self, name: str, at: int, depth: int) -> str:
        content = self._single(Token("name", name, 0), at, depth).content
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
                values[key.text] = self._single(key, part.start, depth + 1)
            elif self.is_mark(part.start + 1, ":"):
                content = self.value(Span(part.start + 2, part.end), depth + 1).content
                values[key.text] = Value(line, content)
            else:
                values[key.text] = Value(line, UNKNOWN)
        return Value(self.tokens[at].line, Fields(values, complete))

    def _called(self, call: Call, depth: int) -> Value:
        if call.name in ("JSON.stringify", "RegExp", "structuredClone") and call.arguments:
            return self.value(call.arguments[0], depth + 1)
        span = self.definition(call.name, call.start)
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
