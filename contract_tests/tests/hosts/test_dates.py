"""Which documents are in force, by date, and what is said of an id that has none."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from falkit import Mock as PythonMock, Settings, create_app
from falkit_mock.core.settings import SettingsError
from falkit_spec import Catalog
from serving import EXTEND, I2V_FAST, PROMPT, T2V, VIDEO, Mock, running

HINT = "x-falkit-hint"
DOCUMENT = "/fal.ai/api/openapi/queue/openapi.json"
NONE = "which says nothing about fal"


@pytest.fixture(scope="module")
def january() -> Generator[Mock]:
    with running(Settings(timing="instant", as_of="2026-01")) as mock:
        yield mock


def test_an_input_that_fal_took_out_is_ignored_and_the_hint_says_so(mock: Mock) -> None:
    for shape in ("16:9", "9:16"):
        reply = mock.run({**PROMPT, "aspect_ratio": shape})
        assert reply.status_code == 200
        assert reply.headers[HINT] == (
            f"ignored, since {T2V} has no such input: aspect_ratio "
            "(fal's document of 2026-01 had it; so has --as-of 2026-01)"
        )


def test_an_input_that_fal_had_then_counts_then(january: Mock) -> None:
    taken = january.run({**PROMPT, "aspect_ratio": "16:9"})
    assert (taken.status_code, HINT in taken.headers) == (200, False)
    assert january.run({**PROMPT, "aspect_ratio": "9:16"}).status_code == 422


def test_an_endpoint_that_came_later_is_fals_404_then(january: Mock) -> None:
    body = {"video_url": VIDEO}
    later = f"falkit's first document for '{EXTEND}' is of 2026-05, and it was told to go by "
    reply = january.run(body, EXTEND)
    assert (reply.status_code, reply.json()) == (404, {"detail": "Path /extend-video not found"})
    assert reply.headers[HINT].startswith(later)
    result = january.result(january.submit(body, EXTEND))
    assert (result.status_code, result.json()) == (404, reply.json())


@pytest.mark.parametrize("as_of", ["2026-01", "2026-10"])
def test_the_document_in_force_is_served(mock: Mock, january: Mock, as_of: str) -> None:
    there = january if as_of == "2026-01" else mock
    catalog = Catalog.vendored(as_of)
    for endpoint in catalog:
        reply = there.http.get(DOCUMENT, params={"endpoint_id": endpoint.id})
        assert reply.content == endpoint.document.raw
    listed = there.http.get(
        "/api.fal.ai/v1/models", params={"expand": "openapi-3.0", "limit": 100}
    ).json()
    assert {model["endpoint_id"]: model["openapi"] for model in listed["models"]} == {
        endpoint.id: endpoint.document.data for endpoint in catalog
    }


@pytest.mark.parametrize(
    ("method", "path", "code", "said"),
    [
        ("POST", "/fal.run/fal-ai/aura-flow", 404, {"detail": 'Application "aura-flow" not found'}),
        ("POST", "/queue.fal.run/acme/x/y", 404, {"detail": 'Application "x" not found'}),
        (
            "POST",
            f"/fal.run/{I2V_FAST}/turbo",
            404,
            {"detail": "Path /image-to-video/fast/turbo not found"},
        ),
        ("GET", f"{DOCUMENT}?endpoint_id=fal-ai/aura-flow", 404, None),
        ("GET", "/fal.ai/models/fal-ai/aura-flow/llms.txt", 404, {"detail": "Not Found"}),
    ],
)
def test_an_id_without_a_document_is_fals_404_and_the_hint_blames_falkit(
    mock: Mock, method: str, path: str, code: int, said: object
) -> None:
    reply = mock.http.request(method, path, json=PROMPT)
    assert (reply.status_code, reply.json()) == (code, said)
    assert "falkit has no document for '" in reply.headers[HINT]
    assert NONE in reply.headers[HINT]
    assert "`falkit spec add " in reply.headers[HINT]
    assert "fetches its document and says how to use it (docs/documents.md)" in reply.headers[HINT]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models?endpoint_id=fal-ai/aura-flow"),
        ("GET", "/models/pricing?endpoint_id=fal-ai/aura-flow"),
        ("GET", "/models/requests/by-endpoint?endpoint_id=fal-ai/aura-flow"),
        ("GET", "/models/usage?endpoint_id=fal-ai/aura-flow"),
        ("POST", "/models/pricing/estimate"),
    ],
)
def test_so_is_that_of_the_platform_api(mock: Mock, method: str, path: str) -> None:
    asked = {"fal-ai/aura-flow": {"call_quantity": 1}}
    body = {"estimate_type": "historical_api_price", "endpoints": asked}
    reply = mock.http.request(method, f"/api.fal.ai/v1{path}", json=body)
    assert reply.status_code == 404, reply.text
    assert NONE in reply.headers[HINT]


def test_a_month_before_the_first_documents_is_refused_with_those_there_are() -> None:
    problem = "as_of: '2025-12' is before the first documents; there are documents of 2026-01 and"
    with pytest.raises(SettingsError, match=problem):
        Settings(as_of="2025-12")
    with pytest.raises(
        SettingsError, match=r"as_of: 202601 isn't a month or a day; write it in quotes"
    ):
        Settings(as_of=202601)  # type: ignore[arg-type]  # the point
    with pytest.raises(SettingsError, match="as_of: '2026-13' isn't a month or a day"):
        PythonMock(as_of="2026-13")


def test_a_month_and_a_catalog_exclude_each_other() -> None:
    for make in (PythonMock, create_app):
        with pytest.raises(SettingsError, match="as_of: '2026-01' has no effect beside a catalog"):
            make(Settings(as_of="2026-01"), catalog=Catalog.vendored())
