"""When a webhook has to come and how often, reckoned from the protocol's page (wire.md §5.3).

What the pages leave open is as docs/fidelity.md has it: pauses that double, counted from the first
attempt on. Nothing here is read from the mock's own schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from protocol.faults import Fault
from protocol.receiver import Arrival
from protocol.service import Task


def _older() -> list[float]:
    """Ten retries in two hours: pauses double, and the tenth is when the two hours are over."""
    first = 7200 / sum(2**turn for turn in range(10))
    return [first * (2**turn - 1) for turn in range(1, 11)]


def _newest() -> list[float]:
    """31 tries at most: a second's pause, doubled up to 150 s."""
    moments, pause = [0.0], 1.0
    while len(moments) < 31:
        moments.append(moments[-1] + pause)
        pause = min(2 * pause, 150.0)
    return moments[1:]


def _observed() -> list[float]:
    """Six within ten minutes, 60 to 120 s apart: pauses grow by 12 s."""
    return [float(moment) for moment in (60, 132, 216, 312, 420, 540)]


@dataclass(frozen=True)
class Rules:
    """What one of the accounts says."""

    # Seconds after the first attempt.
    retries: list[float]
    first_timeout: float
    timeout: float
    redirect_is_final: bool
    ends_with_result: bool


RULES = {
    "two-hours": Rules(_older(), 15, 15, redirect_is_final=False, ends_with_result=False),
    "until-expiry": Rules(_newest(), 15, 120, redirect_is_final=True, ends_with_result=True),
    "observed": Rules(_observed(), 15, 15, redirect_is_final=False, ends_with_result=False),
}
# Moments are sums of the same numbers in another order; less than a microsecond, all the same.
CLOSE = 6e-7


def same(one: float, other: float) -> bool:
    """Tell whether two moments are one, but for how they were added up."""
    return one == other or abs(one - other) < CLOSE


@dataclass
class Attempt:
    """One that came, and what has to come of it."""

    arrival: Arrival
    main: bool
    # When it is over, and what the receiver had said by then; None for nothing.
    over: float
    code: int | None
    verdict: str
    next: float | None = None

    def agrees(self, entry: dict[str, Any]) -> bool:
        """Tell whether a line of the mock's log is about this."""
        answer = None if entry["response"] is None else entry["response"]["status_code"]
        due = math.inf if entry["next"] is None else entry["next"]
        return (
            entry["sent"] == self.arrival.moment
            and entry["request"]["headers"] == self.arrival.headers
            and entry["request"]["body"].encode() == self.arrival.body
            and entry["url"] == self.arrival.url
            and answer == self.code
            and entry["status"] == self.verdict
            and same(due, math.inf if self.next is None else self.next)
        )


@dataclass
class Webhook:
    """All deliveries of one job."""

    url: str
    task: Task
    rules: Rules
    fault: Fault | None
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    # When the next attempt is due; infinite while that is not known, and after the last.
    due: float = math.inf
    # Moments of what comes besides: copies by a fault, and what somebody wished for.
    besides: list[float] = field(default_factory=list[float])
    done: bool = False

    @property
    def number(self) -> int:
        """How many attempts were made, without what came besides."""
        return sum(attempt.main for attempt in self.attempts)

    def is_faulted(self, name: str) -> bool:
        return self.fault is not None and self.fault.name == f"webhook_{name}"

    def spoils(self, name: str, number: int) -> bool:
        """Tell whether a fault is in an attempt; the first is 1."""
        return self.fault is not None and self.is_faulted(name) and number <= self.fault.spoilt

    def plan(self, overs: list[float]) -> None:
        """Say when the first attempt is due, once the job's end is known.

        `overs` are the moments at which other webhooks' attempts were over.
        """
        if self.done or self.number or self.is_faulted("lost"):
            return
        self.due = self.task.ends
        if self.fault is not None and self.is_faulted("late"):
            self.due += self.fault.seconds
        if self.fault is not None and self.is_faulted("out_of_order"):
            later = [over for over in overs if over > self.task.ends]
            self.due = min([self.task.ends + self.fault.seconds, *later])

    def may_come(self, moment: float, overs: list[float], *, another_waits: bool) -> bool:
        """Tell whether an attempt may be made now."""
        if same(moment, self.due):
            return True
        if self.number or not self.is_faulted("out_of_order") or moment < self.task.ends:
            return False
        # At the very moment of another one's end it is open which comes first.
        return moment in overs or (another_waits and moment == self.task.ends)

    def take(self, arrival: Arrival, gone: float) -> Attempt:
        """Take an attempt that was due, and reckon what comes of it."""
        number, moment = self.number + 1, arrival.moment
        attempt = self._attempt(arrival, number, main=True)
        self.attempts.append(attempt)
        if number == 1 and self.fault is not None and self.is_faulted("duplicate"):
            turns = range(1, self.fault.copies)
            self.besides += [moment + turn * self.fault.seconds for turn in turns]
        self.due = math.inf
        if attempt.verdict == "retry":
            attempt.next = self._again(number, self._counted_over(attempt, number), gone)
            if attempt.next is None:
                attempt.verdict = "failed"
            else:
                self.due = attempt.next
        self.done = self.done or attempt.verdict != "retry"
        return attempt

    def take_besides(self, arrival: Arrival) -> Attempt:
        """Take what comes besides, which is tried once."""
        attempt = self._attempt(arrival, max(self.number, 1), main=False)
        if attempt.verdict == "retry":
            attempt.verdict = "failed"
        self.attempts.append(attempt)
        return attempt

    def is_held(self, now: float) -> bool:
        """Tell whether a fault holds it back until another one has gone."""
        return self.is_faulted("out_of_order") and not self.number and self.task.ends <= now

    def under_way(self, now: float) -> bool:
        """Tell whether a receiver still has time to answer."""
        return any(attempt.over > now for attempt in self.attempts)

    def acknowledge(self, now: float) -> None:
        """Note that somebody had it sent, and that it was taken: no more tries."""
        if not self.number:
            return
        self.done, self.due = True, math.inf
        for attempt in self.attempts:
            if attempt.over > now and attempt.verdict == "retry":
                attempt.verdict, attempt.next = "failed", None

    def _attempt(self, arrival: Arrival, number: int, *, main: bool) -> Attempt:
        limit = self.rules.first_timeout if number == 1 else self.rules.timeout
        mood = arrival.mood
        over = arrival.moment + min(mood.delay, limit)
        code = mood.code if mood.delay < limit else None
        slow = main and code is not None and self.spoils("slow", number)
        return Attempt(arrival, main, over, code, self._verdict(None if slow else code))

    def _counted_over(self, attempt: Attempt, number: int) -> float:
        """Return when an attempt is over; one that a fault calls slow has used up its time."""
        if attempt.code is None or not self.spoils("slow", number):
            return attempt.over
        limit = self.rules.first_timeout if number == 1 else self.rules.timeout
        return attempt.arrival.moment + limit

    def _verdict(self, code: int | None) -> str:
        if code is not None and 200 <= code < 300:
            return "acknowledged"
        redirect = code is not None and 300 <= code < 400
        return "failed" if redirect and self.rules.redirect_is_final else "retry"

    def _again(self, number: int, over: float, gone: float) -> float | None:
        if number > len(self.rules.retries):
            return None
        first = next(attempt for attempt in self.attempts if attempt.main).arrival.moment
        moment = max(over, first + self.rules.retries[number - 1])
        return None if self.rules.ends_with_result and moment >= gone else moment
