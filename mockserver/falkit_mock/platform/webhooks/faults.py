"""What can go wrong with a webhook on demand: a table, and its reading from a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from falkit_spec import JSON

WebhookFaultName: TypeAlias = Literal[
    "duplicate",
    "late",
    "out_of_order",
    "before_reply",
    "tampered",
    "stale",
    "unknown_key",
    "slow",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a fault takes; `whole` ones are integers."""

    name: str
    default: float
    least: float
    most: float
    about: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class WebhookFault:
    """A fault by name: what it does, in a line, and the numbers it takes."""

    name: WebhookFaultName
    about: str
    parameters: tuple[Parameter, ...] = ()


_WEEK = 604_800.0
_ATTEMPTS = Parameter(
    "attempts", 1, 1, 100, "how many of the delivery's first attempts it spoils", whole=True
)
_FAULTS = (
    WebhookFault(
        "duplicate",
        "the same webhook comes more than once, although it was acknowledged",
        (
            Parameter("times", 2, 2, 100, "how often it comes in all", whole=True),
            Parameter("seconds", 0, 0, _WEEK, "time between one and the next; 0 is all at once"),
        ),
    ),
    WebhookFault(
        "late",
        "it goes out only some time after the job's end",
        (Parameter("seconds", 60, 0, _WEEK, "how long after the end"),),
    ),
    WebhookFault(
        "out_of_order",
        "it is held back until the mock's next webhook has gone, and overtaken by that",
        (Parameter("seconds", 60, 0, _WEEK, "how long it is held back if no other comes"),),
    ),
    WebhookFault(
        "before_reply",
        "the job ends at once and its webhook comes before the reply to the submit",
    ),
    WebhookFault("tampered", "the body is changed after it was signed", (_ATTEMPTS,)),
    WebhookFault(
        "stale",
        "its timestamp is older than receivers allow, and is signed so",
        (Parameter("seconds", 600, 0, _WEEK, "age of the timestamp"), _ATTEMPTS),
    ),
    WebhookFault("unknown_key", "it is signed with a key that is not published", (_ATTEMPTS,)),
    WebhookFault(
        "slow",
        "the receiver's answer counts as too late, so that it comes again",
        (_ATTEMPTS,),
    ),
)
WEBHOOK_FAULTS: dict[str, WebhookFault] = {fault.name: fault for fault in _FAULTS}


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one job's webhook, by name, with their numbers."""

    chosen: dict[str, dict[str, float]]

    @classmethod
    def read(cls, value: JSON) -> Faults:
        """Read `[{"name": …, parameter: number, …}]`, as rules keep it with a job.

        Rules check what they write, so unknown names are passed over and defaults fill in.
        """
        chosen: dict[str, dict[str, float]] = {}
        for item in value if isinstance(value, list) else ():
            fault = WEBHOOK_FAULTS.get(str(item.get("name"))) if isinstance(item, dict) else None
            if fault is not None and isinstance(item, dict):
                chosen[fault.name] = {
                    parameter.name: _number(item.get(parameter.name), parameter.default)
                    for parameter in fault.parameters
                }
        return cls(chosen)

    def has(self, name: WebhookFaultName) -> bool:
        return name in self.chosen

    def whole(self) -> tuple[WebhookFaultName, ...]:
        """Return the faults that are about all of a delivery, not about single attempts."""
        return tuple(
            WEBHOOK_FAULTS[name].name
            for name in self.chosen
            if _ATTEMPTS not in WEBHOOK_FAULTS[name].parameters
        )

    def number(self, name: WebhookFaultName, parameter: str) -> float:
        """Return a parameter of a fault; 0 where the webhook hasn't the fault."""
        return self.chosen.get(name, {}).get(parameter, 0.0)

    def spoils(self, name: WebhookFaultName, attempt: int) -> bool:
        """Tell whether a fault touches an attempt; the first is 1."""
        return attempt <= self.number(name, "attempts")


def _number(value: JSON, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
