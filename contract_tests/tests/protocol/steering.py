"""What changes how a job goes on: its caller's cancellation, a test's hand, and time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from hypothesis.vendor.pretty import RepresentationPrinter

from protocol.base import JOBS, TICK, Base, has_jobs
from protocol.faults import CANCELLED, Ending
from protocol.witness import Witness


@dataclass(frozen=True)
class Verdict:
    """A body by which the control API ends a job, and how it ends then; None for as it would."""

    name: str
    body: dict[str, Any]
    ending: Ending | None

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(f"<{self.name}>")


BROKEN = "runner_incomplete_response"
VIDEO = {"video": {"url": "http://127.0.0.1:4325/v3b.fal.media/files/b/0/x.mp4"}}
CHOSEN = Ending(fixed=True)
FAILURES = [
    Verdict("platform", {"fault": "runner_disconnected"}, Ending(503, "runner_disconnected")),
    Verdict("model", {"fault": "no_media_generated"}, Ending(422, kind="no_media_generated")),
    Verdict(
        "reply",
        {
            "status_code": 502,
            "body": {"detail": "no", "error_type": BROKEN},
            "headers": {"X-Fal-Error-Type": BROKEN},
        },
        Ending(502, BROKEN),
    ),
]
# An output of 10 KB is kept for six minutes (wire.md §3.4).
LARGE = Verdict("large", {"output": {**VIDEO, "note": "x" * 10_240}}, CHOSEN)
SMALL = Verdict("small", {"output": VIDEO}, CHOSEN)
COMPLETIONS = [Verdict("as it is", {}, None), LARGE, SMALL, LARGE]
STEPS = [0.1, 0.5, 1.0, 1.9, 5.0, 16.0, 61.0, 360.0, 3601.0, 7300.0]


class Steering(Base):
    """Cancel, hold, release, fail, complete, and let time pass."""

    @rule(job=JOBS, long=st.booleans(), twice=st.booleans())
    def cancel(self, job: Witness, long: bool, twice: bool) -> None:
        """Whenever it comes, once or again at once."""
        for _ in range(1 + twice):
            self._cancel(job, long=long)

    def _cancel(self, job: Witness, *, long: bool) -> None:
        if self.has_no_route(job, "PUT", "/cancel", long=long):
            return
        expired, status = self.expired(job), job.task.status(self.now)
        reply = self.ask(job, "PUT", "cancel", "/cancel", long=long)
        assumed = self.settings.assumptions
        if expired:
            self.see_unknown(reply)
        elif status == "COMPLETED":
            assert (reply.status_code, reply.json()) == (400, {"status": "ALREADY_COMPLETED"})
        else:
            waited = status == "IN_QUEUE"
            gone = waited and assumed.cancel_in_queue == "ok"
            assert reply.status_code == (200 if gone else 202)
            assert reply.json() == {"status": "OK" if gone else "CANCELLATION_REQUESTED"}
            if waited or assumed.cancel_in_progress == "heeded":
                job.planned = CANCELLED
                self.service.end(job.task)
                if job.webhook is not None and assumed.cancelled_webhook == "none":
                    job.webhook.done = True

    @rule(job=JOBS)
    def hold(self, job: Witness) -> None:
        if self._steer(job, "hold"):
            self.service.hold(job.task)

    @rule(job=JOBS, to=st.sampled_from(["IN_PROGRESS", "COMPLETED"]))
    def release(self, job: Witness, to: str) -> None:
        self.learn()
        reply = self.control("POST", f"jobs/{job.id}/release?to={to}")
        assert reply.status_code == 200
        if job.task.status(self.now) != "COMPLETED":
            self.service.release(job.task, to)
        self.learn()
        assert reply.json() == {"request_id": job.id, "status": job.task.status(self.now)}

    @rule(job=JOBS, verdict=st.sampled_from(FAILURES))
    def fail(self, job: Witness, verdict: Verdict) -> None:
        if self._steer(job, "fail", verdict.body):
            self._end(job, verdict)

    @rule(job=JOBS, verdict=st.sampled_from(COMPLETIONS))
    def complete(self, job: Witness, verdict: Verdict) -> None:
        if self._steer(job, "complete", verdict.body):
            self._end(job, verdict)

    def _end(self, job: Witness, verdict: Verdict) -> None:
        self.service.end(job.task)
        job.planned = verdict.ending or job.planned
        job.completed_by_hand = verdict in COMPLETIONS
        if verdict is LARGE and self.settings.result_ttl is None:
            job.kept = 360.0

    def _steer(self, job: Witness, how: str, body: dict[str, Any] | None = None) -> bool:
        """Do something to an unfinished job; what has ended is let alone."""
        self.learn()
        sent = b"" if body is None else json.dumps(body).encode()
        over = job.task.status(self.now) == "COMPLETED"
        reply = self.control("POST", f"jobs/{job.id}/{how}", sent)
        assert reply.status_code == (409 if over else 200), reply.body
        return not over

    @precondition(has_jobs)
    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        """Until results expire, and receivers are tried for the last time."""
        self.move_to(self.now + seconds)

    @rule(
        job=JOBS,
        what=st.sampled_from(["gone", "ready", "start", "start_by", "end", "gone", "delivery"]),
        off=st.sampled_from([-TICK, 0.0, 0.0, TICK]),
    )
    def a_moment_comes(self, job: Witness, what: str, off: float) -> None:
        """The very moment at which something changes, or just before or after it."""
        self.learn()
        moment = off + self._moment(job, what)
        if self.now < moment < self.now + 10_000:
            self.move_to(moment)

    def _moment(self, job: Witness, what: str) -> float:
        task = job.task
        match what:
            case "ready":
                return task.ready
            case "start_by":
                return task.start_by
            case "end":
                return min(task.ends, task.starts + task.run, task.ready + task.run)
            case "start":
                # Where it has to wait, somebody's end is its start.
                ends = [each.task.ends for each in self.witnesses if each.task.ends > self.now]
                return min(ends, default=task.ready)
            case "gone":
                return job.gone
            case _:
                return job.webhook.due if job.webhook is not None else task.ends

    @precondition(lambda self: has_jobs(self) and not cast(Steering, self).awaits_webhooks())
    @rule(seconds=st.sampled_from([0.0, *STEPS]))
    def machine_sleeps(self, seconds: float) -> None:
        """Time passes, and nothing happens on the way."""
        self.driver.advance(seconds)
        self.service.move_to(self.now)

    def move_to(self, moment: float) -> None:
        """Let time pass, here and there."""
        self.driver.move_to(moment)
        self.service.move_to(moment)

    def awaits_webhooks(self) -> bool:
        """Tell whether a delivery may come in time, which a jump would have come late."""
        hooks = [job.webhook for job in self.witnesses if job.webhook is not None]
        return any(not hook.done or hook.besides or hook.under_way(self.now) for hook in hooks)
