"""What the libraries that mock HTTP in Python are told to answer: respx, responses, requests-mock,
aioresponses and pytest-httpx.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from falkit_contract.doctor._python_values import (
    Scope,
    dotted,
    evaluate,
    inner_scope,
    reply_of,
    returned,
)
from falkit_contract.doctor._values import (
    ANY,
    UNKNOWN,
    Facts,
    Fields,
    Reply,
    Route,
    Value,
    from_pattern,
    number_of,
    options,
    text_of,
)
from falkit_contract.doctor._wire import is_public, locate

Library: TypeAlias = Literal["respx", "responses", "requests_mock", "aioresponses", "httpx_mock"]
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
# Names of fixtures by which tests have a library's mock, and of calls that make one.
_FIXTURES: dict[str, Library] = {
    "respx_mock": "respx",
    "httpx_mock": "httpx_mock",
    "requests_mock": "requests_mock",
    "rsps": "responses",
    "mocked_responses": "responses",
    "aioresponses": "aioresponses",
    "mock_aioresponse": "aioresponses",
}
_MAKERS: dict[str, Library] = {
    "respx.mock": "respx",
    "respx.MockRouter": "respx",
    "MockRouter": "respx",
    "responses.RequestsMock": "responses",
    "RequestsMock": "responses",
    "requests_mock.Mocker": "requests_mock",
    "requests_mock.mock": "requests_mock",
    "aioresponses.aioresponses": "aioresponses",
    "aioresponses": "aioresponses",
}
_MODULES: dict[str, Library] = {"respx": "respx", "respx.mock": "respx", "responses": "responses"}
# Modules that call, and what makes clients. Of any other receiver `get` may be a dictionary's.
_CALLING = ("httpx", "requests")
_CLIENTS = (
    *("httpx.Client", "httpx.AsyncClient", "Client", "AsyncClient"),
    *("requests.Session", "requests.session", "Session", "aiohttp.ClientSession", "ClientSession"),
)
_SET_LATER = ("return_value", "side_effect")
_ROUTES = ("route", "request", "add", "add_response", "add_callback", "register_uri")


class Routes:
    """Reads the routes of one file into its facts, call by call."""

    def __init__(self, tree: ast.Module, facts: Facts) -> None:
        self._facts = facts
        self._imported = {
            name.asname or name.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        self._fixtures = dict(_fixtures(tree))
        # Replies that are set on a route after it was made, by the route's call.
        self._later: dict[ast.Call, list[Reply]] = {}
        self.routed: set[int] = set()
        """Nodes that belong to a route."""
        self._base = ""

    def _kind(self, node: ast.expr, scope: Scope) -> Library | None:
        """Return the library whose mock a name is."""
        name = dotted(node)
        if name in _MODULES and name.partition(".")[0] in self._imported:
            return _MODULES[name]
        if not isinstance(node, ast.Name):
            return None
        found = scope.find(node.id)
        if found is not None and isinstance(found[0], ast.expr):
            made = _made(found[0])
            return made or (self._kind(found[0], found[1]) if found[0] is not node else None)
        return self._fixtures.get(node.id) or _FIXTURES.get(node.id)

    def begin(self, calls: Iterable[tuple[ast.Call, Scope]]) -> None:
        """Take up what calls say of routes that other calls make."""
        calls = [*calls]
        bases = {
            text_of(evaluate(one.value, scope))
            for call, scope in calls
            if dotted(call.func) == "respx.mock"
            for one in call.keywords
            if one.arg == "base_url"
        }
        # One for all: routers aren't told apart.
        self._base = (bases.pop() or "") if len(bases) == 1 else ""
        for call, scope in calls:
            self._of_setting(call, scope)

    # Routes

    def _route_call(self, node: ast.expr, scope: Scope) -> tuple[ast.Call, Library, Scope] | None:
        """Return the call that made a route of respx."""
        if isinstance(node, ast.Name):
            found = scope.find(node.id)
            if found is None or not isinstance(found[0], ast.Call):
                return None
            node, scope = found[0], found[1]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            kind = self._kind(node.func.value, scope)
            if kind == "respx" and node.func.attr in (*_METHODS, "route", "request"):
                return node, kind, scope
            if node.func.attr in ("mock", "respond", "pass_through"):
                return self._route_call(node.func.value, scope)
        return None

    def read_assignment(self, node: ast.Assign, scope: Scope) -> None:
        """Take up a reply that is assigned to a route of respx."""
        target = node.targets[0]
        if not isinstance(target, ast.Attribute) or target.attr not in _SET_LATER:
            return
        if found := self._route_call(target.value, scope):
            self._later.setdefault(found[0], []).extend(self._replies(node.value, scope))

    def _of_setting(self, call: ast.Call, scope: Scope) -> None:
        """Note replies that are set by a call, and calls that are let through."""
        words = {one.arg: one.value for one in call.keywords}
        self._of_passing(call, words, scope)
        if not isinstance(call.func, ast.Attribute):
            return
        found = self._route_call(call.func.value, scope)
        if found is not None and call.func.attr == "mock":
            for name in _SET_LATER:
                if name in words:
                    self._later.setdefault(found[0], []).extend(self._replies(words[name], scope))
        elif found is not None and call.func.attr == "respond":
            reply = reply_of(call, scope)
            if call.args:
                code = evaluate(call.args[0], scope).content
                reply = Reply(reply.line, code if isinstance(code, int) else None, reply.body)
            self._later.setdefault(found[0], []).append(reply)
        elif found is not None and call.func.attr == "pass_through":
            method, url = self._target(found[0], found[1], found[2])
            self._facts.routes.append(Route(call.lineno, method, url, passes="pass_through()"))

    def _of_passing(self, call: ast.Call, words: dict[str | None, ast.expr], scope: Scope) -> None:
        name = dotted(call.func)
        kind = _MAKERS.get(name)
        passed: list[Value] = []
        if name.endswith("add_passthru") and call.args:
            passed = [evaluate(call.args[0], scope)]
        elif kind and (given := words.get("passthrough") or words.get("passthru_prefixes")):
            content = evaluate(given, scope).content
            passed = [*content] if isinstance(content, tuple) else []
        for one in passed:
            url = text_of(one)
            if url is not None and is_public(url):
                self._facts.seen.append(("pass-through", call.lineno, f"{name}: {_shown(url)}"))
        for word in ("real_http", "passthrough_unmatched"):
            if kind and word in words and evaluate(words[word], scope).content is True:
                self._facts.seen.append(("pass-through", call.lineno, f"{name}({word}=True)"))

    def _replies(self, node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[Reply]:
        """Yield the replies that a value, a list or a function gives."""
        if isinstance(node, ast.Name) and (found := scope.function(node.id)) and depth < 3:
            inner = inner_scope(*found)
            for value in returned(found[0]):
                yield from self._replies(value, inner, depth + 1)
            return
        if isinstance(node, ast.Lambda):
            yield from self._replies(node.body, scope, depth)
            return
        if isinstance(node, ast.List):
            for one in node.elts:
                yield from self._replies(one, scope, depth)
            return
        self.routed |= {id(one) for one in ast.walk(node)}
        for option in options(evaluate(node, scope)):
            content = option.content
            if isinstance(content, Reply):
                yield content
            elif isinstance(content, tuple):
                yield from (one.content for one in content if isinstance(one.content, Reply))
                if len(content) == 3 and (status := number_of(content[0])) is not None:
                    # What callbacks of responses return: status, headers, body.
                    yield Reply(option.line, status, content[2])

    def _target(self, call: ast.Call, kind: Library, scope: Scope) -> tuple[str, str]:
        """Return a route's method and URL."""
        words = {one.arg: one.value for one in call.keywords if one.arg}
        attr = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        arguments = list(call.args)
        method = attr.upper() if attr in _METHODS else ""
        if attr in ("add", "add_callback", "register_uri", "request") and len(arguments) > 1:
            first = arguments.pop(0)
            name = dotted(first).rpartition(".")[2] if isinstance(first, ast.Attribute) else ""
            method = name or (text_of(evaluate(first, scope)) or "").upper()
        if "method" in words:
            method = (text_of(evaluate(words["method"], scope)) or "").upper()
        given = arguments[0] if arguments else words.get("url")
        url = text_of(evaluate(given, scope)) if given is not None else None
        if url is None and (lookup := next((one for one in words if "__" in one), "")):
            text = text_of(evaluate(words[lookup], scope)) or ""
            url = from_pattern(text) if lookup.endswith("regex") else text
            url = url + ANY if lookup.endswith("startswith") else url
        host = text_of(evaluate(words.get("host"), scope)) if "host" in words else None
        if host and url is None:
            path = text_of(evaluate(words.get("path"), scope)) if "path" in words else f"/{ANY}"
            url = f"https://{host}{path or f'/{ANY}'}"
        if kind == "respx" and self._base and (url is None or url.startswith("/") or url == ""):
            url = self._base.rstrip("/") + (url or "")
        return method, url or ""

    def read_route(self, call: ast.Call, scope: Scope) -> None:
        """Note the route that a call makes, or what it sends to fal."""
        if not isinstance(call.func, ast.Attribute):
            return
        attr, words = call.func.attr, {one.arg: one.value for one in call.keywords if one.arg}
        kind = self._kind(call.func.value, scope)
        if kind is None:
            self._of_call(call, scope)
            return
        if attr not in (*_METHODS, *_ROUTES):
            return
        method, url = self._target(call, kind, scope)
        if locate(url) is None:
            return
        replies = list(self._later.get(call, ()))
        if kind != "respx":
            callback = words.get("callback")
            if attr in ("add_callback", "add_response") and call.args and callback is None:
                callback = call.args[-1] if attr == "add_callback" else None
            if callback is not None:
                replies += self._replies(callback, scope)
            elif len(call.args) > 1 and isinstance(call.args[-1], ast.List):
                for one in call.args[-1].elts:
                    replies.append(self._listed(one, scope))
            else:
                replies.append(reply_of(call, scope))
        self.routed |= {id(one) for one in ast.walk(call)}
        expects = self._expects(call, kind, words, scope)
        self._facts.routes.append(Route(call.lineno, method, url, tuple(replies), expects))

    @staticmethod
    def _listed(node: ast.expr, scope: Scope) -> Reply:
        """Return one of the replies that requests-mock gives one after the other."""
        content = evaluate(node, scope).content
        values = content.values if isinstance(content, Fields) else {}
        code = values["status_code"].content if "status_code" in values else 200
        body = values.get("json", values.get("text", Value(node.lineno, UNKNOWN)))
        return Reply(node.lineno, code if isinstance(code, int) else None, body)

    def _expects(
        self, call: ast.Call, kind: Library, words: dict[str, ast.expr], scope: Scope
    ) -> Value | None:
        if kind == "respx":
            for name in ("json", "json__eq", "json__input"):
                if name in words:
                    value = evaluate(words[name], scope)
                    nested = {"input": value} if name == "json__input" else None
                    return Value(value.line, Fields(nested)) if nested else value
        if kind == "httpx_mock" and "match_json" in words:
            return evaluate(words["match_json"], scope)
        for node in ast.walk(words["match"]) if "match" in words else ():
            if isinstance(node, ast.Call) and dotted(node.func).endswith("json_params_matcher"):
                return evaluate(node.args[0], scope) if node.args else None
        return None

    def _of_call(self, call: ast.Call, scope: Scope) -> None:
        """Note what the file calls of fal by itself."""
        attr = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        named = attr in ("request", "stream")
        words = {one.arg: one.value for one in call.keywords if one.arg}
        # A method's name stands before the URL.
        rest = call.args[1:] if named else call.args
        given = rest[0] if rest else words.get("url")
        if not (named or attr in _METHODS) or given is None:
            return
        body = words.get("json") if attr in ("post", "request") else None
        if body is None and not self._calls(call.func, scope):
            return
        url = text_of(evaluate(given, scope)) or ""
        if locate(url):
            first = call.args[0] if named and call.args else words.get("method")
            method = text_of(evaluate(first, scope)) or "" if named else attr
            sent = None if body is None else evaluate(body, scope)
            self._facts.calls.append(Route(call.lineno, method.upper(), url, expects=sent))

    def _calls(self, function: ast.expr, scope: Scope) -> bool:
        """Tell whether a function is one of a library or client that sends requests."""
        node = function.value if isinstance(function, ast.Attribute) else function
        found = scope.find(node.id) if isinstance(node, ast.Name) else None
        if found is not None:
            made = found[0]
            return isinstance(made, ast.Call) and dotted(made.func) in _CLIENTS
        name = dotted(node)
        return (name in _CALLING and name in self._imported) or (
            isinstance(node, ast.Call) and name in _CLIENTS
        )


def _fixtures(tree: ast.Module) -> Iterator[tuple[str, Library]]:
    """Yield the file's fixtures that give out a library's mock."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = [
            node.value.id
            for node in ast.walk(function)
            if isinstance(node, ast.Yield) and isinstance(node.value, ast.Name)
        ]
        for node in ast.walk(function):
            for item in node.items if isinstance(node, ast.With | ast.AsyncWith) else ():
                name, kind = item.optional_vars, _made(item.context_expr)
                if isinstance(name, ast.Name) and name.id in given and kind is not None:
                    yield function.name, kind


def _made(node: ast.expr) -> Library | None:
    return _MAKERS.get(dotted(node))


def _shown(url: str) -> str:
    return re.sub(r"[\0\x01]+", "…", url)
