"""One rule-based state machine over the whole application: any calls, in any order, at any time.

It speaks to the application as clients do, over ASGI, moves the clock itself and takes webhooks in
the place of HTTP. Every reply is held to the protocol's document, what is seen of each job to what
was seen of it before, and all of it to a service that is written plainly beside (service.py).
"""

from __future__ import annotations

from hypothesis.stateful import invariant

from protocol.asking import Asking
from protocol.delivering import Delivering
from protocol.steering import Steering
from protocol.submitting import Submitting


class QueueMachine(Submitting, Asking, Steering, Delivering):
    """Submit, poll, stream, fetch, cancel, steer, receive, and let time pass."""

    @invariant()
    def everything_goes_together(self) -> None:
        """Hear every stream, look at every open job, and at all that receivers got."""
        self.driver.settle()
        self.learn()
        self.see_deliveries()
        self.see_refused()
        self.hear_all()
        self.look_at_all()
        self.fetch_what_ended()

    def fetch_what_ended(self) -> None:
        """Have each result once, so that it can be held to its webhook, and to later readings."""
        for job in self.witnesses:
            strange = job.fault is not None and job.fault.family == "result"
            ended = job.task.ends <= self.now < job.gone
            if job.result is None and ended and not strange:
                self.fetched(job)
