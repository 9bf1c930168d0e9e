"""What is known of an expression of Python without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

from falkit_contract.doctor._values import (
    ANY,
    MOST_STEPS,
    UNKNOWN,
    Either,
    Fields,
    Reply,
    Value,
    from_pattern,
    joined,
    number_of,
    text_of,
)

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
_DEEPEST = 25
_CHANGES = ("update", "setdefault", "pop", "clear", "append", "extend", "insert")


@dataclass
class Scope:
    """The names of a module or function that are given a value exactly once."""

    parent: Scope | None = None
    names: dict[str, ast.expr | Value | None] = field(
        default_factory=dict[str, "ast.expr | Value | None"]
    )
    functions: dict[str, Function] = field(default_factory=dict[str, "Function"])
    # Steps that are left, the same for all of a file.
    left: list[int] = field(default_factory=lambda: [MOST_STEPS])

    def __post_init__(self) -> None:
        if self.parent is not None:
            self.left = self.parent.left

    def spend(self) -> None:
        """Count a step; raise a ValueError where names lead to names without end."""
        self.left[0] -= 1
        if self.left[0] < 0:
            raise ValueError("its constants take too long to follow")

    def find(self, name: str) -> tuple[ast.expr | Value, Scope] | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                found = scope.names[name]
                return None if found is None else (found, scope)
            scope = scope.parent
        return None

    def function(self, name: str) -> tuple[Function, Scope] | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.functions:
                return scope.functions[name], scope
            scope = scope.parent
        return None


def scope_of(body: Sequence[ast.stmt], parent: Scope | None = None) -> Scope:
    """Return the names that statements set, those of functions within left out."""
    scope = Scope(parent)
    changed: set[str] = set()
    for node in _statements(body):
        changed |= _changed(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            scope.functions[node.name] = node
        targets: list[ast.expr] = []
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets = [node.target]
            value = node.value if isinstance(node, ast.AnnAssign) else None
        elif isinstance(node, ast.For | ast.AsyncFor):
            targets = [node.target]
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if isinstance(item.optional_vars, ast.Name):
                    scope.names[item.optional_vars.id] = item.context_expr
        for target in targets:
            for name in ast.walk(target):
                # Of `route.side_effect = …` the name stays what it is.
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    again = name.id in scope.names or not isinstance(target, ast.Name)
                    scope.names[name.id] = None if again else value
    return Scope(parent, scope.names | dict.fromkeys(changed), scope.functions)


def _changed(node: ast.stmt) -> set[str]:
    """Return the names whose objects a statement changes."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        found = [one.value for one in node.targets if isinstance(one, ast.Subscript)]
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
        found = [node.target.value]
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        if isinstance(function, ast.Attribute) and function.attr in _CHANGES:
            found = [function.value]
    return {one.id for one in found if isinstance(one, ast.Name)}


def inner_scope(function: Function, scope: Scope) -> Scope:
    """Return the names that a function's body sees; nothing is known of its parameters."""
    inner = scope_of(function.body, scope)
    for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
        inner.names.setdefault(one.arg, None)
    return inner


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []))
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body)


def evaluate(node: ast.expr | Value | None, scope: Scope, depth: int = 0) -> Value:
    """Return what is known of an expression."""
    if isinstance(node, Value):
        return node
    if node is None or depth > _DEEPEST:
        return Value(0 if node is None else node.lineno, UNKNOWN)
    scope.spend()
    line = node.lineno

    def of(part: ast.expr | None) -> Value:
        return evaluate(part, scope, depth + 1)

    match node:
        case ast.Constant(value=str() | bytes() | bool() | int() | float() | None):
            return Value(line, node.value)  # type: ignore[arg-type]
        case ast.JoinedStr():
            return joined([of(part) for part in node.values], line)
        case ast.FormattedValue():
            return of(node.value)
        case ast.BinOp(op=ast.Add()):
            left, right = of(node.left), of(node.right)
            texts = isinstance(left.content, str) or isinstance(right.content, str)
            return joined([left, right], line) if texts else Value(line, UNKNOWN)
        case ast.BinOp(op=ast.BitOr()):
            return _merged([of(node.left), of(node.right)], line)
        case ast.Dict():
            return _dict(node, of)
        case ast.List() | ast.Tuple():
            return Value(line, tuple(of(one) for one in node.elts))
        case ast.IfExp():
            return Value(line, Either((of(node.body), of(node.orelse))))
        case ast.Await():
            return of(node.value)
        case ast.Name():
            found = scope.find(node.id)
            if found is None:
                return Value(line, UNKNOWN)
            value = evaluate(found[0], found[1], depth + 1)
            # A text is seen where it is used, an object where it is written.
            structured = isinstance(value.content, Fields | tuple | Either | Reply)
            return value if structured else Value(line, value.content)
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return of(ast.copy_location(ast.Name(node.attr, ast.Load()), node))
        case ast.Attribute():
            if node.attr in HTTPStatus.__members__:
                return Value(line, int(HTTPStatus[node.attr]))
            code = re.match(r"HTTP_(\d{3})_", node.attr)
            return Value(line, int(code[1]) if code else UNKNOWN)
        case ast.Call():
            return _call(node, scope, depth)
        case _:
            return Value(line, UNKNOWN)


