"""Access rules, signed URLs and what new files get, by fal's Platform API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving import Mock

Ask = Callable[..., Any]
ACL = "/api.fal.ai/v1/storage/files/acl"
SIGN = "/api.fal.ai/v1/storage/files/sign"
SETTINGS = "/api.fal.ai/v1/storage/settings"


@pytest.fixture
def upload(mock: Mock) -> Callable[[], str]:
    def send() -> str:
        token = mock.http.post("/rest.fal.ai/storage/auth/token", json={}).json()["token"]
        headers = {"authorization": f"Bearer {token}", "content-type": "text/plain"}
        reply = mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=headers)
        return str(reply.json()["access_url"])

    return send


def test_access_rules_are_shown_and_changed(mock: Mock, upload: Callable[[], str]) -> None:
    url = upload()
    params = {"url": url}
    assert mock.http.get(ACL, params=params).json() == {"default": "allow", "rules": []}
    rules = {"default": "forbid", "rules": [{"user": "friend", "decision": "allow"}]}
    assert mock.http.put(ACL, params=params, json=rules).json() == rules
    assert mock.http.get(ACL, params=params).json() == rules
    assert httpx.get(url).status_code == 403


def test_a_file_is_known_by_its_real_url(mock: Mock, upload: Callable[[], str]) -> None:
    real = upload().replace(f"{mock.url}/", "https://")
    assert mock.http.get(ACL, params={"url": real}).status_code == 200


def test_a_signed_url_lets_anybody_in_for_a_while(mock: Mock, upload: Callable[[], str]) -> None:
    url = upload()
    mock.http.put(ACL, params={"url": url}, json={"default": "hide"})
    assert httpx.get(url).status_code == 404
    reply = mock.http.post(SIGN, params={"url": url}, json={"expiration_seconds": 60})
    signed = reply.json()["signed_url"]
    assert signed.startswith(f"{url}?identity=")
    assert httpx.get(signed).content == b"x"
    mock.advance(60)
    assert httpx.get(signed).status_code == 404


def test_a_signed_url_is_for_one_file(mock: Mock, upload: Callable[[], str]) -> None:
    one, other = upload(), upload()
    mock.http.put(ACL, params={"url": other}, json={"default": "forbid"})
    reply = mock.http.post(SIGN, params={"url": one}, json={"expiration_seconds": 60})
    identity = reply.json()["signed_url"].partition("?")[2]
    assert httpx.get(f"{other}?{identity}").status_code == 403


def test_settings_are_what_new_files_get(mock: Mock, upload: Callable[[], str]) -> None:
    before = upload()
    assert mock.http.get(SETTINGS).json() == {
        "expiration_duration_seconds": None,
        "initial_acl": {"default": "allow", "rules": []},
    }
    wanted: dict[str, Any] = {
        "expiration_duration_seconds": 60,
        "initial_acl": {"default": "forbid", "rules": []},
    }
    assert mock.http.put(SETTINGS, json=wanted).json() == wanted
    after = upload()
    assert [httpx.get(url).status_code for url in (before, after)] == [200, 403]
    mock.advance(60)
    assert mock.http.get(ACL, params={"url": after}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/storage/files/acl", None, 400),
        ("GET", "/storage/files/acl?url=https://v3.fal.media/files/b/0/x", None, 404),
        ("GET", "/storage/files/acl?url=https://example.com/x", None, 404),
        ("GET", "/storage/files/acl?url=https://v3.fal.media/x%3Fa=b", None, 400),
        ("PUT", "/storage/settings", {"expiration_duration_seconds": -1}, 400),
        ("PUT", "/storage/settings", [], 400),
    ],
)
def test_impossible_storage_calls_are_refused_with_the_reason(
    refused: Ask, method: str, path: str, body: object, code: int
) -> None:
    options = {} if body is None else {"json": body}
    assert refused(method, path, **options)[0] == code


@pytest.mark.parametrize("body", [{}, {"expiration_seconds": 0}, {"expiration_seconds": True}])
def test_a_signature_needs_its_seconds(mock: Mock, upload: Callable[[], str], body: object) -> None:
    assert mock.http.post(SIGN, params={"url": upload()}, json=body).status_code == 400


def test_access_rules_that_are_none_are_refused(mock: Mock, upload: Callable[[], str]) -> None:
    reply = mock.http.put(ACL, params={"url": upload()}, json={"default": "deny"})
    assert reply.status_code == 400
    assert "acl.default" in reply.json()["error"]["message"]
