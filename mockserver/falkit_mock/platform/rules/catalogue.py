"""Every fault by name."""

from __future__ import annotations

from difflib import get_close_matches

from falkit_mock.platform.rules.errors import UnknownFault
from falkit_mock.platform.rules.fault import Fault
from falkit_mock.platform.rules.gate_faults import GATE_FAULTS
from falkit_mock.platform.rules.line_faults import LINE_FAULTS, TIME_FAULTS
from falkit_mock.platform.rules.media_faults import MEDIA_FAULTS, WEBHOOK
from falkit_mock.platform.rules.model_errors import MODEL_ERRORS
from falkit_mock.platform.rules.request_errors import RAW_OUTCOMES, REQUEST_ERRORS

_ALL: tuple[Fault, ...] = (
    *MODEL_ERRORS,
    *REQUEST_ERRORS,
    *RAW_OUTCOMES,
    *GATE_FAULTS,
    *LINE_FAULTS,
    *TIME_FAULTS,
    *MEDIA_FAULTS,
    *WEBHOOK,
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}


def find_fault(name: str) -> Fault:
    """Return the fault of a name; raise UnknownFault. Dashes are as good as underscores."""
    fault = FAULTS.get(name.replace("-", "_"))
    if fault is None:
        near = get_close_matches(name.lower().replace("-", "_"), FAULTS, n=1)
        raise UnknownFault(name, near[0] if near else None)
    return fault
