"""A webhook that is still to be delivered."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from falkit_mock.core.clock import Timer
from falkit_mock.core.events import Cause
from falkit_mock.core.jobs import NO_FAULTS, JobFaults
from falkit_mock.webhooks.targets import Target


@dataclass(slots=True, eq=False)
class PendingDelivery:
    """How far the delivery of one webhook has come. Moments are unix seconds."""

    request_id: str
    target: Target
    user_id: str
    cause: Cause = "job"
    faults: JobFaults = NO_FAULTS
    # What is sent, the same at each attempt; nothing before the first one.
    body: bytes = b""
    # How many attempts were begun.
    number: int = 0
    # When the first attempt was made, and when the job's result expires; infinite while unknown.
    first: float = math.inf
    gone: float = math.inf
    # When the next attempt is made: the first at the job's end. Infinite while that is unknown,
    # and during an attempt.
    next: float = math.inf
    # What the delivery waits for; the timer sets it at that moment.
    due: asyncio.Event = field(default_factory=asyncio.Event)
    timer: Timer = field(default_factory=Timer)
    # Whether the job has ended, and whether the receiver has acknowledged an attempt by hand.
    ended: bool = False
    acknowledged: bool = False
    # Set when the first attempt is over, or there is none.
    tried: asyncio.Event = field(default_factory=asyncio.Event)
