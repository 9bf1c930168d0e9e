"""Submits, with all that a caller can ask for, and with faults that the request itself names."""

from __future__ import annotations

import math
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, multiple, precondition, rule

from protocol.asgi import Reply
from protocol.base import ENOUGH, JOBS, OPERATIONS, Base
from protocol.deliveries import RULES, Webhook
from protocol.faults import Ending, Fault
from protocol.orders import CROWD, FAULTED, ODD, Order
from protocol.receiver import ABROAD
from protocol.service import Task
from protocol.witness import Lines, Witness


class Submitting(Base):
    """Orders placed."""

    @precondition(lambda self: len(cast(Submitting, self).witnesses) < ENOUGH)
    @rule(target=JOBS, orders=st.lists(st.sampled_from(CROWD), min_size=1, max_size=4))
    def submit(self, orders: list[Order]) -> MultipleResults[Witness]:
        """More than there are runners for, perhaps."""
        found = [self.submitted(order) for order in orders]
        return multiple(*(job for each in found for job in each.values))

    @precondition(lambda self: len(cast(Submitting, self).witnesses) < ENOUGH)
    @rule(target=JOBS, order=st.sampled_from(FAULTED))
    def submit_with_a_fault(self, order: Order) -> MultipleResults[Witness]:
        return self.submitted(order)

    @precondition(lambda self: len(cast(Submitting, self).witnesses) < ENOUGH)
    @rule(target=JOBS, order=st.sampled_from(ODD))
    def submit_something_odd(self, order: Order) -> MultipleResults[Witness]:
        """Whatever the input, the queue takes it, unless its length is in the way."""
        return self.submitted(order)

    def submitted(self, order: Order) -> MultipleResults[Witness]:
        fault = order.named
        early = fault is not None and fault.name == "webhook_before_reply"
        if early and order.webhook and not self.receiver.mood(order.webhook).prompt:
            # Whoever is slow would have the reply wait for as long, by another clock than ours.
            return multiple()
        length = len(self.service.waiting(order.path))
        reply = self.driver.call("POST", order.url(), order.body(), order.headers())
        self.judge(reply, OPERATIONS[order.endpoint.id]["submit"])
        if fault is not None and fault.family == "gate":
            self._see_gate(reply, fault)
            return multiple()
        if order.max_queue_length is not None and length > order.max_queue_length:
            assert reply.status_code == 429
            return multiple()
        return multiple(self._witnessed(order, reply))

    def _see_gate(self, reply: Reply, fault: Fault) -> None:
        assert fault.ending is not None
        assert reply.status_code == fault.ending.code
        page = fault.name == "ingress_error"
        assert (b"nginx" in reply.body) == page
        assert ("x-fal-request-id" in reply.headers) != page

    def _witnessed(self, order: Order, reply: Reply) -> Witness:
        assert reply.status_code == 200
        body = reply.json()
        ending, attempts, runs = self._fate(order)
        task = self._task(order, runs=runs)
        job = Witness(
            body["request_id"],
            order.endpoint,
            order.key,
            task,
            ending,
            Lines(self.settings.log_window),
            attempts,
            order.named,
            kept=self.settings.result_ttl or 3600.0,
        )
        assert job.id not in {other.id for other in self.witnesses}
        assert reply.headers["x-fal-request-id"] == job.id
        refused = order.webhook == ABROAD
        assert ("fal_webhook" in reply.headers.get("x-falkit-hint", "")) == refused
        if order.webhook and not refused:
            rules = RULES[self.settings.webhook_schedule]
            job.webhook = Webhook(order.webhook, task, rules, order.named)
        self.service.take(task)
        if job.webhook and job.webhook.is_faulted("before_reply"):
            self.service.end_now(task)
        self.witnesses.append(job)
        self.learn()
        assert body["status"] == "IN_QUEUE"
        assert body["queue_position"] == self.service.position(task)
        assert {name: body[name] for name in job.urls} == job.urls
        return job

    def _fate(self, order: Order) -> tuple[Ending, int, bool]:
        """Return how a job ends, after how many attempts, and whether a runner works on it."""
        code = 404 if order.sub_path else order.input.code_for(order.endpoint)
        fault = order.named
        if fault is None:
            return Ending(code), 1, order.readable
        struck, attempts = fault.applies(
            readable=order.readable, retry=order.retry, key=order.key, used=self.used
        )
        if struck and fault.ending is not None:
            return fault.ending, attempts, order.readable and fault.ran
        return Ending(code), attempts, order.readable

    def _task(self, order: Order, *, runs: bool) -> Task:
        timed, fault, now = self.timed, order.named, self.now
        queue, run = (math.inf, math.inf) if timed is None else (timed.queue, timed.run)
        stuck = fault.seconds if fault is not None and fault.name == "stuck" else 0.0
        if not runs and timed is not None:
            run = 0.0
        held = timed is None or stuck == math.inf
        return Task(
            order.path,
            order.key,
            order.low,
            len(self.service.tasks),
            now,
            now + queue + stuck,
            run,
            now + order.start_within,
            "held" if held and self.progression != "polls" else "polls" if held else "clock",
        )