def _dict(node: ast.Dict, of: Callable[[ast.expr], Value]) -> Value:
    values: dict[str, Value] = {}
    complete = True
    for key, value in zip(node.keys, node.values, strict=True):
        found = of(value)
        if key is None:
            if isinstance(found.content, Fields):
                values |= found.content.values
                complete &= found.content.complete
            else:
                complete = False
        elif isinstance(key, ast.Constant) and isinstance(key.value, str):
            # What is written here is seen here, whatever the line of a name's value.
            values[key.value] = Value(key.lineno, found.content)
        else:
            complete = False
    return Value(node.lineno, Fields(values, complete))


def _merged(parts: list[Value], line: int) -> Value:
    if not any(isinstance(one.content, Fields) for one in parts):
        return Value(line, UNKNOWN)
    values: dict[str, Value] = {}
    complete = True
    for one in parts:
        if isinstance(one.content, Fields):
            values |= one.content.values
            complete &= one.content.complete
        else:
            complete = False
    return Value(line, Fields(values, complete))


def _call(node: ast.Call, scope: Scope, depth: int) -> Value:
    line, first = node.lineno, node.args[0] if node.args else None
    name = dotted(node.func)
    last = name.rpartition(".")[2]

    def of(part: ast.expr | None) -> Value:
        return evaluate(part, scope, depth + 1)

    if name in ("json.dumps", "orjson.dumps", "dumps", "str", "httpx.URL", "URL", "deepcopy"):
        return of(first)
    if name in ("re.compile", "compile"):
        return Value(line, from_pattern(text_of(of(first)) or ANY))
    if name == "dict":
        values = {one.arg: of(one.value) for one in node.keywords if one.arg}
        return Value(line, Fields(values, len(values) == len(node.keywords) and first is None))
    if last in ("encode", "copy", "strip") and isinstance(node.func, ast.Attribute):
        return of(node.func.value)
    if last in ("Response", "MockResponse", "HTTPResponse", "CallbackResult", "JSONResponse"):
        return Value(line, reply_of(node, scope, depth))
    found = scope.function(name)
    if found is None or depth > _DEEPEST // 2:
        return Value(line, UNKNOWN)
    return _returned(node, *found, scope, depth)


def _returned(call: ast.Call, function: Function, where: Scope, scope: Scope, depth: int) -> Value:
    """Return what a function of the same file returns, with what it is called with."""
    returns = list(returned(function))
    if len(returns) != 1:
        return Value(call.lineno, UNKNOWN)
    inner = scope_of(function.body, where)
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    defaults = function.args.defaults
    bound: dict[str, ast.expr | None] = dict.fromkeys(
        [*names, *(one.arg for one in function.args.kwonlyargs)]
    )
    bound |= dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    given = {one.arg: one.value for one in call.keywords if one.arg}
    given |= dict(zip(names, call.args, strict=False))
    for name, default in bound.items():
        inner.names[name] = (
            evaluate(given[name], scope, depth + 1)
            if name in given
            else evaluate(default, where, depth + 1)
            if default is not None
            else Value(call.lineno, UNKNOWN)
        )
    return evaluate(returns[0], inner, depth + 2)


def returned(function: Function) -> Iterator[ast.expr]:
    """Yield what a function returns or yields."""
    for statement in _statements(function.body):
        if isinstance(statement, ast.Return) and statement.value is not None:
            yield statement.value


def reply_of(node: ast.Call, scope: Scope, depth: int = 0) -> Reply:
    """Return the reply that a call describes, by the words of all libraries that mock."""
    words = {one.arg: one.value for one in node.keywords if one.arg}
    code: ast.expr | None = words.get("status", words.get("status_code"))
    if code is None and node.args and dotted(node.func).endswith("Response"):
        code = node.args[0]
    told = next(
        (words[name] for name in ("json", "payload", "body", "content", "text") if name in words),
        None,
    )
    status = number_of(evaluate(code, scope, depth + 1)) if code is not None else 200
    unknown = any(one.arg is None for one in node.keywords)
    return Reply(node.lineno, None if unknown else status, evaluate(told, scope, depth + 1))


def dotted(node: ast.expr) -> str:
    """Return the name of a function or module, as `httpx.post`; a call within is left out."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return dotted(node.func) if isinstance(node, ast.Call) else ""
