"""Does anything grow? Ten minutes of mixed load, and an hour on a clock that is moved by hand.

    python -m benchmarks.soak                 # both; writes soak.json and soak.svg
    python -m benchmarks.soak --seconds 20 --hours 0.05 --no-write

The mock runs with a state file and forgets what is older than a while (`--keep`), so that what it
has comes to a steady state. Memory, files, sockets, threads, tasks and timers are read some 400
times; at the end there must be as many as when it was warm. The exit code is 1 if something grew,
or a caller met what it did not expect.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from benchmarks import curves
from benchmarks.mixed import PATIENCE, Load, Receiver
from benchmarks.servers import FALKIT, HERE, announced

# What is read of a mock, and how much more of it there may be at the end than once it was warm: a
# share, and a number on top of it.
MEMORY = "memory, MiB"
LIMITS = {
    MEMORY: (0.05, 6.0),
    "open files": (0.1, 12.0),
    "sockets": (0.1, 12.0),
    "threads": (0.0, 4.0),
    "tasks": (0.2, 20.0),
    "timers": (0.25, 60.0),
    "jobs kept": (0.25, 200.0),
}
_GAUGES = {"falkit_tasks": "tasks", "falkit_timers": "timers", "falkit_jobs_kept": "jobs kept"}
# What ends once nobody calls any more.
_OPEN = re.compile(r"falkit_(jobs_open|event_listeners)\b.* (?!0$)\d+$")
# The share of the time in which a mock becomes warm.
_WARM = 0.4
# Callers that are under way at once.
_MOST = 64
# Seconds of the mock's clock that a look at a job and a step of the hour take, and callers of each.
_STEP, _CALLERS = 2.0, 3


@dataclass
class Run:
    """What was seen of one mock: a row for each look, by name, and what its callers met."""

    name: str
    # The unit of `at`.
    unit: str
    at: list[float] = field(default_factory=list[float])
    seen: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LIMITS})
    done: dict[str, int] = field(default_factory=dict[str, int])
    broken: list[str] = field(default_factory=list[str])

    def look(self, at: float, found: Mapping[str, float]) -> None:
        self.at.append(round(at, 2))
        for name, row in self.seen.items():
            row.append(round(found[name], 1))

    def judge(self) -> list[str]:
        """Return what has grown between a warm mock and the end, and what else went wrong."""
        return [*self.broken, *filter(None, (grown(name, row) for name, row in self.seen.items()))]


def grown(name: str, row: Sequence[float]) -> str:
    """Say that something grew; nothing where it stayed as it was, give or take."""
    warm = row[int(len(row) * _WARM) :]
    third = max(1, len(warm) // 3)
    before, after = _low(warm[:third]), _low(warm[-third:])
    share, more = LIMITS[name]
    if after <= before * (1 + share) + more:
        return ""
    return f"{name}: {before:g} once it was warm, {after:g} at the end"


def _low(row: Sequence[float]) -> float:
    """Return what a tenth of a row is below: callers come and go, and what is left stays."""
    return sorted(row)[len(row) // 10]


def looked(pid: int, metrics: str) -> dict[str, float]:
    """Return what there is of a process, and of the mock in it."""
    here = Path(f"/proc/{pid}")
    status, links = (here / "status").read_text(), list[str]()
    for entry in os.listdir(here / "fd"):
        # One may be closed meanwhile.
        with contextlib.suppress(OSError):
            links.append(os.readlink(here / "fd" / entry))
    sockets = sum(link.startswith("socket:") for link in links)
    found = {
        MEMORY: int(status.partition("VmRSS:")[2].split()[0]) / 1024,
        "open files": len(links) - sockets,
        "sockets": sockets,
        "threads": int(status.partition("Threads:")[2].split()[0]),
    }
    for gauge, name in _GAUGES.items():
        value = re.search(rf"^{gauge} (\S+)$", metrics, re.M)
        assert value is not None, gauge
        found[name] = float(value[1])
    return found


class Soaked:
    """A mock of its own, its callers, and what is seen of it."""

    def __init__(self, run: Run, pid: int, client: httpx.AsyncClient, load: Load) -> None:
        self.run = run
        self._pid = pid
        self.client = client
        self.load = load
        self._callers: set[asyncio.Task[None]] = set()

    async def look(self, at: float) -> None:
        metrics = await self.client.get("/metrics")
        self.run.look(at, looked(self._pid, metrics.text))

    def call(self) -> None:
        """Have one more caller come, unless too many are there."""
        if len(self._callers) < _MOST:
            caller = asyncio.create_task(self.load.one())
            self._callers.add(caller)
            caller.add_done_callback(self._callers.discard)

    async def over(self, pause: Callable[[float], Awaitable[object]]) -> None:
        """Wait for all callers, and until the mock has nothing more to do for them."""
        ends = time.monotonic() + PATIENCE
        while self._callers and time.monotonic() < ends:
            await asyncio.wait(self._callers, timeout=0.2)
            await pause(0.1)
        for caller in [*self._callers]:
            self.run.broken.append(f"never answered: {caller.get_name()}")
            caller.cancel()
        open_yet: list[str] = []
        for _ in range(int(PATIENCE)):
            text = (await self.client.get("/metrics")).text
            open_yet = [line for line in text.splitlines() if _OPEN.match(line)]
            if not open_yet:
                return
            await pause(1.0)
        self.run.broken += [f"after all have gone: {line}" for line in open_yet]


@contextlib.asynccontextmanager
async def soaked(
    run: Run, options: Sequence[str], *, moved: bool = False
) -> AsyncGenerator[Soaked]:
    """Serve a mock for the block, with callers who wait for jobs by its clock; see it end well."""
    with tempfile.TemporaryDirectory() as folder:
        command = [FALKIT, "serve", "--port", "0", "--quiet", "--seed", "1", *options]
        command += ["--state", str(Path(folder, "falkit.state"))]
        with announced(command) as ready:
            limits = httpx.Limits(max_connections=2 * _MOST, max_keepalive_connections=16)
            async with (
                Receiver() as receiver,
                httpx.AsyncClient(
                    base_url=ready["url"], limits=limits, timeout=PATIENCE, trust_env=False
                ) as client,
            ):

                async def advance(_: float) -> None:
                    await client.post("/__falkit/clock/advance", json={"seconds": _STEP})

                load = Load(client, receiver.url, 1, advance if moved else asyncio.sleep)
                made = Soaked(run, ready["pid"], client, load)
                await load.fill()
                yield made
                await made.over(load.pause)
                run.done = dict(sorted(load.done.items()))
                run.broken += [f"{count} times {what}" for what, count in load.failed.items()]


async def in_real_time(seconds: float, rate: float) -> Run:
    """Call a mock for so long, so often a second."""
    run = Run(f"{seconds / 60:g} minutes, {rate:g} callers a second", "s")
    keep = max(2.0, seconds / 8)
    options = ["--timing", "0.1,0.4", "--runners", "8", "--concurrency", "8"]
    options += ["--keep", f"{keep:g}s", "--request-log", "500"]
    async with soaked(run, options) as mock:
        began, called, every = time.monotonic(), 0, max(0.25, seconds / 400)
        while (at := time.monotonic() - began) < seconds:
            if at >= len(run.at) * every:
                await mock.look(at)
            while called < at * rate:
                mock.call()
                called += 1
            await asyncio.sleep(0.02)
    return run


async def in_manual_time(hours: float) -> Run:
    """Move a mock's clock on, step by step, with callers at each."""
    run = Run(f"{hours * 60:g} minutes of manual time", "min")
    seconds = hours * 3600
    options = ["--clock", "manual", "--timing", "1,5", "--runners", "8", "--concurrency", "8"]
    options += ["--keep", f"{max(10.0, seconds / 8):g}s", "--request-log", "500"]
    began: float | None = None
    async with soaked(run, options, moved=True) as mock:
        while True:
            now: float = (await mock.client.get("/__falkit/clock")).json()["now"]
            began = now if began is None else began
            at = now - began
            if at >= seconds:
                break
            if at >= len(run.at) * seconds / 200:
                await mock.look(at / 60)
            for _ in range(_CALLERS):
                mock.call()
            await mock.client.post("/__falkit/clock/advance", json={"seconds": _STEP})
    return run


