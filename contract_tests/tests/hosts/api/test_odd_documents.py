"""Lists, pages and prices with broken and odd documents beside the others."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from falkit import Settings
from falkit_spec import Catalog
from own_documents import PAINT, data_of, overlay, write
from serving import Mock, running

SCHEMA: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/None"}}}
ODD: list[dict[str, Any]] = [
    {"paths": {"/odd/bare": {"post": {}}}},
    {"info": [], "paths": {"/odd/list": {"post": {"x-falkit": {"pricing": 1, "rules": {}}}}}},
    {
        "info": {
            "description": 1,
            "x-fal-metadata": {"endpointId": "odd/types", "category": 1, "thumbnailUrl": []},
        },
        "paths": [],
    },
    {"info": {"x-fal-metadata": "x"}, "paths": {"/odd/ref": {"post": {"requestBody": SCHEMA}}}},
    {"paths": {"/odd/x-falkit": {"post": {"x-falkit": [], "requestBody": {"content": SCHEMA}}}}},
    data_of("odd/fields", {"a": {"type": ["string", 1]}, "b": 1, "": {}, "c": {"enum": {}}}),
]
IDS = ["bare", "list", "types", "ref", "x-falkit", "fields"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mock]:
    folder = tmp_path_factory.mktemp("documents")
    for number, data in enumerate(ODD):
        write(folder / f"{number}.json", data)
    write(folder / "broken.json", "{")
    write(folder / "paint.json", data_of(PAINT))
    write(folder / "paint.yaml", overlay(PAINT, {"pricing": {"amount": 1}}))
    settings = Settings(timing="instant", concurrency=0, documents=[folder])
    with running(settings) as mock:
        yield mock


def test_the_list_has_them_all(odd: Mock) -> None:
    for expand in ("", "openapi-3.0"):
        reply = odd.http.get("/api.fal.ai/v1/models", params={"limit": 100, "expand": expand})
        assert reply.status_code == 200, reply.text
        found = {model["endpoint_id"] for model in reply.json()["models"]}
        assert {PAINT, *(f"odd/{name}" for name in IDS)} <= found
        assert {endpoint.id for endpoint in Catalog.vendored()} <= found


@pytest.mark.parametrize("name", IDS)
def test_each_has_its_pages_and_answers(odd: Mock, name: str) -> None:
    id = f"odd/{name}"
    asked = {"endpoint_id": id}
    assert odd.http.get("/fal.ai/api/openapi/queue/openapi.json", params=asked).status_code == 200
    page = odd.http.get(f"/fal.ai/models/{id}/llms.txt")
    assert (page.status_code, page.text.startswith("# ")) == (200, True)
    assert odd.http.get("/api.fal.ai/v1/models/pricing", params=asked).status_code == 404
    assert odd.http.get("/api.fal.ai/v1/models", params={"q": name}).status_code == 200
    assert odd.run({}, id).status_code in (200, 422)


def test_an_overlay_that_is_wrong_leaves_an_endpoint_without_its_facts(odd: Mock) -> None:
    assert odd.run({"prompt": "x"}, PAINT).status_code == 200
    asked = {"endpoint_id": PAINT}
    assert odd.http.get("/api.fal.ai/v1/models/pricing", params=asked).status_code == 404


def test_the_control_api_has_them_as_well(odd: Mock) -> None:
    for path in ("jobs", "billing", "requests"):
        assert odd.http.get(f"/__falkit/{path}").status_code == 200
