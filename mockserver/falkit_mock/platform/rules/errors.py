"""What is wrong with a rule.

RuleError          a field of it can't work: which, what it was, what would
└── UnknownFault   it names no fault of the catalogue
"""

from __future__ import annotations

import json

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
        self._lacks = False
        super().__init__(self.message)

    @classmethod
    def lacking(cls, field: str, mend: str) -> RuleError:
        """Return the error of a rule that lacks a field."""
        error = RuleError(field, None, mend)
        error._lacks = True
        return error

    @property
    def message(self) -> str:
        value = "missing;" if self._lacks else _shown(self.value)
        said = f"{self.field}: {value} {self.mend}"
        return f"{self.where}: {said}" if self.where else said

    def __str__(self) -> str:
        return self.message

    def at(self, where: str) -> RuleError:
        """Say also which rule it is."""
        self.where = where
        return self


def _shown(value: JSON) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    try:
        shown = repr(value)
    except ValueError:
        # Python writes no number of thousands of digits.
        return "so long a number"
    return shown if len(shown) <= _MOST else f"{shown[:_MOST]}…"


class UnknownFault(RuleError):
    """No fault has this name; `near` is the one that was probably meant."""

    def __init__(self, name: str, near: str | None) -> None:
        meant = f"did you mean {near}?" if near else "`falkit faults` lists them"
        super().__init__("fault", name, f"is no fault; {meant}")
        self.near = near
