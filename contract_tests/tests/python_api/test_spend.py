"""`mock.spend`: what calls would have cost, in a test's words."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

import falkit
from falkit.views import Cost, Spend
from falkit_mock.core.settings import SettingsError
from serving import I2V_FAST, KEY, PROMPT, T2V

IMAGE = {**PROMPT, "image_url": "https://example.com/a.png"}


def call(mock: falkit.Mock, endpoint: str, input: object, key: str = "") -> None:
    headers = {"authorization": f"Key {key}"} if key else KEY
    httpx.post(f"{mock.url}/fal.run/{endpoint}", json=input, headers=headers)


def test_it_is_in_all_by_endpoint_and_by_key_the_dearest_first() -> None:
    with falkit.Mock(timing="instant") as mock:
        assert (mock.spend.total, str(mock.spend)) == (Decimal(0), "$0.00")
        call(mock, I2V_FAST, IMAGE)
        call(mock, T2V, PROMPT, "other:x")
        call(mock, T2V, {**PROMPT, "duration": 7})
        mock.reset()
        spend = mock.spend
        assert (spend.total, spend.jobs, spend.unknown) == (Decimal("0.60"), 3, 0)
        assert [*spend.by_endpoint.items()] == [
            (T2V, Cost(Decimal("0.36"), 2, 0)),
            (I2V_FAST, Cost(Decimal("0.24"), 1, 0)),
        ]
        assert {key: cost.total for key, cost in spend.by_key.items()} == {
            "other": Decimal("0.36"),
            "id": Decimal("0.24"),
        }
        told = httpx.get(f"{mock.url}/__falkit/spend").json()
        assert Spend.read(told) == spend
        assert str(spend) == f"$0.60: {T2V} $0.36 (2 jobs), {I2V_FAST} $0.24 (1 job)"


def test_a_price_that_is_not_known_is_never_nothing() -> None:
    with falkit.Mock(timing="instant") as mock:
        call(mock, "fal-ai/whisper", {"audio_url": "https://example.com/a.mp3"})
        assert (mock.spend.total, mock.spend.unknown) == (Decimal(0), 1)
        assert str(mock.spend).startswith("an unknown price: fal-ai/whisper an unknown price (1")
        call(mock, T2V, PROMPT)
        assert str(mock.spend).startswith("at least $0.36, 1 of unknown price: ")


def test_with_tenants_the_mock_has_that_of_all_and_each_its_own() -> None:
    with falkit.Mock(timing="instant", tenants=True) as mock:
        for key in ("anna:x", "ben:x", "ben:x"):
            call(mock, T2V, PROMPT, key)
        assert mock.tenant("ben").spend.total == Decimal("0.72")
        assert mock.spend.total == Decimal("1.08")
        assert [*mock.spend.by_key] == ["ben", "anna"]


@pytest.mark.parametrize(
    ("option", "given", "kept"),
    [
        ("budget", None, None),
        ("budget", "2.50", Decimal("2.50")),
        ("budget", 2.5, Decimal("2.5")),
        ("budget", 0, Decimal(0)),
        ("alert_at", [], ()),
        ("alert_at", ["1", Decimal("0.1")], (Decimal(1), Decimal("0.1"))),
    ],
)
def test_amounts_are_taken(option: str, given: object, kept: object) -> None:
    settings = falkit.Settings(**{option: given})  # type: ignore[arg-type]
    assert getattr(settings, option) == kept


@pytest.mark.parametrize(
    ("option", "given", "told"),
    [
        ("budget", "2,50", "budget: '2,50' isn't an amount; give US dollars such as 2.50"),
        ("budget", -1, "budget: -1 isn't an amount; give US dollars such as 2.50"),
        ("budget", True, "budget: True isn't an amount; give US dollars such as 2.50"),
        ("budget", "nan", "budget: 'nan' isn't an amount; give US dollars such as 2.50"),
        ("alert_at", "1", "alert_at: '1' is one amount; give a list such as ['1']"),
        ("alert_at", ["x"], "alert_at: 'x' isn't an amount; give US dollars such as 2.50"),
        ("alert_at", [0], "alert_at: 0 is reached at once; give US dollars above 0"),
    ],
)
def test_what_is_no_amount_is_refused(option: str, given: object, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        falkit.Settings(**{option: given})  # type: ignore[arg-type]
    assert str(error.value) == told
