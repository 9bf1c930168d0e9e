"""Hand-made mocks in JavaScript and TypeScript, by listed patterns: nock, MSW, axios-mock-adapter,
Playwright's routes, and fal's client mocked by vitest or Jest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from falkit_contract.doctor._javascript_reader import Call, Source, Span
from falkit_contract.doctor._values import (
    ANY,
    PART,
    UNKNOWN,
    Facts,
    Reply,
    Route,
    Value,
    fields_of,
    items_of,
    number_of,
    options,
    text_of,
)
from falkit_contract.doctor._wire import INVENTED, locate

_METHODS = ("get", "post", "put", "patch", "delete", "head")
_SDK = re.compile(r"@fal-ai/(client|serverless-client)(/.*)?")
_MOCKS = re.compile(r"(vi|vitest|jest)\.(mock|doMock|unstable_mockModule)|mock\.module")
_SPIES = re.compile(r"(vi|vitest|jest|sinon)\.(spyOn|stub)")
_SETS_VALUE = re.compile(r"(.*\.)?mock(Resolved|Return)Value(Once)?")
_SIGNATURE = re.compile(r"x-fal-(webhook-)?signature", re.I)
_ADAPTER = re.compile(r"\w+\.on(Get|Post|Put|Delete|Any)")
_OWN_SERVER = re.compile(r"""\bserver\b[^'"\n]{0,80}['"][^'"\n]*(msw|mock)[^'"\n]*['"]""", re.I)
_FETCHES = ("fetch", "globalThis.fetch", "window.fetch")
_CLIENTS = ("axios", "got", "ky")
_LETS_OUT = ("bypass", "warn")


def read_javascript(text: str) -> Facts:
    """Return what a file has to do with fal; raise UnreadableError."""
    return _Reader(text).facts


