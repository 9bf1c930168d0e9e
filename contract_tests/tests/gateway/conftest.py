"""Gateways to go through: one for all, one that lets nothing out, and others on request."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from falkit import Settings
from falkit_mock.gateway import Policy
from gated import INSTANT, Gated, gated


@pytest.fixture(scope="session")
def gate(authority_folder: Path) -> Generator[Gated]:
    """A gateway before a mock whose jobs take no time; shared."""
    with gated(authority_folder) as served:
        yield served


@pytest.fixture
def open_gate(authority_folder: Path) -> Generator[Callable[..., Gated]]:
    """Serve a gateway with settings of the test's own."""
    with ExitStack() as stack:

        def opened(settings: Settings = INSTANT, egress: Policy = "allow") -> Gated:
            return stack.enter_context(gated(authority_folder, settings, egress))

        yield opened
