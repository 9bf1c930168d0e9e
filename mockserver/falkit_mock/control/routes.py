"""The control API: a route for each operation of its document."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from falkit_mock.control import (
    Call,
    Operation,
    Renamed,
    Signature,
    Unknown,
    answer,
    document,
)
from falkit_mock.control.endpoints import endpoint_operations
from falkit_mock.control.files import file_operations
from falkit_mock.control.jobs import job_operations
from falkit_mock.control.records import record_operations
from falkit_mock.control.session import session_operations
from falkit_mock.control.state import rule_operations, state_operations
from falkit_mock.control.webhooks import webhook_operations
from falkit_mock.core import dumps, version
from falkit_mock.core.events import ToldEvent
from falkit_mock.core.network import CONTROL
from falkit_mock.core.sessions import Sessions
from falkit_mock.core.telling import EventLog, RequestLog
from falkit_mock.hosts.replies import AnyReply, Reply, raw_reply
from falkit_mock.service.service import Service
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog

if TYPE_CHECKING:
    from falkit_mock.findings import App
    from falkit_mock.gateway.gateway import Gateway

METHODS = ("get", "put", "post", "delete", "patch")


def operations() -> list[JSON]:
    """Return `{method, path, summary}` of every operation, as the document has them in order."""
    return [
        {"method": method.upper(), "path": path, "summary": item[method]["summary"]}
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    ]


class ControlRouter:
    """Leads a request to its operation, once its fields are checked.

    The routes are those of the document, which is read for the first request.
    """

    def __init__(self, operations: dict[str, Operation], limit: int) -> None:
        # By the document's operationId.
        self.operations = operations
        self._limit = limit
        self._router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a refusal is raised as a WireError."""
        if self._router is None:
            # In a thread, since reading it takes longer than others should wait.
            self._router = await asyncio.to_thread(self._made)
        await self._router(scope, receive, send)

    def _made(self) -> Router:
        return Router([*self._routes()], redirect_slashes=False)

    def _routes(self) -> Iterator[Route]:
        paths, renamed = document()["paths"], document()["x-renamed"]
        for path, item in paths.items():
            yield self._route(path, item)
        # The index is there without its slash, too.
        yield self._route(CONTROL, paths[f"{CONTROL}/"])
        for old, new in renamed.items():
            yield Route(old, _moved(old, new), methods=[method.upper() for method in METHODS])

    def _route(self, path: str, item: Mapping[str, Any]) -> Route:
        found = {
            method.upper(): (
                _signature(method, path, self._limit),
                self.operations[item[method]["operationId"]],
            )
            for method in METHODS
            if method in item
        }

        async def dispatch(request: Request) -> AnyReply:
            signature, operation = found["GET" if request.method == "HEAD" else request.method]
            return await operation(await signature.read(request))

        # An endpoint's id has slashes in it.
        return Route(path.replace("endpoint_id}", "endpoint_id:path}"), dispatch, methods=[*found])


@cache
def _signature(method: str, path: str, limit: int) -> Signature:
    # One for all mocks of this process.
    paths = document()["paths"]
    return Signature(method, paths.get(path) or paths[f"{path}/"], limit=limit)


def _moved(old: str, new: str) -> Callable[[Request], Awaitable[AnyReply]]:
    async def refuse(request: Request) -> AnyReply:
        raise Renamed(f"{old} is now called {new}")

    return refuse


def control_router(
    service: Service,
    catalog: Catalog,
    request_log: RequestLog,
    event_log: EventLog,
    gateway: Callable[[], Gateway | None],
    app: App,
    sessions: Callable[[], Sessions | None],
) -> ControlRouter:
    """Return the control API; `app` is all that is reported on."""
    operations = {
        **mock_operations(service, gateway, sessions),
        **job_operations(service, catalog),
        **state_operations(service),
        **rule_operations(service, catalog),
        **record_operations(service, catalog, request_log, event_log, app),
        **webhook_operations(service, catalog),
        **endpoint_operations(service, catalog),
        **file_operations(service, catalog),
    }
    operations |= session_operations(service, operations)
    for id, kind in _TOLD.items():
        operations[id] = _telling(service, operations[id], kind)
    if service.store.sharing is not None:
        operations |= {id: _in_turn(service, operations[id]) for id in _IN_TURN}
    return ControlRouter(operations, service.settings.max_body)


