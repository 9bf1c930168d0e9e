"""fal.run: call a model and wait for its answer (wire.md §4)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from falkit_mock.edge import Address
from falkit_mock.errors import MethodNotAllowed
from falkit_mock.hosts.faulty import Faulty, note_job
from falkit_mock.hosts.models import read_order
from falkit_mock.hosts.replies import outcome_reply
from falkit_mock.hosts.waiting import unless_gone
from falkit_mock.platform.platform import Platform
from falkit_spec import Catalog


class FalRun:
    """POST /{endpoint id}.

    What an app may have besides, LTX-2 has not: `/stream` and `/realtime` are paths that it
    doesn't know. A WebSocket's handshake is a GET, and is answered as one (wire.md §8).
    """

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog
        self._faulty = Faulty(platform)

    async def __call__(self, request: Request, address: Address) -> Response:
        order = await read_order(request, address, self._catalog, self._platform)
        if request.method != "POST" and order.endpoint is not None:
            raise MethodNotAllowed("POST")
        await self._faulty.before_order(request, order, "run")
        job = await unless_gone(request, self._platform.run(order))
        note_job(request, job)
        return outcome_reply(job, await self._platform.outcome(job))
