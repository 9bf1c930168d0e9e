"""Documents of one's own in Settings, Mock, create_app and the clients."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

import falkit
from falkit_client.errors import UnknownEndpoint
from falkit_mock.core.settings import SettingsError
from falkit_spec import Catalog
from own_documents import PAINT, data_of, write
from serving import KEY


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write(tmp_path / "paint.json", data_of(PAINT))


@pytest.fixture
def mock(place: Path) -> Generator[falkit.Mock]:
    with falkit.Mock(timing="instant", documents=[place]) as mock:
        yield mock


def test_a_mock_answers_by_them(mock: falkit.Mock, place: Path) -> None:
    for body, code in (({"prompt": "x"}, 200), ({"prompt": 1}, 422)):
        reply = httpx.post(f"{mock.url}/fal.run/{PAINT}", json=body, headers=KEY)
        assert reply.status_code == code
    assert mock.settings.documents == (str(place),)


def test_a_client_checks_by_them(mock: falkit.Mock, place: Path) -> None:
    with falkit.Client("id:secret", mock.url, documents=[str(place)]) as client:
        assert client.run(PAINT, {"prompt": "x"}).output
    with falkit.Client("id:secret", mock.url) as client, pytest.raises(UnknownEndpoint):
        client.run(PAINT, {"prompt": "x"})


def test_a_client_takes_them_from_the_environment_unless_it_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALKIT_DOCUMENTS", str(place))
    with falkit.Client("id:secret") as client:
        client.check(PAINT, {"prompt": "x"})
    with falkit.Client("id:secret", documents=[]) as client, pytest.raises(UnknownEndpoint):
        client.check(PAINT, {"prompt": "x"})
    catalog = Catalog.vendored()
    with falkit.Client("id:secret", catalog=catalog) as client, pytest.raises(UnknownEndpoint):
        client.check(PAINT, {"prompt": "x"})


def test_what_is_wrong_with_them_is_logged(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(place.with_name("broken.json"), "{")
    falkit.create_app(falkit.Settings(documents=[place.parent]))
    falkit.Client("id:secret", documents=[place.parent]).close()
    assert [record.name for record in caplog.records] == ["falkit_mock", "falkit_client"]
    assert all("broken.json: not JSON" in record.getMessage() for record in caplog.records)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_what_cannot_be_is_refused_by_name(place: Path) -> None:
    fix = "name a folder or a file with fal's documents; `falkit spec add ID` fetches one"
    with pytest.raises(SettingsError, match=rf"documents: .*none: isn't there; {fix}"):
        falkit.Settings(documents=[place.with_name("none")])
    with pytest.raises(SettingsError, match=r"documents: .* is one place; give a list such as"):
        falkit.Settings(documents=str(place))
    with pytest.raises(SettingsError, match="documents: 1 is no path"):
        falkit.Settings(documents=[1])  # type: ignore[list-item]  # the point
    with pytest.raises(SettingsError, match=r"documents: .* has no effect beside a catalog"):
        falkit.Mock(documents=[place], catalog=Catalog.vendored())
    with pytest.raises(ValueError, match=r"documents: .*none: isn't there"):
        falkit.Client("id:secret", documents=[place.with_name("none")])
    with pytest.raises(ValueError, match="is one place; give a list"):
        falkit.Client("id:secret", documents=str(place))
    with pytest.raises(ValueError, match="no effect beside a catalog"):
        falkit.Client("id:secret", documents=[place], catalog=Catalog.vendored())
    with pytest.raises(SettingsError, match="unknown_endpoints: 'yes' isn't refuse or guess"):
        falkit.Settings(unknown_endpoints="yes")  # type: ignore[arg-type]  # the point


def test_a_date_before_falkits_own_documents_is_good_for_older_ones(place: Path) -> None:
    old = write(place.parent / "2025-11" / "draw.json", data_of("acme/draw")).parent.parent
    settings = falkit.Settings(documents=[old], as_of="2025-12")
    assert {endpoint.id for endpoint in settings.read_catalog()} == {PAINT, "acme/draw"}
    late = write(place.parent / "late" / "2026-06" / "x.json", data_of("acme/x")).parent
    with pytest.raises(SettingsError, match="as_of: '2025-12' is before the first documents"):
        falkit.create_app(falkit.Settings(documents=[late.parent], as_of="2025-12"))
