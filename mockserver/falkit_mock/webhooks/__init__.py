"""Errors of webhooks, and the schedules by which they are sent again."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from falkit_mock.core import masked
from falkit_mock.core.events import Verdict
from falkit_mock.settings import ScheduleName


class TargetRefused(Exception):
    """Nothing may be sent to a URL; `url` is as it was given, its password masked."""

    def __init__(self, url: str, why: str) -> None:
        self.url = masked(url)
        super().__init__(f"{self.url!r}: {why}")
        self.why = why


class SendFailed(Exception):
    """The receiver gave no answer; the message says why."""


class NotDelivered(Exception):
    """A webhook can't be sent by hand, or its answer wasn't waited for; the message says why."""


class KeyInUse(Exception):
    """A key can't be withdrawn: it signs, or there is no such key."""


class Schedule(NamedTuple):
    """When attempts at a webhook are made, and how long a receiver has to answer.

    fal documents only bounds (wire.md §5.3). The moments between them are our assumption.
    """

    name: ScheduleName
    # Seconds that a receiver has for the first attempt, and for each further one.
    first_timeout: float
    timeout: float
    # Seconds after the first attempt at which the second, third … are made.
    offsets: tuple[float, ...]
    # Whether nothing is sent once the result is gone.
    ends_with_result: bool
    # Whether an answer of 3xx is final.
    redirect_is_final: bool

    def timeout_of(self, number: int) -> float:
        """Return the seconds that a receiver has for an attempt; the first attempt is 1."""
        return self.first_timeout if number == 1 else self.timeout

    def decide(
        self,
        number: int,
        status_code: int | None,
        *,
        first: float,
        now: float,
        gone: float,
        once: bool,
    ) -> tuple[Verdict, float | None]:
        """Return what became of attempt `number`, and when to try again; never with `once`.

        A status code of None stands for no answer. Moments are unix seconds: `first` is when the
        first attempt was made, `now` when this one was over, `gone` when the result expires. An
        attempt that took longer than the pause is followed by the next one at once.
        """
        if status_code is not None and 200 <= status_code < 300:
            return "acknowledged", None
        redirected = status_code is not None and 300 <= status_code < 400
        final = once or (redirected and self.redirect_is_final)
        if final or number > len(self.offsets):
            return "failed", None
        moment = max(now, first + self.offsets[number - 1])
        if self.ends_with_result and moment >= gone:
            return "failed", None
        return "retry", moment


SCHEDULES: dict[ScheduleName, Schedule] = {
    # The older pages: 15 s to answer, ten retries over two hours. Doubled from 7.04 s on, the
    # tenth comes when the two hours are over.
    "two-hours": Schedule(
        "two-hours",
        15.0,
        15.0,
        tuple(7200.0 * (2**turn - 1) / (2**10 - 1) for turn in range(1, 11)),
        ends_with_result=False,
        redirect_is_final=False,
    ),
    # The newest pages: 15 s, then 120 s, while the result lives and 31 times at most. Doubled
    # from 1 s on and at most 150 s apart, the 31st comes just before the hour is over.
    "until-expiry": Schedule(
        "until-expiry",
        15.0,
        120.0,
        tuple(accumulate(min(2.0**turn, 150.0) for turn in range(30))),
        ends_with_result=True,
        redirect_is_final=True,
    ),
    # What one receiver saw that answered 400: six more within ten minutes, 60 to 120 s apart.
    "observed": Schedule(
        "observed",
        15.0,
        15.0,
        tuple(accumulate(60.0 + 12.0 * turn for turn in range(6))),
        ends_with_result=False,
        redirect_is_final=False,
    ),
}
