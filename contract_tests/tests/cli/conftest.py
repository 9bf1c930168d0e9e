"""What a program is started in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# What a user's shell has, and none of what this machine may set for its own sake.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@pytest.fixture
def environ(authority_folder: Path) -> dict[str, str]:
    """A shell without a key."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "FALKIT_HOME": str(authority_folder)}
