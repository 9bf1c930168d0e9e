"""The clock told, run, stopped, and moved on by way of all that is due."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.errors import Untimely, Unusable
from falkit_mock.control.exchange import answer, body_of, query_of
from falkit_mock.platform.clock import SimulatedClock
from falkit_mock.platform.history import iso
from falkit_mock.platform.platform import Platform

# Seconds of one jump: ten years. Past the year 9999 no calendar tells the moment.
LONGEST = 315_360_000.0
_END = 253_370_764_800.0


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""
    clock = ClockControl(platform)
    return [
        Route("/clock", clock.show),
        Route("/clock/advance", clock.advance, methods=["POST"]),
        Route("/clock/set", clock.set, methods=["POST"]),
        Route("/clock/run", clock.run, methods=["POST"]),
        Route("/clock/stand", clock.stand, methods=["POST"]),
    ]


class ClockControl:
    """The operations on the clock; what moves it answers once all that is due is done."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def show(self, request: Request) -> Response:
        query_of(request)
        return self._told()

    async def advance(self, request: Request) -> Response:
        body = await body_of(self._platform, request, "seconds")
        seconds = body.number("seconds", least=0, most=LONGEST)
        clock = self._clock()
        if clock.now() + seconds > _END:
            raise Unusable("seconds", seconds, "leads past the year 9998")
        return self._told(await clock.move_by(seconds))

    async def set(self, request: Request) -> Response:
        body = await body_of(self._platform, request, "now")
        moment, clock = body.moment("now"), self._clock()
        if moment > min(_END, clock.now() + LONGEST):
            raise Unusable("now", body.value("now"), "is more than ten years ahead")
        try:
            return self._told(await clock.move_to(moment))
        except ValueError as error:
            raise Unusable("now", body.value("now"), f"can't be set: {error}") from None

    async def run(self, request: Request) -> Response:
        await body_of(self._platform, request)
        self._clock().run()
        return self._told()

    async def stand(self, request: Request) -> Response:
        await body_of(self._platform, request)
        self._clock().stand()
        return self._told()

    def _clock(self) -> SimulatedClock:
        clock = self._platform.clock
        if not isinstance(clock, SimulatedClock):
            raise Untimely("the clock of this mock belongs to the program that made it")
        return clock

    def _told(self, met: int | None = None) -> Response:
        clock = self._platform.clock
        now = clock.now()
        running = clock.running if isinstance(clock, SimulatedClock) else True
        passed = {} if met is None else {"moments": met}
        return answer(self._platform, {"now": now, "iso": iso(now), "running": running, **passed})
