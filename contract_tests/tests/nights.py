"""What takes long runs by night: `make nightly` sets FALKIT_NIGHTLY=1."""

from __future__ import annotations

import os
from typing import Any

import pytest
from _pytest.mark import ParameterSet

NIGHTLY = os.environ.get("FALKIT_NIGHTLY") == "1"
at_night = pytest.mark.skipif(not NIGHTLY, reason="it takes long: make nightly")


def by_night(*values: Any) -> ParameterSet:
    """Return a test's parameters that are tried at night alone."""
    return pytest.param(*values, marks=at_night)
