"""A call of a model: its options, its key, its body; and fal.run itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from falkit_mock.core import parse_body
from falkit_mock.core.errors import (
    application_not_found,
    bad_field,
    bad_header,
)
from falkit_mock.core.jobs import ModelRequest, Priority, RequestOptions
from falkit_mock.core.network import QUEUE, RUN
from falkit_mock.faults import Operation
from falkit_mock.faults.rules import MARKS, NO_MAGIC
from falkit_mock.hosts import Host, RequestContext, authorize, split_app, unless_gone
from falkit_mock.hosts.faults import before_model, named_by, note_job
from falkit_mock.hosts.replies import Reply, outcome_reply
from falkit_mock.service import USUAL_LIFECYCLE, BadLifecycle, Lifecycle
from falkit_mock.service.service import Service
from falkit_spec import Catalog

_TRUE = frozenset({"1", "true", "yes"})
# The newer name first; where both are given it counts.
_TIMEOUTS = ("X-Fal-Request-Start-Timeout", "X-Fal-Request-Timeout")
# Seconds; the server wants more than these (wire.md §3.1).
_TOO_SOON = 0.1
_LIFECYCLE = "X-Fal-Object-Lifecycle-Preference"
_OPERATIONS: dict[str, Operation] = {RUN: "run", QUEUE: "submit"}
_LOWER, _UPPER, _TITLE = MARKS
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def read_options(context: RequestContext, media: Lifecycle) -> RequestOptions:
    """Return what a request to a model asks for; raise WireError 400, or 422 for the query.

    `media` is what the account's settings say of output files.
    """
    given = {
        name.decode("latin-1"): value.decode("latin-1").strip()
        for name, value in context.headers.items()
        if name.startswith(b"x-fal")
    }
    query: Mapping[str, str] = context.query if "fal_" in context.address.query else {}
    if not given and not query and media is USUAL_LIFECYCLE:
        return _usual_options(context.record.key)
    lifecycle = _lifecycle(given, media)
    return RequestOptions(
        key=context.record.key,
        priority=_priority(given),
        start_within=_start_within(given),
        max_queue_length=_max_queue_length(query.get("fal_max_queue_length")),
        retry=given.get("x-fal-no-retry", "").lower() not in _TRUE,
        webhook=query.get("fal_webhook") or None,
        keep_payloads=given.get("x-fal-store-io", "") != "0",
        media_for=math.inf if lifecycle.seconds is None else lifecycle.seconds,
        media_acl=lifecycle.acl.text(),
        faults=named_by(context, _OPERATIONS[context.address.role]),
    )


@lru_cache(maxsize=1024)
def _usual_options(key: str) -> RequestOptions:
    """Return the options of a key's request that asks for nothing out of the ordinary."""
    return RequestOptions(key=key)


def _priority(given: Mapping[str, str]) -> Priority:
    match given.get("x-fal-queue-priority", "normal").lower():
        case "normal" | "":
            return "normal"
        case "low":
            return "low"
        case other:
            raise bad_header("X-Fal-Queue-Priority", other, "is neither normal nor low")


def _start_within(given: Mapping[str, str]) -> float:
    for name in _TIMEOUTS:
        if text := given.get(name.lower()):
            try:
                seconds = float(text)
            except ValueError:
                seconds = math.nan
            if not _TOO_SOON < seconds < math.inf:
                fix = f"must be a number of seconds greater than {_TOO_SOON}, such as 30.0"
                raise bad_header(name, text, fix)
            return seconds
    return math.inf


def _lifecycle(given: Mapping[str, str], default: Lifecycle) -> Lifecycle:
    text = given.get(_LIFECYCLE.lower())
    if not text:
        return default
    try:
        return Lifecycle.parse(text, default)
    except BadLifecycle as error:
        raise bad_header(_LIFECYCLE, text, f"can't be read: {error}") from None


def _max_queue_length(text: str | None) -> int | None:
    if text is None:
        return None
    loc = ["query", "fal_max_queue_length"]
    if not _NUMBER.fullmatch(text.strip()):
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise bad_field("int_parsing", [*loc], message, text)
    if int(text) < 0:
        message = "Input should be greater than or equal to 0"
        raise bad_field("greater_than_equal", [*loc], message, text)
    return int(text)


async def read_model_request(
    context: RequestContext, app: str, catalog: Catalog, service: Service
) -> ModelRequest:
    """Read a POST to a model of an app; raise the WireError that fal's gateway would answer."""
    authorize(context, app, service)
    path = context.address.path[1:]
    endpoint = catalog.endpoints.get(path)
    hint = None if endpoint is not None else _nothing_there(catalog, app, path)
    # Before the body, which may be long; after the method, where it is the wrong one.
    posts = context.method == "POST"
    options = read_options(context, service.uploads.defaults) if posts else RequestOptions()
    body = await context.body(service.settings.max_body)
    return ModelRequest(
        path=path,
        app=app,
        endpoint=endpoint,
        body=body,
        parsed_body=parse_body(body),
        content_type=context.headers.get(b"content-type", b"").decode("latin-1"),
        media_base=context.address.media_base,
        hint=hint,
        options=options,
        marked=bool(options.faults) or _LOWER in body or _UPPER in body or _TITLE in body,
    )


def _nothing_there(catalog: Catalog, app: str, path: str) -> str:
    """Say what was probably meant by a path that its app doesn't have.

    Raise WireError 404 where there isn't even the app.
    """
    match, unknown = catalog.find(path), str(catalog.unknown(path))
    if match is None and not catalog.has_app(app):
        raise application_not_found(app.rpartition("/")[2], unknown)
    if match is not None:
        return f"{match.endpoint.id} answers a plain POST; {unknown}"
    return unknown


class FalRun(Host):
    """POST /{endpoint id}.

    What an app may have besides, LTX-2 has not: `/stream` and `/realtime` are paths that it
    doesn't know. A WebSocket's handshake is a GET, and is answered as one (wire.md §8).
    """

    async def __call__(self, context: RequestContext) -> Reply:
        app, _ = split_app(context.address.path)
        service, magic = self._service, NO_MAGIC
        request = await read_model_request(context, app, self._catalog, service)
        if request.endpoint is not None:
            context.allow("POST")
        if request.marked or not service.rules.idle:
            magic = await before_model(service, context, request, "run")
        job = service.start(request, magic)
        if job.outcome is None or service.clock.now() < job.ends:
            job = await unless_gone(context.receive, service.finish(job))
        note_job(context, job)
        return outcome_reply(job, await service.outcome(job))
