"""What all rules of the machine share: the mock, its clock, the jobs, and how a reply is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize

from falkit import Settings, create_app
from falkit_mock.core.settings import Seconds
from falkit_mock.store import Store
from falkit_spec import Catalog
from falkit_spec.protocol import Operation, Protocol
from protocol.asgi import Driver, Reply, WatchedClock
from protocol.faults import Used
from protocol.receiver import MOODS, URLS, Mood, Receiver
from protocol.service import Service
from protocol.witness import Witness

ENDPOINTS = tuple(each for each in Catalog.vendored() if each.app == "fal-ai/ltx-2")
FIRST = Catalog.vendored().get("fal-ai/ltx-2/image-to-video")
OPERATIONS = {endpoint.id: Protocol.vendored().operations(endpoint) for endpoint in ENDPOINTS}
KEYS = ("id:secret", "other:secret")
# Timestamps are written in whole microseconds.
TICK = 1e-6
# Jobs, of which everyone is looked at after each step.
ENOUGH = 6
JOBS = Bundle[Witness]("jobs")


def headers_of(key: str = KEYS[0], more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a request's headers."""
    own = {"authorization": f"Key {key}", "content-type": "application/json"}
    return {**own, **(more or {})}


class Base(RuleBasedStateMachine):
    """One mock in this process, and what is known of it."""

    store_class: ClassVar[type[Store]] = Store

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self._driver: Driver | None = None
        self._service: Service | None = None
        self._receiver: Receiver | None = None
        self.witnesses: list[Witness] = []
        # How often each fault that requests name has struck.
        self.used: Used = Used()

    @initialize(
        timing=st.sampled_from(
            ["1,10", "0.5,2", "0,3", "5,20", "held", "2,0", "instant", "1,10", "polls"]
        ),
        runners=st.sampled_from([1, 2, 3]),
        concurrency=st.sampled_from([2, 0, 1, 3]),
        moods=st.tuples(*(st.sampled_from(MOODS) for _ in URLS)),
        log_window=st.sampled_from([10, 1, 5, 20]),
        result_ttl=st.sampled_from([None, None, 30.0]),
        webhook_schedule=st.sampled_from(["two-hours", "until-expiry", "observed"]),
        assumed=st.fixed_dictionaries(
            {
                "queue_urls": st.sampled_from(["strict", "strict", "lenient"]),
                "cancel_in_queue": st.sampled_from(["requested", "ok"]),
                "cancel_in_progress": st.sampled_from(["heeded", "ignored"]),
                "unknown_request": st.sampled_from(["status", "detail"]),
                "stream_logs": st.sampled_from(["new", "window"]),
                "cancelled_webhook": st.sampled_from(["sent", "none"]),
            }
        ),
    )
    def start(
        self,
        timing: str,
        runners: int,
        concurrency: int,
        moods: tuple[Mood, ...],
        assumed: dict[str, Any],
        **more: Any,
    ) -> None:
        self.settings = Settings(
            timing=timing,
            runners=runners,
            concurrency=concurrency,
            seed=1,
            # The receivers live in the mock's time.
            webhook_timestamps="mock",
            assumptions=assumed,
            **more,
        )
        clock = WatchedClock()
        self._driver = Driver(
            create_app(self.settings, clock=clock, store=self.store_class()), clock
        )
        self._receiver = Receiver(clock, dict(zip(URLS, moods, strict=True)))
        self._driver.service.webhooks.receivers.sender = self._receiver
        self._service = Service(runners, concurrency or math.inf, clock.now())

    def teardown(self) -> None:
        if self._driver is not None:
            self._driver.close()

    @property
    def driver(self) -> Driver:
        assert self._driver is not None, "`start` comes first"
        return self._driver

    @property
    def service(self) -> Service:
        assert self._service is not None, "`start` comes first"
        return self._service

    @property
    def receiver(self) -> Receiver:
        assert self._receiver is not None, "`start` comes first"
        return self._receiver

    @property
    def now(self) -> float:
        return self.driver.clock.now()

    @property
    def progression(self) -> str:
        return self.settings.timing.progression

    @property
    def timed(self) -> Seconds | None:
        """How long jobs take, where a clock says so."""
        timing = self.settings.timing
        return timing if isinstance(timing, Seconds) else None

    def expired(self, job: Witness) -> bool:
        """Tell whether a job's result can be had no longer."""
        self.learn()
        return self.now >= job.gone

    def learn(self) -> None:
        """Take the moments of jobs that looking moves on from the mock: nothing else knows them."""
        if self.progression != "polls":
            return
        if not self.witnesses:
            return
        told = {job["request_id"]: job for job in self.control("GET", "jobs").json()["jobs"]}
        for job in self.witnesses:
            starts, ends = told[job.id]["starts"], told[job.id]["ends"]
            job.task.starts = math.inf if starts is None else starts
            job.task.ends = math.inf if ends is None else ends

    def control(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Ask the mock's own API."""
        return self.driver.call(method, f"/__falkit/{path}", body, headers_of())

    def ask(
        self,
        job: Witness,
        method: str,
        operation: str,
        suffix: str,
        *,
        long: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask about a job, and hold the reply to the protocol's document."""
        prefix = job.endpoint.id if long else job.endpoint.app
        path = f"/queue.fal.run/{prefix}/requests/{job.id}{suffix}"
        reply = self.driver.call(method, path, headers=headers_of(job.key, more))
        self.judge(reply, OPERATIONS[job.endpoint.id][operation])
        if reply.status_code not in (401, 404):
            assert reply.headers.get("x-fal-request-id", job.id) == job.id
        return reply

    def has_no_route(self, job: Witness, method: str, suffix: str, *, long: bool) -> bool:
        """Tell whether the queue has no such URL for a request; if so, see that it says so."""
        if self.settings.assumptions.queue_urls == "lenient" or not (
            long or suffix.startswith("/response")
        ):
            return False
        prefix = job.endpoint.id if long else job.endpoint.app
        path = f"/queue.fal.run/{prefix}/requests/{job.id}{suffix}"
        reply = self.driver.call(method, path, headers=headers_of(job.key))
        assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
        return True

    def judge(self, reply: Reply, operation: Operation) -> None:
        """Hold a reply to the protocol's document."""
        faults = operation.faults(reply.status_code, reply.headers, reply.body)
        assert not faults, faults

    def see_unknown(self, reply: Reply) -> None:
        """Hold a reply to what an id gets that is unknown, or is so by now."""
        detail = self.settings.assumptions.unknown_request == "detail"
        assert reply.status_code == 404
        assert reply.json() == (
            {"detail": "Request not found"} if detail else {"status": "NOT_FOUND"}
        )


def has_jobs(machine: RuleBasedStateMachine) -> bool:
    """Tell whether there is anything yet that could be changed."""
    return isinstance(machine, Base) and bool(machine.witnesses)
