"""Jobs: shown, held, released, ended one way or another, expired, sent again."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from falkit_mock.control import Call, Conflict, InvalidField, Operation, Unknown, answer
from falkit_mock.control.describing import job_details, urls_in
from falkit_mock.control.job_lists import JobLists
from falkit_mock.core import dumps, parse_body
from falkit_mock.core.jobs import Job, ModelRequest, Outcome, ParsedRequest, Refused
from falkit_mock.core.network import MEDIA
from falkit_mock.faults import RuleError
from falkit_mock.faults.resolve import named_faults, outcome_as
from falkit_mock.hosts.fal_run import in_turn, request_again
from falkit_mock.hosts.replies import Reply, json_reply
from falkit_mock.service.files import path_of
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.service import Service
from falkit_mock.service.status import EXPIRED
from falkit_spec import Catalog

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
        "jobs": JobLists(service, catalog).listed,
        "job": jobs.one,
        "holdJob": jobs.hold,
        "releaseJob": jobs.release,
        "failJob": jobs.fail,
        "completeJob": jobs.complete,
        "cancelJob": jobs.cancel,
        "expireJob": jobs.expire,
        "repeatJob": jobs.again,
    }


class Jobs:
    """The operations on jobs."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

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

    async def cancel(self, call: Call) -> Reply:
        job = self._unfinished(call)
        self._service.cancel(job)
        return self._moved(job)

    async def expire(self, call: Call) -> Reply:
        """Have the result and the files gone, as they are once their time is over."""
        job, service = self._known(call), self._service
        if job.status(service.clock.now()) != "COMPLETED":
            raise Conflict(f"request_id: {job.id!r} hasn't ended, so it has no result to expire")
        outcome = await service.outcome(job)
        for path in filter(None, map(path_of, urls_in(parse_body(outcome.body)))):
            file = service.store.file(path)
            if file is not None and file.request_id == job.id:
                service.store.add_file(replace(file, lifetime=0.0))
        headers = {**outcome.headers, EXPIRED: "true"}
        service.store.decide(job.id, replace(outcome, headers=headers))
        return self._moved(job)

    async def again(self, call: Call) -> Reply:
        """Submit what a job was sent once more, with its key and options, in the test that runs."""
        job, service = self._known(call), self._service
        if not (sent := service.store.input(job.id)):
            raise Conflict(f"request_id: there is no input of {job.id!r} to be sent again")
        base = self._media_base(job, call)
        request = await request_again(job, "application/json", base, self._catalog, service)
        request.options = replace(request.options, test=service.test)
        request.marked = True
        magic = named_faults(request, "queue")
        if request.checked is None:
            request.checked = await to_thread(read_request, request, service.settings)
        service.retention.check_room(len(sent), jobs=1)
        take = partial(service.submit, request, magic)
        return self._moved(await in_turn(service, take) if service.needs_turn(magic) else take())

    def _media_base(self, job: Job, call: Call) -> str:
        """Return what the URLs of its files began with, or would have begun with here."""
        for url in urls_in(parse_body(job.outcome.body)) if job.outcome is not None else ():
            if path := path_of(url):
                return url.removesuffix(path)
        if self._service.settings.media_host == "real":
            return f"https://{MEDIA}"
        return f"{call.request.url.scheme}://{call.request.url.netloc}/{MEDIA}"

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
