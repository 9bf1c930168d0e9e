"""Hand-made mocks in Python, read by `ast`: routes, fal's client patched, webhooks signed."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from falkit_contract.doctor._python_routes import Routes
from falkit_contract.doctor._python_values import (
    Scope,
    dotted,
    evaluate,
    inner_scope,
    returned,
    scope_of,
)
from falkit_contract.doctor._values import Facts, Fields, text_of

_SIGNATURE = re.compile(r"x-fal-(webhook-)?signature", re.I)
# The client as a whole, or one of its calls.
_SDK = re.compile(
    r"(^|\.)fal_client$|(^|\.)fal_client\.(\w+\.)*"
    r"(run|submit|subscribe|stream|status|result|cancel|realtime|upload|upload_file|upload_image)"
    r"(_async)?$|(^|\.)fal_client\.(\w+\.)*(Sync|Async)Client$"
)
_DEEPEST = 4


def read_python(text: str) -> Facts:
    """Return what a file has to do with fal; raise SyntaxError, ValueError or RecursionError."""
    with warnings.catch_warnings():
        # What a file's own compilation would warn of.
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    facts = Facts(signs_webhooks="x-fal-webhook-" in text.lower())
    nodes = [*_scoped(tree, scope_of(tree.body))]
    routes = Routes(tree, facts)
    calls = [(node, scope) for node, scope in nodes if isinstance(node, ast.Call)]
    routes.begin(calls)
    for node, scope in nodes:
        if isinstance(node, ast.Assign):
            routes.read_assignment(node, scope)
            _of_assignment(node, scope, facts)
    for call, scope in calls:
        routes.read_route(call, scope)
        _of_sdk(call, scope, facts)
        _of_comparison(call, facts)
    for node, scope in nodes:
        if isinstance(node, ast.Dict):
            _of_signature(node, scope, facts)
            if id(node) not in routes.routed:
                facts.objects.append(evaluate(node, scope))
    return facts


def _scoped(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """Yield all nodes with the names that they see."""
    for child in ast.iter_child_nodes(node):
        yield child, scope
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = inner_scope(child, scope)
            for part in (*child.decorator_list, *child.args.defaults):
                yield part, scope
                yield from _scoped(part, scope)
            for statement in child.body:
                yield statement, inner
                yield from _scoped(statement, inner)
        else:
            yield from _scoped(child, scope)


def _of_assignment(node: ast.Assign, scope: Scope, facts: Facts) -> None:
    target = node.targets[0]
    if not isinstance(target, ast.Subscript) or dotted(target.value) != "sys.modules":
        return
    if text_of(evaluate(target.slice, scope)) == "fal_client":
        facts.patched.append((node.lineno, 'sys.modules["fal_client"]'))


def _of_sdk(call: ast.Call, scope: Scope, facts: Facts) -> None:
    """Note that fal's client is replaced."""
    name = dotted(call.func)
    words = [*call.args, *(one.value for one in call.keywords if one.arg == "target")]
    if not words:
        return
    first, target = words[0], None
    attribute = text_of(evaluate(call.args[1], scope)) if len(call.args) > 1 else None
    if name.rpartition(".")[2] == "patch" or name.endswith("monkeypatch.setattr"):
        target = text_of(evaluate(first, scope))
    if target is None and name.endswith(("patch.object", "monkeypatch.setattr")):
        target = f"{dotted(first)}.{attribute}" if attribute else None
    elif name.endswith(("patch.dict", "monkeypatch.setitem")) and len(call.args) > 1:
        holder = text_of(evaluate(first, scope)) or dotted(first)
        key = evaluate(call.args[1], scope).content
        names = key.values if isinstance(key, Fields) else (key,)
        target = "fal_client" if holder == "sys.modules" and "fal_client" in names else None
    if target and _SDK.search(target):
        facts.patched.append((call.lineno, f"{name}: {target}"))


def _of_signature(node: ast.Dict, scope: Scope, facts: Facts) -> None:
    """Note a header of fal's webhooks whose value is an HMAC."""
    for key, value in zip(node.keys, node.values, strict=True):
        name = _header(key)
        if key is not None and name and _is_hmac(value, scope):
            facts.seen.append(("webhook-hmac", key.lineno, name))


def _of_comparison(call: ast.Call, facts: Facts) -> None:
    """Note a header that is compared with an HMAC, as a handler does it."""
    if dotted(call.func) != "hmac.compare_digest":
        return
    if name := next(filter(None, map(_header, ast.walk(call))), None):
        facts.seen.append(("webhook-hmac", call.lineno, name))


def _header(node: ast.AST | None) -> str | None:
    """Return the name of the header with a webhook's signature, where a node is such a name."""
    text = node.value if isinstance(node, ast.Constant) else None
    return text if isinstance(text, str) and _SIGNATURE.fullmatch(text) else None


def _is_hmac(node: ast.expr, scope: Scope, depth: int = 0) -> bool:
    """Tell whether a value comes from hmac, by way of the file's names and functions."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.startswith("sha256=")
    for one in ast.walk(node):
        scope.spend()
        name = dotted(one.func) if isinstance(one, ast.Call) else ""
        if name in ("hmac.new", "hmac.digest"):
            return True
        if depth > _DEEPEST:
            continue
        if name and (function := scope.function(name)):
            inner = inner_scope(*function)
            if any(_is_hmac(each, inner, depth + 1) for each in returned(function[0])):
                return True
        found = scope.find(one.id) if isinstance(one, ast.Name) else None
        if found is None or not isinstance(found[0], ast.expr) or found[0] is node:
            continue
        if _is_hmac(found[0], found[1], depth + 1):
            return True
    return False
