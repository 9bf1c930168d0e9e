"""What shops for clips do in tests, in the mock's time."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx

import falkit
from applications.clipshop.fal import Fal, Json
from applications.clipshop.shop import TEXT, Clip, Shop
from falkit.parts import Tenant
from falkit_spec.findings import Finding
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


@contextmanager
def calling(mock: falkit.Mock) -> Generator[httpx.Client]:
    """What a program calls fal's own names with, as falkit run leads it."""
    trust = ssl.create_default_context(cafile=mock.environ["SSL_CERT_FILE"])
    with httpx.Client(proxy=mock.gateway_url, verify=trust, timeout=PATIENCE) as http:
        yield http


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
