"""Clock, seed, reset, export and import."""

from __future__ import annotations

import asyncio
import secrets

from starlette.responses import StreamingResponse

from falkit_mock.control import Call, Conflict, InvalidField, InvalidRequest, Operation, answer
from falkit_mock.core import iso
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply
from falkit_mock.service.service import Service
from falkit_mock.store.blobs import Piece

# Seconds of one jump: ten years. No calendar has the year 10000.
_LONGEST = 315_360_000.0
_END = 253_370_764_800.0
_TYPE = "application/x-tar"
_FILE_NAME = "falkit-state.tar"


def state_operations(service: Service) -> dict[str, Operation]:
    """Return the operations by their ids."""
    clock, state = ClockControl(service), StateControl(service)
    return {
        "clock": clock.show,
        "advanceClock": clock.advance,
        "setClock": clock.set,
        "runClock": clock.run,
        "pauseClock": clock.pause,
        "seed": state.seed,
        "putSeed": state.put_seed,
        "reset": state.reset,
        "exportState": state.export,
        "importState": state.restore,
    }


class ClockControl:
    """The operations on the clock; a jump is answered once everything that was due is done."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show(self, call: Call) -> AnyReply:
        return self._state()

    async def advance(self, call: Call) -> AnyReply:
        seconds: float = call.fields["seconds"]
        clock = self._clock()
        if clock.now() + seconds > _END:
            raise InvalidField("seconds", seconds, "leads past the year 9998")
        return self._state(await clock.move_by(seconds))

    async def set(self, call: Call) -> AnyReply:
        moment: float = call.fields["now"]
        clock = self._clock()
        if moment > min(_END, clock.now() + _LONGEST):
            raise InvalidField("now", moment, "is more than ten years ahead")
        try:
            return self._state(await clock.move_to(moment))
        except ValueError as error:
            raise InvalidField("now", moment, f"can't be set: {error}") from None

    async def run(self, call: Call) -> AnyReply:
        self._clock().run()
        return self._state()

    async def pause(self, call: Call) -> AnyReply:
        self._clock().pause()
        return self._state()

    def _clock(self) -> SimulatedClock:
        clock = self._service.clock
        if not isinstance(clock, SimulatedClock):
            raise Conflict("the clock of this mock belongs to the program that made it")
        return clock

    def _state(self, met: int | None = None) -> AnyReply:
        clock = self._service.clock
        now = clock.now()
        running = clock.running if isinstance(clock, SimulatedClock) else True
        events = {} if met is None else {"events": met}
        return answer(self._service, {"now": now, "iso": iso(now), "running": running, **events})


class StateControl:
    """The operations on the seed and on the whole state; one at a time changes the state."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turn = asyncio.Lock()

    async def seed(self, call: Call) -> AnyReply:
        return answer(self._service, {"seed": self._service.identity.seed})

    async def put_seed(self, call: Call) -> AnyReply:
        seed = call.fields.get("seed")
        self._service.identity.reseed(secrets.randbits(32) if seed is None else seed)
        return await self.seed(call)

    async def reset(self, call: Call) -> AnyReply:
        # Lazy, here and below: it imports what reads archives, and many mocks never do.
        from falkit_mock.service.state import reset_state

        async with self._turn:
            await reset_state(self._service, keep_rules=call.fields["keep_rules"])
        return self._summary()

    async def export(self, call: Call) -> AnyReply:
        from falkit_mock.service.state import export_state

        async with self._turn:
            made = await export_state(self._service)
        headers = {
            REQUEST_ID: self._service.identity.reply_id(),
            "content-length": str(made.size),
            "content-disposition": f'attachment; filename="{_FILE_NAME}"',
        }
        return StreamingResponse(made.chunks, headers=headers, media_type=_TYPE)

    async def restore(self, call: Call) -> AnyReply:
        from falkit_mock.service.state import BadArchive, restore_state

        blobs = self._service.store.uploads.blobs
        sink = blobs.sink()
        piece: Piece | None = None
        try:
            async for chunk in call.request.stream():
                await asyncio.to_thread(sink.write, chunk)
            piece = sink.keep()
            async with self._turn:
                await restore_state(self._service, blobs.folder / piece.blob)
        except BadArchive as error:
            raise InvalidRequest(f"body: {error}; nothing has changed") from None
        finally:
            sink.drop()
        return self._summary()

    def _summary(self) -> AnyReply:
        service = self._service
        jobs = len(service.store.jobs())
        return answer(service, {"seed": service.identity.seed, "jobs": jobs})
