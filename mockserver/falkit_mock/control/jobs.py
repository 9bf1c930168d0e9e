"""POST /__falkit/jobs/{request id}/release: let a held job go on."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.errors import Unknown
from falkit_mock.control.exchange import query_of
from falkit_mock.hosts.replies import json_reply
from falkit_mock.platform.jobs import Job, Status
from falkit_mock.platform.platform import Platform

_TARGETS = ("IN_PROGRESS", "COMPLETED")


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""

    async def release(request: Request) -> Response:
        to = query_of(request, "to").choice("to", _TARGETS, "COMPLETED")
        job = platform.release(_known(platform, request).id, cast(Status, to))
        status = job.status(platform.clock.now())
        return json_reply({"request_id": job.id, "status": status}, request_id=job.id)

    return [Route("/jobs/{request_id}/release", release, methods=["POST"])]


def _known(platform: Platform, request: Request) -> Job:
    request_id: str = request.path_params["request_id"]
    job = platform.store.get(request_id)
    if job is None:
        raise Unknown("request_id", request_id, "is no job of this mock")
    return job
