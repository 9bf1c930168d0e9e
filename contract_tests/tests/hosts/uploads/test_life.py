"""How long uploads live, and who may read them (wire.md §3.1, §7)."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from falkit import Settings
from serving import Mock, running

HEADERS = ("x_fal_object_lifecycle", "x_fal_object_lifecycle_preference")
FORBID = json.dumps({"initial_acl": {"default": "forbid"}})
HIDE = json.dumps({"initial_acl": {"default": "hide", "rules": []}})


@pytest.mark.parametrize("header", HEADERS)
def test_an_upload_is_gone_at_its_time(
    mock: Mock, upload: Callable[..., str], blobs: Callable[[], int], header: str
) -> None:
    url = upload(b"x", **{header: json.dumps({"expiration_duration_seconds": 60})})
    mock.advance(59)
    assert httpx.get(url).status_code == 200
    mock.advance(1)
    assert httpx.get(url).status_code == 404
    upload(b"another")
    assert blobs() == 1


@pytest.mark.parametrize("header", ["", "{}", '{"expiration_duration_seconds": null}'])
def test_an_upload_lasts_for_ever_by_default(
    mock: Mock, upload: Callable[..., str], header: str
) -> None:
    url = upload(b"x", x_fal_object_lifecycle=header)
    mock.advance(10 * 365 * 86_400)
    assert httpx.get(url).content == b"x"


def test_a_signed_upload_lives_from_its_end(mock: Mock) -> None:
    names = {"content_type": "image/png", "file_name": "a.png"}
    headers = {"x-fal-object-lifecycle": '{"expiration_duration_seconds": 60}'}
    url = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
    found = mock.http.post(url, json=names, headers=headers).json()
    mock.advance(600)
    assert httpx.put(found["upload_url"], content=b"x").status_code == 200
    mock.advance(59)
    assert httpx.get(found["file_url"]).status_code == 200
    mock.advance(1)
    assert httpx.get(found["file_url"]).status_code == 404


def test_an_upload_that_nobody_finishes_is_given_up(
    mock: Mock, cdn: dict[str, str], upload: Callable[..., str], blobs: Callable[[], int]
) -> None:
    begun = mock.http.post("/v3.fal.media/files/upload/multipart", headers=cdn).json()
    part = f"{begun['access_url']}/multipart/{begun['uploadId']}/1"
    assert mock.http.put(part, content=b"x", headers=cdn).status_code == 200
    assert blobs() == 1
    mock.advance(86_400)
    url = "/rest.fal.ai/storage/auth/token"
    token = mock.http.post(url, json={}).json()["token"]
    fresh = {"authorization": f"Bearer {token}"}
    assert mock.http.put(part, content=b"x", headers=fresh).status_code == 404
    mock.http.post("/v3.fal.media/files/upload", content=b"", headers=fresh)
    assert blobs() == 1


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("{", "lifecycle"),
        ("[]", "lifecycle"),
        ('{"expiration_duration_seconds": "1h"}', "expiration_duration_seconds"),
        ('{"expiration_duration_seconds": -1}', "expiration_duration_seconds"),
        ('{"expiration_duration_seconds": true}', "expiration_duration_seconds"),
        ('{"initial_acl": "allow"}', "initial_acl"),
        ('{"initial_acl": {"default": "deny"}}', "initial_acl.default"),
        ('{"initial_acl": {"rules": {}}}', "initial_acl.rules"),
        ('{"initial_acl": {"rules": ["x"]}}', "initial_acl.rules.0"),
        ('{"initial_acl": {"rules": [{"user": "x"}]}}', "initial_acl.rules.0.decision"),
    ],
)
def test_a_preference_that_cannot_be_read_is_refused(
    mock: Mock, cdn: dict[str, str], blobs: Callable[[], int], header: str, field: str
) -> None:
    headers = {**cdn, "x-fal-object-lifecycle": header}
    reply = mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=headers)
    assert reply.status_code == 422
    (item,) = reply.json()["detail"]
    assert item["loc"] == ["header", "x-fal-object-lifecycle"]
    assert item["msg"].startswith(f"{field} must") or item["msg"] == "lifecycle isn't JSON"
    assert blobs() == 0


@pytest.mark.parametrize(("preference", "code"), [(FORBID, 403), (HIDE, 404)])
def test_access_rules_keep_others_out_and_let_the_owner_in(
    mock: Mock, upload: Callable[..., str], preference: str, code: int
) -> None:
    url = upload(b"x", x_fal_object_lifecycle=preference)
    assert httpx.get(url).status_code == code
    owned = mock.http.get(url)
    assert (owned.status_code, owned.content) == (200, b"x")
    assert owned.headers["cache-control"] == "private, no-store"


def test_a_forged_identity_lets_nobody_in(upload: Callable[..., str]) -> None:
    url = upload(b"x", x_fal_object_lifecycle=FORBID)
    assert httpx.get(f"{url}?identity=a.b.c").status_code == 403


def test_access_rules_may_be_ignored() -> None:
    with running(Settings(assumptions={"file_acl": "ignored"})) as mock:
        token = mock.http.post("/rest.fal.ai/storage/auth/token", json={}).json()["token"]
        headers = {"authorization": f"Bearer {token}", "x-fal-object-lifecycle": FORBID}
        reply = mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=headers)
        assert httpx.get(reply.json()["access_url"]).status_code == 200
