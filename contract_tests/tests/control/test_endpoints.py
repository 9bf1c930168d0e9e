"""Endpoints by the control API: the list, one of them, its combinations, and an input checked."""

from __future__ import annotations

from typing import Any

import pytest

from falkit import Settings
from falkit_spec import Catalog
from falkit_spec.schema import Compiled
from serving import I2V_FAST, PROMPT, RETAKE, T2V, Mock, running


def told(mock: Mock, path: str, **query: Any) -> dict[str, Any]:
    reply = mock.http.get(f"/__falkit/endpoints{path}", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_all_endpoints_are_listed_with_their_prices(mock: Mock) -> None:
    found = told(mock, "")["endpoints"]
    assert [one["endpoint_id"] for one in found] == sorted(one.id for one in Catalog.read((), None))
    by_id = {one["endpoint_id"]: one for one in found}
    assert by_id[I2V_FAST] == {
        **by_id[I2V_FAST],
        "category": "image-to-video",
        "date": "2026-05",
        "certainty": "confirmed",
        "combinations": 48,
        "legal": 23,
        "price": "$0.24",
    }


def test_one_has_its_fields_in_order_and_what_a_form_needs(mock: Mock) -> None:
    found = told(mock, f"/{I2V_FAST}")
    names = [one["name"] for one in found["fields"]]
    assert names[:3] == ["image_url", "prompt", "duration"]
    by_name = {one["name"]: one for one in found["fields"]}
    assert (by_name["image_url"]["file"], by_name["prompt"]["file"]) == ("image", None)
    assert (by_name["image_url"]["required"], by_name["fps"]["required"]) == (True, False)
    assert by_name["duration"]["schema"]["enum"] == [6, 8, 10, 12, 14, 16, 18, 20]
    assert found["defaults"]["resolution"] == "1080p"
    assert found["combining"] == ["duration", "resolution", "fps"]
    assert found["rules"][0]["message"].startswith("durations above 10 s")
    assert found["pricing"]["unit"] == "second"
    assert found["pricing"]["fields"] == ["duration", "resolution"]
    assert Compiled(found["input"]).is_valid(found["example"])
    assert "video" in found["output"]["properties"]


def test_each_endpoint_of_the_catalogue_has_a_page(mock: Mock) -> None:
    for endpoint in Catalog.read((), None):
        found = told(mock, f"/{endpoint.id}")
        names = [one["name"] for one in found["fields"]]
        assert {*names} == {*found["input"].get("properties", {})}
        assert {*found["combining"], *found["measured"]} <= {*names}


def test_combinations_are_paged_and_narrowed(mock: Mock) -> None:
    every = told(mock, f"/{I2V_FAST}/combinations", limit=1000)
    assert (every["fields"], every["total"]) == (["duration", "resolution", "fps"], 48)
    assert len(every["rows"]) == 48
    assert every["rows"][0] == {
        "values": {"duration": 6, "resolution": "1080p", "fps": 25},
        "legal": True,
        "why": None,
        "price": "0.24",
    }
    illegal = [row for row in every["rows"] if not row["legal"]]
    assert len(illegal) == 25
    assert all(row["why"] for row in illegal)
    some = told(mock, f"/{I2V_FAST}/combinations", offset=10, limit=5)
    assert some["rows"] == every["rows"][10:15]
    narrow = told(mock, f"/{I2V_FAST}/combinations", fields="fps, duration")
    assert (narrow["fields"], narrow["total"]) == (["duration", "fps"], 16)
    url = f"/__falkit/endpoints/{I2V_FAST}/combinations"
    reply = mock.http.get(url, params={"fields": "prompt"})
    assert (reply.status_code, "'prompt'" in reply.json()["detail"]) == (422, True)


def check(mock: Mock, endpoint: str, input: Any) -> dict[str, Any]:
    url = f"/__falkit/endpoints/{endpoint}/check"
    reply = mock.http.post(url, json={"input": input})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_an_input_is_priced_without_a_job(mock: Mock) -> None:
    legal = {**PROMPT, "image_url": "https://example.com/a.png", "duration": 20}
    assert check(mock, I2V_FAST, legal) == {
        "valid": True,
        "errors": [],
        "price": "0.80",
        "rate": "$0.04/s",
        "hint": None,
    }
    assert mock.jobs() == []


@pytest.mark.parametrize(
    ("endpoint", "input"),
    [
        (T2V, {}),
        (T2V, {"prompt": 5, "duration": 7}),
        (I2V_FAST, {**PROMPT, "image_url": "https://x.example/a.png", "duration": 20, "fps": 50}),
    ],
)
def test_what_is_wrong_with_an_input_is_what_the_model_answers(
    mock: Mock, endpoint: str, input: dict[str, Any]
) -> None:
    found = check(mock, endpoint, input)
    reply = mock.run(input, endpoint)
    assert reply.status_code == 422
    assert found == {
        "valid": False,
        "errors": reply.json()["detail"],
        "price": None,
        "rate": None,
        "hint": reply.headers.get("x-falkit-hint"),
    }


def test_a_price_that_a_files_length_decides_is_not_known(mock: Mock) -> None:
    input = {**PROMPT, "video_url": "https://example.com/a.mp4"}
    found = check(mock, RETAKE, input)
    assert found["valid"]
    told_of = told(mock, f"/{RETAKE}")
    assert (found["price"] is None) == bool(told_of["measured"])
    assert found["rate"] == "$0.10/s"


def test_a_field_that_is_not_the_models_is_hinted_at(mock: Mock) -> None:
    found = check(mock, T2V, {**PROMPT, "seeed": 1})
    assert found["valid"]
    assert "seeed" in found["hint"]


@pytest.mark.parametrize("path", ["", "/combinations"])
def test_an_unknown_endpoint_is_404_and_the_near_one_is_named(mock: Mock, path: str) -> None:
    reply = mock.http.get(f"/__falkit/endpoints/fal-ai/ltx-2/text-to-vide{path}")
    assert (reply.status_code, T2V in reply.json()["detail"]) == (404, True), reply.text


def test_endpoints_are_the_same_for_every_key() -> None:
    with running(Settings(tenants=True)) as served:
        bare = {"authorization": ""}
        assert served.http.get("/__falkit/endpoints", headers=bare).status_code == 200
        assert served.http.get(f"/__falkit/endpoints/{T2V}", headers=bare).status_code == 200
