"""Ten thousand jobs with webhooks to one receiver: how many a second, and how late they come.

The mock has one core; the jobs' caller and the receiver share another. Jobs end as they are
submitted, so that deliveries compete with the submits. A job's lag is from its end, as the mock's
status has it, to the arrival of the whole request at the receiver.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time

import httpx
from benchmarks.servers import HEADERS, INPUT, SERVE, SUBMIT, served

JOBS, CONNECTIONS = 10_000, 16
# Seconds after which what has not come counts as lost.
PATIENCE = 60.0
_REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Receiver(asyncio.Protocol):
    """Takes one request per connection, as quickly as Python can."""

    def __init__(self, came: dict[str, list[tuple[float, str]]]) -> None:
        self._came = came
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        path = head.split(b" ", 2)[1].decode()
        self._came.setdefault(path, []).append((time.time(), json.loads(body)["request_id"]))
        assert self._transport is not None
        self._transport.write(_REPLY)
        self._transport.close()


async def submit(mock: str, hook: str, numbers: list[int], made: dict[str, str]) -> None:
    """Submit jobs over one connection; note which request id belongs to which path."""
    host, _, port = mock.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    for number in numbers:
        path = f"/{number}"
        writer.write(
            f"POST {SUBMIT}?fal_webhook={hook}{path} HTTP/1.1\r\nHost: {host}\r\n{lines}"
            f"Content-Length: {len(INPUT)}\r\n\r\n{INPUT}".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        made[path] = json.loads(await reader.readexactly(length))["request_id"]
    writer.close()


async def run(mock: str) -> None:
    loop = asyncio.get_running_loop()
    came: dict[str, list[tuple[float, str]]] = {}
    made: dict[str, str] = {}
    server = await loop.create_server(lambda: Receiver(came), "127.0.0.1", 0, backlog=512)
    hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    began = time.time()
    turns = [list(range(turn, JOBS, CONNECTIONS)) for turn in range(CONNECTIONS)]
    await asyncio.gather(*(submit(mock, hook, numbers, made) for numbers in turns))
    submitted = time.time()
    async with asyncio.timeout(PATIENCE):
        while len(came) < JOBS:
            await asyncio.sleep(0.01)
    server.close()
    report(mock, made, came, began, submitted)


def report(
    mock: str,
    made: dict[str, str],
    came: dict[str, list[tuple[float, str]]],
    began: float,
    submitted: float,
) -> None:
    """Check that each came to its own place, and print how soon."""
    for path, request_id in made.items():
        assert {id for _, id in came[path]} == {request_id}, f"{path} got another's webhook"
    assert came.keys() == made.keys()
    ends = ends_of(mock)
    arrivals = {id: min(moment for moment, _ in each) for each in came.values() for _, id in each}
    lags = sorted((arrivals[id] - ends[id]) * 1000 for id in made.values())
    last = max(arrivals.values())
    more = sum(len(each) for each in came.values()) - JOBS
    print(
        f"webhooks: {JOBS:,} of {JOBS:,} delivered to their own URL, {more} of them again; "
        f"{JOBS / (last - began):,.0f}/s while submitting "
        f"({JOBS / (submitted - began):,.0f}/s submitted)"
    )
    print(
        f"lag from a job's end to its arrival: p50 {statistics.median(lags):.1f} ms, "
        f"p99 {lags[int(len(lags) * 0.99)]:.1f} ms, most {lags[-1]:.1f} ms"
    )


def ends_of(mock: str) -> dict[str, float]:
    """Return when each job ended, by the mock's own account."""
    ends: dict[str, float] = {}
    query: dict[str, str] = {"limit": "1000"}
    with httpx.Client(trust_env=False) as client:
        while True:
            page = client.get(f"{mock}/__falkit/jobs", params=query).json()
            ends |= {job["request_id"]: job["ends"] for job in page["jobs"]}
            if page["next_cursor"] is None:
                return ends
            query["cursor"] = page["next_cursor"]


def main() -> None:
    with served(SERVE) as server:
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {1})
        asyncio.run(run(server.url))


if __name__ == "__main__":
    main()
