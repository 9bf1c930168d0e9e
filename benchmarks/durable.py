"""What it costs to have submits on the disk before they are answered.

    python -m benchmarks.durable

In process, so that nothing but the mock and the disk is measured: submits without a state file,
with one, one at a time and 32 at once; and a bare sqlite database that commits each row, the
floor of a store that shares no commits. Interleaved, three rounds; rates and processor time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from starlette.types import Message

from falkit import Settings, create_app

_BODY = b'{"prompt": "A lighthouse in the rain"}'
_HEADERS = [(b"host", b"mock"), (b"authorization", b"Key id:secret")]
_SUBMITS, _ROUNDS = 1600, 3


def _submits(state: Path | None, at_once: int) -> int:
    """Submit as often as measured, so many at once; return how many commits that took."""
    app = create_app(Settings(timing="instant", state=state))

    async def submit() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": _BODY, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == 200, message

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/queue.fal.run/fal-ai/ltx-2/text-to-video",
            "query_string": b"",
            "headers": _HEADERS,
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
        await app(scope, receive, send)

    async def row() -> None:
        for _ in range(_SUBMITS // at_once):
            await submit()

    async def all_of_them() -> None:
        await asyncio.gather(*(row() for _ in range(at_once)))

    asyncio.run(all_of_them())
    journal = app.service.store.journal
    commits = 0 if journal is None else journal.commits
    app.service.store.close()
    return commits


def _rows(file: Path) -> int:
    """Commit as many rows of a job's size, each by itself."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, job BLOB)")
        for number in range(_SUBMITS):
            db.execute("INSERT INTO jobs VALUES (?, ?)", (number, bytes(800)))
    return _SUBMITS


def main() -> None:
    """Measure and print."""
    ways: dict[str, Callable[[Path], int]] = {
        "in memory, 32 at once": lambda folder: _submits(None, 32),
        "state file, one at a time": lambda folder: _submits(folder / "one", 1),
        "state file, 32 at once": lambda folder: _submits(folder / "many", 32),
        "bare sqlite, a commit a row": lambda folder: _rows(folder / "rows"),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    used: dict[str, list[float]] = {name: [] for name in ways}
    commits: dict[str, int] = {}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory(dir=".") as folder:
                began, worked = time.perf_counter(), time.process_time()
                commits[name] = way(Path(folder))
                rates[name].append(_SUBMITS / (time.perf_counter() - began))
                used[name].append((time.process_time() - worked) / _SUBMITS * 1e6)
    print(f"{'':<28} {'a second':>10} {'spread':>15} {'us of processor':>16} {'commits':>8}")
    for name, found in rates.items():
        spread = f"{min(found):.0f}-{max(found):.0f}"
        cost = statistics.median(used[name])
        print(
            f"{name:<28} {statistics.median(found):>10.0f} {spread:>15} {cost:>16.0f}"
            f" {commits[name]:>8}"
        )


if __name__ == "__main__":
    main()
