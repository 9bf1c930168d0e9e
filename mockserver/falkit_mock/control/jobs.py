"""Jobs looked at, held, let go on, failed and ended: what tests steer."""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.described import described, listed
from falkit_mock.control.errors import Unknown, Untimely
from falkit_mock.control.exchange import Fields, answer, body_of, query_of
from falkit_mock.control.failing import given_failure, given_output
from falkit_mock.hosts.replies import json_reply
from falkit_mock.platform.jobs import Job, Status
from falkit_mock.platform.platform import Platform
from falkit_spec import Catalog

_STATUSES: tuple[Status, ...] = get_args(Status)
_TARGETS = ("IN_PROGRESS", "COMPLETED")
_MOST = 1000
_LAST = 2**53 - 1


def routes(platform: Platform, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""
    jobs = Jobs(platform, catalog)
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

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog

    async def list(self, request: Request) -> Response:
        query = query_of(request, "endpoint", "status", "key", "since", "limit", "cursor")
        limit = query.whole("limit", least=1, most=_MOST, default=100)
        before = query.whole("cursor", least=1, most=_LAST, default=_LAST)
        wanted = self._wanted(query)
        newest = reversed(self._platform.store.jobs())
        found = [job for job in newest if job.seq < before and wanted(job)]
        page = found[:limit]
        more = str(page[-1].seq) if len(found) > limit else None
        shown = [listed(job, self._platform, self._catalog) for job in page]
        return answer(self._platform, {"jobs": [*shown], "next_cursor": more})

    async def one(self, request: Request) -> Response:
        query_of(request)
        job = self._known(request)
        return answer(self._platform, await described(job, self._platform, self._catalog))

    async def hold(self, request: Request) -> Response:
        await body_of(self._platform, request)
        job = self._unfinished(request)
        self._platform.hold(job)
        return self._moved(job)

    async def release(self, request: Request) -> Response:
        query = query_of(request, "to")
        to = query.choice("to", _TARGETS) if "to" in query else None
        job = self._known(request)
        if to is None and self._platform.settings.timing.pace == "clock":
            held = job.pace == "held" and job.status(self._platform.clock.now()) != "COMPLETED"
            return self._moved(self._platform.go_on(job) if held else job)
        return self._moved(self._platform.release(job.id, cast(Status, to or "COMPLETED")))

    async def fail(self, request: Request) -> Response:
        body = await body_of(
            self._platform, request, "fault", "parameters", "status_code", "body", "headers"
        )
        job = self._unfinished(request)
        self._platform.settle(job, given_failure(body, job, self._platform, self._catalog))
        return self._moved(job)

    async def complete(self, request: Request) -> Response:
        body = await body_of(self._platform, request, "output")
        job = self._unfinished(request)
        outcome = given_output(body) if "output" in body else None
        self._platform.settle(job, outcome)
        return self._moved(job)

    def _known(self, request: Request) -> Job:
        request_id: str = request.path_params["request_id"]
        job = self._platform.store.get(request_id)
        if job is None:
            mend = "is no job of this mock; GET /__falkit/jobs lists those it has"
            raise Unknown("request_id", request_id, mend)
        return job

    def _unfinished(self, request: Request) -> Job:
        job = self._known(request)
        if job.status(self._platform.clock.now()) == "COMPLETED":
            raise Untimely(f"request_id: {job.id!r} is COMPLETED, and a job's end is final")
        return job

    def _moved(self, job: Job) -> Response:
        status = job.status(self._platform.clock.now())
        return json_reply({"request_id": job.id, "status": status}, request_id=job.id)

    def _wanted(self, query: Fields) -> Callable[[Job], bool]:
        """Return what tells whether a job is one of those that a query asks for."""
        glob, key = query.text("endpoint"), query.text("key")
        status = query.choice("status", _STATUSES, "any")
        since = query.moment("since") if "since" in query else -math.inf
        now = self._platform.clock.now()

        def wanted(job: Job) -> bool:
            return (
                (not glob or fnmatchcase(job.path, glob))
                and (not key or job.wishes.key == key)
                and (status == "any" or job.status(now) == status)
                and job.created >= since
            )

        return wanted
