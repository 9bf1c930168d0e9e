"""What the mock counts, in Prometheus' text form (version 0.0.4), as `GET /metrics` answers it.

Requests, jobs' ends and deliveries are counted as they happen; all else is read when it is asked
for. Labels are words from here and numbers: never a path, an id or a key, so that there are a few
hundred series at most, and no secrets. prometheus_client would do the same in 50 ms of imports,
with a lock around each count.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import threading
import time
from asyncio import all_tasks
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, TypeAlias

from falkit_mock.core import version
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.events import (
    VERDICTS,
    DeliveryAttempted,
    Event,
    JobChanged,
    RequestAnswered,
    RequestRecord,
)
from falkit_mock.core.network import API, CONTROL, MEDIA, PROBES, QUEUE, REST, ROLES, RUN, SITE, WS
from falkit_mock.service.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Value: TypeAlias = float
Labels: TypeAlias = tuple[tuple[str, object], ...]
# What a name ends in, such as _total; the labels; the value.
Sample: TypeAlias = tuple[str, Labels, Value]
Family: TypeAlias = tuple[str, str, str, Iterable[Sample]]

# Upper bounds of the durations that are told apart, in seconds.
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUEUE_READS = {"status": "queue_status", "stream": "queue_stream", "cancel": "queue_cancel"}
_RUNS = {"stream": "stream", "realtime": "realtime"}
_OTHERS = {WS: "websocket", REST: "rest", API: "platform_api", SITE: "site"}
# All that requests are told apart by.
OPERATIONS = frozenset(
    (
        *("queue_submit", "queue_result", "run", "media", "upload"),
        *("control", "events", "probe", "other"),
        *_QUEUE_READS.values(),
        *_RUNS.values(),
        *_OTHERS.values(),
    )
)


def operation_of(record: RequestRecord) -> str:
    """Return the name of what a request asks, by its host and the shape of its path."""
    if not record.fal:
        path = record.path
        if path.startswith(CONTROL):
            return "events" if path == f"{CONTROL}/events" else "control"
        return "probe" if path in PROBES else "other"
    role = ROLES.get(record.host)
    if role == QUEUE:
        if record.method == "POST":
            return "queue_submit"
        return _QUEUE_READS.get(record.path.rpartition("/")[2], "queue_result")
    if role == RUN:
        return _RUNS.get(record.path.rpartition("/")[2], "run")
    if role == MEDIA:
        return "media" if record.method in ("GET", "HEAD") else "upload"
    return _OTHERS.get(role or "", "other")


class _Requests:
    """The requests of one operation: how many by code, and how long they took."""

    __slots__ = ("buckets", "codes", "seconds")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0


class Metrics:
    """Counts what happens, as a listener of every service, and tells how things stand."""

    hears: ClassVar[tuple[type, ...]] = (RequestAnswered, JobChanged, DeliveryAttempted)

    def __init__(self, services: Callable[[], Sequence[Service]]) -> None:
        """Measure services: totals over all."""
        self._services = services
        self._requests: dict[str, _Requests] = {}
        self._accepted = 0
        self._ended = dict.fromkeys(("ok", "failed", "cancelled"), 0)
        self._attempts = dict.fromkeys(VERDICTS, 0)
        self._began = time.time()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestAnswered):
            record = event.record
            name = operation_of(record)
            of = self._requests.get(name)
            if of is None:
                of = self._requests[name] = _Requests()
            codes, code = of.codes, record.status or 0
            codes[code] = codes.get(code, 0) + 1
            seconds = (record.ms or 0.0) / 1000
            of.buckets[bisect_left(_BOUNDS, seconds)] += 1
            of.seconds += seconds
        elif isinstance(event, JobChanged):
            change = event.change
            if change == "accepted":
                self._accepted += 1
            elif change == "ended":
                if event.cancelled:
                    self._ended["cancelled"] += 1
                else:
                    self._ended["ok" if event.error is None else "failed"] += 1
        elif isinstance(event, DeliveryAttempted) and event.delivery.cause != "probe":
            self._attempts[event.delivery.status] += 1

    @property
    def jobs(self) -> dict[str, int]:
        """How many jobs there were in all, and how those ended that have."""
        ended = {"done" if name == "ok" else name: n for name, n in self._ended.items()}
        return {"total": self._accepted, **ended}

    def text(self) -> bytes:
        """Return all metrics as they stand now."""
        lines: list[str] = []
        families = (self._counted(), self._jobs(), self._kept(), self._written(), self._process())
        # Whichever replica of a shared state answers tells of itself.
        sharing = next((one.store.sharing for one in self._services()), None)
        own: Labels = () if sharing is None else (("worker", sharing.number),)
        for family in families:
            for name, kind, about, samples in family:
                lines += (f"# HELP {name} {_escaped(about)}", f"# TYPE {name} {kind}")
                lines += (
                    _line(name + end, (*labels, *own), value) for end, labels, value in samples
                )
        return ("\n".join(lines) + "\n").encode()

    def _counted(self) -> Iterator[Family]:
        yield (
            "falkit_requests_total",
            "counter",
            "Requests answered; code 0 for those that never were, as their callers hung up.",
            [
                ("", (("operation", name), ("code", code)), count)
                for name, of in self._requests.items()
                for code, count in sorted(of.codes.items())
            ],
        )
        yield (
            "falkit_request_duration_seconds",
            "histogram",
            "Seconds from a request's head to the end of its reply.",
            [sample for name, of in self._requests.items() for sample in _histogram(name, of)],
        )
        yield _one("falkit_jobs_accepted_total", "Jobs taken, queued and direct.", self._accepted)
        yield (
            "falkit_jobs_ended_total",
            "counter",
            "Jobs that have ended, by result.",
            [("", (("result", result),), count) for result, count in self._ended.items()],
        )
        yield (
            "falkit_webhook_attempts_total",
            "counter",
            "Attempts to deliver a webhook, by what came of each.",
            [("", (("verdict", verdict),), count) for verdict, count in self._attempts.items()],
        )

    def _jobs(self) -> Iterator[Family]:
        services = self._services()
        loads = [one.store.queues.load(one.clock.now()) for one in services]
        yield (
            "falkit_jobs_open",
            "gauge",
            "Jobs that wait in a queue, run on a runner, or are direct calls under way.",
            [
                ("", (("state", "waiting"),), sum(load.waiting for load in loads)),
                ("", (("state", "running"),), sum(load.running for load in loads)),
                ("", (("state", "direct"),), sum(load.direct for load in loads)),
            ],
        )
        longest = max((load.longest for load in loads), default=0)
        yield _one("falkit_queue_longest", "Jobs that wait at the busiest endpoint.", longest)
        runners = max((one.settings.runners for one in services), default=0)
        yield _one("falkit_runners", "Runners that each endpoint has.", runners)
        busiest = max((load.busiest for load in loads), default=0)
        yield _one("falkit_runners_busiest", "Runners in use at the busiest endpoint.", busiest)

    def _kept(self) -> Iterator[Family]:
        services = self._services()
        kept = sum(one.store.kept for one in services)
        files = sum(one.store.uploads.kept for one in services)
        jobs = sum(one.store.count() for one in services)
        yield _one("falkit_jobs_kept", "Jobs that are known.", jobs)
        yield (
            "falkit_kept_bytes",
            "gauge",
            "Bytes of inputs and outcomes, which --max-kept bounds, and of uploads.",
            [("", (("kind", "jobs"),), kept), ("", (("kind", "uploads"),), files)],
        )
        pending = sum(one.webhooks.undelivered for one in services)
        yield _one("falkit_webhooks_pending", "Webhooks still to be delivered.", pending)
        behind = [each() for one in services for each in one.events.behind.values()]
        yield _one("falkit_event_listeners", "Callers that follow /__falkit/events.", len(behind))
        most = max(behind, default=0)
        yield _one("falkit_event_listeners_behind", "Events that the slowest has to read.", most)

    def _written(self) -> Iterator[Family]:
        journals = [one.store.journal for one in self._services() if one.store.journal is not None]
        if not journals:
            return
        commits = sum(each.commits for each in journals)
        seconds = sum(each.seconds for each in journals)
        failing = sum(each.trouble is not None for each in journals)
        shared = (one.store.sharing for one in self._services())
        if not failing and any(each is not None and each.away is not None for each in shared):
            # Nobody has tried to write anything since it went away.
            failing = 1
        yield _one("falkit_store_commits_total", "Commits to the state file.", commits)
        yield _one("falkit_store_commit_seconds_total", "Seconds that commits took.", seconds)
        yield _one("falkit_store_failing", "1 while the state can't be written, else 0.", failing)

    def _process(self) -> Iterator[Family]:
        python = platform.python_version()
        labels = (("version", version()), ("python", python), ("platform", sys.platform))
        yield ("falkit_build_info", "gauge", "What runs; always 1.", [("", labels, 1)])
        yield _one("falkit_tasks", "Tasks of the event loop.", len(all_tasks()))
        clocks = (one.clock for one in self._services())
        timers = sum(each.timers for each in clocks if isinstance(each, SimulatedClock))
        yield _one("falkit_timers", "Moments that are waited for on the mock's clock.", timers)
        yield _one("process_start_time_seconds", "When it began, unix seconds.", self._began)
        times = os.times()
        yield _one(
            "process_cpu_seconds_total",
            "Processor time, user and system.",
            times.user + times.system,
        )
        yield _one("process_threads", "Threads of Python's.", threading.active_count())
        yield from _system()


def _system() -> Iterator[Family]:
    """Yield what the system tells of this process: on Linux alone."""
    if sys.platform != "linux":
        return
    here = Path("/proc/self")
    try:
        pages = [int(word) for word in (here / "statm").read_text().split()[:2]]
        # One is that of this very look.
        files = len(os.listdir(here / "fd")) - 1
    except (OSError, ValueError):
        return
    size = os.sysconf("SC_PAGE_SIZE")
    yield _one("process_virtual_memory_bytes", "Virtual memory.", pages[0] * size)
    yield _one("process_resident_memory_bytes", "Resident memory.", pages[1] * size)
    yield _one("process_open_fds", "Open files and sockets.", files)


def _one(name: str, about: str, value: Value) -> Family:
    """Return a metric without labels, whose name tells whether it is a counter."""
    return name, "counter" if name.endswith("_total") else "gauge", about, [("", (), value)]


def _histogram(name: str, of: _Requests) -> Iterator[Sample]:
    label, count = ("operation", name), 0
    for bound, more in zip((*_BOUNDS, math.inf), of.buckets, strict=True):
        count += more
        yield "_bucket", (label, ("le", _number(bound))), count
    yield "_sum", (label,), of.seconds
    yield "_count", (label,), count


def _line(name: str, labels: Labels, value: Value) -> str:
    pairs = ",".join(f'{label}="{_quoted(text)}"' for label, text in labels)
    return f"{name}{f'{{{pairs}}}' if pairs else ''} {_number(value)}"


def _number(value: Value) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: object) -> str:
    return _escaped(str(text)).replace('"', r"\"")
