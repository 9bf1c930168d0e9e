"""What a request costs, in US dollars; decimal throughout, since prices are compared exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from falkit_spec.errors import BadOverlay
from falkit_spec.reading import Evidence, Reading
from falkit_spec.types import JSON, is_finite, is_number, is_object


@dataclass(frozen=True)
class Pricing:
    """A price per unit and how many units a request takes."""

    unit: str
    """What is billed: `second`."""
    quantity: Reading
    amount: Reading
    """Dollars per unit, as text."""
    evidence: Evidence

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Pricing | None:
        """Take the overlay's `pricing`; None where it has none."""
        if facts is None:
            return None
        if not is_object(facts) or not isinstance(facts.get("unit"), str):
            raise BadOverlay(where, "`pricing` needs a unit, a quantity and an amount")
        amount = Reading.from_facts(facts.get("amount"), f"{where}.amount")
        for value in amount.table.values() if amount.table else [amount.value]:
            _check_amount(value, f"{where}.amount")
        return cls(
            unit=str(facts["unit"]),
            quantity=Reading.from_facts(facts.get("quantity"), f"{where}.quantity"),
            amount=amount,
            evidence=Evidence.from_facts(facts, where),
        )

    def units(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Count the billable units; None where the input's figure is no number."""
        return exact(self.quantity.of(full))

    def price(self, full: Mapping[str, JSON]) -> Decimal | None:
        """Return US dollars; None where the input holds no figure to count by."""
        units, amount = self.units(full), self.amount.of(full)
        return units * Decimal(amount) if units is not None and isinstance(amount, str) else None


def exact(value: JSON) -> Decimal | None:
    """Turn a JSON number into the decimal it is written as; None for anything else."""
    if not is_number(value) or not is_finite(value):
        return None
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def _check_amount(value: JSON, where: str) -> None:
    try:
        if isinstance(value, str) and Decimal(value).is_finite():
            return
    except InvalidOperation:
        pass
    raise BadOverlay(where, f'{value!r} is no price: write dollars as text, such as "0.04"')
