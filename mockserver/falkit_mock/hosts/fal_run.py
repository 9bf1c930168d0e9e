"""A call of a model: its key, its options, its body; and fal.run itself."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from functools import partial

from falkit_mock.core import NotJson, parse_body
from falkit_mock.core.errors import application_not_found, too_many_values
from falkit_mock.core.jobs import Job, ModelRequest, ParsedRequest, Refused, RequestOptions
from falkit_mock.core.limits import AT_ONCE, JSON_VALUES, REFUSED_AT_ONCE
from falkit_mock.faults.rules import MARKS, NO_MAGIC, Magic
from falkit_mock.hosts import SOCKET_INPUT, Host, RequestContext, authorize, unless_gone
from falkit_mock.hosts.addresses import split_app
from falkit_mock.hosts.faults import before_alias, before_model, note_job
from falkit_mock.hosts.options import OPERATIONS, read_options
from falkit_mock.hosts.replies import AnyReply, outcome_reply
from falkit_mock.outputs.openai import CHAT, RESPONSES
from falkit_mock.service.guesses import guess, hint_of, may_be_endpoint
from falkit_mock.service.outcomes import read_at_once, read_request
from falkit_mock.service.service import Service
from falkit_mock.settings import Settings
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.streams import EXECUTE, STREAM, WAYS, Workflow

_LOWER, _UPPER, _TITLE = MARKS
_STREAM, _WORKFLOWS = f"/{STREAM}", "workflows/"


async def started(service: Service, request: ModelRequest, magic: Magic) -> Job:
    """Take a direct call, as Service.start does, in a turn if need be."""
    if not service.needs_turn(magic):
        return service.start(request, magic)
    return await in_turn(service, partial(service.start, request, magic))


async def in_turn(service: Service, take: Callable[[], Job]) -> Job:
    """Take a job in a turn; one that can't be kept at its end never was."""
    job: Job | None = None
    try:
        async with turn(service.store):
            job = take()
    except OSError:
        if job is not None:
            service.withdraw(job.id)
        raise
    return job


async def read_model_request(
    context: RequestContext, app: str, catalog: Catalog, service: Service
) -> ModelRequest:
    """Read a POST to a model of an app; raise the WireError that fal's gateway would answer."""
    authorize(context, app, service)
    path = context.address.path[1:]
    # A slash at the end of an app is its root (SDK apps.py); behind that it makes another path.
    if context.address.slash and path != app:
        path += "/"
    endpoint, posts, hint = catalog.endpoints.get(path), context.method == "POST", None
    if endpoint is None and (path.endswith(_STREAM) or SOCKET_INPUT in context.scope):
        endpoint = catalog.at(path)
    executing = path in (EXECUTE, EXECUTE + _STREAM)
    if executing:
        # Lazy: few workflows are called.
        from falkit_mock.service.workflows import execution

        endpoint = execution()
    guessing = endpoint is None and posts and _may_guess(path, catalog, service)
    if endpoint is None and not catalog.has_app(app):
        await before_alias(service, context, path, OPERATIONS[context.address.role])
    if endpoint is None and not guessing:
        hint = _nothing_there(catalog, app, path)
    # Before the body, which may be long; after the method, where it is the wrong one.
    options = read_options(context, service) if posts else RequestOptions()
    body = await context.body(service.settings.max_body)
    parsed_body = parse_body(body) if len(body) <= AT_ONCE else await _parsed(body)
    if endpoint is not None and endpoint.id == path and endpoint.app == app:
        # Every job keeps them: the same texts for all.
        path, app = endpoint.id, endpoint.app
    if guessing:
        endpoint = guess(path, parsed_body)
        hint = hint_of(endpoint)
    workflow, refusal = None, None
    nodes: dict[str, Endpoint] = {}
    if executing:
        from falkit_mock.service.workflows import executed

        workflow, refusal = await to_thread(executed, parsed_body, len(body), service.settings)
    elif path.startswith(_WORKFLOWS) and endpoint is not None:
        workflow = endpoint.workflow
    if workflow is not None:
        nodes = await to_thread(_steps, workflow, catalog)
    # By place: a class that is called with names makes a dictionary of them, and takes ten times as
    # long. So do the other objects that each submit makes.
    request = ModelRequest(
        path,
        app,
        endpoint,
        body,
        parsed_body,
        context.headers.get(b"content-type", b"").decode("latin-1"),
        context.address.media_base,
        hint,
        options,
        bool(options.faults) or _LOWER in body or _UPPER in body or _TITLE in body,
        refusal,
        workflow,
        nodes,
    )
    if refusal is None:
        request.checked = _checked(request, service.settings)
    if request.checked is None and not _is_quick(request):
        request.checked = await to_thread(read_request, request, service.settings)
    if posts:
        # Behind the last wait, so that none slips in between.
        service.retention.check_room(len(body), jobs=1)
    return request


def _checked(request: ModelRequest, settings: Settings) -> ParsedRequest | Refused | None:
    """Check an input that is plainly valid; None for any other, and for one that may take long."""
    if request.endpoint is None or len(request.body) > AT_ONCE:
        return None
    return read_at_once(request, settings)


