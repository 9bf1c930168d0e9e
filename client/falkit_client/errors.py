"""What can go wrong between a caller and fal, as one tree that carries its evidence.

FalkitError
├── MissingKey           no key is set, and the real hosts need one; nothing was sent
├── UnknownEndpoint      the catalog has no such endpoint; nothing was sent   (LookupError)
├── BudgetExceeded       the price is more than the budget has left; nothing was sent
├── PriceUnknown         a budget cannot guard what has no known price; nothing was sent
├── InvalidInput         the input breaks the document or a rule              (ValueError)
│                        status None: found here, nothing was sent; 422: fal found it
├── NoAnswer             the network gave no answer
│   ├── Unreachable      no connection was made: fal has seen nothing
│   └── AnswerLost       the request went out: a submit may have been accepted
├── TimedOut             the caller's time ran out, the job was cancelled     (TimeoutError)
├── DownloadFailed       a file did not come whole; its part is kept for the next try
├── BadReply             an answer that does not fit the protocol
│   └── BadOutput        the job is done, its output breaks the document; the result is attached
├── WebhookError         a received delivery is not to be acted on
│   ├── Unverified       it isn't proven to be fal's: answer 400 or 401
│   │   ├── MissingHeader    one of the four headers is not there
│   │   ├── MalformedHeader  one of them is not what fal sends
│   │   ├── StaleTimestamp   it was signed too long ago, or in the future
│   │   └── WrongSignature   no key of fal's made the signature over these bytes
│   ├── BadPayload       fal signed it, but it isn't a webhook body: answer 400
│   └── KeysUnavailable  fal's keys can't be fetched: answer 503, so that it comes again
│       └── BadKeys      what came has no key that can be used
└── Refused              fal answered with an error
    ├── Unauthorized     401
    ├── Forbidden        403: a locked account or an empty balance, too
    ├── NotFound         404: an unknown or expired request, an unknown application
    ├── NotReady         400: the result was asked for before the end
    ├── Cancelled        499: the job was cancelled
    ├── RateLimited      429
    ├── ModelError       the model accepted the input and produced nothing
    └── ServerError      5xx of platform or runner
        └── StartTimeout 504: the job did not start within `start_timeout`

A failed job has no status of its own: it is COMPLETED, and its error is raised where the result
is read (wire.md §3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from falkit_client.results import JsonObject, Result
from falkit_spec.types import Fault


class Evidence(TypedDict, total=False):
    """What is known about a failure; every part of it is an attribute of the error."""

    endpoint: str | None
    request_id: str | None
    status: int | None
    detail: object
    hint: str | None
    error_type: str | None
    retryable: bool | None
    faults: Sequence[Fault]
    billable_units: Decimal | None


@dataclass(eq=False, repr=False)
class FalkitError(Exception):
    """Base of all errors of this package.

    `endpoint` and `request_id` say which job; `status` is the HTTP code of fal's answer, or None
    where there was none; `detail` is the body's `detail` as fal sent it (text or a list);
    `hint` is how to fix it, from the `x-falkit-hint` header of the stand-in;
    `error_type` is fal's name of a platform error; `retryable` is fal's own advice, if given;
    `faults` are the single faults of an input; `billable_units` is what fal bills in spite of the
    failure, if its answer has that.
    """

    message: str
    _: KW_ONLY
    endpoint: str | None = None
    request_id: str | None = None
    status: int | None = None
    detail: object = None
    hint: str | None = None
    error_type: str | None = None
    retryable: bool | None = None
    faults: Sequence[Fault] = ()
    billable_units: Decimal | None = None

    def __post_init__(self) -> None:
        """Set `args`, which tracebacks and loggers read."""
        super().__init__(self.message)

    def __str__(self) -> str:
        """The message, then one line each for the faults, the request and the hint."""
        lines = [self.message, *(f"  {fault_line(fault)}" for fault in self.faults)]
        if self.request_id:
            lines.append(f"  request: {self.request_id}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the evidence through pickling, as process pools need it."""
        evidence = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(type(self), **evidence), (), self.__dict__


def printable(text: str) -> str:
    """Return text without what would move a terminal's cursor: who wrote it isn't known."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def fault_line(fault: Fault) -> str:
    """One fault as a line: where, what, and what was given if it is short.

    >>> fault_line({"type": "int_type", "loc": ["body", "fps"], "msg": "Bad", "input": "x"})
    "body.fps: Bad (got 'x')"
    """
    where = ".".join(str(step) for step in fault["loc"])
    line = f"{where}: {fault['msg']}"
    if fault["type"] == "missing" or "input" not in fault:
        return line
    given = repr(fault["input"])
    return f"{line} (got {given if len(given) <= 60 else given[:57] + '...'})"


class MissingKey(FalkitError):
    """No key was given and none is in the environment; nothing was sent."""


@dataclass(eq=False, repr=False)
class UnknownEndpoint(FalkitError, LookupError):
    """The catalog has no endpoint of this id; `near` holds similar ids."""

    near: Sequence[str] = ()


@dataclass(eq=False, repr=False, kw_only=True)
class BudgetExceeded(FalkitError):
    """The price does not fit into the budget; all figures are US dollars.

    `price` is what the call would cost, `left` what the budget of `limit` still has, and `over`
    how far the call would go past it.
    """

    price: Decimal
    left: Decimal
    limit: Decimal

    @property
    def over(self) -> Decimal:
        """How far the call would go past the budget."""
        return self.price - self.left


class PriceUnknown(FalkitError):
    """There is a budget, and the call has no known price to check against it."""


class InvalidInput(FalkitError, ValueError):
    """The input is wrong; `faults` lists every fault, in fal's own form."""


