"""What happens to the connection, and to time: cut, broken off, lost, slow, or for ever silent."""

from __future__ import annotations

from dataclasses import dataclass

from falkit_mock.platform.rules.fault import ANYWHERE, JOBS, Fault
from falkit_mock.platform.rules.parameter import Parameter

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
