"""Shops for clips at a mock, in its time."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count

import httpx
import pytest

import falkit
from applications.clipshop.fal import Fal
from applications.clipshop.shop import Shop
from applications.staging import OLD, Open, Stage, calling
from falkit_mock.webhooks.sender import Receivers
from own_documents import TEXTS, answering, data_of, write

_OBJECT = {"type": "object"}
_FILE = {**_OBJECT, "properties": {"url": {"type": "string"}}, "required": ["url"]}
_keys = (f"shop{number}" for number in count())


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Generator[falkit.Mock]:
    """A mock for each key, all of them on paused clocks."""
    fields = {**TEXTS, "quality": {"type": "string", "deprecated": True}, "input": _OBJECT}
    document = answering(data_of(OLD, fields), {**_OBJECT, "properties": {"video": _FILE}})
    folder = tmp_path_factory.mktemp("documents")
    write(folder / "rain.json", document)
    with falkit.Mock(
        tenants=True,
        timing="10,20",
        clock="manual",
        documents=[folder],
        egress="block",
        media_host="real",
        probe_webhooks=True,
    ) as mock:
        yield mock


@pytest.fixture(scope="module")
def http(mock: falkit.Mock) -> Generator[httpx.Client]:
    """What the shops call fal's own names with, as falkit run leads it."""
    with calling(mock) as http:
        yield http


@pytest.fixture
def staged(mock: falkit.Mock, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Open:
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
