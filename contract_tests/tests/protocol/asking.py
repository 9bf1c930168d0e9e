"""What can be asked about a job: status, stream, result, files, and all of it with faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from falkit_spec import Endpoint
from falkit_spec.protocol import Operation
from protocol.asgi import Open, Reply
from protocol.base import JOBS, OPERATIONS, TICK, Base, headers_of
from protocol.witness import RANKS, Witness

NOBODY = "00000000-0000-7000-8000-000000000000"
# Method, operation, and what follows the job's address.
QUESTIONS = [("GET", "status", "/status"), ("GET", "result", ""), ("PUT", "cancel", "/cancel")]
# What a header on such a request asks for, and the code that it then gets.
FAULTS = [
    ("bad_key", 401),
    ("ingress_error status=503 on=status,result,cancel", 503),
    ("result_expired on=status,result,cancel", 404),
]


@dataclass
class Listener:
    """A status stream that somebody holds open."""

    job: Witness
    call: Open
    operation: Operation
    logs: bool
    heard: int = 0
    lines: list[Any] = field(default_factory=list[Any])


class Asking(Base):
    """Poll, fetch and listen."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: list[Listener] = []
        # Those whose result was seen to be there no longer.
        self._gone: set[str] = set()

    @rule(job=JOBS, logs=st.sampled_from(["", "0", "1", "true", "false"]), long=st.booleans())
    def poll(self, job: Witness, logs: str, long: bool) -> None:
        query = f"?logs={logs}" if logs else ""
        if self.has_no_route(job, "GET", f"/status{query}", long=long):
            return
        expired = self.expired(job)
        reply = self.ask(job, "GET", "status", f"/status{query}", long=long)
        if expired:
            self.see_unknown(reply)
        else:
            self.see_status(job, reply, asked=logs in ("1", "true"))

    @rule(job=JOBS, suffix=st.sampled_from(["", "/", "/response"]), long=st.booleans())
    def fetch(self, job: Witness, suffix: str, long: bool) -> None:
        if not self.has_no_route(job, "GET", suffix, long=long):
            self.fetched(job, suffix, long=long)
            self._fetch_file(job)

    def fetched(self, job: Witness, suffix: str = "", *, long: bool = False) -> None:
        """Ask for a result, which may be there, not yet, or no more."""
        gone, done = self.expired(job), job.task.ends <= self.now
        fault = job.fault
        lost = fault is not None and fault.name == "result_expired"
        if not gone and lost and fault is not None and fault.comes(job.key, self.used):
            gone = True
        reply = self.ask(job, "GET", "result", suffix, long=long)
        if gone:
            self.see_unknown(reply)
            return
        assert (reply.status_code == 400 and "request_id" in reply.json()) == (not done)
        job.see_result(reply)

    @rule(job=JOBS, question=st.sampled_from(QUESTIONS), fault=st.sampled_from(FAULTS))
    def ask_with_a_fault(
        self, job: Witness, question: tuple[str, str, str], fault: tuple[str, int]
    ) -> None:
        """A fault that a request names applies to it alone, and nothing is done."""
        expired = self.expired(job)
        method, operation, suffix = question
        text, code = fault
        reply = self.ask(job, method, operation, suffix, more={"x-falkit-fault": text})
        assert reply.status_code == (404 if expired else code)
        if reply.status_code == 404:
            self.see_unknown(reply)
        self._ask_after_nobody(job.endpoint, question)

    def _ask_after_nobody(self, endpoint: Endpoint, question: tuple[str, str, str]) -> None:
        method, name, suffix = question
        path = f"/queue.fal.run/{endpoint.app}/requests/{NOBODY}{suffix}"
        reply = self.driver.call(method, path, headers=headers_of())
        self.judge(reply, OPERATIONS[endpoint.id][name])
        self.see_unknown(reply)

    @rule(job=JOBS, logs=st.sampled_from([True, True, False]))
    def listen(self, job: Witness, logs: bool) -> None:
        expired = self.expired(job)
        path = f"/queue.fal.run/{job.endpoint.app}/requests/{job.id}/status/stream"
        call = self.driver.open("GET", f"{path}?logs={int(logs)}", headers=headers_of(job.key))
        operation = OPERATIONS[job.endpoint.id]["statusStream"]
        if expired:
            self.see_unknown(call.reply)
        else:
            self.listeners.append(Listener(job, call, operation, logs))

    def _fetch_file(self, job: Witness) -> None:
        """What a result names can be had, whole, in part and by its headers."""
        ending = job.ending
        if job.result is None or ending.code != 200 or ending.text is not None or ending.fixed:
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

    def look_at_all(self) -> None:
        """See that each open job stands as it should; in `polls`, looking would change it."""
        if self.progression == "polls":
            return
        for job in self.witnesses:
            if self.expired(job):
                self._see_gone(job)
            elif not job.done:
                reply = self.ask(job, "GET", "status", "/status?logs=1")
                self.see_status(job, reply, asked=True)
        for listener in self.listeners:
            ended = listener.job.task.ends <= self.now
            assert listener.call.task.done() == ended, "a stream missed the end"

    def _see_gone(self, job: Witness) -> None:
        if job.id not in self._gone:
            self._gone.add(job.id)
            self.see_unknown(self.ask(job, "GET", "result", ""))
            self.see_unknown(self.ask(job, "GET", "status", "/status"))

    def see_status(self, job: Witness, reply: Reply, *, asked: bool) -> None:
        """Hold a status to what was seen before, and to what it should be by now."""
        body = reply.json()
        assert reply.status_code == (200 if body["status"] == "COMPLETED" else 202)
        if self.progression != "polls":
            assert body["status"] == job.task.status(self.now), f"it should be {job.task}"
            assert body.get("queue_position", 0) == self.service.position(job.task)
        job.see_status(body)
        job.see_logs(body, asked=asked)
        if body["status"] == "IN_PROGRESS" and body["logs"]:
            self._see_age(job, body["logs"])

    def _see_age(self, job: Witness, logs: list[Any]) -> None:
        newest = datetime.fromisoformat(logs[-1]["timestamp"]).timestamp()
        age = self.now - newest
        assert age >= -TICK, "a line from the future"
        # What will be refused in the end says little; others print all the time.
        if self.timed is not None and job.task.progression == "clock" and job.ending.code == 200:
            assert age <= self.timed.run / 5, "the window stands still"

    def hear_all(self) -> None:
        """Take the events that have come since the last time."""
        for listener in self.listeners:
            self._hear(listener)

    def _hear(self, listener: Listener) -> None:
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
