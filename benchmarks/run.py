"""Measure the mock beside floors and peers, print the ratios, and write them down as JSON and SVG.

Given two numbers, so many rounds of so many seconds; `--quick` measures requests alone, without
peers, and writes nothing.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import beside, many, plot
from benchmarks.load import MOCK, STARLETTE, TARGETS, Sample, ratios, rounds, start
from benchmarks.servers import HERE, Unavailable

from falkit_spec import JSON


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    count, seconds = (*numbers, *(5, 3)[len(numbers) :])[:2]
    quick = "--quick" in sys.argv
    found: dict[str, JSON] = {"machine": machine(), "requests": requests(count, seconds, quick)}
    if quick:
        return
    (HERE / "results.svg").write_text(plot.drawn(found))
    # Written down as it comes: it takes minutes.
    for part, figures in (("beside", beside.measured()), ("many", many.measured())):
        found[part] = [one.to_json() for one in figures]
        (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwritten: {HERE / 'results.json'} and results.svg")


def requests(count: int, seconds: float, quick: bool) -> JSON:
    """Measure requests over sockets; return what was found."""
    print(f"requests: {count} rounds of {seconds} s each, in turn", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        samples = rounds(start(stack, Path(folder), peers=not quick), count, seconds)
    table: dict[str, Any] = {}
    for name, by_server in samples.items():
        table[name] = report(name, by_server)
    return table


def report(name: str, samples: Mapping[str, list[Sample]]) -> JSON:
    """Print and return how the mock compares with each server at one kind of request."""
    ours = statistics.median(one.micros for one in samples[MOCK])
    rate = statistics.median(one.rate for one in samples[MOCK])
    target = TARGETS[name]
    print(f"\n{name}: {ours:.1f} µs of processor time, {rate:,.0f}/s", flush=True)
    others: dict[str, JSON] = {}
    for other in samples:
        if other == MOCK:
            continue
        micros = statistics.median(one.micros for one in samples[other])
        time, throughput = ratios(samples, other)
        aim = f"  target {target}" if target and other == STARLETTE else ""
        print(f"  of {other:<11} {micros:6.1f} µs: processor time {time}, ", end="")
        print(f"throughput {throughput}{aim}")
        others[other] = {
            "micros": round(micros, 2),
            "processor_time": {**time.to_json()},
            "throughput": {**throughput.to_json()},
        }
    return {"micros": round(ours, 2), "rate": round(rate), "target": target, "of": others}


def machine() -> JSON:
    """Return what it was measured on."""
    model = platform.processor() or platform.machine()
    place = Path("/proc/cpuinfo")
    if place.exists():
        named = [line for line in place.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version()}


if __name__ == "__main__":
    try:
        main()
    except Unavailable as error:
        sys.exit(f"error: {error}")
