"""Hypothesis strategies made from fal's documents.

>>> from hypothesis import find
>>> find(inputs("fal-ai/ltx-2/text-to-video"), lambda input: "fps" in input)
{'prompt': '0', 'fps': 25}
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("hypothesis") is None:
    raise ImportError(
        "falkit_contract.strategies needs Hypothesis: pip install 'falkit[testing]' brings it"
    )

from falkit_contract.strategies._inputs import inputs as inputs
from falkit_contract.strategies._invalid import (
    Expected as Expected,
    MutatedInput as MutatedInput,
    SeveralFaults as SeveralFaults,
    invalid_inputs as invalid_inputs,
    mutations as mutations,
    several_faults as several_faults,
)
