"""`python -m attack`: attack every surface for a while, print a table, fail on what broke."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, groupby
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from attack.outputs import OUTPUTS, documents
from attack.shared import SHARED, disagreement, together
from attack.surfaces import SURFACES, Surface, request
from attack.target import MIB, PATIENCE, Target, exchange
from attack.tenants import TENANTS

# What the mock is held to: seconds of a stall, cases of each surface.
STALL, LEAST = 0.25, 10_000
_UNHEEDED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# Bytes of an answer that are read where another request follows from it.
_LEAST_READ = 1 << 20
# Cases between two looks at the clock.
_BATCH = 100
# How often its share of the time a surface may take to come to its least, and seconds on top.
_OVER, _GRACE = 2.0, 20.0
# A request that may ask for any server error: by a fault, or by its start timeout.
_ASKED = re.compile(rb"x-falkit-fault|\[falkit:|falkit\.test|x-fal-request-(start-)?timeout", re.I)


EVERY = [*SURFACES, *OUTPUTS, *TENANTS, *SHARED]


@dataclass
class Report:
    """What became of one surface."""

    cases: int = 0
    unanswered: int = 0
    codes: dict[int, int] = field(default_factory=dict[int, int])
    broken: list[str] = field(default_factory=list[str])
    stall: float = 0.0
    peak: int = 0
    seconds: float = 0.0

    def row(self, name: str, least: int) -> str:
        """Return it as a line of the table."""
        codes = " ".join(f"{code}:{count}" for code, count in sorted(self.codes.items()))
        faults = len([each for each in self.broken if re.match(r"5\d\d:", each)])
        held = f"{f'{self.stall * 1000:.0f} ms':>9}{self.peak:>6}{self.seconds:>7.0f} s"
        short = f"; cut off, {least} were asked for" if self.cases < least else ""
        return f"{name:<12}{self.cases:>8}{self.unanswered:>11}{faults:>6}{held}  {codes}{short}"


_HEAD = (
    f"{'surface':<12}{'cases':>8}{'no answer':>11}{'5xx':>6}{'stall':>9}{'MiB':>6}{'took':>9}"
    "  codes"
)


def attack(
    targets: list[Target], surface: Surface, seconds: float, number: int, least: int
) -> Report:
    """Send a surface's cases until the time is up and there were enough; look at every answer.

    Mocks that share a state have them in turn. What takes long, such as bytes that nothing
    answers, is cut off before there were enough.
    """
    report, began = Report(), time.monotonic()
    for target in targets:
        target.forget_peak()
    addresses = cycle(target.gateway if surface.gateway else target.http for target in targets)
    several = len(targets) > 1 or bool(targets[0].children())
    probers = [
        subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("prober.py")),
                *map(str, target.http),
                *target.pids(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for target in targets
    ]
    while (took := time.monotonic() - began) < seconds or report.cases < least:
        if took > _OVER * seconds + _GRACE:
            break
        number += 1

        def send(data: bytes, least: int, *, known: bool = False) -> bytes:
            try:
                patience = 0.02 if surface.raw else PATIENCE
                answer = exchange(next(addresses), data, patience, surface.opening, least)
            except TimeoutError:
                answer = b""
                if not surface.raw:
                    report.broken.append(f"no answer: {data[:300]!r}")
            judge(report, surface, data, answer, known=known)
            return answer

        def each(data: bytes, following: Callable[[str], bytes] | None) -> None:
            answer = send(data, 0 if following is None else _LEAST_READ)
            if following and surface.then and (found := surface.then.find(answer)):
                send(following(found), _LEAST_READ, known=surface.then.known)

        run_each = settings(
            max_examples=min(_BATCH, least),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=_UNHEEDED,
        )
        following = surface.then.requests if surface.then else st.none()
        seed(number)(run_each(given(surface.requests, following)(each)))()
        report.broken += disagreement(targets) if several else []
        # What was accepted is kept, which is no leak.
        exchange(targets[0].http, request("POST", "/__falkit/reset"))
        if any(target.process.poll() is not None for target in targets):
            report.broken.append("the mock has ended")
            break
        report.peak = sum(target.peak_memory() for target in targets) // MIB
    report.seconds = time.monotonic() - began
    for prober in probers:
        told, _ = prober.communicate(b"", PATIENCE)
        report.stall = max(report.stall, float(told or 0))
    if report.stall > STALL:
        report.broken.append(f"stalled for {report.stall * 1000:.0f} ms")
    if report.peak > surface.memory:
        report.broken.append(f"{report.peak} MiB of memory")
    return report


def judge(report: Report, surface: Surface, data: bytes, answer: bytes, *, known: bool) -> None:
    """Count an answer; of what is `known` 404 is wrong, too."""
    report.cases += 1
    if surface.opening and answer:
        # A frame, by its first byte.
        report.codes[answer[0]] = report.codes.get(answer[0], 0) + 1
        return
    match = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    if match is None:
        report.unanswered += 1
        return
    code = int(match[1])
    report.codes[code] = report.codes.get(code, 0) + 1
    unasked = code >= 500 and code not in surface.asked and not _ASKED.search(data)
    if unasked or (known and code == 404):
        report.broken.append(f"{code}: {data[:300]!r}")


def run(
    seconds: float, number: int, least: int, names: list[str], plant: str = ""
) -> tuple[dict[str, Report], list[str]]:
    """Attack mocks of its own, one for all surfaces with the same options; tell what broke.

    Return a report for each surface; its row is printed as soon as it is over.
    """
    reports, broken = dict[str, Report](), list[str]()
    chosen = [each for each in EVERY if not names or each.name in names]
    ends = time.monotonic() + seconds
    print(_HEAD, flush=True)
    for (options, replicas), surfaces in groupby(chosen, lambda one: (one.options, one.replicas)):
        with together(plant, options, documents(), replicas) as (targets, strays):
            before: list[tuple[Target, int, list[str]]] = []
            for target in targets:
                exchange(target.http, request("GET", "/health"))
                before.append((target, target.files(), target.children()))
            for surface in surfaces:
                share = max(0.0, ends - time.monotonic()) / (len(chosen) - len(reports))
                found = reports[surface.name] = attack(targets, surface, share, number, least)
                broken += [f"{surface.name}: {each}" for each in found.broken]
                print(found.row(surface.name, least), flush=True)
            for each in before:
                broken += look_after(*each)
            broken += strays()
    return reports, broken


def look_after(target: Target, files: int, children: list[str]) -> list[str]:
    """Return what is wrong with a mock after attacks; it had so many files and these workers."""
    broken: list[str] = []
    if target.process.poll() is None:
        exchange(target.http, request("POST", "/__falkit/reset"))
        left, others = target.files() - files, target.children()
        broken += [f"children left: {others}, were {children}"] if others != children else []
        broken += [f"{left} files left open"] if left > 20 else []
        print(f"memory: {target.memory() / MIB:.0f} MiB at the end")
        broken += [f"ended with {code}"] if (code := target.end()) else []
        broken += [f"still runs: {pid}" for pid in others if Path(f"/proc/{pid}").exists()]
    printed, leftovers = target.tracebacks(), target.leftovers()
    broken += [f"printed: {printed[:5]}"] if printed else []
    broken += [f"left behind: {leftovers}"] if leftovers else []
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all surfaces [10]")
    parser.add_argument("--least", type=int, default=LEAST, help=f"cases of each [{LEAST}]")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("surfaces", nargs="*", help="by name; all without any")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    _, broken = run(chosen.minutes * 60, chosen.seed, chosen.least, chosen.surfaces)
    for each in broken[:20]:
        print(each)
    print(f"{len(broken)} broken" if broken else "nothing broke")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
