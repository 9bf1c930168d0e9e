"""Measure a start with 1,200 documents of a user's own beside one with 5, in one run.

They are copies, under other ids, of those in the folder that DOCS names, or of falkit's own.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.servers import HEADERS, SERVE, announced, resident

from falkit_spec import Catalog, Document, Endpoint

FEW, MANY, ROUNDS = 5, 1200, 9


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        few, many = (copies(Path(folder, str(count)), count) for count in (FEW, MANY))
        size = sum(path.stat().st_size for path in many.rglob("*.json"))
        print(f"documents: {MANY:,} of {size / MANY / 1024:.1f} KiB on average, and {FEW}")
        # In turn, since machines are noisy.
        rounds = [(start(few), start(many)) for _ in range(ROUNDS)]
        for number, name in enumerate(("ready", "memory", "first call", "second call")):
            report(name, [(less[number], more[number]) for less, more in rounds])
        look_up(many)


def copies(folder: Path, count: int) -> Path:
    """Write so many documents under ids that nobody has; return their folder."""
    place = os.environ.get("DOCS")
    paths = sorted(Path(place).rglob("*.json")) if place else []
    sources = [Document.from_path(path) for path in paths]
    # One of each id.
    sources = [*{source.endpoint_id: source for source in sources}.values()]
    sources = sources or [endpoint.document for endpoint in Catalog.vendored()]
    for number in range(count):
        source = sources[number % len(sources)]
        new = f"copy-{number // len(sources)}/{source.endpoint_id.partition('/')[2]}"
        text = source.raw.replace(source.endpoint_id.encode(), new.encode())
        path = folder / f"{new}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return folder


def start(folder: Path) -> tuple[float, float, float, float]:
    """Return ms until the first line, MiB then, and ms of an endpoint's first and second call."""
    path = next(folder.rglob("*.json"))
    endpoint = Endpoint(Document.from_path(path))
    body = json.dumps(endpoint.example_input())
    began = time.perf_counter()
    with announced([*SERVE, "--documents", str(folder)]) as announcement:
        ready = time.perf_counter() - began
        memory = resident(announcement["pid"])
        connection = http.client.HTTPConnection(announcement["url"].removeprefix("http://"))
        calls: list[float] = []
        for _ in range(2):
            sent = time.perf_counter()
            connection.request("POST", f"/fal.run/{endpoint.id}", body, HEADERS)
            reply = connection.getresponse()
            assert reply.status == 200, reply.read()
            reply.read()
            calls.append(time.perf_counter() - sent)
        connection.close()
    return ready * 1000, memory, calls[0] * 1000, calls[1] * 1000


def report(name: str, rounds: list[tuple[float, float]]) -> None:
    less, more = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratio = statistics.median(many / few for few, many in rounds)
    unit = "MiB" if name == "memory" else "ms"
    print(f"{name:<12} {less:>8.1f} {more:>8.1f} {unit:<4} {ratio:.2f}x", flush=True)


def look_up(folder: Path) -> None:
    """Print how long it takes to find an endpoint, and to say what an unknown one is like."""
    catalog = Catalog.read([folder])
    ids, times = [endpoint.id for endpoint in catalog], 20
    began = time.perf_counter()
    for _ in range(times):
        for id in ids:
            assert catalog.find(f"{id}/requests/1/status") is not None
    found = (time.perf_counter() - began) / times / len(ids)
    began = time.perf_counter()
    for number in range(times):
        assert catalog.unknown(f"{ids[number]}x").near
    unknown = (time.perf_counter() - began) / times
    print(f"found by a path among {len(ids):,}: {found * 1e6:.1f} µs")
    print(f"unknown, with what it is like: {unknown * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
