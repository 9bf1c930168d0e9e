"""What a finished job gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

# Outputs differ per endpoint; `Any` values let a caller write output["video"]["url"] unchecked.
JsonObject = dict[str, Any]

Output = TypeVar("Output")


# Without slots: with them, Result[…](…) breaks in Python 3.11.
@dataclass(frozen=True)
class Result(Generic[Output]):
    """The output of one job, as fal sent it, and what is known of the job.

    `billable_units` is the quantity that fal bills, in the model's own unit (seconds of video for
    LTX-2), from the `x-fal-billable-units` header; None where fal does not say (wire.md §3.1).
    `cost` is what the job cost in US dollars by those units and the price list; None where one of
    them is unknown. `cached` says that nothing was called and `cost` is 0.
    `files` has the cache's copies of the output's files by URL: fal's URLs expire, copies stay
    until the cache needs their room.
    """

    output: Output
    endpoint: str
    request_id: str | None
    billable_units: Decimal | None = None
    cost: Decimal | None = None
    cached: bool = False
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
