"""The steps of which every call consists, so that the two clients only have to carry them out.

A flow is a generator: it yields a step, is sent the step's answer, and returns the call's value.
What a step raises is raised inside the flow, which may handle it. Nothing here does I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

from falkit_client._replies import Reply, is_for_good
from falkit_client._requests import Request
from falkit_client.errors import NoAnswer
from falkit_client.options import Retries
from falkit_client.results import Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; answered by the Reply, or by NoAnswer raised.

    With `stream` the response stays open for Read, up to the flow's next Send or its end, and the
    Reply has no body. Redirects are followed only where the request carries no key.
    """

    request: Request
    stream: bool = False
    follow_redirects: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Read on in the open response; answered by some bytes, or None at its end."""


@dataclass(frozen=True, slots=True)
class Do:
    """Do work on this machine that may take a while, such as reading a file; answered by None."""

    work: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Together:
    """Carry out flows side by side, all to their ends; answered by None.

    Where one fails `stop` is called, so that the others end, and what it raised is raised.
    """

    flows: Sequence[Flow[None]]
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait some seconds; answered by None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Hand a status to the caller; answered by None."""

    status: Status


Action: TypeAlias = Send | Read | Do | Together | Pause
Step: TypeAlias = Action | Report
Answer: TypeAlias = Reply | bytes | None
Flow: TypeAlias = Generator[Step, Answer, T]


def ask(step: Send) -> Flow[Reply]:
    """Yield a step that a Reply answers."""
    answer = yield step
    if not isinstance(answer, Reply):
        raise TypeError(f"{step} was answered by {answer!r}")
    return answer


def read() -> Flow[bytes | None]:
    """Yield the step that some bytes answer, or None at the end of the body."""
    answer = yield Read()
    if isinstance(answer, Reply):
        raise TypeError(f"some bytes of a body were expected, not {answer!r}")
    return answer


def do(work: Callable[[], T]) -> Flow[T]:
    """Yield the step that does some work, and return what the work returns."""
    results: list[T] = []
    yield Do(lambda: results.append(work()))
    return results[0]


class OutOfTime(Exception):
    """The caller's time is up; becomes TimedOut before it reaches the caller."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment up to which a caller waits; `at` None is never."""

    clock: Callable[[], float]
    at: float | None

    def left(self) -> float:
        """The seconds that remain; infinity without a limit."""
        return float("inf") if self.at is None else self.at - self.clock()

    def limit(self, seconds: float) -> float:
        """So many seconds, or what remains if that is less; OutOfTime when nothing does."""
        left = self.left()
        if left <= 0:
            raise OutOfTime
        return min(seconds, left)

    def bound(self, request: Request) -> Request:
        """The request with a timeout no longer than what remains."""
        if self.at is None or request.timeout is None:
            return request
        return replace(request, timeout=self.limit(request.timeout))


NEVER = Deadline(time.monotonic, None)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends requests, again and again as the retries allow; `random` gives numbers from 0 to 1."""

    retries: Retries
    random: Callable[[], float]

    def waits(self) -> Iterator[float]:
        """The seconds before each further attempt."""
        return self.retries.waits(self.random)

    def send(
        self,
        request: Request,
        deadline: Deadline = NEVER,
        final: Callable[[Reply], bool] = is_for_good,
    ) -> Flow[Reply]:
        """Send, and send again as retries allow; `final`: which errors repeating won't change.

        Raises NoAnswer where none comes, OutOfTime where the deadline has passed.
        """
        waits = self.waits()
        while True:
            wait = next(waits, None)
            try:
                reply = yield from ask(Send(deadline.bound(request)))
            except NoAnswer as error:
                if deadline.left() <= 0:
                    raise OutOfTime from error
                if wait is None or not self.retries.after_silence(error, safe=request.safe):
                    raise
            else:
                again = self.retries.after_reply(reply.status, safe=request.safe)
                if wait is None or not again or final(reply):
                    return reply
            yield Pause(deadline.limit(wait))


class Running(Generic[T]):
    """A flow on its way: the next `step`, until there is none and `value` is set."""

    def __init__(self, flow: Flow[T]) -> None:
        """Go to the first step."""
        self._flow = flow
        self._value: tuple[T] | None = None
        self.step: Step | None = None
        self._move(lambda: next(flow))

    @property
    def value(self) -> T:
        """What the flow returned; RuntimeError while a step is left."""
        if self._value is None:
            raise RuntimeError(f"the flow waits at {self.step}")
        return self._value[0]

    def answer(self, answer: Answer) -> None:
        """Answer the step that was due, and go to the next."""
        self._move(lambda: self._flow.send(answer))

    def throw(self, error: BaseException) -> None:
        """Let the step that was due fail, and go to the next if the flow recovers."""
        self._move(lambda: self._flow.throw(error))

    def _move(self, move: Callable[[], Step]) -> None:
        try:
            self.step = move()
        except StopIteration as stop:
            self.step, self._value = None, (stop.value,)
