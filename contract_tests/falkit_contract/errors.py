"""What these tools refuse, always at the call and never while examples are drawn.

ContractError
├── BadArgument          .name  .value                    (ValueError)
└── UnsupportedSchema    .endpoint_id  .path  .reason     (NotImplementedError)
"""

from __future__ import annotations


class ContractError(Exception):
    """Anything this package refuses."""


class BadArgument(ContractError, ValueError):
    """An argument that cannot be meant; the message names it, its value and the mend."""

    def __init__(self, name: str, value: object, mend: str) -> None:
        self.name = name
        self.value = value
        super().__init__(f"{name} is {value!r}: {mend}")


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
