"""What two hundred thousand jobs do to memory, to a status, and to what lists jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
from benchmarks.figures import Figure, Spread, shown
from benchmarks.load import load, sample
from benchmarks.servers import ENDPOINT, HEADERS, INPUT, SERVE, SUBMIT, Server, served

JOBS, FEW = 200_000, 1000
LISTS = {
    "jobs?limit=1000": "/__falkit/jobs?limit=1000",
    "billing": "/__falkit/billing",
    "usage": "/api.fal.ai/v1/models/usage",
    "requests by-endpoint": f"/api.fal.ai/v1/models/requests/by-endpoint?endpoint_id={ENDPOINT}",
    "requests": "/__falkit/requests?limit=1000",
}
_TIMES, _PROBES = 3, 5
# Real seconds that a list may take.
_PATIENCE = 120.0


def measured() -> Iterator[Figure]:
    print(f"\n{JOBS:,} jobs", flush=True)
    with served(SERVE) as mock:
        yield shown(Figure("memory, idle", Spread.of([mock.memory()]), "MiB", most=50))
        url = httpx.post(mock.url + SUBMIT, content=INPUT, headers=HEADERS).json()["status_url"]
        _submit(mock, FEW)
        few = [sample(mock, url, post=False, seconds=2).micros for _ in range(3)]
        _submit(mock, JOBS - FEW)
        memory = Spread.of([mock.memory()])
        yield shown(Figure(f"memory after {JOBS:,} jobs", memory, "MiB", most=200))
        more = [sample(mock, url, post=False, seconds=2).micros for _ in range(3)]
        ratio = Spread.of([late / early for early, late in zip(few, more, strict=True)])
        yield shown(Figure(f"status after {JOBS:,} jobs, of that after {FEW:,}", ratio, "x", 1.2))
        for name, path in LISTS.items():
            took, held = zip(*(_list(mock, path) for _ in range(_TIMES)), strict=True)
            yield shown(Figure(f"{name}: until its answer", Spread.of(took), "ms"))
            yield shown(Figure(f"{name}: others wait", Spread.of(held), "ms", most=50))


def _submit(mock: Server, jobs: int) -> None:
    rate = 5000.0
    while jobs > 0:
        seconds = max(round(min(jobs / rate, 10)), 1)
        count, rate = load(mock.url + SUBMIT, post=True, seconds=seconds, headers={})
        jobs -= count


def _list(mock: Server, path: str) -> tuple[float, float]:
    """Return how long a list takes, and the longest that a probe waits meanwhile; milliseconds."""
    waits: list[float] = []
    took: list[float] = []

    def ask() -> None:
        began = time.perf_counter()
        reply = httpx.get(mock.url + path, headers=HEADERS, timeout=_PATIENCE, trust_env=False)
        took.append(time.perf_counter() - began)
        assert reply.status_code == 200, reply.text

    asking = threading.Thread(target=ask)
    with httpx.Client(timeout=_PATIENCE, trust_env=False) as probe:
        probe.get(f"{mock.url}/health")
        asking.start()
        while asking.is_alive() or len(waits) < _PROBES:
            began = time.perf_counter()
            probe.get(f"{mock.url}/health")
            waits.append(time.perf_counter() - began)
    asking.join()
    return took[0] * 1000, max(waits) * 1000
