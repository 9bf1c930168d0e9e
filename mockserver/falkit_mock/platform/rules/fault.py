"""A fault: its name, when it takes place, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from falkit_mock.platform.rules.parameter import Parameter
from falkit_spec import JSON

Operation: TypeAlias = Literal[
    "submit",
    "run",
    "status",
    "stream",
    "result",
    "cancel",
    "media",
    "initiate",
    "upload",
    "token",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
# Of one phase, the first rule that matches decides; rules of different phases go together.
Phase: TypeAlias = Literal["latency", "answer", "queue", "outcome", "logs", "media", "webhook"]
# Where something can happen to the connection itself, and what starts a job.
ANYWHERE = OPERATIONS
JOBS: tuple[Operation, ...] = ("submit", "run")
FOLLOWING: tuple[Operation, ...] = ("status", "stream", "result", "cancel")
# What a fault can befall that the call itself names which makes a job: also what follows of it.
_REACHED: dict[Operation, tuple[Operation, ...]] = {
    "submit": ("submit", *FOLLOWING, "media"),
    "run": ("run", "media"),
}


def reached(operation: Operation) -> tuple[Operation, ...]:
    """Return the operations that a fault counts for which a call names itself."""
    return _REACHED.get(operation, (operation,))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong.

    `on` are the operations it happens on where a rule says nothing, `may` those that a rule may
    say; the families of faults add what they need.
    """

    name: str
    phase: Phase
    about: str
    on: tuple[Operation, ...]
    may: tuple[Operation, ...]
    parameters: tuple[Parameter, ...] = ()
    family: str = field(default="", kw_only=True)

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of a name, or None."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None

    def described(self) -> dict[str, JSON]:
        """Return the fault as the control API and `falkit faults` tell of it."""
        return {
            "name": self.name,
            "family": self.family,
            "phase": self.phase,
            "about": self.about,
            "on": list(self.on),
            "may": list(self.may),
            "parameters": [
                {
                    "name": parameter.name,
                    "kind": parameter.kind,
                    "default": parameter.default,
                    "about": parameter.about,
                    **({"choices": list(parameter.choices)} if parameter.choices else {}),
                }
                for parameter in self.parameters
            ],
        }
