"""A mock of the public kind, and a receiver of webhooks."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

import falkit


@pytest.fixture
def mock() -> Generator[falkit.Mock]:
    """A mock whose jobs end at once."""
    with falkit.Mock(timing="instant", seed=1) as started:
        yield started


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the local authority in a folder of the test's own."""
    monkeypatch.setenv("FALKIT_HOME", str(tmp_path))