# What changes what other replicas of a shared state may change, too, without waiting for anything;
# reset and import take a turn themselves.
_IN_TURN = (
    *("putSeed", "runClock", "pauseClock", "rotateKeys", "withdrawKey"),
    *("holdJob", "releaseJob", "failJob", "completeJob", "cancelJob", "expireJob"),
    *("addRule", "replaceRules", "clearRules", "replaceRule", "removeRule"),
)


# What whoever follows the events is told of, in a word: it asks for the rest.
_TOLD = {
    **dict.fromkeys(("advanceClock", "setClock", "runClock", "pauseClock"), "clock_changed"),
    **dict.fromkeys(("addRule", "replaceRules", "clearRules"), "rules_changed"),
    **dict.fromkeys(("replaceRule", "removeRule"), "rules_changed"),
    **dict.fromkeys(("reset", "importState"), "reset"),
}


def _telling(service: Service, operation: Operation, kind: str) -> Operation:
    async def told(call: Call) -> AnyReply:
        reply = await operation(call)
        service.events.emit(ToldEvent(kind, {}))
        return reply

    return told


def _in_turn(service: Service, operation: Operation) -> Operation:
    async def taken(call: Call) -> AnyReply:
        async with turn(service.store):
            return await operation(call)

    return taken


def mock_operations(
    service: Service,
    gateway: Callable[[], Gateway | None],
    sessions: Callable[[], Sessions | None],
) -> dict[str, Operation]:
    """Return the operations on the mock itself, by their ids."""
    began = time.monotonic()

    async def index(call: Call) -> Reply:
        return answer(service, {"operations": operations()})

    async def described(call: Call) -> Reply:
        return raw_reply(dumps(document()), request_id=service.identity.reply_id())

    async def health(call: Call) -> Reply:
        body: dict[str, JSON] = {
            "status": "ok",
            "version": version(),
            # On the machine's clock, not on the mock's.
            "uptime": round(time.monotonic() - began, 3),
            "seed": service.identity.seed,
            "settings": _settings(service),
        }
        return answer(service, body)

    async def beside(call: Call) -> Reply:
        found = gateway()
        if found is None:
            return answer(service, {"detail": "This mock was started without --gateway"}, 404)
        return answer(service, _gateway(found))

    async def page(call: Call) -> Reply:
        if not service.settings.page:
            return answer(service, {"detail": "This mock was started with --no-page"}, 404)
        # Lazy: nobody may open it.
        from falkit_mock.page import address

        url = call.request.url
        return answer(service, {"url": address(f"{url.scheme}://{url.netloc}", sessions())})

    async def tenants(call: Call) -> Reply:
        return answer(service, {"detail": "This mock was started without --tenants"}, 404)

    async def forget(call: Call) -> Reply:
        fix = "has no mock of its own: this one was started without --tenants"
        raise Unknown("tenant", call.fields["tenant"], fix)

    return {
        "index": index,
        "document": described,
        "health": health,
        "gateway": beside,
        "openPage": page,
        "tenants": tenants,
        "forgetTenant": forget,
    }


def _gateway(gateway: Gateway) -> dict[str, JSON]:
    return {
        "url": gateway.url,
        "ca": str(gateway.authority.certificate),
        "egress": gateway.egress.policy,
        "early_ends": [
            {"host": host, "how": how, "times": times}
            for (host, how), times in gateway.early_ends.items()
        ],
        "attempts": [attempt._asdict() for attempt in gateway.egress.attempts],
    }


# Secrets are only counted; rules have operations of their own.
_APART = ("api_keys", "control_token", "faults", "outputs")


def _settings(service: Service) -> dict[str, JSON]:
    settings = service.settings
    shown = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name not in _APART
    }
    # What is infinite is written as null, and what isn't JSON as its text.
    for name in ("faults", "outputs"):
        shown[name] = [rule.text() for rule in getattr(settings, name)]
    plain: dict[str, JSON] = orjson.loads(orjson.dumps(shown, default=_written))
    plain["api_keys"] = len(settings.api_keys)
    plain["control_token"] = settings.control_token is not None
    return plain


def _written(value: Any) -> list[Any] | str:
    return [*value] if isinstance(value, frozenset) else str(value)
