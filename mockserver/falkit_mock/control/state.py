"""Clock, seed, reset, export and import."""

from __future__ import annotations

import asyncio
import secrets

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from falkit_mock.control import BrokenFile, Conflict, InvalidField, answer, body_of, query_of
from falkit_mock.core import iso
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply
from falkit_mock.service.service import Service
from falkit_mock.store.blobs import Piece

# Seconds of one jump: ten years. Past the year 9999 no calendar tells the moment.
LONGEST = 315_360_000.0
_END = 253_370_764_800.0


def clock_routes(service: Service) -> list[Route]:
    """Return the routes below /__falkit."""
    clock = ClockControl(service)
    return [
        Route("/clock", clock.show),
        Route("/clock/advance", clock.advance, methods=["POST"]),
        Route("/clock/set", clock.set, methods=["POST"]),
        Route("/clock/run", clock.run, methods=["POST"]),
        Route("/clock/stand", clock.stand, methods=["POST"]),
    ]


class ClockControl:
    """The operations on the clock; what moves it answers once all that is due is done."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show(self, request: Request) -> AnyReply:
        query_of(request)
        return self._told()

    async def advance(self, request: Request) -> AnyReply:
        body = await body_of(self._service, request, "seconds")
        seconds = body.number("seconds", least=0, most=LONGEST)
        clock = self._clock()
        if clock.now() + seconds > _END:
            raise InvalidField("seconds", seconds, "leads past the year 9998")
        return self._told(await clock.move_by(seconds))

    async def set(self, request: Request) -> AnyReply:
        body = await body_of(self._service, request, "now")
        moment, clock = body.moment("now"), self._clock()
        if moment > min(_END, clock.now() + LONGEST):
            raise InvalidField("now", body.value("now"), "is more than ten years ahead")
        try:
            return self._told(await clock.move_to(moment))
        except ValueError as error:
            raise InvalidField("now", body.value("now"), f"can't be set: {error}") from None

    async def run(self, request: Request) -> AnyReply:
        await body_of(self._service, request)
        self._clock().run()
        return self._told()

    async def stand(self, request: Request) -> AnyReply:
        await body_of(self._service, request)
        self._clock().pause()
        return self._told()

    def _clock(self) -> SimulatedClock:
        clock = self._service.clock
        if not isinstance(clock, SimulatedClock):
            raise Conflict("the clock of this mock belongs to the program that made it")
        return clock

    def _told(self, met: int | None = None) -> AnyReply:
        clock = self._service.clock
        now = clock.now()
        running = clock.running if isinstance(clock, SimulatedClock) else True
        passed = {} if met is None else {"moments": met}
        return answer(self._service, {"now": now, "iso": iso(now), "running": running, **passed})


# Beyond this a number in JSON is not the same to every reader.
_MOST = 2**53 - 1


def seed_routes(service: Service) -> list[Route]:
    """Return the routes below /__falkit."""

    def told() -> AnyReply:
        return answer(service, {"seed": service.identity.seed})

    async def show(request: Request) -> AnyReply:
        query_of(request)
        return told()

    async def put(request: Request) -> AnyReply:
        body = await body_of(service, request, "seed")
        if body.value("seed") is None:
            seed = secrets.randbits(32)
        else:
            seed = body.whole("seed", least=-_MOST, most=_MOST)
        service.identity.reseed(seed)
        return told()

    return [Route("/seed", show), Route("/seed", put, methods=["PUT"])]


_TYPE = "application/x-tar"
_FILE_NAME = "falkit-state.tar"


def state_routes(service: Service) -> list[Route]:
    """Return the routes below /__falkit."""
    control = StateControl(service)
    return [
        Route("/reset", control.reset, methods=["POST"]),
        Route("/state", control.export),
        Route("/state", control.restore, methods=["PUT"]),
    ]


class StateControl:
    """The operations on everything; one at a time changes it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turn = asyncio.Lock()

    async def reset(self, request: Request) -> AnyReply:
        # Lazy, here and below: it imports what reads archives, and many mocks never do.
        from falkit_mock.service.state import reset_state

        body = await body_of(self._service, request, "keep_rules")
        keep_rules = body.flag("keep_rules")
        async with self._turn:
            await reset_state(self._service, keep_rules=keep_rules)
        return self._told()

    async def export(self, request: Request) -> AnyReply:
        from falkit_mock.service.state import export_state

        query_of(request)
        async with self._turn:
            made = await export_state(self._service)
        headers = {
            REQUEST_ID: self._service.identity.reply_id(),
            "content-length": str(made.size),
            "content-disposition": f'attachment; filename="{_FILE_NAME}"',
        }
        return StreamingResponse(made.chunks, headers=headers, media_type=_TYPE)

    async def restore(self, request: Request) -> AnyReply:
        from falkit_mock.service.state import BadArchive, restore_state

        blobs = self._service.store.uploads.blobs
        sink = blobs.sink()
        piece: Piece | None = None
        try:
            async for chunk in request.stream():
                await asyncio.to_thread(sink.write, chunk)
            piece = sink.keep()
            async with self._turn:
                await restore_state(self._service, blobs.folder / piece.blob)
        except BadArchive as error:
            raise BrokenFile(str(error)) from None
        finally:
            sink.drop()
        return self._told()

    def _told(self) -> AnyReply:
        service = self._service
        jobs = len(service.store.jobs())
        return answer(service, {"seed": service.identity.seed, "jobs": jobs})
