"""The steps of which every call consists, so that the two clients only carry them out.

A flow is a generator: it yields a step, is sent the step's answer, and returns what the call
gives. What a step raises is raised inside the flow, which may recover from it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from falkit_client._replies import Reply
from falkit_client._requests import Request
from falkit_client.results import Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; answered by the Reply, or by NoAnswer raised."""

    request: Request


@dataclass(frozen=True, slots=True)
class Listen:
    """Open an event stream; answered by a Reply, whose body is empty if the stream is open."""

    request: Request


@dataclass(frozen=True, slots=True)
class Hear:
    """Read on in the open stream; answered by a piece of text, or None at its end."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Open a file of the web; answered by a Reply without body, or by NoAnswer raised."""

    request: Request


@dataclass(frozen=True, slots=True)
class Take:
    """Read on in the open file; answered by some bytes, or None at its end."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the open file; answered by None."""


@dataclass(frozen=True, slots=True)
class Do:
    """Do work on this machine that may take a while, such as reading a file; answered by None."""

    work: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Together:
    """Carry out flows side by side, all to their ends; answered by None.

    Where one fails the others are told to `stop`, and what it raised is raised.
    """

    flows: Sequence[Flow[None]]
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pause:
    """Let seconds go by; answered by None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Hand a status to the caller; answered by None."""

    status: Status


Doable: TypeAlias = Send | Listen | Hear | Fetch | Take | Leave | Do | Together | Pause
Step: TypeAlias = Doable | Report
Answer: TypeAlias = Reply | str | bytes | None
Flow: TypeAlias = Generator[Step, Answer, T]


def ask(step: Send | Listen | Fetch) -> Flow[Reply]:
    """Yield a step that a Reply answers."""
    answer = yield step
    if not isinstance(answer, Reply):
        raise TypeError(f"{step} was answered by {answer!r}")
    return answer


def hear() -> Flow[str | None]:
    """Yield the step that a piece of text answers."""
    answer = yield Hear()
    if isinstance(answer, Reply | bytes):
        raise TypeError(f"a piece of a stream was expected, not {answer!r}")
    return answer


def take() -> Flow[bytes | None]:
    """Yield the step that some bytes answer."""
    answer = yield Take()
    if isinstance(answer, Reply | str):
        raise TypeError(f"a piece of a file was expected, not {answer!r}")
    return answer


def do(work: Callable[[], T]) -> Flow[T]:
    """Yield the step that does some work, and give what the work gives."""
    given: list[T] = []
    yield Do(lambda: given.append(work()))
    return given[0]
