"""The seed told, and changed for all that is to come."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.exchange import answer, body_of, query_of
from falkit_mock.platform.platform import Platform

# Beyond this a number in JSON is not the same to every reader.
_MOST = 2**53 - 1


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""

    def told() -> Response:
        return answer(platform, {"seed": platform.identity.seed})

    async def show(request: Request) -> Response:
        query_of(request)
        return told()

    async def put(request: Request) -> Response:
        body = await body_of(platform, request, "seed")
        if body.value("seed") is None:
            seed = secrets.randbits(32)
        else:
            seed = body.whole("seed", least=-_MOST, most=_MOST)
        platform.identity.reseed(seed)
        return told()

    return [Route("/seed", show), Route("/seed", put, methods=["PUT"])]
