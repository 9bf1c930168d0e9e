"""One rule-based state machine over the whole application: any calls, in any order, at any time.

It speaks to the application as clients do, over ASGI, and moves the clock itself. Every reply is
held to the protocol's document, and what is seen of each job to what was seen of it before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from falkit_fixtures import images
from falkit_mock.app import create_app
from falkit_mock.platform.timing import Seconds, parse_timing
from falkit_mock.settings import Assumptions, Settings
from falkit_spec import Catalog, Endpoint
from falkit_spec.protocol import Operation, Protocol
from protocol.asgi import Driver, Open, Reply, WatchedClock
from protocol.witness import RANKS, Lines, Witness

ENDPOINTS = tuple(Catalog.vendored())
OPERATIONS = {endpoint.id: Protocol.vendored().operations(endpoint) for endpoint in ENDPOINTS}
HEADERS = {"authorization": "Key id:secret", "content-type": "application/json"}
# Timestamps are written in whole microseconds.
TICK = 1e-6
# Jobs, of which everyone is looked at after each step.
ENOUGH = 6
NOBODY = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Input:
    """A body to submit, and the code that its result will have."""

    name: str
    code: int

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def body(self, endpoint: Endpoint) -> bytes:
        """Write it for an endpoint."""
        example = endpoint.example_input()
        files = [medium.field for medium in endpoint.media_inputs]
        pictures = [medium.field for medium in endpoint.media_inputs if medium.kind == "image"]
        match self.name:
            case "no body":
                return b""
            case "broken":
                return b'{"prompt": '
            case "no text":
                return b"\xff"
            case "no prompt":
                del example["prompt"]
            case "private file":
                example |= dict.fromkeys(files, "http://localhost/x")
            case "sound image":
                example |= dict.fromkeys(pictures, images.data_uri("png"))
            case "wrong image":
                example |= dict.fromkeys(pictures, images.data_uri("gif", label="image/png"))
            case _:
                pass
        return json.dumps(example).encode()

    def code_for(self, endpoint: Endpoint) -> int:
        """Return the code that the result has: a fault in a file needs a field for one."""
        kinds = {medium.kind for medium in endpoint.media_inputs}
        harmless = (self.name == "private file" and not kinds) or (
            self.name == "wrong image" and "image" not in kinds
        )
        return 200 if harmless else self.code


INPUTS = (
    Input("legal", 200),
    Input("sound image", 200),
    Input("no prompt", 422),
    Input("private file", 422),
    Input("wrong image", 422),
    Input("broken", 422),
    Input("no body", 422),
    Input("no text", 400),
)


@dataclass
class Listener:
    """A status stream that somebody holds open."""

    job: Witness
    call: Open
    operation: Operation
    logs: bool
    heard: int = 0
    lines: list[Any] = field(default_factory=list[Any])


class QueueMachine(RuleBasedStateMachine):
    """Submit, poll, stream, fetch, cancel, release and let time pass."""

    jobs = Bundle[Witness]("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self._driver: Driver | None = None
        self.witnesses: list[Witness] = []
        self.listeners: list[Listener] = []

    @initialize(
        timing=st.sampled_from(["1,10", "0.5,2", "held", "0,3", "polls", "2,0", "instant"]),
        runners=st.integers(1, 3),
        concurrency=st.integers(0, 3),
        log_window=st.integers(1, 20),
        cancel_in_queue=st.sampled_from(["requested", "ok"]),
        cancel_in_progress=st.sampled_from(["heeded", "ignored"]),
        unknown_request=st.sampled_from(["status", "detail"]),
        stream_logs=st.sampled_from(["new", "window"]),
    )
    def start(
        self, timing: str, runners: int, concurrency: int, log_window: int, **assumed: Any
    ) -> None:
        self.settings = Settings(
            timing=parse_timing(timing),
            runners=runners,
            concurrency=concurrency,
            log_window=log_window,
            seed=1,
            assumptions=Assumptions(**assumed),
        )
        clock = WatchedClock()
        self._driver = Driver(create_app(self.settings, clock=clock), clock)

    def teardown(self) -> None:
        if self._driver is not None:
            self._driver.close()

    @precondition(lambda self: len(cast(QueueMachine, self).witnesses) < ENOUGH)
    @rule(
        target=jobs,
        # One of them more than the others, so that jobs meet in its queue.
        endpoint=st.one_of(st.just(ENDPOINTS[0]), st.sampled_from(ENDPOINTS)),
        input=st.one_of(st.just(INPUTS[0]), st.sampled_from(INPUTS)),
        sub_path=st.sampled_from(["", "", "", "", "", "/no-such-path"]),
    )
    def submit(self, endpoint: Endpoint, input: Input, sub_path: str) -> Witness:
        """Whatever the input, the queue takes it."""
        return self._submitted(endpoint, input, sub_path)

    @precondition(lambda self: len(cast(QueueMachine, self).witnesses) < ENOUGH)
    @rule(target=jobs, count=st.integers(2, 4))
    def submit_several(self, count: int) -> MultipleResults[Witness]:
        """More than there are runners for, perhaps."""
        return multiple(*(self._submitted(ENDPOINTS[0], INPUTS[0]) for _ in range(count)))

    def _submitted(self, endpoint: Endpoint, input: Input, sub_path: str = "") -> Witness:
        path = f"{endpoint.id}{sub_path}"
        reply = self.driver.call("POST", f"/queue.fal.run/{path}", input.body(endpoint), HEADERS)
        self._judge(reply, OPERATIONS[endpoint.id]["submit"])
        body = reply.json()
        code = 404 if sub_path else input.code_for(endpoint)
        lines = Lines(self.settings.log_window)
        job = Witness(body["request_id"], endpoint, path, code, lines, self.driver.clock.now())
        assert job.id not in {other.id for other in self.witnesses}
        job.see_status(body)
        assert reply.headers["x-fal-request-id"] == job.id
        self.witnesses.append(job)
        return job

    @rule(job=jobs, logs=st.sampled_from(["", "0", "1", "true", "false"]), long=st.booleans())
    def poll(self, job: Witness, logs: str, long: bool) -> None:
        query = f"?logs={logs}" if logs else ""
        reply = self._ask(job, "GET", "status", f"/status{query}", long=long)
        self._see_status(job, reply, asked=logs in ("1", "true"))

    @rule(job=jobs, suffix=st.sampled_from(["", "/", "/response"]), long=st.booleans())
    def fetch(self, job: Witness, suffix: str, long: bool) -> None:
        job.see_result(self._ask(job, "GET", "result", suffix, long=long))

    @rule(job=jobs, long=st.booleans())
    def cancel(self, job: Witness, long: bool) -> None:
        reply = self._ask(job, "PUT", "cancel", "/cancel", long=long)
        assumed = self.settings.assumptions
        if self.pace == "polls":
            # Where looking moves a job on, only its end tells whether it still waited.
            end = self._ask(job, "GET", "status", "/status").json()
            cancelled = end.get("error_type") == "client_cancelled"
            job.see_cancellation(reply, heeded=cancelled and not job.done, spared=False)
            return
        waited = job.rank == RANKS["IN_QUEUE"]
        if reply.status_code != 400:
            words = "OK" if waited and assumed.cancel_in_queue == "ok" else "CANCELLATION_REQUESTED"
            assert reply.json() == {"status": words}
        heeded = waited or assumed.cancel_in_progress == "heeded"
        job.see_cancellation(reply, heeded=heeded, spared=waited)

    @rule(job=jobs, logs=st.sampled_from([True, True, False]))
    def listen(self, job: Witness, logs: bool) -> None:
        path = f"/queue.fal.run/{job.endpoint.app}/requests/{job.id}/status/stream"
        call = self.driver.open("GET", f"{path}?logs={int(logs)}", headers=HEADERS)
        operation = OPERATIONS[job.endpoint.id]["statusStream"]
        self.listeners.append(Listener(job, call, operation, logs))

    @rule(seconds=st.sampled_from([0.5, 1.0, 1.9, 0.1, 5.0, 16.0, 0.0]))
    def time_passes(self, seconds: float) -> None:
        self.driver.advance(seconds)

    @precondition(lambda self: cast(QueueMachine, self).pace == "held")
    @rule(job=jobs, to=st.sampled_from(["IN_PROGRESS", "COMPLETED"]))
    def release(self, job: Witness, to: str) -> None:
        reply = self.driver.call("POST", f"/__falkit/jobs/{job.id}/release?to={to}")
        assert reply.status_code == 200
        assert RANKS[reply.json()["status"]] >= max(RANKS[to], job.rank)

    @rule(job=jobs)
    def fetch_file(self, job: Witness) -> None:
        """What a result names can be had, whole, in part and by its headers."""
        if job.result is None or job.result.status_code != 200:
            return
        path = job.result.json()["video"]["url"].partition("4325")[2]
        operations = OPERATIONS[job.endpoint.id]
        whole = self.driver.call("GET", path)
        assert not operations["file"].faults(whole.status_code, whole.headers, whole.body)
        assert whole.status_code == 200
        part = self.driver.call("GET", path, headers={"range": "bytes=4-7"})
        assert not operations["file"].faults(part.status_code, part.headers, part.body)
        assert (part.status_code, part.body) == (206, b"ftyp")
        assert self.driver.call("GET", path) == whole

    @rule(
        endpoint=st.sampled_from(ENDPOINTS),
        operation=st.sampled_from(
            [("GET", "status", "/status"), ("GET", "result", ""), ("PUT", "cancel", "/cancel")]
        ),
    )
    def ask_after_nobody(self, endpoint: Endpoint, operation: tuple[str, str, str]) -> None:
        method, name, suffix = operation
        path = f"/queue.fal.run/{endpoint.app}/requests/{NOBODY}{suffix}"
        reply = self.driver.call(method, path, headers=HEADERS)
        self._judge(reply, OPERATIONS[endpoint.id][name])
        detail = self.settings.assumptions.unknown_request == "detail"
        assert reply.status_code == 404
        assert reply.json() == (
            {"detail": "Request not found"} if detail else {"status": "NOT_FOUND"}
        )

    @invariant()
    def everything_goes_together(self) -> None:
        """Hear every stream; and look at every open job, where looking changes nothing."""
        for listener in self.listeners:
            self._hear(listener)
        if self.pace == "polls":
            return
        open_jobs = [job for job in self.witnesses if not job.done]
        self._see_order([(job, self._looked_at(job)) for job in open_jobs])
        for listener in self.listeners:
            assert listener.call.task.done() == listener.job.done, "a stream missed the end"

    @property
    def driver(self) -> Driver:
        assert self._driver is not None, "`start` comes first"
        return self._driver

    @property
    def pace(self) -> str:
        return self.settings.timing.pace

    def _see_order(self, statuses: Iterable[tuple[Witness, dict[str, Any]]]) -> None:
        """Hold the queues' positions, and how many run, to the runners and the key's places."""
        waiting: dict[str, list[tuple[Witness, int]]] = {}
        running: Counter[str] = Counter()
        for job, status in statuses:
            if status["status"] == "IN_QUEUE":
                waiting.setdefault(job.path, []).append((job, status["queue_position"]))
            running[job.path] += status["status"] == "IN_PROGRESS"
        for path, jobs in waiting.items():
            positions = [position for _, position in jobs]
            assert positions == list(range(len(jobs))), f"{path}: {positions}"
        if isinstance(timing := self.settings.timing, Seconds):
            assert max(running.values(), default=0) <= self.settings.runners
            places = self.settings.concurrency or len(self.witnesses)
            assert running.total() <= places
            for path, jobs in waiting.items():
                # Even the first in line waits as long as the timing says.
                since = jobs[0][0].submitted + timing.queue
                idle = running[path] < self.settings.runners and running.total() < places
                assert not idle or since > self.driver.clock.now(), f"{path}: a runner idles"

    def _ask(
        self, job: Witness, method: str, operation: str, suffix: str, *, long: bool = False
    ) -> Reply:
        prefix = job.endpoint.id if long else job.endpoint.app
        path = f"/queue.fal.run/{prefix}/requests/{job.id}{suffix}"
        reply = self.driver.call(method, path, headers=HEADERS)
        self._judge(reply, OPERATIONS[job.endpoint.id][operation])
        assert reply.headers["x-fal-request-id"] == job.id
        return reply

    def _judge(self, reply: Reply, operation: Operation) -> None:
        faults = operation.faults(reply.status_code, reply.headers, reply.body)
        assert not faults, faults

    def _looked_at(self, job: Witness) -> dict[str, Any]:
        reply = self._ask(job, "GET", "status", "/status?logs=1")
        self._see_status(job, reply, asked=True)
        body: dict[str, Any] = reply.json()
        return body

    def _see_status(self, job: Witness, reply: Reply, *, asked: bool) -> None:
        body = reply.json()
        assert reply.status_code == (200 if body["status"] == "COMPLETED" else 202)
        job.see_status(body)
        job.see_logs(body, asked=asked)
        timing = self.settings.timing
        if body["status"] == "IN_PROGRESS" and body["logs"] and isinstance(timing, Seconds):
            newest = datetime.fromisoformat(body["logs"][-1]["timestamp"]).timestamp()
            age = self.driver.clock.now() - newest
            assert age >= -TICK, "a line from the future"
            # What a model will refuse in the end says little; others print all the time.
            assert job.code != 200 or age <= timing.run / 5, "the window stands still"

    def _hear(self, listener: Listener) -> None:
        """Take the events that have come since the last time."""
        reply, events = listener.call.reply, listener.call.events()
        assert not listener.operation.faults(reply.status_code, reply.headers, b"")
        news, listener.heard = events[listener.heard :], len(events)
        for event in news:
            assert not listener.operation.event_faults(event)
        self._hear_statuses(listener, events, news)
        self._hear_lines(listener, news)

    def _hear_statuses(self, listener: Listener, events: list[Any], news: Iterable[Any]) -> None:
        ranks = [RANKS[event["status"]] for event in events]
        assert ranks == sorted(ranks)
        # What comes after the end is nothing, and the end comes last.
        ended = ranks[-1:] == [RANKS["COMPLETED"]]
        assert ended == listener.call.task.done()
        assert ranks.count(RANKS["COMPLETED"]) <= 1
        for event in news:
            assert event["request_id"] == listener.job.id
            # Later news may have come by another way already.
            if RANKS[event["status"]] >= listener.job.rank:
                listener.job.see_status(event)

    def _hear_lines(self, listener: Listener, news: Iterable[Any]) -> None:
        for event in news:
            lines: list[Any] = event["logs"] or []
            assert listener.logs or event["logs"] is None
            assert len(lines) <= self.settings.log_window
            if self.settings.assumptions.stream_logs == "new":
                assert not [line for line in lines if line in listener.lines], "a line came twice"
                listener.lines += lines
