"""URLs are asked for before the job is paid for, where the caller wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from falkit_client import errors
from falkit_fixtures.images import sample
from falkit_spec import Catalog, Document, Object, Overlay

FAST = "fal-ai/ltx-2/image-to-video/fast"
URL = "https://example.com/tram.png"
INPUT = {"prompt": "Rain", "image_url": URL}

Do = Callable[..., Any]


def fault(do: Do) -> str:
    with pytest.raises(errors.InvalidInput) as caught:
        do("submit", FAST, INPUT, preflight=True)
    (only,) = caught.value.faults
    assert (only["type"], only["loc"]) == ("file_download_error", ["body", "image_url"])
    return only["msg"]


def test_an_image_that_answers_passes_and_gets_no_key(do: Do, respx_mock: respx.MockRouter) -> None:
    moved = "https://cdn.example.com/tram.png"
    asked = respx_mock.get(URL).respond(302, headers={"location": moved})
    there = respx_mock.get(moved).respond(200, headers={"content-type": "image/png"}, content=b"x")
    submit = respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    do("submit", FAST, INPUT, preflight=True)
    assert submit.called
    for route in (asked, there):
        assert "authorization" not in route.calls.last.request.headers


def test_a_file_without_a_type_is_recognized_by_its_bytes(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(URL).respond(200, content=sample("png"))
    assert do("check", FAST, INPUT, preflight=True) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(404), "answers 404"),
        (httpx.Response(200, html="<p>Log in"), "text/html, not image data"),
        (httpx.Response(200), "a file without a type"),
        (httpx.ConnectError("refused"), "cannot be fetched"),
    ],
)
def test_a_url_that_answers_otherwise_is_a_fault(
    do: Do, respx_mock: respx.MockRouter, answer: Any, says: str
) -> None:
    respx_mock.get(URL).mock(side_effect=[answer])
    assert says in fault(do)


def test_unless_asked_for_nothing_is_fetched(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    do("submit", FAST, INPUT)
    assert len(respx_mock.calls) == 1


def test_each_url_of_a_list_is_asked_for(do: Do, respx_mock: respx.MockRouter) -> None:
    raw = Catalog.vendored().get(FAST).document.raw
    path = f"$.paths['/{FAST}'].post"
    facts: Object = {
        "kind": "image",
        "formats": {"value": ["png"], "certainty": "inferred", "source": "a test"},
        "max_bytes": {"value": None, "certainty": "inferred", "source": "a test"},
    }
    fields = "$.components.schemas.Ltx2ImageToVideoFastInput.properties"
    images: Object = {"type": "array", "items": {}}
    said: Object = {
        "overlay": "1.0.0",
        "info": {"title": "many", "version": "1"},
        "actions": [
            {"target": path, "update": {"x-falkit": {"inputs": {"images[]": facts}}}},
            {"target": fields, "update": {"images": images}},
        ],
    }
    overlay = Overlay.from_data(said, source="a test")
    catalog = Catalog.from_documents([Document(raw, source="a test")], [overlay])
    respx_mock.get("https://example.com/a.png").respond(200, headers={"content-type": "image/png"})
    respx_mock.get("https://example.com/b.png").respond(404)
    given = ["https://example.com/a.png", "https://example.com/b.png", 7, "data:,"]
    with pytest.raises(errors.InvalidInput) as caught:
        do(
            "check",
            FAST,
            {**INPUT, "image_url": "data:,", "images": given},
            preflight=True,
            settings={"catalog": catalog},
        )
    assert [fault["loc"] for fault in caught.value.faults] == [["body", "images", 1]]
