"""Contract tests for whatever speaks fal's protocol: Hypothesis strategies from the documents,
cases for handlers of webhooks, and crashes for workers.

ContractError: what these tools refuse, always at the call and never while examples are drawn
├── BadArgument          .name  .value                    (ValueError)
└── UnsupportedSchema    .endpoint_id  .path  .reason     (NotImplementedError)
Finding: what is wrong with a program of yours            (AssertionError)
├── webhooks.WebhookFinding    .case  .problem  .curl
└── crashes.CrashFinding       .step  .problem
"""

from __future__ import annotations

from collections.abc import Mapping

from falkit.submitted import BASE_URL as BASE_URL, curl as curl


class ContractError(Exception):
    """Anything this package refuses."""


class BadArgument(ContractError, ValueError):
    """An argument that makes no sense; the message names it, its value and the fix."""

    def __init__(self, name: str, value: object, fix: str) -> None:
        self.name = name
        self.value = value
        super().__init__(f"{name} is {value!r}: {fix}")


class UnsupportedSchema(ContractError, NotImplementedError):
    """A document's schema from which no strategy can be made; `path` leads to the place.

    No document of fal's was found to hold one. For the field that it concerns, give a strategy
    of your own: `inputs(endpoint, fields={"mask": …})`.
    """

    def __init__(self, endpoint_id: str, path: str, reason: str) -> None:
        self.endpoint_id = endpoint_id
        self.path = path
        self.reason = reason
        super().__init__(f"{endpoint_id}: input{path}: {reason}")


class Finding(AssertionError):
    """What is wrong with a program: in one line, `problem`, and then by what it was seen."""

    def __init__(self, place: str, problem: str, lines: Mapping[str, str], last: str = "") -> None:
        self.problem = problem
        width = max(map(len, lines))
        below = "\n" + " " * (width + 4)
        told = [f"  {name:<{width}}  {text}".replace("\n", below) for name, text in lines.items()]
        super().__init__(
            "\n".join([f"{place}: {problem}", *told, *([f"  {last}"] if last else [])])
        )
