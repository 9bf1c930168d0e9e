"""Every fault by its name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from falkit_mock.core.jobs import WebhookFaultName
from falkit_mock.faults import ANYWHERE, FOLLOWING, JOBS, Fault, Operation, Parameter, UnknownFault
from falkit_mock.faults.job_errors import MODEL_ERRORS, RAW_OUTCOMES, REQUEST_ERRORS

# Ten years are as far as the clock jumps at once.
_WEEK, _YEARS = 604_800, 315_360_000


@dataclass(frozen=True, slots=True)
class LineFault(Fault):
    """Something that befalls the connection; `done` if the request was carried out before."""

    done: bool = False


LINE_FAULTS = (
    LineFault(
        "connection_reset",
        "answer",
        "the connection is reset before the request is carried out",
        JOBS,
        ANYWHERE,
        family="connection",
    ),
    LineFault(
        "hang",
        "answer",
        "no answer, until the caller gives up or the connection is closed",
        JOBS,
        ANYWHERE,
        (Parameter("seconds", "number", 3600, "until it is closed", least=0, most=_WEEK),),
        family="connection",
    ),
    LineFault(
        "reply_lost",
        "answer",
        "the request is carried out, and the connection reset before the reply",
        JOBS,
        ANYWHERE,
        family="connection",
        done=True,
    ),
    LineFault(
        "half_reply",
        "answer",
        "the request is carried out, and the reply breaks off in the middle",
        JOBS,
        ANYWHERE,
        family="connection",
        done=True,
    ),
    LineFault(
        "garbage",
        "answer",
        "the request is carried out, and the reply is no HTTP",
        JOBS,
        ANYWHERE,
        family="connection",
        done=True,
    ),
)
TIME_FAULTS = (
    Fault(
        "latency",
        "latency",
        "it is answered later",
        JOBS,
        ANYWHERE,
        (
            Parameter(
                "seconds",
                "seconds",
                1,
                "seconds, `uniform:1..3`, `normal:MEAN,DEVIATION` or `lognormal:MEDIAN,SIGMA`",
            ),
        ),
        family="time",
    ),
    Fault(
        "stuck",
        "queue",
        "it stays IN_QUEUE, although nobody is ahead",
        ("submit",),
        ("submit",),
        (
            Parameter(
                "seconds",
                "number",
                "inf",
                "for how long; `inf` for ever",
                least=0,
                most=_YEARS,
                endless=True,
            ),
        ),
        family="time",
    ),
    Fault(
        "slow_logs",
        "logs",
        "log lines show late",
        ("submit",),
        ("submit",),
        (
            Parameter(
                "seconds",
                "number",
                5,
                "how late; `inf` for never",
                least=0,
                most=_YEARS,
                endless=True,
            ),
        ),
        family="time",
    ),
)


@dataclass(frozen=True, slots=True)
class GateFault(Fault):
    """A reply in the place of the one asked for; nothing was done."""


_KEYED: tuple[Operation, ...] = (*JOBS, *FOLLOWING, "initiate", "token")
GATE_FAULTS = (
    GateFault(
        "account_locked",
        "answer",
        "403: the account has no balance, or was locked; statuses still answer",
        (*JOBS, "initiate"),
        (*JOBS, "initiate"),
        (
            Parameter(
                "reason",
                "choice",
                "exhausted_balance",
                "why",
                choices=("exhausted_balance", "top_up", "admin"),
            ),
        ),
        family="gateway",
    ),
    GateFault("bad_key", "answer", "401: the key is not known", _KEYED, _KEYED, family="gateway"),
    GateFault(
        "concurrent_requests_limit",
        "answer",
        "429: too many of the account's requests run",
        ("run",),
        JOBS,
        family="gateway",
    ),
    GateFault(
        "ingress_error",
        "answer",
        "nginx's own error page, without x-fal-request-id, so that clients try again",
        JOBS,
        ANYWHERE,
        (Parameter("status", "choice", "503", "its code", choices=("502", "503", "504")),),
        family="gateway",
    ),
    GateFault(
        "result_expired",
        "answer",
        "404: what was answered is kept no longer",
        ("result",),
        FOLLOWING,
        family="gateway",
    ),
)
MEDIA_FAULTS = (
    Fault(
        "media_missing",
        "media",
        "404: the file is not there",
        ("media",),
        ("media",),
        family="media",
    ),
    Fault(
        "media_truncated",
        "media",
        "the file ends early, and its headers say nothing of it",
        ("media",),
        ("media",),
        (Parameter("share", "number", 0.5, "how much of it there is", least=0, most=1),),
        family="media",
    ),
    Fault(
        "media_wrong_type",
        "media",
        "a page in the place of the file",
        ("media",),
        ("media",),
        (Parameter("content_type", "text", "text/html", "what it is said to be", header=True),),
        family="media",
    ),
    Fault(
        "media_slow",
        "media",
        "the file comes in ten pieces, with pauses",
        ("media",),
        ("media",),
        (Parameter("seconds", "number", 10, "for the whole", least=0, most=604_800),),
        family="media",
    ),
)


def _webhook(name: WebhookFaultName, about: str, *parameters: Parameter) -> Fault:
    submit: tuple[Operation, ...] = ("submit",)
    name_ = f"{WEBHOOK_PREFIX}{name}"
    return Fault(name_, "webhook", about, submit, submit, parameters, family="webhook")


# What rules write before the name that a delivery has for its fault.
WEBHOOK_PREFIX = "webhook_"
_ATTEMPTS = Parameter(
    "attempts",
    "integer",
    1,
    "how many of the delivery's first attempts it corrupts",
    least=1,
    most=100,
)
WEBHOOK_FAULTS = (
    _webhook(
        "duplicate",
        "the same webhook comes more than once, although it was acknowledged",
        Parameter("copies", "integer", 2, "how often it comes in all", least=2, most=100),
        Parameter(
            "seconds",
            "number",
            0,
            "time between one and the next; 0 is all at once",
            least=0,
            most=_WEEK,
        ),
    ),
    _webhook(
        "late",
        "it goes out only some time after the job's end",
        Parameter("seconds", "number", 60, "how long after the end", least=0, most=_WEEK),
    ),
    _webhook(
        "out_of_order",
        "it is held back until the mock's next webhook has gone, and overtaken by that",
        Parameter(
            "seconds",
            "number",
            60,
            "how long it is held back if no other comes",
            least=0,
            most=_WEEK,
        ),
    ),
    _webhook(
        "before_reply",
        "the job ends at once and its webhook comes before the reply to the submit",
    ),
    _webhook("tampered", "the body is changed after it was signed", _ATTEMPTS),
    _webhook(
        "stale",
        "its timestamp is older than receivers allow, and is signed so",
        Parameter("seconds", "number", 600, "age of the timestamp", least=0, most=_WEEK),
        _ATTEMPTS,
    ),
    _webhook("unknown_key", "it is signed with a key that is not published", _ATTEMPTS),
    _webhook("slow", "the receiver's answer counts as too late, so that it comes again", _ATTEMPTS),
)
_ALL: tuple[Fault, ...] = (
    *MODEL_ERRORS,
    *REQUEST_ERRORS,
    *RAW_OUTCOMES,
    *GATE_FAULTS,
    *LINE_FAULTS,
    *TIME_FAULTS,
    *MEDIA_FAULTS,
    *WEBHOOK_FAULTS,
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}


def find_fault(name: str) -> Fault:
    """Return the fault of a name; raise UnknownFault. Dashes are as good as underscores."""
    fault = FAULTS.get(name.replace("-", "_"))
    if fault is None:
        near = get_close_matches(name.lower().replace("-", "_"), FAULTS, n=1)
        raise UnknownFault(name, near[0] if near else None)
    return fault
