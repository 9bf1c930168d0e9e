"""GET /v1/models: the catalog as fal's Platform API lists it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from falkit_spec import Catalog
from serving import EXTEND, I2V_FAST, RETAKE, T2V, Mock

Ask = Callable[..., Any]
ALL = [endpoint.id for endpoint in Catalog.vendored()]


def ids(body: Any) -> list[str]:
    return [model["endpoint_id"] for model in body["models"]]


def test_all_models_are_listed(ask: Ask) -> None:
    body = ask("/models", limit=100)
    assert ids(body) == ALL
    assert (body["next_cursor"], body["has_more"]) == (None, False)


def test_a_model_has_the_metadata_that_is_always_there(ask: Ask) -> None:
    (model,) = ask("/models", endpoint_id=I2V_FAST)["models"]
    about = model["metadata"]
    assert about["category"] == "image-to-video"
    assert about["status"] == "active"
    assert about["is_favorited"] is False
    needed = {"display_name", "description", "tags", "updated_at", "thumbnail_url", "model_url"}
    assert needed | {"date", "highlighted", "pinned"} <= set(about)
    assert "openapi" not in model


def test_without_a_key_nothing_is_a_favourite(mock: Mock) -> None:
    body = httpx.get(f"{mock.url}/api.fal.ai/v1/models").json()
    assert body["models"][0]["metadata"]["is_favorited"] is None


def test_pages_follow_by_cursor(ask: Ask) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"limit": 20}
    while True:
        body = ask("/models", **query)
        found += ids(body)
        assert body["has_more"] is (body["next_cursor"] is not None)
        if not body["has_more"]:
            break
        query["cursor"] = body["next_cursor"]
    assert found == ALL


def test_the_second_page_is_fals_own_cursor(ask: Ask) -> None:
    assert ask("/models", limit=1)["next_cursor"] == "Mg=="


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "ltx-2/ retake"}, [RETAKE]),
        ({"q": "ltx-2/ FAST image"}, [I2V_FAST]),
        ({"q": "no such thing"}, []),
        ({"category": "video-to-video", "q": "ltx-2/"}, [RETAKE, EXTEND]),
        ({"category": "no-such"}, []),
        ({"status": "active", "q": "ltx-2/ retake"}, [RETAKE]),
        ({"status": "deprecated"}, []),
        ({"endpoint_id": [T2V, RETAKE]}, [RETAKE, T2V]),
        ({"endpoint_id": f"{T2V},{RETAKE}", "q": "retake"}, [RETAKE]),
    ],
)
def test_searches(ask: Ask, query: dict[str, Any], expected: list[str]) -> None:
    assert sorted(ids(ask("/models", **query))) == sorted(expected)


def test_documents_come_when_asked_for(ask: Ask) -> None:
    body = ask("/models", endpoint_id=T2V, expand=["openapi-3.0", "enterprise_status"])
    (model,) = body["models"]
    assert model["openapi"] == Catalog.vendored().get(T2V).document.data
    assert model["enterprise_status"] == "ready"


@pytest.mark.parametrize(
    ("query", "code", "kind"),
    [
        ({"endpoint_id": "fal-ai/nothing"}, 404, "not_found"),
        ({"endpoint_id": [T2V] * 51}, 400, "validation_error"),
        ({"limit": "0"}, 400, "validation_error"),
        ({"limit": "many"}, 400, "validation_error"),
        ({"limit": "101"}, 400, "validation_error"),
        ({"cursor": "!"}, 400, "validation_error"),
        ({"cursor": "MA=="}, 400, "validation_error"),
        ({"status": "old"}, 400, "validation_error"),
        ({"expand": "everything"}, 400, "validation_error"),
    ],
)
def test_malformed_queries_are_named(
    refused: Ask, query: dict[str, Any], code: int, kind: str
) -> None:
    found_code, found_kind, message = refused("GET", "/models", params=query)
    assert (found_code, found_kind) == (code, kind)
    assert next(iter(query)) in message or "not found" in message


def test_prices_are_by_unit(ask: Ask) -> None:
    body = ask("/models/pricing", endpoint_id=[I2V_FAST, T2V])
    assert body["prices"] == [
        {"endpoint_id": I2V_FAST, "unit_price": 0.04, "unit": "second", "currency": "USD"},
        {"endpoint_id": T2V, "unit_price": 0.06, "unit": "second", "currency": "USD"},
    ]


def test_a_price_that_is_not_known_is_left_out_and_not_0(ask: Ask, refused: Ask) -> None:
    body = ask("/models/pricing", endpoint_id=["fal-ai/whisper", "fal-ai/flux/dev"])
    price = {"unit_price": 0.025, "unit": "megapixel", "currency": "USD"}
    assert body["prices"] == [{"endpoint_id": "fal-ai/flux/dev", **price}]
    code, kind, message = refused("GET", "/models/pricing?endpoint_id=fal-ai/whisper")
    assert (code, kind) == (404, "not_found")
    assert message == "No price is known for 'fal-ai/whisper'"
    asked = {"fal-ai/whisper": {"unit_quantity": 1}}
    body = {"estimate_type": "unit_price", "endpoints": asked}
    assert refused("POST", "/models/pricing/estimate", json=body)[0] == 404


def test_prices_need_an_endpoint(refused: Ask) -> None:
    assert refused("GET", "/models/pricing")[:2] == (400, "validation_error")


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ({"estimate_type": "unit_price", "endpoints": {T2V: {"unit_quantity": 50}}}, 3.0),
        ({"estimate_type": "unit_price", "endpoints": {I2V_FAST: {"unit_quantity": 0.5}}}, 0.02),
        ({"estimate_type": "historical_api_price", "endpoints": {T2V: {"call_quantity": 2}}}, 0.72),
    ],
)
def test_estimates(mock: Mock, body: object, total: float) -> None:
    reply = mock.http.post("/api.fal.ai/v1/models/pricing/estimate", json=body).json()
    assert (reply["total_cost"], reply["currency"]) == (total, "USD")


def test_an_estimate_by_history_counts_what_calls_cost_here(
    mock: Mock, done: Callable[..., str]
) -> None:
    done(duration=6)
    done(duration=10)
    body = {"estimate_type": "historical_api_price", "endpoints": {T2V: {"call_quantity": 10}}}
    reply = mock.http.post("/api.fal.ai/v1/models/pricing/estimate", json=body)
    assert reply.json()["total_cost"] == 4.8


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 400),
        ([], 400),
        ({"estimate_type": "guess", "endpoints": {T2V: {"unit_quantity": 1}}}, 400),
        ({"estimate_type": "unit_price"}, 400),
        ({"estimate_type": "unit_price", "endpoints": {}}, 400),
        ({"estimate_type": "unit_price", "endpoints": {T2V: {"call_quantity": 1}}}, 400),
        ({"estimate_type": "unit_price", "endpoints": {T2V: {"unit_quantity": -1}}}, 400),
        ({"estimate_type": "unit_price", "endpoints": {T2V: {"unit_quantity": 1e99}}}, 400),
        ({"estimate_type": "unit_price", "endpoints": {"a/b": {"unit_quantity": 1}}}, 404),
    ],
)
def test_estimates_that_cannot_be_made(refused: Ask, body: object, code: int) -> None:
    assert refused("POST", "/models/pricing/estimate", json=body)[0] == code


def test_a_body_that_is_not_json_is_refused(refused: Ask) -> None:
    code, kind, message = refused("POST", "/models/pricing/estimate", content=b"{")
    assert (code, kind) == (400, "validation_error")
    assert message.startswith("body:")


@pytest.mark.parametrize(
    ("method", "path", "code", "kind"),
    [
        ("GET", "/models/analytics", 501, "not_implemented"),
        ("GET", "/models/requests/search", 501, "not_implemented"),
        ("POST", "/keys", 501, "not_implemented"),
        ("GET", "/serverless/apps/a/b/queue", 501, "not_implemented"),
        ("GET", "/nothing", 501, "not_implemented"),
        ("POST", "/mcp/platform", 501, "not_implemented"),
        ("POST", "/models", 404, "not_found"),
        ("PATCH", "/storage/settings", 404, "not_found"),
    ],
)
def test_other_operations(refused: Ask, method: str, path: str, code: int, kind: str) -> None:
    assert refused(method, path)[:2] == (code, kind)


def test_paths_begin_with_the_version(mock: Mock) -> None:
    reply = mock.http.get("/api.fal.ai/models")
    assert reply.status_code == 404
    assert "/v1/models" in reply.headers["x-falkit-hint"]
    assert mock.http.get("/api.fal.ai/nothing").status_code == 501


@pytest.mark.parametrize(
    ("path", "code"), [("/models", 200), ("/meta", 200), ("/models/pricing?endpoint_id=x", 401)]
)
def test_keys_are_asked_for_where_fal_asks(mock: Mock, path: str, code: int) -> None:
    reply = httpx.get(f"{mock.url}/api.fal.ai/v1{path}")
    assert reply.status_code == code
    if code == 401:
        error = {"type": "authorization_error", "message": "Authentication required"}
        assert reply.json() == {"error": error}


def test_meta_names_where_webhooks_come_from(ask: Ask) -> None:
    assert list(ask("/meta")) == ["webhook_ip_ranges"]


def test_a_body_that_is_too_large_is_refused(refused: Ask) -> None:
    big = b"x" * (1024 * 1024 + 1)
    code, kind, message = refused("POST", "/models/pricing/estimate", content=big)
    assert (code, kind) == (400, "validation_error")
    assert "bytes" in message


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/models", {"limit": "0"}, "limit: '0' is not a whole number from 1 to 100"),
        ("/models", {"status": "old"}, "status: 'old' is not active or deprecated"),
        ("/models", {"expand": "openapi-3.0,x"}, "expand.1: 'x' is not openapi-3.0 or enterpri"),
        ("/models", {"cursor": "!"}, "cursor: '!' is not a cursor; give the next_cursor of the"),
        ("/models/pricing", {"endpoint_id": ","}, "endpoint_id: missing; give a list of at most"),
        ("/models/usage", {"start": "x"}, "start: 'x' is not a date; write 2026-01-31 or 2026"),
        ("/storage/files/acl", {}, "url: missing; give a file's URL"),
    ],
)
def test_a_refused_query_names_the_parameter_its_value_and_the_fix(
    refused: Ask, path: str, query: dict[str, str], message: str
) -> None:
    assert refused("GET", path, params=query)[2].startswith(message)


def test_an_empty_parameter_and_an_unknown_one_are_left_alone(ask: Ask) -> None:
    assert ids(ask("/models", limit="", status="", endpoint_id="", nothing="x")) == ALL[:50]
    assert ids(ask("/models", endpoint_id=[T2V, ""])) == [T2V]
