"""What LTX-2 has not: /stream and /realtime; and tokens in place of keys (wire.md §8)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from serving import I2V_FAST, PROMPT, T2V, Mock


def token(mock: Mock, *apps: str, **options: Any) -> str:
    body = {"allowed_apps": [*apps], **options}
    return str(mock.http.post("/rest.fal.ai/tokens/", json=body).json())


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_model_without_a_stream_says_so(mock: Mock, method: str) -> None:
    reply = mock.http.request(method, f"/fal.run/{I2V_FAST}/stream", json=PROMPT)
    assert reply.status_code == 404
    assert reply.json() == {"detail": "Path /image-to-video/fast/stream not found"}
    assert reply.headers["x-fal-billable-units"] == "0"


def test_a_model_is_not_there_to_be_got(mock: Mock) -> None:
    reply = mock.http.get(f"/fal.run/{T2V}")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


def test_a_realtime_handshake_is_answered_in_http(mock: Mock) -> None:
    url = f"{mock.url.replace('http', 'ws')}/fal.run/{T2V}/realtime"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}?fal_jwt_token={token(mock, 'ltx-2')}")
    assert refused.value.response.status_code == 404
    assert b"/text-to-video/realtime not found" in refused.value.response.body


def test_a_realtime_handshake_needs_a_token(mock: Mock) -> None:
    url = f"{mock.url.replace('http', 'ws')}/fal.run/{T2V}/realtime"
    with pytest.raises(InvalidStatus) as refused:
        connect(url)
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("app", ["ltx-2", "fal-ai/ltx-2", f"{T2V}/stream"])
def test_a_token_replaces_a_key(mock: Mock, app: str) -> None:
    params = {"fal_jwt_token": token(mock, app)}
    url = f"{mock.url}/queue.fal.run/{T2V}"
    submitted = httpx.post(url, json=PROMPT, params=params)
    assert submitted.status_code == 200
    status = httpx.get(submitted.json()["status_url"], params=params)
    assert status.status_code == 202


def test_a_token_is_for_its_apps(mock: Mock) -> None:
    params = {"fal_jwt_token": token(mock, "flux", "fal-ai/ltx-20")}
    reply = httpx.post(f"{mock.url}/queue.fal.run/{T2V}", json=PROMPT, params=params)
    assert reply.status_code == 401
    assert "not for fal-ai/ltx-2" in reply.headers["x-falkit-hint"]


def test_a_token_ends(mock: Mock) -> None:
    params = {"fal_jwt_token": token(mock, "ltx-2", token_expiration=5)}
    mock.advance(5)
    reply = httpx.post(f"{mock.url}/queue.fal.run/{T2V}", json=PROMPT, params=params)
    assert (reply.status_code, reply.json()["detail"]) == (401, "Invalid or expired token")


@pytest.mark.parametrize(
    ("named", "status"),
    [
        (f"{T2V}/realtime", 404),
        (T2V, 404),
        ("fal-ai/ltx-2", 404),
        (f"{I2V_FAST}/realtime", 401),
        # The alias alone is what the older tokens name.
        ("ltx-2", 401),
    ],
)
def test_a_realtime_token_opens_the_path_that_it_names(mock: Mock, named: str, status: int) -> None:
    body = {"allowed_apps": [named], "duration": 120}
    reply = mock.http.post("/rest.fal.ai/tokens/realtime", json=body)
    assert reply.json().keys() == {"token"}
    url = f"{mock.url.replace('http', 'ws')}/fal.run/{T2V}/realtime"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}?fal_jwt_token={reply.json()['token']}")
    # Good tokens come to LTX-2's own answer, which is that it has no such path.
    assert refused.value.response.status_code == status


@pytest.mark.parametrize("forged", ["", "a.b.c", "..", "ä"])
def test_a_forged_token_opens_nothing(mock: Mock, forged: str) -> None:
    params = {"fal_jwt_token": forged}
    reply = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT, params=params)
    assert reply.status_code == 401


def test_the_target_url_may_bring_the_token(mock: Mock) -> None:
    target = f"https://queue.fal.run/{T2V}?fal_jwt_token={token(mock, 'ltx-2')}"
    reply = httpx.post(f"{mock.url}/proxy", json=PROMPT, headers={"x-fal-target-url": target})
    assert reply.status_code == 200
