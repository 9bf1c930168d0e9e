"""Files: outputs of jobs that have ended, and uploads, the newest first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

from falkit_fixtures.wanted import Wanted
from falkit_mock.control import Call, InvalidField, Operation, answer
from falkit_mock.control.describing import endpoint_of, finite, outcome_by, urls_in
from falkit_mock.core import parse_body
from falkit_mock.core.jobs import Job
from falkit_mock.core.network import MEDIA
from falkit_mock.hosts.replies import Reply
from falkit_mock.outputs.kinds import MEDIA_TYPES
from falkit_mock.service.files import path_of
from falkit_mock.service.service import Service
from falkit_mock.store import Given, Upload
from falkit_spec import JSON, Catalog

# The files of so many jobs are looked for before others have their turn.
_JOBS = 50


def file_operations(service: Service, catalog: Catalog) -> dict[str, Operation]:
    """Return the operation by its id."""
    return {"files": Files(service, catalog).listed}


class Files:
    """Lists files. Outputs are made when they are fetched, so their sizes are unknown."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    async def listed(self, call: Call) -> Reply:
        limit: int = call.fields["limit"]
        cursor: int = call.fields.get("cursor", 0)
        if call.fields["kind"] == "upload":
            found, more = self._uploads(cursor, limit)
            total = len(self._done())
        elif request_id := call.fields.get("request_id"):
            job = self._service.store.get(request_id)
            found, more = [] if job is None else [*self._of(job)], None
            total = len(found)
        else:
            found, more = await self._outputs(cursor or math.inf, limit)
            total = self._service.store.count_files()
        next_cursor = None if more is None else str(more)
        body: dict[str, JSON] = {"files": found, "next_cursor": next_cursor, "total": total}
        return answer(self._service, body)

    def _done(self) -> list[Upload]:
        now = self._service.clock.now()
        return [one for one in self._service.store.uploads.all() if one.done and one.expires > now]

    def _uploads(self, skipped: int, limit: int) -> tuple[list[JSON], int | None]:
        newest = self._done()[::-1]
        if skipped > len(newest):
            raise InvalidField("cursor", skipped, "is not the next_cursor of a reply of this mock")
        page = newest[skipped : skipped + limit]
        behind = skipped + len(page)
        return [*map(self._upload, page)], behind if behind < len(newest) else None

    async def _outputs(self, before: float, limit: int) -> tuple[list[JSON], int | None]:
        """Return outputs of jobs before a place, all of a job's; and the last of these places."""
        found, store = list[JSON](), self._service.store
        while jobs := store.before(before, _JOBS):
            for job in jobs:
                found += self._of(job)
                if len(found) >= limit:
                    return found, job.seq if store.before(job.seq, 1) else None
            before = jobs[-1].seq
            await asyncio.sleep(0)
        return found, None

    def _of(self, job: Job) -> Iterator[JSON]:
        now, media = self._service.clock.now(), self._service.media
        outcome = outcome_by(job, now) if now >= job.ends else None
        body = None if outcome is None or not outcome.ok else parse_body(outcome.body)
        for url in dict.fromkeys(urls_in(body)):
            path = path_of(url)
            there = None if path is None else media.record(path)
            if there is None or path is None or there[0].request_id != job.id:
                continue
            record, expires = there
            wanted = record.wanted
            kind = wanted.content_type if isinstance(wanted, Given) else MEDIA_TYPES[wanted.format]
            yield {
                "kind": "output",
                "url": f"/{MEDIA}{path}",
                "file_name": path.rpartition("/")[2],
                "content_type": kind,
                "size": None,
                "created": job.ends,
                "expires": finite(expires),
                "request_id": job.id,
                "endpoint_id": endpoint_of(job, self._catalog),
                "facts": {} if isinstance(wanted, Given) else _facts(wanted),
            }

    def _upload(self, upload: Upload) -> JSON:
        return {
            "kind": "upload",
            "url": f"/{MEDIA}{upload.path}",
            "file_name": upload.path.rpartition("/")[2],
            "content_type": upload.content_type,
            "size": self._service.store.uploads.size([upload.id]),
            "created": upload.created,
            "expires": finite(upload.expires),
            "request_id": None,
            "endpoint_id": None,
            "facts": {},
        }


def _facts(wanted: Wanted) -> dict[str, JSON]:
    """Return what is known of a file that is to be made: pixels, seconds, frames per second."""
    facts: dict[str, JSON] = {"width": wanted.width, "height": wanted.height}
    if wanted.frames and wanted.fps:
        facts |= {"fps": wanted.fps, "seconds": round(wanted.frames / wanted.fps, 3)}
        facts |= {"sound": wanted.sound}
    elif wanted.seconds:
        facts |= {"seconds": wanted.seconds, "rate": wanted.rate, "channels": wanted.channels}
    return {name: value for name, value in facts.items() if value or value is False}
