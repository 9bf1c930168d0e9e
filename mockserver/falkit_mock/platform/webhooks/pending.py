"""A webhook that is still to be delivered."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from falkit_mock.platform.webhooks.faults import Faults
from falkit_mock.platform.webhooks.targets import Target
from falkit_mock.store.deliveries import Cause


@dataclass(slots=True)
class Pending:
    """How far one webhook has come. Moments are unix seconds, infinite while unknown."""

    request_id: str
    target: Target
    user_id: str
    cause: Cause = "job"
    faults: Faults = field(default_factory=lambda: Faults({}))
    # What is sent, the same at each attempt; nothing before the first one.
    body: bytes = b""
    # Whether the job has ended, as far as the webhook knows.
    ended: bool = False
    # Attempts that were begun.
    number: int = 0
    # When the first of them was, and when the result is gone.
    first: float = math.inf
    gone: float = math.inf
    # When the next attempt is made: at the job's end, for the first.
    next: float = math.inf
    task: asyncio.Task[None] | None = None