class NoAnswer(FalkitError):
    """The network gave no answer; the transport's own error is the `__cause__`."""


class Unreachable(NoAnswer):
    """No connection was made, so fal has seen nothing: trying again is safe."""


class AnswerLost(NoAnswer):
    """The request went out and no answer came back: a submit may have been accepted."""


@dataclass(eq=False, repr=False, kw_only=True)
class TimedOut(FalkitError, TimeoutError):
    """The caller's time ran out; `seconds` was the limit.

    `cancelled` is True when fal accepted the cancellation, False when it could not be sent: the
    job may then run on and be paid for.
    """

    seconds: float
    cancelled: bool


@dataclass(eq=False, repr=False, kw_only=True)
class DownloadFailed(FalkitError):
    """A file did not come whole: `received` of `total` bytes (None where unknown) are there.

    `url` is the file, `path` its target, `partial` where the bytes that came are kept, and from
    where the same download continues; None where nothing is kept.
    """

    url: str
    path: Path
    partial: Path | None = None
    received: int = 0
    total: int | None = None


@dataclass(eq=False, repr=False)
class BadReply(FalkitError):
    """An answer that does not fit the protocol; `body` holds its bytes."""

    body: bytes = b""


@dataclass(eq=False, repr=False, kw_only=True)
class BadOutput(BadReply):
    """The output breaks the document; `result` still holds it, since it is paid for."""

    result: Result[JsonObject]


class WebhookError(FalkitError):
    """A delivery is not to be acted on; `request_id` is its header's, if there is one.

    `answer` is the status code to answer it with.
    """

    answer: ClassVar[int] = 401


class Unverified(WebhookError):
    """The delivery isn't proven to be fal's."""


@dataclass(eq=False, repr=False, kw_only=True)
class MissingHeader(Unverified):
    """A header of the signature is missing or empty; `header` is its name."""

    answer = 400

    header: str


@dataclass(eq=False, repr=False, kw_only=True)
class MalformedHeader(Unverified):
    """A header of the signature is not of fal's form; `header` is its name, `value` what it has."""

    answer = 400

    header: str
    value: str


@dataclass(eq=False, repr=False, kw_only=True)
class StaleTimestamp(Unverified):
    """Signed at `timestamp` (Unix seconds), which is `age` seconds ago: negative in the future.

    `leeway` is how many seconds either way are allowed (wire.md §5.2).
    """

    timestamp: int
    age: float
    leeway: float


class WrongSignature(Unverified):
    """None of the keys made this signature over these headers and bytes (wire.md §5.2)."""


@dataclass(eq=False, repr=False)
class BadPayload(WebhookError):
    """The signature is good, the body is not what wire.md §5.1 has; `body` is its bytes."""

    answer = 400

    body: bytes = b""


@dataclass(eq=False, repr=False, kw_only=True)
class KeysUnavailable(WebhookError):
    """Fal's keys could not be fetched from `url`, so the delivery cannot be verified."""

    answer = 503

    url: str


class BadKeys(KeysUnavailable):
    """The document at `url` isn't a key set with a usable Ed25519 key (wire.md §5.2)."""


class Refused(FalkitError):
    """Fal answered with an error; `status` is its code and `detail` its message."""


class Unauthorized(Refused):
    """401: the key is missing, malformed or unknown (wire.md §2)."""


class Forbidden(Refused):
    """403: the account is locked or its balance spent (wire.md §2)."""


class NotFound(Refused):
    """404: no such application, or a request that is unknown or expired (wire.md §3.4)."""


class NotReady(Refused):
    """400: the result was asked for while the job was still waiting or running (wire.md §3.4)."""


class Cancelled(Refused):
    """499: the job was cancelled, and so has no output (wire.md §3.4)."""


class RateLimited(Refused):
    """429: too many at once, or a queue longer than the caller allowed (wire.md §6.3)."""


class ModelError(Refused):
    """The model accepted the input but produced nothing, as in a content refusal (wire.md §6.1)."""


class ServerError(Refused):
    """5xx: a fault of platform or runner; `error_type` names it (wire.md §6.2)."""


class StartTimeout(ServerError):
    """504: the job did not start within `start_timeout` (wire.md §3.4)."""
