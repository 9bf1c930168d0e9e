"""rest.fal.ai's tokens: what each client reads of them, and what opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from falkit import Settings
from serving import Mock, running

CDN = "/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3"


@pytest.mark.parametrize("host", ["rest.fal.ai", "rest.alpha.fal.ai"])
@pytest.mark.parametrize("storage", ["fal-cdn-v3", "fal-cdn"])
def test_cdn_token_names_its_type_its_host_and_its_end(mock: Mock, host: str, storage: str) -> None:
    reply = mock.http.post(f"/{host}/storage/auth/token?storage_type={storage}", json={})
    assert reply.status_code == 200
    body = reply.json()
    assert sorted(body) == ["base_url", "expires_at", "token", "token_type"]
    assert (body["token_type"], body["base_url"]) == ("Bearer", f"{mock.url}/v3b.fal.media")
    assert body["expires_at"].endswith("+00:00")
    expires = datetime.fromisoformat(body["expires_at"])
    assert expires > datetime.fromtimestamp(mock.clock.now(), UTC)
    assert reply.headers["x-fal-request-id"]


def test_a_post_without_a_body_is_refused(mock: Mock) -> None:
    reply = mock.http.post(CDN)
    assert reply.status_code == 422
    assert reply.json()["detail"] == [
        {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
    ]


@pytest.mark.parametrize("body", [b"[", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_not_an_object_is_refused(mock: Mock, body: bytes) -> None:
    assert mock.http.post(CDN, content=body).status_code == 422


@pytest.mark.parametrize(
    "path", [CDN[12:], "/storage/upload/initiate", "/tokens/", "/tokens/realtime"]
)
def test_a_token_needs_a_key(mock: Mock, path: str) -> None:
    reply = httpx.post(f"{mock.url}/rest.fal.ai{path}", json={})
    assert (reply.status_code, reply.json()["detail"]) == (401, "Authorization header is required")


def test_keys_are_checked_where_some_are_set() -> None:
    with running(Settings(api_keys=frozenset({"id:other"}))) as mock:
        reply = mock.http.post(CDN, json={})
        assert (reply.status_code, reply.json()["detail"]) == (401, "invalid key credentials")
        good = {"authorization": "Key id:other"}
        assert mock.http.post(CDN, json={}, headers=good).status_code == 200


def test_an_unknown_storage_is_named(mock: Mock) -> None:
    reply = mock.http.post("/rest.fal.ai/storage/auth/token?storage_type=s3", json={})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["query", "storage_type"]
    assert "'fal-cdn-v3' or 'fal-cdn'" in reply.json()["detail"][0]["msg"]


def test_realtime_token_is_a_bare_string_at_the_older_address(mock: Mock) -> None:
    body = {"allowed_apps": ["ltx-2"], "token_expiration": 120}
    reply = mock.http.post("/rest.fal.ai/tokens/", json=body)
    assert reply.status_code == 200
    assert isinstance(reply.json(), str)
    assert reply.json().count(".") == 2


def test_realtime_token_is_an_object_at_the_newer_address(mock: Mock) -> None:
    body = {"allowed_apps": ["fal-ai/ltx-2"], "duration": 120}
    reply = mock.http.post("/rest.fal.ai/tokens/realtime", json=body)
    assert list(reply.json()) == ["token"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, "allowed_apps"),
        ({"allowed_apps": "ltx-2"}, "allowed_apps"),
        ({"allowed_apps": [1]}, "allowed_apps"),
        ({"allowed_apps": ["ltx-2"], "token_expiration": 0}, "token_expiration"),
        ({"allowed_apps": ["ltx-2"], "token_expiration": "120"}, "token_expiration"),
        ({"allowed_apps": ["ltx-2"], "token_expiration": 1e9}, "token_expiration"),
    ],
)
def test_token_requests_are_validated(mock: Mock, body: object, loc: str) -> None:
    reply = mock.http.post("/rest.fal.ai/tokens/", json=body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][:2] == ["body", loc]


def test_tokens_need_post_and_a_known_path(mock: Mock) -> None:
    assert mock.http.get(CDN).headers["allow"] == "POST"
    reply = mock.http.post("/rest.fal.ai/nothing", json={})
    assert reply.status_code == 501
    assert "/storage/auth/token" in reply.headers["x-falkit-hint"]


@pytest.mark.parametrize(
    "authorization", ["", "Key id:secret", "Bearer a.b.c", "Bearer", "Bearer ä.b"]
)
def test_only_a_cdn_token_opens_the_media_host(mock: Mock, authorization: str) -> None:
    headers = [(b"authorization", authorization.encode("latin-1"))]
    with httpx.Client() as client:
        reply = client.post(f"{mock.url}/v3.fal.media/files/upload", content=b"x", headers=headers)
    assert reply.status_code == 401


def test_a_token_for_an_app_opens_no_media_host(mock: Mock) -> None:
    token = mock.http.post("/rest.fal.ai/tokens/", json={"allowed_apps": ["ltx-2"]}).json()
    headers = {"authorization": f"Bearer {token}"}
    reply = mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=headers)
    assert reply.status_code == 401


def test_an_expired_cdn_token_is_refused(
    mock: Mock, cdn: dict[str, str], upload: Callable[..., str]
) -> None:
    upload(b"in time")
    mock.advance(86_400)
    reply = mock.http.post("/v3.fal.media/files/upload", content=b"late", headers=cdn)
    assert reply.status_code == 401
    assert "expired" in reply.headers["x-falkit-hint"]