class _Reader:
    def __init__(self, text: str) -> None:
        self._source = Source(text)
        self._msw = bool(re.search(r"""["']msw(/|["'])""", text))
        # Whoever starts MSW's server often has it from a file of the project's own.
        self._mocks = self._msw or bool(_OWN_SERVER.search(text))
        self.facts = Facts(signs_webhooks="x-fal-webhook-" in text.lower())
        # Where objects are that belong to a route.
        self._routed: list[Span] = []
        for call in self._source.calls.values():
            self._of_nock(call)
            self._of_msw(call)
            self._of_adapter(call)
            self._of_playwright(call)
            self._of_sdk(call)
            self._of_fetch(call)
            self._of_header(call)
        self._of_objects()

    def _value(self, call: Call, number: int) -> Value | None:
        arguments = call.arguments
        return self._source.value(arguments[number]) if number < len(arguments) else None

    def _route(
        self, call: Call, method: str, url: str, replies: list[Reply], expects: Value | None = None
    ) -> None:
        end = max([call.at, *(one.end for one in call.arguments)])
        self._routed.append(Span(call.start, end))
        self.facts.routes.append(Route(call.line, method, url, tuple(replies), expects))

    # nock and axios-mock-adapter

    def _of_nock(self, call: Call) -> None:
        if call.name == "nock.disableNetConnect":
            self.facts.refuses_others = True
        if call.name == "nock.enableNetConnect":
            allowed = self._value(call, 0)
            text = text_of(allowed)
            if not call.arguments or (text is not None and locate(text)):
                seen = "nock.enableNetConnect()"
                self.facts.seen.append(("pass-through", call.line, seen))
        if (
            call.name not in (".reply", ".replyWithFile")
            or (route := self._nock_route(call)) is None
        ):
            return
        nock, chosen = route
        base = text_of(self._value(nock, 0)) or ""
        path = text_of(self._value(chosen, 0)) or f"/{ANY}"
        method = chosen.name.rpartition(".")[2].upper()
        if method == "INTERCEPT":
            method = (text_of(self._value(chosen, 1)) or "").upper()
        url = f"{base.rstrip('/')}/{path.lstrip('/')}"
        if locate(url) is None:
            return
        self.facts.nock = self.facts.nock or nock.line
        settings = fields_of(self._value(nock, 1))
        allowed = settings.values.get("allowUnmocked") if settings else None
        if allowed is not None and allowed.content is True:
            self.facts.seen.append(("pass-through", nock.line, "nock: allowUnmocked"))
        body = self._value(chosen, 1) if method != "INTERCEPT" else None
        self._route(call, method, url, [*self._nock_replies(call)], body)
        self.facts.routes[-1] = Route(chosen.line, method, url, self.facts.routes[-1].replies, body)

    def _nock_route(self, reply: Call) -> tuple[Call, Call] | None:
        """Return the call of nock and that of the method, to which a reply belongs."""
        chosen: Call | None = None
        call = reply.on
        while call is not None:
            name = call.name.rpartition(".")[2]
            if chosen is None and name in (*_METHODS, "intercept"):
                chosen = call
            if call.name == "nock":
                return (call, chosen) if chosen else None
            if call.on is None:
                return (made, chosen) if chosen and (made := self._scope_of(call)) else None
            call = call.on
        return None

    def _scope_of(self, call: Call) -> Call | None:
        """Return the call of nock that made a name on which a route is set."""
        span = self._source.definition(call.name.partition(".")[0], call.start)
        inside = self._source.within(span) if span else ()
        return next((one for one in inside if one.name == "nock"), None)

    def _nock_replies(self, call: Call) -> Iterator[Reply]:
        status = number_of(self._value(call, 0))
        if not call.arguments:
            yield Reply(call.line, 200, Value(call.line, UNKNOWN))
        elif call.name == ".replyWithFile":
            yield Reply(call.line, status, Value(call.line, UNKNOWN))
        elif status is None and self._is_function(call.arguments[0]):
            for value in self._source.returned(call.arguments[0]):
                # What is returned is the code, the body and headers.
                code, body, *_ = *items_of(value), *[Value(value.line, UNKNOWN)] * 2
                yield Reply(value.line, number_of(code), body)
        elif len(call.arguments) > 1 and self._is_function(call.arguments[1]):
            for value in self._source.returned(call.arguments[1]):
                yield Reply(call.line, status, value)
        else:
            yield Reply(call.line, status, self._value(call, 1) or Value(call.line, UNKNOWN))

    def _is_function(self, span: Span) -> bool:
        return any(
            self._source.is_mark(at, "=>") or self._source.is_name(at, "function")
            for at in range(span.start, span.end)
        )

    def _of_adapter(self, call: Call) -> None:
        on = call.on
        if call.name not in (".reply", ".replyOnce") or on is None:
            return
        if not _ADAPTER.fullmatch(on.name):
            return
        url = text_of(self._value(on, 0)) or ""
        if locate(url):
            method = on.name.rpartition(".on")[2].upper().replace("ANY", "")
            self._route(call, method, url, [*self._nock_replies(call)], self._value(on, 1))

    # MSW and Playwright

    def _of_msw(self, call: Call) -> None:
        library, _, method = call.name.rpartition(".")
        if method == "listen" and self._mocks and self._is_msw(library, call.start):
            self._of_listen(call)
        if not self._msw or library not in ("http", "rest", "msw.http", "msw.rest"):
            return
        url = re.sub(r"/:\w+", f"/{PART}", text_of(self._value(call, 0)) or "").replace("*", ANY)
        if method not in (*_METHODS, "all") or locate(url) is None or len(call.arguments) < 2:
            return
        handler = call.arguments[1]
        for one in self._source.within(handler):
            if one.name in ("passthrough", "req.passthrough", "bypass"):
                self.facts.seen.append(("pass-through", one.line, f"{_shown(url)}: {one.name}()"))
        self.facts.msw = True
        verb = "" if method == "all" else method.upper()
        self._route(call, verb, url, [*self._web_replies(handler)])
        place = locate(url)
        if place is not None and place.kind in ("submit", "run"):
            self._of_wrapper(handler, call)

    def _is_msw(self, name: str, at: int) -> bool:
        """Tell whether a server is MSW's, and not one of Node's or Express's."""
        made = self._source.definition(name, at)
        if made is None:
            return name.lower().endswith("server")
        return any(one.name == "setupServer" for one in self._source.within(made))

    def _of_listen(self, call: Call) -> None:
        if not call.arguments:
            self.facts.lets_out.append((call.line, f"{call.name}()"))
        settings = fields_of(self._value(call, 0))
        chosen = settings.values.get("onUnhandledRequest") if settings else None
        word = text_of(chosen)
        if chosen is not None and word in _LETS_OUT:
            self.facts.lets_out.append((chosen.line, f"onUnhandledRequest: {word}"))

    def _of_wrapper(self, handler: Span, call: Call) -> None:
        """Note a handler that reads the input within `input`."""
        source = self._source
        taken = False
        for at in range(handler.start, handler.end):
            if source.is_name(at, "input") and source.is_mark(at + 1, ".", "?."):
                taken |= source.is_mark(at - 1, ".", "?.")
        if taken and "input" not in (one.name for one in source.within(handler)):
            self.facts.seen.append(("input-wrapper", call.line, "the handler reads it"))

    def _web_replies(self, handler: Span) -> Iterator[Reply]:
        """Yield what a handler answers with the words of MSW, old and new, and of fetch."""
        unknown = Value(0, UNKNOWN)
        for call in self._source.within(handler):
            if call.name in ("HttpResponse.json", "Response.json", "NextResponse.json"):
                status = self._status(self._value(call, 1))
                yield Reply(call.line, status, self._value(call, 0) or unknown)
            elif call.name in ("HttpResponse", "Response", "HttpResponse.text"):
                body = self._value(call, 0) or unknown
                yield Reply(call.line, self._status(self._value(call, 1)), body)
            elif call.name == "res":
                parts = {
                    one.name: one for one in self._source.within(Span(call.at, self._end(call)))
                }
                code = parts.get("ctx.status")
                told = parts.get("ctx.json")
                status = number_of(self._value(code, 0)) if code else 200
                yield Reply(call.line, status, (self._value(told, 0) if told else None) or unknown)

    @staticmethod
    def _end(call: Call) -> int:
        return max([call.at, *(one.end for one in call.arguments)]) + 1

    @staticmethod
    def _status(settings: Value | None) -> int | None:
        if settings is None:
            return 200
        fields = fields_of(settings)
        if fields is None or ("status" not in fields.values and not fields.complete):
            return None
        return number_of(fields.values["status"]) if "status" in fields.values else 200

    def _of_playwright(self, call: Call) -> None:
        name = call.name.rpartition(".")
        if name[2] != "route" or not name[0].lower().endswith(("page", "context")):
            return
        url = text_of(self._value(call, 0)) or ""
        url = re.sub(r"\*+", ANY, url)
        if locate(url) is None or len(call.arguments) < 2:
            return
        handler = call.arguments[1]
        replies: list[Reply] = []
        for one in self._source.within(handler):
            last = one.name.rpartition(".")[2]
            settings = fields_of(self._value(one, 0))
            if last in ("continue", "fallback") and one.name.count(".") == 1:
                self.facts.seen.append(("pass-through", one.line, f"{_shown(url)}: {one.name}()"))
            if last == "fulfill" and settings:
                body = settings.values.get("json") or settings.values.get("body")
                status = self._status(self._value(one, 0))
                replies.append(Reply(one.line, status, body or Value(one.line, UNKNOWN)))
        self._route(call, "", url, replies)

    # Everything else

    def _of_sdk(self, call: Call) -> None:
        first = text_of(self._value(call, 0))
        if _MOCKS.fullmatch(call.name) and first and _SDK.fullmatch(first):
            self.facts.patched.append((call.line, f'{call.name}("{first}")'))
        if _SPIES.fullmatch(call.name) and call.arguments:
            at = call.arguments[0].start
            if self._source.is_name(at, "fal") and "@fal-ai/" in self._imports():
                self.facts.patched.append((call.line, f"{call.name}(fal, …)"))
        if not _SETS_VALUE.fullmatch(call.name) or not self._is_status(call):
            return
        for value in options(self._value(call, 0) or Value(0, UNKNOWN)):
            fields = fields_of(value)
            word = fields.values.get("status") if fields else None
            text = text_of(word)
            if word is not None and text and INVENTED.fullmatch(text):
                self.facts.seen.append(("invented-status", word.line, f"fal.queue.status: {text}"))

    def _is_status(self, call: Call) -> bool:
        """Tell whether it is fal.queue.status that gets a value."""
        first = call.start
        if self._source.is_mark(first - 1, ":") and self._source.is_name(first - 2, "status"):
            return any(_SDK.search(what) for _, what in self.facts.patched)
        names = [one.text for one in self._source.tokens[first : call.at] if one.kind == "name"]
        return ("queue", "status") in pairwise(names)

    def _imports(self) -> str:
        return " ".join(
            token.text
            for at, token in enumerate(self._source.tokens)
            if token.kind == "string" and self._source.is_name(at - 1, "from")
        )

    def _of_fetch(self, call: Call) -> None:
        """Note what the file calls of fal by itself."""
        library, _, method = call.name.rpartition(".")
        fetched = call.name in _FETCHES
        url = text_of(self._value(call, 0)) or ""
        if not (fetched or (library in _CLIENTS and method in _METHODS)) or locate(url) is None:
            return
        sent = self._value(call, 1)
        if fetched:
            settings = fields_of(sent)
            named = settings.values.get("method") if settings else None
            known = sent is None or (settings is not None and settings.complete)
            method = text_of(named) or "" if named else "get" if known else ""
            sent = settings.values.get("body") if settings else None
        elif method in ("get", "delete", "head"):
            sent = None
        self.facts.calls.append(Route(call.line, method.upper(), url, expects=sent))

    def _of_header(self, call: Call) -> None:
        """Note a header of fal's webhooks that is set to an HMAC, as supertest sets it."""
        name = text_of(self._value(call, 0))
        if not call.name.endswith(".set") or not name or not _SIGNATURE.fullmatch(name):
            return
        if len(call.arguments) > 1 and self._is_hmac(call.arguments[1]):
            self.facts.seen.append(("webhook-hmac", call.line, name))

    def _of_objects(self) -> None:
        source = self._source
        for at, token in enumerate(source.tokens):
            signature = token.kind == "string" and _SIGNATURE.fullmatch(token.text)
            if signature and source.is_mark(at + 1, ":"):
                if self._is_hmac(source.statement(at + 2)):
                    self.facts.seen.append(("webhook-hmac", token.line, token.text))
            elif source.is_mark(at, "{") and self._is_literal(at):
                value = source.value(Span(at, source.closes(at) + 1))
                self.facts.objects.append(value)

    def _is_literal(self, at: int) -> bool:
        """Tell whether a brace begins an object that belongs to no route."""
        source = self._source
        marks = ("(", ",", "[", ":", "=", "=>", "?")
        if not source.is_mark(at - 1, *marks) and not source.is_name(at - 1, "return"):
            return False
        return not any(span.start <= at < span.end for span in self._routed)

    def _is_hmac(self, span: Span, depth: int = 0) -> bool:
        """Tell whether a value comes from createHmac, by way of the file's names."""
        for at in range(span.start, span.end):
            self._source.spend()
            token = self._source.tokens[at]
            if token.kind == "string" and token.text.startswith("sha256="):
                return True
            if token.kind != "name":
                continue
            if token.text == "createHmac":
                return True
            found = self._source.definition(token.text, at) if depth < 3 else None
            if found is not None and self._is_hmac(found, depth + 1):
                return True
        return False


def _shown(url: str) -> str:
    return re.sub(r"[\0\x01]+", "…", url)
