"""Jobs: listed, shown, held, released, failed, completed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any

from falkit_mock.control import Call, Conflict, InvalidField, Operation, Unknown, answer
from falkit_mock.core import dumps, iso, masked, parse_body
from falkit_mock.core.jobs import Job, ModelRequest, Outcome, ParsedRequest, Refused
from falkit_mock.faults import RuleError
from falkit_mock.faults.resolve import outcome_as
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service.billing import TURN, Entry, charge, readable
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog


def job_summary(job: Job, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return a job as lists have it, without its input and output."""
    return {
        "request_id": job.id,
        "endpoint_id": endpoint_of(job, catalog),
        "app": job.app,
        "entry": job.entry,
        "key": job.options.key,
        "status": job.status(service.clock.now()),
        "status_code": job.outcome.status_code if job.outcome else None,
        "progression": job.progression,
        "cancelled": job.cancelled,
        "attempts": job.attempts,
        "created": job.created,
        "starts": finite(job.starts),
        "ends": finite(job.ends),
        "created_at": iso(job.created),
    }


async def job_details(job: Job, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return all that is known about a job; its outcome is null while its inputs are checked."""
    done = job.status(service.clock.now()) == "COMPLETED"
    outcome = await service.outcome(job) if done else job.outcome
    sent = service.store.input(job.id)
    entry = Entry(job, endpoint_of(job, catalog), outcome if done else None, lambda: sent)
    paid = charge(entry, catalog)
    options: dict[str, JSON] = {
        name: None if value == math.inf else value for name, value in asdict(job.options).items()
    }
    webhook, tags, faults = job.options.webhook, job.options.tags, job.options.faults
    options.update(webhook=webhook and masked(webhook), tags=[*tags], faults=[*faults])
    return {
        **job_summary(job, service, catalog),
        "path": job.path,
        "queue_position": service.place(job, service.clock.now()),
        "run": finite(job.run),
        "ready": finite(job.ready),
        "input": readable(sent),
        "outcome": None if outcome is None else _outcome(outcome),
        "options": options,
        "faults": job.faults.to_json(),
        "cost": None if paid is None else f"{paid.cost:f}",
    }


def endpoint_of(job: Job, catalog: Catalog) -> str:
    """Return the endpoint that a job is for; what was posted to, where there is none."""
    endpoint = catalog.at(job.path)
    return job.path if endpoint is None else endpoint.id


def finite(seconds: float) -> float | None:
    """Return seconds, or None where they are infinite, which is not known."""
    return seconds if math.isfinite(seconds) else None


def _outcome(outcome: Outcome) -> dict[str, JSON]:
    return {
        "status_code": outcome.status_code,
        "headers": {**outcome.headers},
        "body": readable(outcome.body),
        "error": outcome.error,
        "error_type": outcome.error_type,
    }


# Headers that the reply has by itself, or can't have.
_OWN = ("content-length", "content-type", "transfer-encoding", "connection", "x-fal-request-id")


def chosen_failure(
    fields: Mapping[str, Any], job: Job, service: Service, catalog: Catalog
) -> Outcome:
    """Return the failure that a body describes: a fault by its name, or a reply in full."""
    if "fault" in fields:
        table = {"fault": fields["fault"], **fields.get("parameters", {})}
        try:
            return outcome_as(
                table, _parsed(job, service, catalog), job.entry, service.settings.assumptions
            )
        except RuleError as error:
            raise InvalidField(error.field, error.value, error.fix) from None
    code: int = fields["status_code"]
    headers = {name.lower(): text for name, text in fields.get("headers", {}).items()}
    for name in headers:
        if name in _OWN:
            raise InvalidField("headers", name, "is not a header that can be set")
    body = dumps(fields.get("body", {"detail": "Failed by a test"}))
    error_type = headers.get("x-fal-error-type")
    return Outcome(code, body, headers, f"Invalid status code: {code}", error_type)


def _parsed(job: Job, service: Service, catalog: Catalog) -> ParsedRequest | Refused:
    """Return what a job's input says to its endpoint."""
    endpoint = catalog.at(job.path)
    sent = service.store.input(job.id)
    request = ModelRequest(
        job.path, job.app, endpoint, sent, parse_body(sent), "application/json", ""
    )
    return read_request(request, service.settings)


def job_operations(service: Service, catalog: Catalog) -> dict[str, Operation]:
    """Return the operations by their ids."""
    jobs = Jobs(service, catalog)
    return {
        "jobs": jobs.list,
        "job": jobs.one,
        "holdJob": jobs.hold,
        "releaseJob": jobs.release,
        "failJob": jobs.fail,
        "completeJob": jobs.complete,
    }


def _page(fields: Mapping[str, Any], before: float, service: Service) -> list[Job]:
    """Return the newest jobs before a place in the order, some that weren't asked for too."""
    if fields.get("status") in ("IN_QUEUE", "IN_PROGRESS"):
        jobs = service.store.open(service.clock.now())
        return [job for job in reversed(jobs) if job.seq < before][:TURN]
    return service.store.before(before, min(TURN, fields["limit"] + 1))


class Jobs:
    """The operations on jobs."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    async def list(self, call: Call) -> Reply:
        limit: int = call.fields["limit"]
        before: float = call.fields.get("cursor", math.inf)
        wanted = self._wanted(call.fields)
        found, shown = list[Job](), list[JSON]()
        # One more tells that there are more.
        while len(found) <= limit and (page := _page(call.fields, before, self._service)):
            before = page[-1].seq
            found += filter(wanted, page)
            await asyncio.sleep(0)
        for place, job in enumerate(found[:limit]):
            if place % TURN == TURN - 1:
                await asyncio.sleep(0)
            if call.fields["details"]:
                shown.append(await job_details(job, self._service, self._catalog))
            else:
                shown.append(job_summary(job, self._service, self._catalog))
        more = str(found[limit - 1].seq) if len(found) > limit else None
        return answer(self._service, {"jobs": shown, "next_cursor": more})

    async def one(self, call: Call) -> Reply:
        job = self._known(call)
        return answer(self._service, await job_details(job, self._service, self._catalog))

    async def hold(self, call: Call) -> Reply:
        job = self._unfinished(call)
        self._service.hold(job)
        return self._moved(job)

    async def release(self, call: Call) -> Reply:
        to = call.fields.get("to")
        job = self._known(call)
        if to is None and self._service.settings.timing.progression == "clock":
            held = (
                job.progression == "held" and job.status(self._service.clock.now()) != "COMPLETED"
            )
            return self._moved(self._service.go_on(job) if held else job)
        return self._moved(self._service.release(job.id, to or "COMPLETED"))

    async def fail(self, call: Call) -> Reply:
        job = self._unfinished(call)
        failure = chosen_failure(call.fields, job, self._service, self._catalog)
        self._service.settle(job, failure)
        return self._moved(job)

    async def complete(self, call: Call) -> Reply:
        job = self._unfinished(call)
        output = call.fields.get("output")
        self._service.settle(job, None if output is None else Outcome(200, dumps(output)))
        return self._moved(job)

    def _known(self, call: Call) -> Job:
        request_id: str = call.fields["request_id"]
        job = self._service.store.get(request_id)
        if job is None:
            fix = "isn't a job of this mock; GET /__falkit/jobs lists its jobs"
            raise Unknown("request_id", request_id, fix)
        return job

    def _unfinished(self, call: Call) -> Job:
        job = self._known(call)
        if job.status(self._service.clock.now()) == "COMPLETED":
            raise Conflict(f"request_id: {job.id!r} is COMPLETED, and a job's end is final")
        return job

    def _moved(self, job: Job) -> Reply:
        status = job.status(self._service.clock.now())
        return json_reply({"request_id": job.id, "status": status}, request_id=job.id)

    def _wanted(self, fields: Mapping[str, Any]) -> Callable[[Job], bool]:
        """Return what tells whether a job is one of those that a query asks for."""
        glob, key, status = (fields.get(name) for name in ("endpoint", "key", "status"))
        since: float = fields.get("since", -math.inf)
        now = self._service.clock.now()

        def wanted(job: Job) -> bool:
            return (
                (not glob or fnmatchcase(job.path, glob))
                and (not key or job.options.key == key)
                and (not status or job.status(now) == status)
                and job.created >= since
            )

        return wanted
