"""What a status takes with a million jobs stored, beside one with a thousand; in one process.

`python -m benchmarks.stored 1000000` for jobs in memory, `… 1000000 FILE` for a new state file. The
jobs are copies of one that was submitted. Processor time, and this process's memory.
"""

from __future__ import annotations

import asyncio
import mmap
import sys
import time
from contextlib import suppress
from dataclasses import replace

import httpx
from benchmarks.servers import ENDPOINT, HEADERS, INPUT, SUBMIT

from falkit import Settings, create_app
from falkit_fixtures.wanted import Wanted
from falkit_mock.app import MockApp
from falkit_mock.store import FileRecord

FEW, TIMES, ROUNDS, STEP = 1000, 2000, 5, 500
# Bytes that the process may have.
MOST = 4 << 30
LISTS = (
    "/__falkit/jobs?limit=1000",
    "/__falkit/jobs?limit=1000&cursor=2000",
    "/__falkit/billing",
    "/__falkit/billing?records=true",
    "/api.fal.ai/v1/models/usage",
    f"/api.fal.ai/v1/models/requests/by-endpoint?endpoint_id={ENDPOINT}",
)


async def measured(app: MockApp, jobs: int) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=HEADERS, timeout=600
    ) as client:
        told = (await client.post(SUBMIT, content=INPUT)).json()
        copy = (await client.post(SUBMIT, content=INPUT)).json()["request_id"]
        await _fill(app, copy, FEW)
        few = await _status(client, told["status_url"])
        began = time.process_time()
        await _fill(app, copy, jobs)
        added = (time.process_time() - began) / jobs * 1e6
        many = await _status(client, told["status_url"])
        print(f"{jobs:,} jobs, {memory():.0f} MiB; stored in {added:.1f} µs each")
        print(f"status: {few:.0f} µs with {FEW:,}, {many:.0f} µs now: {many / few:.2f} times")
        for path in LISTS:
            for which in ("first", "again"):
                took, stood = await _list(client, path)
                print(f"{path}, {which}: {took * 1000:.0f} ms, at most {stood * 1000:.0f} at once")
        print(f"{memory():.0f} MiB")


async def _fill(app: MockApp, copied: str, jobs: int) -> None:
    store = app.service.store
    job, sent = store.get(copied), store.input(copied)
    assert job is not None
    assert job.outcome is not None
    file = next(file for file in store.files() if file.request_id == copied)
    for at in range(store.count(), jobs):
        id = f"{at:08x}{job.id[8:]}"
        path = file.path.replace("/files/b/", f"/files/b/{at:08x}")
        body = job.outcome.body.replace(file.path.encode(), path.encode())
        assert isinstance(file.wanted, Wanted), "it is made"
        wanted = replace(file.wanted, request_id=id)
        store.add_file(FileRecord(path, id, wanted))
        outcome = replace(job.outcome, body=body)
        store.add(replace(job, id=id, seq=store.next_seq(), outcome=outcome), sent)
        if at % STEP == 0:
            await asyncio.sleep(0)
            if store.journal is not None:
                await store.journal.saved()


async def _status(client: httpx.AsyncClient, url: str) -> float:
    """Return what a status takes, microseconds; the least of some rounds."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            await client.get(url)
        rounds.append((time.process_time() - began) / TIMES * 1e6)
    return min(rounds)


async def _list(client: httpx.AsyncClient, path: str) -> tuple[float, float]:
    """Return the processor time of a list, and the most of it without another task's turn."""
    stood = [0.0]

    async def others() -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(0)
            now = time.process_time()
            stood[0], last = max(stood[0], now - last), now

    task = asyncio.ensure_future(others())
    await asyncio.sleep(0)
    began = time.process_time()
    reply = await client.get(path)
    took = time.process_time() - began
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert reply.status_code == 200, reply.text
    return took, stood[0]


def memory() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE / 2**20


def main() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    state = sys.argv[2] if len(sys.argv) > 2 else None
    app = create_app(Settings(timing="instant", state=state))
    assert isinstance(app, MockApp)
    asyncio.run(measured(app, int(sys.argv[1])))
    app.service.close()
    app.service.store.close()


if __name__ == "__main__":
    main()
