"""What a gateway answers in a model's place: refusals of an account, limits, a broken ingress."""

from __future__ import annotations

from dataclasses import dataclass

from falkit_mock.platform.rules.fault import ANYWHERE, FOLLOWING, JOBS, Fault, Operation
from falkit_mock.platform.rules.parameter import Parameter


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
