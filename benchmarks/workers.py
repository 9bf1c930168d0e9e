"""Submits by two workers on one state file, beside one.

    python -m benchmarks.workers [ROUNDS SECONDS]

In turn, over sockets, each worker where the system puts it and wrk on the same cores: requests per
second, and processor time for each request, of all of a mock's processes. On a machine that does
other things, or has two cores for workers and wrk together, the first says less than it would
elsewhere; so the ratio that two cores of their own would give is printed, too: twice the one's
processor time for a request over the two's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, Spread, shown
from benchmarks.load import Sample, sample
from benchmarks.servers import SERVE, SUBMIT, Server

_ROUNDS, _SECONDS = 5, 6.0
_TARGET = 1.5


class _Several(Server):
    """A mock of workers: its processor time is that of all of them."""

    def seconds(self) -> float:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(Server(self.url, int(pid)).seconds() for pid in (str(self.pid), *children))


@contextmanager
def _served(folder: Path, workers: int) -> Generator[Server]:
    command = [*SERVE, "--state", str(folder / "state"), "--workers", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield _Several(json.loads(process.stdout.readline())["url"], process.pid)
        finally:
            process.terminate()


def measured(rounds: int = _ROUNDS, seconds: float = _SECONDS) -> list[Figure]:
    """Measure and print; return the figures."""
    found: dict[int, list[Sample]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, samples in found.items():
            with (
                tempfile.TemporaryDirectory(dir=".") as folder,
                _served(Path(folder), workers) as server,
            ):
                url = server.url + SUBMIT
                sample(server, url, post=True, seconds=1)
                samples.append(sample(server, url, post=True, seconds=seconds))
    pairs = [*zip(found[1], found[2], strict=True)]
    for workers, samples in found.items():
        rate = Spread.of([one.rate for one in samples])
        micros = Spread.of([one.micros for one in samples])
        print(f"{workers} on a state file: {rate} submits a second, {micros} µs of processor time")
    rates = Spread.of([two.rate / one.rate for one, two in pairs])
    costs = Spread.of([2 * one.micros / two.micros for one, two in pairs])
    return [
        shown(Figure("two workers beside one, submits a second", rates, "x", least=_TARGET)),
        shown(Figure("… by processor time, each on a core", costs, "x", least=_TARGET)),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measured(int(sys.argv[1]), float(sys.argv[2]))
    else:
        measured()
