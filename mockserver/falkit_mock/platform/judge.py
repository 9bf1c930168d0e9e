"""From an order to its outcome: at once where possible, later where a file must be looked at."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import replace

from falkit_mock.errors import ShuttingDown
from falkit_mock.platform import model
from falkit_mock.platform.hints import HINT, header_text
from falkit_mock.platform.identity import Identity
from falkit_mock.platform.inputs import Rejected
from falkit_mock.platform.jobs import Job, Outcome
from falkit_mock.platform.media import Media
from falkit_mock.platform.model import Order, Reading, Refused
from falkit_mock.platform.refusals import platform_error
from falkit_mock.settings import Settings
from falkit_mock.store import Store

_log = logging.getLogger("falkit_mock")


class Judge:
    """Decides outcomes and keeps those that are still being decided."""

    def __init__(self, settings: Settings, store: Store, media: Media, identity: Identity) -> None:
        self._settings = settings
        self._store = store
        self._media = media
        self._identity = identity
        # Outcomes that wait on a file being decoded or downloaded, by request id.
        self._late: dict[str, asyncio.Task[Outcome]] = {}

    def decide(self, request_id: str, judged: Reading | Refused, order: Order) -> Outcome | None:
        """Return an order's outcome, or None while its files are still looked at."""
        if isinstance(judged, Refused):
            return _hinted(judged)
        own_file = self._media.reader(order.media_base)
        rejected, later = model.look(judged, self._settings, own_file)
        if not later:
            return self._finish(request_id, judged, order, rejected)
        look = self._look(request_id, judged, order, rejected, later)
        self._late[request_id] = asyncio.get_running_loop().create_task(look)
        return None

    def close(self) -> None:
        """Look no further; whoever waits for an outcome gets ShuttingDown."""
        for task in self._late.values():
            task.cancel()

    async def settled(self) -> None:
        """Return once all that is looked at now has been decided."""
        await asyncio.gather(*map(asyncio.shield, self._late.values()), return_exceptions=True)

    async def outcome(self, job: Job) -> Outcome:
        """Return what a job answers, waiting for its files to be looked at if need be.

        Raise ShuttingDown if the mock is told to stop meanwhile.
        """
        if job.outcome is None and (task := self._late.get(job.id)):
            try:
                # A shield, since other requests may wait on the same look.
                job.outcome = await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise ShuttingDown(job.id) from None
                raise
        stored = self._store.get(job.id)
        if stored is not None and stored.outcome is not None:
            # A cancellation may have decided it in the meantime.
            job.outcome = stored.outcome
        if job.outcome is None:
            # An outcome is stored before its look ends, unless that was cut short.
            raise ShuttingDown(job.id)
        return job.outcome

    async def _look(
        self,
        request_id: str,
        reading: Reading,
        order: Order,
        rejected: list[Rejected],
        later: list[model.Later],
    ) -> Outcome:
        try:
            found = await model.finish_looking(rejected, later)
            outcome = self._finish(request_id, reading, order, found)
        except Exception:
            # Nobody is there to be told: the job has to end all the same.
            _log.exception("the inputs of %s could not be judged", request_id)
            outcome = platform_error("internal_error")
        finally:
            del self._late[request_id]
        job = self._store.get(request_id)
        if job is not None and job.outcome is None:
            self._store.decide(request_id, outcome)
        return outcome

    def _finish(
        self, request_id: str, reading: Reading, order: Order, rejected: list[Rejected]
    ) -> Outcome:
        if rejected:
            return _hinted(model.refuse_media(reading, rejected, self._settings))
        outcome, record = model.complete(
            reading,
            request_id,
            order.media_base,
            lambda name: self._identity.file_path(request_id, name),
        )
        if record is not None:
            lasts, acl = order.wishes.media_for, order.wishes.media_acl
            lifetime = None if math.isinf(lasts) else lasts
            self._store.add_file(replace(record, lifetime=lifetime, acl=acl))
        return outcome


def _hinted(refused: Refused) -> Outcome:
    outcome = refused.outcome
    if refused.hint is None:
        return outcome
    return replace(outcome, headers={**outcome.headers, HINT: header_text(refused.hint)})
