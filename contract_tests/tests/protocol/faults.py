"""Faults that a submit can name, each with what it is to come to, written from the protocol's page.

Nothing here is read from the mock's own catalogue of them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from hypothesis.vendor.pretty import RepresentationPrinter

# How often the queue hands a job to a runner (wire.md §3.6).
MOST_ATTEMPTS = 10
Used = Counter[tuple[str, str]]
Family = Literal["model", "request", "raw", "queue", "result", "gate", "webhook"]


@dataclass(frozen=True)
class Ending:
    """How a job's result reads: its code, and what tells its cause."""

    code: int = 200
    # Of the platform's errors: in the body, a header and the status.
    error_type: str | None = None
    # Of a model's errors: the type of the one that `detail` lists.
    kind: str | None = None
    # What the body is, where it is no JSON.
    text: str | None = None
    # Whether a test chose the output, so that there are no files to it.
    fixed: bool = False


OK = Ending()
CANCELLED = Ending(499, "client_cancelled")
TIMED_OUT = Ending(504, "request_timeout")


@dataclass(frozen=True)
class Fault:
    """One fault in a line, as a header or a prompt names it."""

    text: str
    family: Family
    ending: Ending | None = None
    # Whether a runner works on the job before it fails.
    ran: bool = True
    # Whether the queue tries again (wire.md §3.6).
    again: bool = False
    times: float = math.inf
    # Of webhooks: how often, how late, how many attempts are spoilt.
    seconds: float = 0.0
    copies: int = 1
    spoilt: int = 0

    def __repr__(self) -> str:
        return f"<{self.text}>"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(repr(self))

    @property
    def name(self) -> str:
        return self.text.partition(" ")[0]

    def applies(self, *, readable: bool, retry: bool, key: str, used: Used) -> tuple[bool, int]:
        """Tell whether a job ends by this and how often it was tried; count in `used`.

        A model's own errors don't come to an input that it never gets to see.
        """
        if self.ending is None or (self.family != "request" and not readable):
            return False, 1
        for attempt in range(1, MOST_ATTEMPTS + 1 if retry else 2):
            if not self.comes(key, used):
                return False, attempt
            if not self.again:
                return True, attempt
        return True, MOST_ATTEMPTS if retry else 1

    def comes(self, key: str, used: Used) -> bool:
        """Tell whether it strikes once more, and count that: by text and key."""
        if used[self.text, key] >= self.times:
            return False
        used[self.text, key] += 1
        return True


def _model(
    text: str, code: int = 422, *, ran: bool = True, again: bool = False, times: float = math.inf
) -> Fault:
    kind = text.partition(" ")[0]
    return Fault(text, "model", Ending(code, kind=kind), ran, again, times)


def _request(
    text: str, code: int, *, ran: bool = False, again: bool = False, times: float = math.inf
) -> Fault:
    kind = text.partition(" ")[0]
    return Fault(text, "request", Ending(code, error_type=kind), ran, again, times)


ENDINGS = (
    _model("content_policy_violation"),
    _model("image_too_small", ran=False),
    _model("internal_server_error times=1", 500, times=1),
    _model("generation_timeout retryable=true times=3", 504, again=True, times=3),
    _request("runner_disconnected", 503, ran=True, again=True),
    _request("runner_disconnected times=2", 503, ran=True, again=True, times=2),
    _request("startup_timeout times=12", 504, again=True, times=12),
    _request("runner_incomplete_response", 502, ran=True),
    _request("bad_request", 400),
    Fault("raw_error status=502 text=broken", "raw", Ending(502, text="broken")),
    Fault("raw_error status=503 text=broken", "raw", Ending(503, text="broken"), again=True),
    Fault("unserialisable text=NaN", "raw", Ending(text="NaN")),
)
LATER = (
    Fault("stuck seconds=7", "queue", seconds=7),
    Fault("stuck", "queue", seconds=math.inf),
    Fault("result_expired", "result"),
    Fault("result_expired times=1", "result", times=1),
)
GATES = (
    Fault("account_locked", "gate", Ending(403)),
    Fault("bad_key", "gate", Ending(401)),
    Fault("ingress_error status=502", "gate", Ending(502)),
)
WEBHOOKS = (
    Fault("webhook_duplicate", "webhook", copies=2),
    Fault("webhook_duplicate copies=3 seconds=20", "webhook", copies=3, seconds=20),
    Fault("webhook_late seconds=30", "webhook", seconds=30),
    Fault("webhook_out_of_order", "webhook", seconds=60),
    Fault("webhook_lost", "webhook"),
    Fault("webhook_before_reply", "webhook"),
    Fault("webhook_tampered", "webhook", spoilt=1),
    Fault("webhook_stale attempts=2", "webhook", seconds=600, spoilt=2),
    Fault("webhook_unknown_key attempts=2", "webhook", spoilt=2),
    Fault("webhook_slow attempts=2", "webhook", spoilt=2),
)
FAULTS = (*ENDINGS, *LATER, *GATES, *WEBHOOKS)
