"""The gateway's errors, and which connections to other hosts it lets out."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from falkit_mock.core import reason
from falkit_mock.core.events import HostContacted

# What the name in the authority's certificate begins with, in older ones too.
AUTHORITY = "falkit local authority"


class GatewayError(Exception):
    """The message is one line that names the file and the fix."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def data_dir_unusable(path: Path, error: OSError) -> GatewayError:
    """Return the error of a folder that can't be read or written to."""
    why = f"can't keep the local authority in {path} ({reason(error)})"
    return GatewayError(path, f"{why}; set FALKIT_HOME to a folder that falkit may write to")


def authority_unusable(path: Path) -> GatewayError:
    """Return the error of a file that somebody else wrote to, or that was cut off."""
    fix = "`falkit cert renew` makes a new one"
    return GatewayError(path, f"{path} doesn't hold a key and its certificate; {fix}")


def roots_unusable(path: Path, where: str, error: OSError) -> GatewayError:
    """Return the error of a file that the environment names, or of the system's own."""
    why = f"{where}: can't read {path} ({reason(error)})"
    return GatewayError(path, f"{why}; unset it or correct the path")


Policy: TypeAlias = Literal["allow", "block"]
# Attempts that are remembered one by one; older ones still count.
_REMEMBERED = 1000


class Egress:
    """The policy for other hosts, and the log of who was called."""

    def __init__(
        self, policy: Policy, heard: Callable[[HostContacted], None] | None = None
    ) -> None:
        self.policy: Policy = policy
        self.attempts: deque[HostContacted] = deque(maxlen=_REMEMBERED)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.heard = heard

    def attempt(self, host: str, port: int, *, key: bool = False) -> bool:
        """Note a call to another host, with a key of fal's or not; return whether it may go out."""
        attempt = HostContacted(host, port, time.time(), self.policy == "allow", key)
        self.attempts.append(attempt)
        self.counts[host, port] += 1
        if self.heard is not None:
            self.heard(attempt)
        return attempt.allowed
