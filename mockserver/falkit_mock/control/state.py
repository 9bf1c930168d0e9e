"""What a test sets: the clock, the seed, rules; reset, export and import."""

from __future__ import annotations

import asyncio
import errno
import secrets
from typing import TYPE_CHECKING

from falkit_mock.control import (
    Call,
    Conflict,
    ForbiddenOrigin,
    InvalidField,
    InvalidRequest,
    Operation,
    Unknown,
    answer,
)
from falkit_mock.core import HINT, header_text, iso
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.errors import not_forgotten, storage_full
from falkit_mock.core.settings import LAST_MOMENT, shown_state
from falkit_mock.faults import RuleError
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.rulebook import RuleState
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply, Reply
from falkit_mock.hosts.stream_reply import Stream
from falkit_mock.service.service import Service
from falkit_mock.store.blobs import Blobs, Piece
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Catalog

if TYPE_CHECKING:
    from falkit_mock.store.journal import Journal

# Seconds of one jump: ten years.
_LONGEST = 315_360_000.0
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
        if clock.now() + seconds > LAST_MOMENT:
            raise InvalidField("seconds", seconds, "leads past the year 9998")
        return self._state(await clock.move_by(seconds))

    async def set(self, call: Call) -> AnyReply:
        moment: float = call.fields["now"]
        clock = self._clock()
        if moment > min(LAST_MOMENT, clock.now() + _LONGEST):
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

        store = self._service.store
        try:
            async with self._turn, turn(store):
                await reset_state(self._service, keep_rules=call.fields["keep_rules"])
            await self._written()
        except OSError as error:
            if error.errno != errno.ENOSPC or store.journal is None:
                raise
            await self._make_room(store.journal, error)
        return self._summary()

    async def _written(self) -> None:
        """Return once all is written as it is now; raise OSError."""
        if self._service.store.journal is not None:
            await self._service.store.journal.saved()

    async def _make_room(self, journal: Journal, error: OSError) -> None:
        """Write a reset to a full disk, which the files of uploads may fill; they are nobody's now.

        Raise WireError 507 if there still is no room.
        """
        if not journal.keeps_failed:
            raise error
        try:
            journal.make_room()
            await journal.saved()
        except OSError as why:
            raise not_forgotten(why, shown_state(self._service.settings.state or "")) from None

    async def export(self, call: Call) -> AnyReply:
        from falkit_mock.service.state import export_state

        self._check_intent(call)
        try:
            async with self._turn:
                made = await export_state(self._service)
        except FileNotFoundError as error:
            fix = "put them back where this mock keeps them, or have it forget them: falkit reset"
            raise Conflict(f"the state isn't whole: {error.strerror}; {fix}") from None
        headers = {
            REQUEST_ID: self._service.identity.reply_id(),
            "content-length": str(made.size),
            "content-disposition": f'attachment; filename="{_FILE_NAME}"',
        }
        return Stream(made.chunks, headers=headers, media_type=_TYPE)

    def _check_intent(self, call: Call) -> None:
        """Raise ForbiddenOrigin for what a mere link can ask for: keys and uploads are in it."""
        if self._service.settings.control_token is None and "X-Falkit-Client" not in call.fields:
            raise ForbiddenOrigin(
                "X-Falkit-Client: the state has signing keys in it, so its export needs this "
                "header, which no web page can send; any value will do, such as curl"
            )

    async def restore(self, call: Call) -> AnyReply:
        with self._service.store.uploads.blobs.scratch() as blobs:
            await self._restore(call, blobs)
        return self._summary()

    async def _restore(self, call: Call, blobs: Blobs) -> None:
        from falkit_mock.service.state import BadArchive, restore_state

        sink = blobs.sink()
        piece: Piece | None = None
        try:
            async for chunk in call.request.stream():
                await asyncio.to_thread(sink.write, chunk)
            piece = sink.keep()
            async with self._turn, turn(self._service.store):
                await restore_state(self._service, blobs.folder / piece.blob)
        except BadArchive as error:
            raise InvalidRequest(f"body: {error}; nothing has changed") from None
        except OSError as error:
            raise storage_full(error) from None
        finally:
            sink.drop()

    def _summary(self) -> AnyReply:
        service = self._service
        jobs = service.store.count()
        return answer(service, {"seed": service.identity.seed, "jobs": jobs})


def rule_operations(service: Service, catalog: Catalog) -> dict[str, Operation]:
    """Return the operations by their ids."""
    rules = Rules(service, catalog)
    return {
        "rules": rules.list,
        "addRule": rules.add,
        "replaceRules": rules.replace_all,
        "clearRules": rules.clear,
        "rule": rules.one,
        "replaceRule": rules.replace,
        "removeRule": rules.remove,
        "faults": rules.faults,
    }


class Rules:
    """The operations on rules. A rule is a line, or a table with the same names."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._book = service.rules

    async def list(self, call: Call) -> Reply:
        return self._all()

    async def add(self, call: Call) -> Reply:
        try:
            kept = self._book.add(call.fields["rule"])
        except RuleError as error:
            raise _invalid(error) from None
        return self._one(kept, 201)

    async def replace_all(self, call: Call) -> Reply:
        try:
            self._book.replace_all(call.fields["rules"])
        except RuleError as error:
            raise _invalid(error) from None
        return self._all()

    async def clear(self, call: Call) -> Reply:
        removed = len(self._book.all())
        self._book.clear()
        return answer(self._service, {"removed": removed})

    async def one(self, call: Call) -> Reply:
        return answer(self._service, self._told(self._known(call)))

    async def replace(self, call: Call) -> Reply:
        known = self._known(call)
        try:
            kept = self._book.replace(known.id, call.fields["rule"]) or known
        except RuleError as error:
            raise _invalid(error) from None
        return self._one(kept)

    async def remove(self, call: Call) -> Reply:
        self._book.remove(self._known(call).id)
        return answer(self._service, {"removed": 1})

    async def faults(self, call: Call) -> Reply:
        described: list[JSON] = [fault.to_json() for fault in FAULTS.values()]
        return answer(self._service, {"faults": described})

    def _one(self, kept: RuleState, status_code: int = 200) -> Reply:
        """Answer with a rule that was set, and a hint if it can match nothing here."""
        reply = answer(self._service, self._told(kept), status_code)
        if missed := kept.rule.missed(endpoint.id for endpoint in self._catalog):
            reply.headers[HINT] = header_text(missed)
        return reply

    def _all(self) -> Reply:
        rules: list[JSON] = [self._told(kept) for kept in self._book.all()]
        return answer(self._service, {"rules": rules})

    def _told(self, kept: RuleState) -> dict[str, JSON]:
        """Return a rule with those of its newest jobs that are still there."""
        there = [id for id in kept.jobs if self._service.store.get(id) is not None]
        return {**kept.to_json(), "jobs": [*there]}

    def _known(self, call: Call) -> RuleState:
        id: str = call.fields["rule_id"]
        kept = self._book.get(id)
        if kept is None:
            raise Unknown("rule_id", id, "isn't a rule's id; GET /__falkit/rules lists them")
        return kept


def _invalid(error: RuleError) -> InvalidField:
    refusal = InvalidField(error.field, error.value, error.fix)
    refusal.body["detail"] = str(error)
    return refusal