def told(run: Run) -> list[str]:
    """Print how a run went; return what broke."""
    print(f"\n{run.name}: {sum(run.done.values()):,} callers")
    for name, row in run.seen.items():
        warm = row[int(len(row) * _WARM) :]
        print(f"  {name:<12}{row[0]:9.1f} at first,{warm[0]:9.1f} warm,{row[-1]:9.1f} at the end")
    broken = run.judge()
    for each in broken[:20]:
        print(f"  {each}")
    print("  nothing grew" if not broken else f"  {len(broken)} broken", flush=True)
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of real time [600]")
    parser.add_argument("--hours", type=float, default=1.0, help="of manual time [1]")
    parser.add_argument("--rate", type=float, default=25.0, help="callers a second [25]")
    parser.add_argument("--no-write", action="store_true", help="keep the picture as it is")
    chosen = parser.parse_args()
    runs: list[Run] = []
    broken: list[str] = []
    for work in (in_manual_time(chosen.hours), in_real_time(chosen.seconds, chosen.rate)):
        runs.append(asyncio.run(work))
        broken += told(runs[-1])
    if not chosen.no_write:
        written = [{**vars(run), "broken": run.judge()} for run in runs]
        (HERE / "soak.json").write_text(json.dumps(written) + "\n")
        (HERE / "soak.svg").write_text(curves.drawn(runs))
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
