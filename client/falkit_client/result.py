"""What a finished job gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

# Outputs differ per endpoint; `Any` values let a caller write output["video"]["url"] unchecked.
JsonObject = dict[str, Any]

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True)
class Result(Generic[Output]):
    """The output of one job, as fal sent it, and what is known of the job.

    `billable_units` is the quantity that fal bills, in the model's own unit (seconds of video for
    LTX-2), from the `x-fal-billable-units` header; None where fal does not say (wire.md §3.1).
    """

    output: Output
    endpoint: str
    request_id: str | None
    billable_units: Decimal | None = field(default=None)
