"""Lists of jobs, the newest first: which of them, from which place on, and how many there are."""

from __future__ import annotations

import asyncio
import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase, translate
from typing import Any

from falkit_mock.control import Call, InvalidField, answer
from falkit_mock.control.describing import (
    endpoint_of,
    job_details,
    job_summary,
    outcome_by,
    prompt_in,
    result_of,
)
from falkit_mock.core.breaks import PAGE, Breaks
from falkit_mock.core.jobs import Job
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.ledger import ROWS, Kind, ledger_of
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog

# How many searches are remembered, and the characters of a prompt that a text is searched in.
_SEARCHES, _SEARCHED = 4, 10_000

_FILTERS = frozenset(("endpoint", "status", "key", "result", "test", "text", "since"))

_Wanted = Callable[[Job], bool]
# A filter that the ledger knows nothing of: its name, and what is searched for.
_Search = tuple[str, str]


class JobLists:
    """Answers for lists of jobs.

    A page behind a cursor is read from the store. To count, or to begin somewhere in the middle,
    takes the ledger's columns.
    """

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        # Up to which place something was searched for, and where it was found.
        self._found: dict[_Search, tuple[int, array[int]]] = {}
        service.restarted.append(self._found.clear)

    async def listed(self, call: Call) -> Reply:
        fields, shown = call.fields, list[JSON]()
        if "offset" in fields and "cursor" in fields:
            fix = "can't be given together with cursor"
            raise InvalidField("offset", fields["offset"], fix)
        jobs, more, total = await self._page(fields)
        breaks = Breaks()
        for job in jobs:
            await breaks.due()
            if fields["details"]:
                shown.append(await job_details(job, self._service, self._catalog))
            else:
                shown.append(job_summary(job, self._service, self._catalog))
        next_cursor = str(jobs[-1].seq) if more else None
        body: dict[str, JSON] = {"jobs": shown, "next_cursor": next_cursor, "total": total}
        return answer(self._service, body)

    async def _page(self, fields: Mapping[str, Any]) -> tuple[list[Job], bool, int | None]:
        """Return a page, whether there are more behind it, and how many there are in all."""
        limit, offset, counts = fields["limit"], fields.get("offset", 0), fields["total"]
        if "ids" in fields:
            return await self._named(fields)
        if fields.get("status") in ("IN_QUEUE", "IN_PROGRESS"):
            # All at hand.
            before, open = fields.get("cursor", math.inf), self._service.store.open
            there = reversed(open(self._service.clock.now()))
            jobs = await _among(there, self._wanted(fields), Breaks())
            page = [job for job in jobs if job.seq < before][offset : offset + limit + 1]
            return page[:limit], len(page) > limit, len(jobs) if counts else None
        every = _FILTERS.isdisjoint(fields)
        total = self._service.store.count() if every and counts else None
        if not offset and (every or not counts):
            page = await self._behind(fields)
            return page[:limit], len(page) > limit, total
        found = self._service.store.skipping(offset, limit + 1) if every else None
        if found is not None:
            return found[:limit], len(found) > limit, total
        places = await self._places(fields)
        end = len(places) - offset
        if "cursor" in fields:
            end = bisect_left(places, fields["cursor"])
        chosen = places[max(end - limit, 0) : max(end, 0)][::-1]
        page = [job async for job in ledger_of(self._service, self._catalog).jobs(chosen)]
        return page, bool(page) and end > limit, len(places) if counts else None

    async def _named(self, fields: Mapping[str, Any]) -> tuple[list[Job], bool, int | None]:
        """Return a page of the jobs with certain ids."""
        limit, offset, before = fields["limit"], fields.get("offset", 0), fields.get("cursor")
        asked = dict.fromkeys(map(str.strip, fields["ids"].split(",")))
        known = filter(None, map(self._service.store.get, asked))
        jobs = await _among(known, self._wanted(fields), Breaks())
        jobs.sort(key=lambda job: -job.seq)
        page = [job for job in jobs if before is None or job.seq < before]
        page = page[offset : offset + limit + 1]
        return page[:limit], len(page) > limit, len(jobs) if fields["total"] else None

    async def _behind(self, fields: Mapping[str, Any]) -> list[Job]:
        """Return the jobs behind a cursor, one more than are asked for, as that tells of more."""
        limit: int = fields["limit"]
        before: float = fields.get("cursor", math.inf)
        wanted, found, breaks = self._wanted(fields), list[Job](), Breaks()
        while len(found) <= limit and (
            page := self._service.store.before(before, min(PAGE, limit + 1))
        ):
            before = page[-1].seq
            found += await _among(page, wanted, breaks)
        return found[: limit + 1]

    def _wanted(self, fields: Mapping[str, Any]) -> _Wanted:
        """Return what tells whether a job is one of those that a query asks for."""
        glob, key, status = (fields.get(name) for name in ("endpoint", "key", "status"))
        result, searches = fields.get("result"), [*self._searches(fields).values()]
        since: float = fields.get("since", -math.inf)
        now = self._service.clock.now()

        def wanted(job: Job) -> bool:
            return (
                (not glob or fnmatchcase(endpoint_of(job, self._catalog), glob))
                and (not key or job.options.key == key)
                and (not status or job.status(now) == status)
                and job.created >= since
                and (not result or _result_at(job, now) == result)
                and all(has(job) for has in searches)
            )

        return wanted

    def _searches(self, fields: Mapping[str, Any]) -> dict[_Search, _Wanted]:
        """Return what a query asks for that each job is to be looked at for, the cheapest first."""
        found: dict[_Search, _Wanted] = {}
        if test := fields.get("test", ""):
            # Names of tests have brackets, which stand for themselves.
            fits = re.compile(translate(test.replace("[", "[[]"))).match
            found["test", test] = lambda job: bool(job.options.test and fits(job.options.test))
        if text := fields.get("text", "").casefold():
            found["text", text] = lambda job: self._has_text(job, text)
        return found

    async def _places(self, fields: Mapping[str, Any]) -> array[int]:
        """Return the places of all jobs that a query asks for, but for those open alone."""
        glob, key, result = (fields.get(name) for name in ("endpoint", "key", "result"))
        done = fields.get("status") == "COMPLETED"

        def wanted(kind: Kind) -> bool:
            ended = kind.result is not None
            return (
                (not glob or fnmatchcase(kind.endpoint_id, glob))
                and (not key or kind.key == key)
                and (ended or not (done or result))
                and (not result or _result_in(kind) == result)
            )

        ledger = ledger_of(self._service, self._catalog)
        places = await ledger.places(wanted, fields.get("since", -math.inf))
        for search, has in self._searches(fields).items():
            places = await _in_both(places, await self._with(search, has))
        return places

    async def _with(self, search: _Search, has: _Wanted) -> array[int]:
        """Return the places of all jobs that have something; those that were searched are known."""
        store = self._service.store
        last, found = self._found.pop(search, (-1, array("q")))
        if store.sharing is not None or last > store.last_seq:
            # Some may have come behind others, or all are gone.
            last, found = -1, array("q")
        breaks = Breaks()
        while page := store.after(last, PAGE):
            for job in page:
                if has(job):
                    found.append(job.seq)
                await breaks.due()
            last = page[-1].seq
        known = self._found.get(search)
        if known is None or known[0] < last:
            self._found[search] = (last, found)
        for old in [*self._found][:-_SEARCHES]:
            del self._found[old]
        return found

    def _has_text(self, job: Job, text: str) -> bool:
        if text in job.id or text in job.path.casefold():
            return True
        prompt = prompt_in(self._service.store.input(job.id), _SEARCHED)
        return prompt is not None and text in prompt.casefold()


async def _among(jobs: Iterable[Job], wanted: _Wanted, breaks: Breaks) -> list[Job]:
    found: list[Job] = []
    for job in jobs:
        if wanted(job):
            found.append(job)
        await breaks.due()
    return found


async def _in_both(places: array[int], found: array[int]) -> array[int]:
    """Return the places, in order, that are among others, which are in order too."""
    both = array("q")
    for first in range(0, len(places), ROWS):
        rows = places[first : first + ROWS]
        there = {*found[bisect_left(found, rows[0]) : bisect_right(found, rows[-1])]}
        both.extend(filter(there.__contains__, rows))
        await asyncio.sleep(0)
    return both


def _result_at(job: Job, now: float) -> str | None:
    """Say what came of a job by a moment; None for one that hasn't ended, or isn't decided."""
    outcome = outcome_by(job, now) if now >= job.ends else None
    return None if outcome is None else result_of(job, ok=outcome.ok)


def _result_in(kind: Kind) -> str:
    return "cancelled" if kind.cancelled else "ok" if kind.result == "success" else "failed"
