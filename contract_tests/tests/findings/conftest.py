"""Mocks that a test has to itself: tenants of a few that are shared, for a server takes time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from itertools import count
from typing import Any, TypeAlias, cast

import httpx
import pytest

from falkit import Settings
from falkit_mock.service.service import Service
from falkit_mock.tenants import Tenants
from serving import PATIENCE, Mock, running

Own: TypeAlias = Callable[..., Mock]
"""Gives a mock by its timing and other settings: `own("held", budget="0.01")`."""


@pytest.fixture(scope="session")
def fronts() -> Generator[Callable[[Settings], Mock]]:
    """Mocks with tenants, by their settings."""
    with ExitStack() as stack:
        served: dict[str, Mock] = {}

        def front(settings: Settings) -> Mock:
            name = repr(settings)
            if name not in served:
                served[name] = stack.enter_context(running(settings))
            return served[name]

        yield front


_NUMBERS = count()


@pytest.fixture
def own(fronts: Callable[[Settings], Mock]) -> Generator[Own]:
    with ExitStack() as stack:

        def give(timing: str = "instant", **settings: Any) -> Mock:
            front = fronts(Settings(timing=timing, tenants=True, seed=1, **settings))
            key = f"caller-{next(_NUMBERS)}"
            app, services = cast(Tenants, front.server.wait()), list[Service]()
            front.inside(lambda: services.append(app.tenant(key).app.service))
            client = httpx.Client(
                base_url=front.url,
                headers={"authorization": f"Key {key}:secret"},
                timeout=PATIENCE,
                trust_env=False,
            )
            stack.enter_context(client)
            (service,) = services
            return Mock(front.url, service, service.clock, front.server, client)

        yield give
