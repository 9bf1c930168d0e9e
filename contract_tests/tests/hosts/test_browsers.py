"""What a browser needs: preflights answered, headers exposed (wire.md §12)."""

from __future__ import annotations

import pytest

from falkit_spec import Catalog
from serving import PROMPT, T2V, Mock

ORIGIN = {"origin": "https://app.example.com"}
DOORS = [
    ("POST", f"/fal.run/{T2V}"),
    ("POST", f"/queue.fal.run/{T2V}"),
    ("GET", "/queue.fal.run/fal-ai/ltx-2/requests/x/status"),
    ("PUT", "/queue.fal.run/fal-ai/ltx-2/requests/x/cancel"),
    ("POST", "/api/fal/proxy"),
    ("GET", "/v3b.fal.media/files/b/0/x.mp4"),
]


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_a_preflight_allows_what_the_javascript_client_sends(
    mock: Mock, method: str, path: str
) -> None:
    wanted = "authorization,content-type,x-fal-queue-priority,x-fal-target-url,x-fal-runner-hint"
    headers = {
        **ORIGIN,
        "access-control-request-method": method,
        "access-control-request-headers": wanted,
    }
    reply = mock.http.options(path, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] in ("*", ORIGIN["origin"])
    assert method in reply.headers["access-control-allow-methods"]
    assert reply.headers["access-control-allow-headers"] == wanted


@pytest.mark.parametrize("input", [PROMPT, {}])
def test_replies_good_and_bad_expose_fals_headers(mock: Mock, input: dict[str, str]) -> None:
    reply = mock.run(input, headers=ORIGIN)
    assert reply.headers["access-control-allow-origin"] == "*"
    exposed = reply.headers["access-control-expose-headers"].lower().split(", ")
    for name in ("x-fal-request-id", "x-fal-error-type", "x-fal-needs-retry", "x-falkit-hint"):
        assert name in exposed


def test_a_call_without_an_origin_gets_no_cors_headers(mock: Mock) -> None:
    assert "access-control-allow-origin" not in mock.run(PROMPT).headers


@pytest.mark.parametrize(("path", "status"), [("/health", "ok"), ("/ready", "ready")])
def test_health_and_readiness_need_no_key(mock: Mock, path: str, status: str) -> None:
    reply = mock.http.get(path, headers={"authorization": ""})
    assert (reply.status_code, reply.json()) == (200, {"status": status})
    assert reply.headers["x-fal-request-id"]


@pytest.mark.parametrize("endpoint", list(Catalog.vendored()), ids=lambda endpoint: endpoint.id)
def test_documents_are_served_as_vendored(mock: Mock, endpoint: object) -> None:
    named = str(getattr(endpoint, "id", ""))
    url = "/fal.ai/api/openapi/queue/openapi.json"
    reply = mock.http.get(url, params={"endpoint_id": named}, headers={"authorization": ""})
    assert reply.status_code == 200
    assert reply.content == Catalog.vendored().get(named).document.raw
    assert reply.headers["x-fal-request-id"]


@pytest.mark.parametrize("query", ["", "?endpoint_id=", "?endpoint_id=fal-ai/nothing"])
def test_a_document_of_no_endpoint_is_404_with_null(mock: Mock, query: str) -> None:
    reply = mock.http.get(f"/fal.ai/api/openapi/queue/openapi.json{query}")
    assert (reply.status_code, reply.content) == (404, b"null")
