"""Mocks and receivers for all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

import processes
from crashes import Crashes
from fal_documents import documents_folder, endpoints_in
from falkit import Settings
from falkit_spec import Endpoint
from nights import NIGHTLY
from receiver import Receiver, receiving
from serving import START, Mock, Serve, WatchedClock, running

# The same inputs in every `make test`, so that it is never red for what nobody changed; new ones,
# and more of them, by night.
settings.register_profile("daily", max_examples=40, derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=300, deadline=None)
# A planted fault is to be found, not made small; and many run at once, each of them slowly.
settings.register_profile(
    "planted", phases=[Phase.explicit, Phase.generate], database=None, deadline=None
)
if os.environ.get("FALKIT_PLANTED"):
    settings.load_profile("planted")
else:
    settings.load_profile("nightly" if NIGHTLY else "daily")

processes.let_programs_heed_signals()


def pytest_configure(config: pytest.Config) -> None:
    """Have a test process that crashes say why."""
    config.pluginmanager.register(Crashes())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have tests that share a fixture of their module run in one process, which makes it once."""
    for item in items if config.pluginmanager.has_plugin("xdist") else ():
        # Of what has no fixtures, such as a Hypothesis state machine, there is none to share.
        info = getattr(item, "_fixtureinfo", None)
        made = () if info is None else (each[-1] for each in info.name2fixturedefs.values() if each)
        if any(fixture.scope == "module" for fixture in made):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays: twelve thousand tests, and all that they import."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def mock() -> Generator[Mock]:
    """A mock whose jobs take no time; shared, so that a test must not count on being alone."""
    with running(Settings(timing="instant", seed=1)) as served:
        yield served


@pytest.fixture
def serve() -> Generator[Serve]:
    """Serve a mock by its timing and other settings."""
    with ExitStack() as stack:

        def start(timing: str = "instant", **settings: Any) -> Mock:
            return stack.enter_context(running(Settings(timing=timing, **settings)))

        yield start


@pytest.fixture
def clock() -> WatchedClock:
    """The time of `timed`."""
    return WatchedClock()


@pytest.fixture
def timed(clock: WatchedClock) -> Generator[Serve]:
    """Serve a mock by its timing and other settings, with the seed 1, on `clock`."""
    with ExitStack() as stack:

        def start(timing: str = "instant", **settings: Any) -> Mock:
            settings.setdefault("seed", 1)
            return stack.enter_context(running(Settings(timing=timing, **settings), clock))

        yield start


@pytest.fixture(scope="session")
def manual_mock() -> Generator[Mock]:
    """The mock of `manual`."""
    with running(Settings(timing="10,20", seed=1), WatchedClock()) as served:
        yield served


@pytest.fixture
def manual(manual_mock: Mock) -> Mock:
    """A reset mock on a paused clock: a job waits for 10 s and runs for 20 s; the seed is 1."""
    assert manual_mock.http.post("/__falkit/reset").status_code == 200
    clock = manual_mock.clock
    assert isinstance(clock, WatchedClock)
    manual_mock.inside(lambda: clock.restore(START, running=False))
    return manual_mock


@pytest.fixture(scope="session")
def fal_documents() -> dict[str, Endpoint]:
    """The endpoints of fal's documents in the folder DOCS, by their places in it."""
    return endpoints_in(documents_folder())


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A receiver that takes every webhook."""
    with receiving() as served:
        yield served


@pytest.fixture(scope="session")
def authority_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose authority all gateways of the tests share."""
    return tmp_path_factory.mktemp("falkit-home")
