"""Shops for clips at mocks of their own, in the mock's time."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

import falkit
from falkit.parts import Tenant
from falkit_mock.webhooks.sender import Receivers
from falkit_spec.findings import Finding
from findings.clipshop.fal import Fal, Json
from findings.clipshop.shop import TEXT, Clip, Shop
from own_documents import TEXTS, data_of, write
from serving import PATIENCE

RAIN = {"prompt": "Rain"}
REFUSED = {"prompt": "Rain [falkit:content_policy_violation]"}
# A model that exists nowhere.
OLD = "studio/rain"
HOUR = 3600.0


class Open(Protocol):
    """Opens a shop, and its client, of these classes."""

    def __call__(self, shop: type[Shop] = Shop, fal: type[Fal] = Fal) -> Stage: ...


@dataclass
class Stage:
    """A shop at a mock of its own key, in the mock's time."""

    shop: Shop
    tenant: Tenant

    @property
    def fal(self) -> Fal:
        return self.shop.fal

    def after(self, seconds: float) -> None:
        self.tenant.clock.advance(seconds)

    def started(self, clip: Clip) -> Clip:
        """Submit a clip, and have its job end."""
        self.shop.start(clip)
        self.after(60.0)
        return clip

    def hooked(self, wanted: Json) -> Clip:
        """Order a clip, and have fal tell how it went, retries included."""
        clip = self.shop.order(self.shop.new(wanted))
        self.after(3 * HOUR)
        return clip


def renders(wanted: Json, endpoint: str = TEXT) -> Callable[[Stage], object]:
    """Return what has a clip made, and waits for it."""
    return lambda stage: stage.shop.render(stage.shop.new(wanted, endpoint))


def with_fault(rule: str, play: Callable[[Stage], object]) -> Callable[[Stage], object]:
    """Return what does the same while something goes wrong."""

    def faulty(stage: Stage) -> None:
        stage.tenant.faults.add(rule)
        play(stage)

    return faulty


def failing(stage: Stage) -> list[Finding]:
    """Return what was found, without notes."""
    return [one for one in stage.tenant.findings if one.severity != "note"]


_keys = (f"shop{number}" for number in count())


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Generator[falkit.Mock]:
    """A mock for each key, all of them on paused clocks."""
    document = data_of(OLD, {**TEXTS, "quality": {"type": "string", "deprecated": True}})
    folder = tmp_path_factory.mktemp("documents")
    write(folder / "rain.json", document)
    with falkit.Mock(
        tenants=True,
        timing="10,20",
        clock="manual",
        documents=[folder],
        egress="block",
        media_host="real",
        # probe_webhooks=True,
    ) as mock:
        yield mock


@pytest.fixture(scope="module")
def http(mock: falkit.Mock) -> Generator[httpx.Client]:
    """What the shops call fal's own names with, as falkit run leads it."""
    trust = ssl.create_default_context(cafile=mock.environ["SSL_CERT_FILE"])
    with httpx.Client(proxy=mock.gateway_url, verify=trust, timeout=PATIENCE) as http:
        yield http


@pytest.fixture
def staged(
    mock: falkit.Mock, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> Open:
    """Open shops, each with a key of its own."""
    monkeypatch.setattr(Receivers, "patience", 0.5)

    def open_shop(shop: type[Shop] = Shop, fal: type[Fal] = Fal) -> Stage:
        key = next(_keys)
        tenant = mock.tenant(key)
        clock = tenant.clock
        client = fal(http, f"{key}:secret", clock.advance, clock.now)
        stage = Stage(shop(client, f"https://{key}.example"), tenant)
        tenant.receive(stage.shop.public_url, stage.shop.app())
        return stage

    return open_shop
