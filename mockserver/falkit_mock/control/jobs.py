"""POST /__falkit/jobs/{request id}/release: let a held job go on."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.errors import WireError
from falkit_mock.hosts.replies import error_reply, json_reply
from falkit_mock.platform.jobs import Status
from falkit_mock.platform.platform import Platform

_TARGETS = ("IN_PROGRESS", "COMPLETED")


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""

    async def release(request: Request) -> Response:
        # Not the id that was asked for: a path may hold what no header can.
        reply_id = platform.identity.reply_id()
        to = request.query_params.get("to", "COMPLETED").upper()
        if to not in _TARGETS:
            detail = f"to: {to!r} is not {' or '.join(_TARGETS)}"
            return json_reply({"detail": detail}, request_id=reply_id, status_code=422)
        try:
            job = platform.release(request.path_params["request_id"], cast(Status, to))
        except WireError as error:
            return error_reply(error, reply_id)
        status = job.status(platform.clock.now())
        return json_reply({"request_id": job.id, "status": status}, request_id=job.id)

    return [Route("/jobs/{request_id}/release", release, methods=["POST"])]
