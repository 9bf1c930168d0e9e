"""What tries to leave the machine: let out or not, and remembered either way."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, TypeAlias

Policy: TypeAlias = Literal["allow", "block"]
# Attempts that are remembered one by one; older ones still count.
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to a host that is neither fal's nor this machine."""

    host: str
    port: int
    # Unix seconds.
    time: float
    allowed: bool


class Egress:
    """The policy for other hosts, and the journal of who was called."""

    def __init__(self, policy: Policy, heard: Callable[[Attempt], None] | None = None) -> None:
        self.policy: Policy = policy
        self.attempts: deque[Attempt] = deque(maxlen=_REMEMBERED)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.heard = heard

    def attempt(self, host: str, port: int) -> bool:
        """Note a call to another host; return whether it may go out."""
        attempt = Attempt(host, port, time.time(), self.policy == "allow")
        self.attempts.append(attempt)
        self.counts[host, port] += 1
        if self.heard is not None:
            self.heard(attempt)
        return attempt.allowed


def is_this_machine(host: str) -> bool:
    """Tell whether a host is the machine itself, which nothing leaves by calling it."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