def _is_quick(request: ModelRequest) -> bool:
    """Tell whether an input that isn't plainly valid can be checked while all else waits."""
    size, endpoint = len(request.body), request.endpoint
    if endpoint is None:
        return size <= AT_ONCE
    return endpoint.has_model and size <= REFUSED_AT_ONCE


def _steps(workflow: Workflow, catalog: Catalog) -> dict[str, Endpoint]:
    """Return the endpoints of a workflow's nodes, each ready to be called; it may take a while."""
    found: dict[str, Endpoint] = {}
    for node in workflow.nodes:
        one = found[node.id] = catalog.at(node.app) or guess(node.app, node.input)
        if not one.has_model:
            one.validate(one.example_input())
            one.validate(None)
    return found


async def _parsed(body: bytes) -> JSON | NotJson:
    if sum(map(body.count, (b",", b"[", b"{"))) > JSON_VALUES:
        raise too_many_values(JSON_VALUES)
    return await to_thread(parse_body, body)


async def request_again(
    job: Job, content_type: str, media_base: str, catalog: Catalog, service: Service
) -> ModelRequest:
    """Return the request of a job that was taken by a mock before this one."""
    body, path = service.store.input(job.id), job.path
    parsed_body = await to_thread(parse_body, body)
    workflow, refusal, nodes = None, None, dict[str, Endpoint]()
    endpoint = catalog.endpoints.get(path) or catalog.at(path)
    if path in (EXECUTE, EXECUTE + _STREAM):
        from falkit_mock.service.workflows import executed, execution

        endpoint = execution()
        workflow, refusal = await to_thread(executed, parsed_body, len(body), service.settings)
    elif endpoint is None and _may_guess(path, catalog, service):
        endpoint = guess(path, parsed_body)
    elif path.startswith(_WORKFLOWS) and endpoint is not None:
        workflow = endpoint.workflow
    if workflow is not None:
        nodes = await to_thread(_steps, workflow, catalog)
    return ModelRequest(
        workflow=workflow,
        nodes=nodes,
        path=path,
        app=job.app,
        endpoint=endpoint,
        body=body,
        parsed_body=parsed_body,
        content_type=content_type,
        media_base=media_base,
        options=job.options,
        checked=refusal,
    )


def check_app(context: RequestContext, catalog: Catalog, service: Service) -> None:
    """Raise WireError unless there is the app that a request names, and it may call it."""
    app, _ = split_app(context.address.path)
    authorize(context, app, service)
    if not _may_guess(context.address.path[1:], catalog, service):
        _nothing_there(catalog, app, context.address.path[1:])


def _may_guess(path: str, catalog: Catalog, service: Service) -> bool:
    return service.settings.unknown_endpoints == "guess" and may_be_endpoint(path, catalog)


def _nothing_there(catalog: Catalog, app: str, path: str) -> str:
    """Say what was probably meant by a path that its app doesn't have.

    Raise WireError 404 where there isn't even the app.
    """
    match, unknown = catalog.find(path), str(catalog.unknown(path))
    if match is None and not catalog.has_app(app):
        raise application_not_found(app.rpartition("/")[2], unknown)
    if match is not None:
        way = ""
        if match.rest in WAYS and match.endpoint.id.endswith(f"/{match.rest}"):
            name = f"fal_client.{match.rest}"
            return f'{match.endpoint.id} has /{match.rest} already; {name} takes path="" then'
        if match.rest in WAYS:
            way = f", and no overlay says that it has /{match.rest} (docs/streams.md)"
        return f"{match.endpoint.id} answers a plain POST{way}; {unknown}"
    return unknown


def _is_streamed(request: ModelRequest) -> bool:
    """Tell whether a call is answered by events."""
    path = request.path
    if path.endswith((CHAT, RESPONSES)):
        return request.endpoint is not None and request.input.get("stream") is True
    return path.endswith(_STREAM) and request.endpoint is not None


class FalRun(Host):
    """POST /{endpoint id}.

    And POST to `/stream` behind an id that has it, or to an id that ends so: the answer is a stream
    of events (wire.md §8). The inputs that come by a WebSocket are answered here too.
    """

    async def __call__(self, context: RequestContext) -> AnyReply:
        app, _ = split_app(context.address.path)
        service, magic = self._service, NO_MAGIC
        request = await read_model_request(context, app, self._catalog, service)
        if request.endpoint is not None:
            context.allow("POST")
        if request.marked or not service.rules.idle:
            magic = await before_model(service, context, request, "run")
        if _is_streamed(request):
            # Lazy: most calls are answered by a reply.
            from falkit_mock.hosts.streams import streamed

            return await streamed(service, context, request, magic)
        job = await started(service, request, magic)
        # Also of a call whose caller hangs up.
        context.record.request_id = job.id
        if job.outcome is None or service.clock.now() < job.ends:
            job = await unless_gone(context.receive, service.finish(job))
        note_job(context, job)
        return outcome_reply(job, await service.outcome(job))
