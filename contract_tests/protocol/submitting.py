"""Submits, with all that a caller can ask for, and with faults that the request itself names."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, cast
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, multiple, precondition, rule
from hypothesis.vendor.pretty import RepresentationPrinter

from falkit_spec import Endpoint
from protocol.asgi import Reply
from protocol.base import ENDPOINTS, ENOUGH, JOBS, KEYS, OPERATIONS, Base, headers_of
from protocol.deliveries import RULES, Webhook
from protocol.faults import FAULTS, Ending, Fault
from protocol.inputs import INPUTS, Input
from protocol.receiver import ABROAD, URLS
from protocol.service import Task
from protocol.witness import Lines, Witness

FIRST = ENDPOINTS[0]


@dataclass(frozen=True)
class Order:
    """One submit."""

    endpoint: Endpoint = FIRST
    input: Input = INPUTS[0]
    sub_path: str = ""
    webhook: str | None = None
    key: str = KEYS[0]
    low: bool = False
    start_within: float = math.inf
    max_queue_length: int | None = None
    retry: bool = True
    fault: Fault | None = None
    # Whether the fault is named in the prompt, and not by a header.
    by_prompt: bool = False

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        # What is as usual needs no telling.
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        usual = {each.name: each.default for each in fields(self)}
        told = [f"{name}={value!r}" for name, value in chosen.items() if value != usual[name]]
        printer.text(f"Order({', '.join(told)})")

    @property
    def path(self) -> str:
        """What it is posted to: the endpoint, perhaps with a path that its app doesn't have."""
        return f"{self.endpoint.id}{self.sub_path}"

    @property
    def readable(self) -> bool:
        """Whether a model takes the input, as far as it can be told from the body."""
        return self.input.readable and not self.sub_path

    @property
    def named(self) -> Fault | None:
        """The fault that the request names, if anybody can read it."""
        lost = self.by_prompt and self.input.name in ("broken", "no body", "no text", "no prompt")
        return None if lost else self.fault

    def url(self) -> str:
        said = {"fal_webhook": self.webhook, "fal_max_queue_length": self.max_queue_length}
        pairs = [f"{name}={quote(str(value))}" for name, value in said.items() if value is not None]
        return "?".join(filter(None, (f"/queue.fal.run/{self.path}", "&".join(pairs))))

    def body(self) -> bytes:
        token = f" [falkit:{self.fault.text}]" if self.fault and self.by_prompt else ""
        return self.input.body(self.endpoint, token)

    def headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.low:
            found["x-fal-queue-priority"] = "low"
        if self.start_within < math.inf:
            found["x-fal-request-timeout"] = f"{self.start_within:g}"
        if not self.retry:
            found["x-fal-no-retry"] = "1"
        if self.fault and not self.by_prompt:
            found["x-falkit-fault"] = self.fault.text
        return headers_of(self.key, found)


def _ordered(chosen: dict[str, Any]) -> Order:
    return Order(**chosen)


ORDERS = st.fixed_dictionaries(
    {
        # One of them more than the others, so that jobs meet in its queue.
        "endpoint": st.one_of(st.just(FIRST), st.sampled_from(ENDPOINTS)),
        "input": st.one_of(st.just(INPUTS[0]), st.sampled_from(INPUTS)),
        "sub_path": st.sampled_from(["", "", "", "", "", "/no-such-path"]),
        "webhook": st.sampled_from([None, *URLS, ABROAD]),
        "key": st.sampled_from(KEYS),
        "low": st.booleans(),
        "start_within": st.sampled_from([math.inf, math.inf, 0.5, 3.0, 12.0]),
        "max_queue_length": st.sampled_from([None, None, 0, 1]),
        "retry": st.booleans(),
        "fault": st.one_of(st.none(), st.sampled_from(FAULTS)),
        "by_prompt": st.booleans(),
    }
).map(_ordered)


class Submitting(Base):
    """Orders placed."""

    @precondition(lambda self: len(cast(Submitting, self).witnesses) < ENOUGH)
    @rule(target=JOBS, order=ORDERS)
    def submit(self, order: Order) -> MultipleResults[Witness]:
        """Whatever the input, the queue takes it, unless a fault or its length is in the way."""
        return self.submitted(order)

    @precondition(lambda self: len(cast(Submitting, self).witnesses) < ENOUGH)
    @rule(target=JOBS, count=st.integers(2, 4), webhook=st.sampled_from([None, URLS[0]]))
    def submit_several(self, count: int, webhook: str | None) -> MultipleResults[Witness]:
        """More than there are runners for, perhaps."""
        found = [self.submitted(Order(webhook=webhook)) for _ in range(count)]
        return multiple(*(job for each in found for job in each.values))

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
        struck, attempts = fault.befalls(
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
            "held" if held and self.pace != "polls" else "polls" if held else "clock",
        )
