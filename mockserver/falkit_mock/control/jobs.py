"""Jobs: listed, shown, held, released, failed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import cast, get_args

from starlette.requests import Request
from starlette.routing import Route

from falkit_mock.control import Conflict, Fields, InvalidField, Unknown, answer, body_of, query_of
from falkit_mock.core import dumps, masked, parse_body
from falkit_mock.core.jobs import Job, ModelRequest, Outcome, Status
from falkit_mock.faults import RuleError
from falkit_mock.faults.resolve import outcome_as
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service.billing import Entry, charge, iso, readable
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog


def listed(job: Job, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return a job's facts, without what was sent and answered."""
    return {
        "request_id": job.id,
        "endpoint_id": endpoint_of(job, catalog),
        "app": job.app,
        "door": job.entry,
        "key": job.options.key,
        "status": job.status(service.clock.now()),
        "status_code": job.outcome.status_code if job.outcome else None,
        "pace": job.progression,
        "cancelled": job.cancelled,
        "attempts": job.attempts,
        "created": job.created,
        "starts": moment(job.starts),
        "ends": moment(job.ends),
        "created_at": iso(job.created),
    }


async def described(job: Job, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return all that is known of a job; its outcome is null while its files are looked at."""
    done = job.status(service.clock.now()) == "COMPLETED"
    outcome = await service.outcome(job) if done else job.outcome
    sent = service.store.input(job.id)
    entry = Entry(job, endpoint_of(job, catalog), outcome if done else None, lambda: sent)
    paid = charge(entry, catalog)
    options: dict[str, JSON] = {
        name: None if value == math.inf else value for name, value in asdict(job.options).items()
    }
    webhook, faults = job.options.webhook, job.options.faults
    return {
        **listed(job, service, catalog),
        "path": job.path,
        "queue_position": service.place(job),
        "run": moment(job.run),
        "ready": moment(job.ready),
        "input": readable(sent),
        "outcome": None if outcome is None else _told(outcome),
        "wishes": {**options, "webhook": webhook and masked(webhook), "faults": [*faults]},
        "faults": job.faults.to_json(),
        "cost": None if paid is None else f"{paid.cost:f}",
    }


def endpoint_of(job: Job, catalog: Catalog) -> str:
    """Return the endpoint that a job is for; what was posted to, where there is none."""
    match = catalog.find(job.path)
    return match.endpoint.id if match and not match.rest else job.path


def moment(seconds: float) -> float | None:
    """Return unix seconds, or None for those that are not known."""
    return seconds if math.isfinite(seconds) else None


def _told(outcome: Outcome) -> dict[str, JSON]:
    return {
        "status_code": outcome.status_code,
        "headers": {**outcome.headers},
        "body": readable(outcome.body),
        "error": outcome.error,
        "error_type": outcome.error_type,
    }


_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.A)
_VALUE = re.compile(r"[\x20-\x7e]{0,4000}")
# What the reply has by itself, or can't have.
_OWN = ("content-length", "content-type", "transfer-encoding", "connection", "x-fal-request-id")


def given_failure(body: Fields, job: Job, service: Service, catalog: Catalog) -> Outcome:
    """Return the failure that a body describes: a fault by its name, or a reply in full."""
    if "fault" in body:
        return _by_name(body, job, service, catalog)
    if "status_code" not in body:
        raise InvalidField.lacking("fault", "name a fault, or give status_code and body")
    if "parameters" in body:
        raise InvalidField(
            "parameters", body.value("parameters"), "belong to a fault; give its name"
        )
    code = body.whole("status_code", least=400, most=599)
    detail: JSON = body.value("body") if "body" in body else {"detail": "Failed by a test"}
    headers = _headers(body.value("headers")) if "headers" in body else {}
    error_type = headers.get("x-fal-error-type")
    return Outcome(code, dumps(detail), headers, f"Invalid status code: {code}", error_type)


def given_output(body: Fields) -> Outcome:
    """Return a success with an output of the caller's own."""
    output = body.value("output")
    if not isinstance(output, dict):
        raise InvalidField("output", output, "is no JSON object")
    return Outcome(200, dumps(output))


def _by_name(body: Fields, job: Job, service: Service, catalog: Catalog) -> Outcome:
    for name in ("status_code", "body", "headers"):
        if name in body:
            raise InvalidField(
                name, body.value(name), "can't go with a fault; the fault has its own"
            )
    parameters = body.value("parameters") if "parameters" in body else {}
    if not isinstance(parameters, dict):
        raise InvalidField("parameters", parameters, "is no JSON object")
    name = body.text("fault")
    match = catalog.find(job.path)
    endpoint = match.endpoint if match is not None and not match.rest else None
    sent = service.store.input(job.id)
    request = ModelRequest(
        job.path, job.app, endpoint, sent, parse_body(sent), "application/json", ""
    )
    parsed = read_request(request, service.settings)
    try:
        return outcome_as(
            {"fault": name, **parameters}, parsed, job.entry, service.settings.assumptions
        )
    except RuleError as error:
        raise InvalidField(error.field, error.value, error.fix) from None


def _headers(value: JSON) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidField("headers", value, "is no JSON object of names and values")
    headers: dict[str, str] = {}
    for name, text in value.items():
        if not _NAME.fullmatch(name) or name.lower() in _OWN:
            raise InvalidField("headers", name, "is no header that can be chosen")
        if not isinstance(text, str) or not _VALUE.fullmatch(text):
            raise InvalidField(f"headers.{name}", text, "is no text of plain ASCII")
        headers[name.lower()] = text
    return headers


_STATUSES: tuple[Status, ...] = get_args(Status)
_TARGETS = ("IN_PROGRESS", "COMPLETED")
_MOST = 1000
_LAST = 2**53 - 1


def job_routes(service: Service, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""
    jobs = Jobs(service, catalog)
    one = "/jobs/{request_id}"
    return [
        Route("/jobs", jobs.list),
        Route(one, jobs.one),
        Route(f"{one}/hold", jobs.hold, methods=["POST"]),
        Route(f"{one}/release", jobs.release, methods=["POST"]),
        Route(f"{one}/fail", jobs.fail, methods=["POST"]),
        Route(f"{one}/complete", jobs.complete, methods=["POST"]),
    ]


class Jobs:
    """The operations on jobs."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    async def list(self, request: Request) -> Reply:
        query = query_of(request, "endpoint", "status", "key", "since", "limit", "cursor")
        limit = query.whole("limit", least=1, most=_MOST, default=100)
        before = query.whole("cursor", least=1, most=_LAST, default=_LAST)
        wanted = self._wanted(query)
        newest = reversed(self._service.store.jobs())
        found = [job for job in newest if job.seq < before and wanted(job)]
        page = found[:limit]
        more = str(page[-1].seq) if len(found) > limit else None
        shown = [listed(job, self._service, self._catalog) for job in page]
        return answer(self._service, {"jobs": [*shown], "next_cursor": more})

    async def one(self, request: Request) -> Reply:
        query_of(request)
        job = self._known(request)
        return answer(self._service, await described(job, self._service, self._catalog))

    async def hold(self, request: Request) -> Reply:
        await body_of(self._service, request)
        job = self._unfinished(request)
        self._service.hold(job)
        return self._moved(job)

    async def release(self, request: Request) -> Reply:
        query = query_of(request, "to")
        to = query.choice("to", _TARGETS) if "to" in query else None
        job = self._known(request)
        if to is None and self._service.settings.timing.progression == "clock":
            held = (
                job.progression == "held" and job.status(self._service.clock.now()) != "COMPLETED"
            )
            return self._moved(self._service.go_on(job) if held else job)
        return self._moved(self._service.release(job.id, cast(Status, to or "COMPLETED")))

    async def fail(self, request: Request) -> Reply:
        body = await body_of(
            self._service, request, "fault", "parameters", "status_code", "body", "headers"
        )
        job = self._unfinished(request)
        self._service.settle(job, given_failure(body, job, self._service, self._catalog))
        return self._moved(job)

    async def complete(self, request: Request) -> Reply:
        body = await body_of(self._service, request, "output")
        job = self._unfinished(request)
        outcome = given_output(body) if "output" in body else None
        self._service.settle(job, outcome)
        return self._moved(job)

    def _known(self, request: Request) -> Job:
        request_id: str = request.path_params["request_id"]
        job = self._service.store.get(request_id)
        if job is None:
            mend = "is no job of this mock; GET /__falkit/jobs lists those it has"
            raise Unknown("request_id", request_id, mend)
        return job

    def _unfinished(self, request: Request) -> Job:
        job = self._known(request)
        if job.status(self._service.clock.now()) == "COMPLETED":
            raise Conflict(f"request_id: {job.id!r} is COMPLETED, and a job's end is final")
        return job

    def _moved(self, job: Job) -> Reply:
        status = job.status(self._service.clock.now())
        return json_reply({"request_id": job.id, "status": status}, request_id=job.id)

    def _wanted(self, query: Fields) -> Callable[[Job], bool]:
        """Return what tells whether a job is one of those that a query asks for."""
        glob, key = query.text("endpoint"), query.text("key")
        status = query.choice("status", _STATUSES, "any")
        since = query.moment("since") if "since" in query else -math.inf
        now = self._service.clock.now()

        def wanted(job: Job) -> bool:
            return (
                (not glob or fnmatchcase(job.path, glob))
                and (not key or job.options.key == key)
                and (status == "any" or job.status(now) == status)
                and job.created >= since
            )

        return wanted
