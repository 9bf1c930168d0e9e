"""What is wrong with a rule.

RuleError          a field of it can't work: which, what it was, what would
└── UnknownFault   it names no fault of the catalogue
"""

from __future__ import annotations

from falkit_spec import JSON

# Characters of a value that are shown.
_MOST = 100


class RuleError(ValueError):
    """A rule that can't work.

    `field` and `value` are what is wrong, `mend` what would do; `where` is the rule's place
    among others, such as `rule 2`, and may be added later by who knows it.
    """

    def __init__(self, field: str, value: JSON, mend: str, where: str = "") -> None:
        self.field = field
        self.value = value
        self.mend = mend
        self.where = where
        super().__init__(self.message)

    @property
    def message(self) -> str:
        value = repr(self.value)
        short = value if len(value) <= _MOST else f"{value[:_MOST]}…"
        said = f"{self.field}: {short} {self.mend}"
        return f"{self.where}: {said}" if self.where else said

    def __str__(self) -> str:
        return self.message

    def at(self, where: str) -> RuleError:
        """Say also which rule it is."""
        self.where = where
        return self


class UnknownFault(RuleError):
    """No fault has this name; `near` is the one that was probably meant."""

    def __init__(self, name: str, near: str | None) -> None:
        meant = f"did you mean {near}?" if near else "`falkit faults` lists them"
        super().__init__("fault", name, f"is no fault; {meant}")
        self.near = near
