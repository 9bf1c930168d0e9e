"""Three ways to name a host of fal's, and URLs in the replies that match (wire.md §1, §12)."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from falkit import Settings, create_app
from serving import KEY, PROMPT, T2V, Mock

APP = "fal-ai/ltx-2"


def test_path_way_names_urls_below_the_mocks_origin(mock: Mock) -> None:
    job = mock.submit()
    assert job["response_url"].startswith(f"{mock.url}/queue.fal.run/{APP}/requests/")
    video = mock.result(job).json()["video"]["url"]
    assert video.startswith(f"{mock.url}/v3b.fal.media/files/b/")
    assert mock.http.get(video).status_code == 200


@pytest.mark.parametrize("port", ["", ":8443"])
def test_host_header_way_names_real_hosts_on_the_callers_port(mock: Mock, port: str) -> None:
    headers = {"host": f"Queue.fal.run{port}"}
    job = mock.http.post(f"/{T2V}", json=PROMPT, headers=headers).json()
    base = f"http://Queue.fal.run{port}/{APP}/requests/{job['request_id']}"
    assert (job["response_url"], job["cancel_url"]) == (base, f"{base}/cancel")
    result = mock.http.get(f"/{APP}/requests/{job['request_id']}", headers=headers).json()
    prefix = f"http://v3b.fal.media{port}"
    video = result["video"]["url"]
    assert video.startswith(f"{prefix}/files/b/")
    file = mock.http.get(video.removeprefix(prefix), headers={"host": f"v3b.fal.media{port}"})
    assert (file.status_code, file.headers["content-type"]) == (200, "video/mp4")


def test_target_url_way_names_real_urls_but_media_that_a_player_can_reach(mock: Mock) -> None:
    real = "https://queue.fal.run"
    target = {"x-fal-target-url": f"{real}/{T2V}?fal_webhook=https%3A%2F%2Fexample.com"}
    job = mock.http.post("/api/fal/proxy", json=PROMPT, headers=target).json()
    assert job["status_url"] == f"{real}/{APP}/requests/{job['request_id']}/status"
    target = {"x-fal-target-url": f"{job['status_url']}?logs=1"}
    status = mock.http.get("/anywhere/else", headers=target).json()
    assert isinstance(status["logs"], list)
    target = {"x-fal-target-url": job["response_url"]}
    video = mock.http.get("/api/fal/proxy", headers=target).json()["video"]["url"]
    assert video.startswith(f"{mock.url}/v3b.fal.media/files/b/")


def test_target_url_with_a_fal_host_header_names_media_by_the_header(mock: Mock) -> None:
    headers = {"x-fal-target-url": f"https://fal.run/{T2V}", "host": "fal.run:4325"}
    video = mock.http.post("/", json=PROMPT, headers=headers).json()["video"]["url"]
    assert video.startswith("http://v3b.fal.media:4325/files/b/")


def test_target_url_may_be_percent_encoded(mock: Mock) -> None:
    target = {"x-fal-target-url": f"https://queue.fal.run/{T2V.replace('-', '%2D')}"}
    assert mock.http.post("/", json=PROMPT, headers=target).status_code == 200


@pytest.mark.parametrize("host", ["falrun.com", "fal.run"])
def test_backup_domains_run_models(mock: Mock, host: str) -> None:
    reply = mock.http.post(f"/{T2V}", json=PROMPT, headers={"host": host})
    assert reply.status_code == 200


def test_backup_domain_of_the_queue_is_named_in_its_urls(mock: Mock) -> None:
    job = mock.http.post(f"/queue.falrun.com/{T2V}", json=PROMPT).json()
    assert job["status_url"].startswith(f"{mock.url}/queue.falrun.com/{APP}/requests/")
    assert mock.http.get(job["status_url"]).json()["status"] == "COMPLETED"


@pytest.mark.parametrize("host", ["v3b.fal.media", "v3.fal.media", "fal.media"])
def test_every_media_host_has_the_files(mock: Mock, host: str) -> None:
    path = mock.run(PROMPT).json()["video"]["url"].partition("v3b.fal.media")[2]
    assert mock.http.head(path, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/fal-ai/ltx-2/text-to-video", {}),
        ("/example.com/x", {}),
        ("/", {"x-fal-target-url": "https://example.com/x"}),
        ("/", {"x-fal-target-url": "https://[broken"}),
        ("/", {"x-fal-target-url": "queue.fal.run/fal-ai/ltx-2"}),
    ],
)
def test_a_request_without_a_fal_host_is_answered_with_the_ways_to_name_one(
    mock: Mock, path: str, headers: dict[str, str]
) -> None:
    reply = mock.http.get(path, headers=headers)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/json")
    ways = " ".join(reply.json()["ways"])
    for way in (f"{mock.url}/queue.fal.run/", "x-fal-target-url", "Host header"):
        assert way in ways
    assert reply.headers["x-fal-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "place",
    [
        "auth.fal.ai/oauth/token",
        "kv.fal.media/get/db/key",
        "wma.fal.run/fal-ai/x",
        "docs.fal.ai/",
        "mcp.fal.ai/mcp-relay",
        "rest.fal.ai/users/current",
        "rest.alpha.fal.ai/users/current",
        "fal.ai/llms.txt",
        "fal.ai/models",
        "v3b.fal.media/",
        "v3.fal.media/storage/x",
    ],
)
def test_what_is_not_imitated_says_so(mock: Mock, place: str, method: str) -> None:
    host, _, path = place.partition("/")
    reply = mock.http.request(method, f"/{host}/{path}")
    assert reply.status_code == 501
    assert host in reply.json()["detail"]
    assert "this says nothing about" in reply.headers["x-falkit-hint"]


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("v3b.fal.media/files/b/0/nothing.mp4", {"detail": "File not found"}),
        ("fal.ai/models/fal-ai/nothing/llms.txt", {"detail": "Not Found"}),
        ("fal.ai/api/openapi/queue/openapi.json?endpoint_id=fal-ai/nothing", None),
        ("queue.fal.run/fal-ai/ltx-2/requests/nobody", {"status": "NOT_FOUND"}),
        ("fal.run/fal-ai/nothing", {"detail": 'Application "nothing" not found'}),
    ],
)
def test_what_fal_has_not_stays_404(mock: Mock, place: str, body: object) -> None:
    reply = mock.http.get(f"/{place}")
    assert (reply.status_code, reply.json()) == (404, body)


async def _mounted(path: str, headers: dict[str, str]) -> dict[str, str]:
    app = create_app(Settings(timing="instant"))
    outer = Starlette(routes=[Mount("/fake/fal", app=app)])
    transport = httpx.ASGITransport(outer)
    async with httpx.AsyncClient(transport=transport, base_url="http://test:80") as client:
        reply = await client.post(f"/fake/fal{path}", json=PROMPT, headers={**KEY, **headers})
        assert reply.status_code == 200, reply.text
        job: dict[str, str] = reply.json()
        status = await client.get(job["status_url"], headers={**KEY, **headers})
        if not headers:
            assert status.json()["status"] == "COMPLETED"
        return job


def test_mounted_below_a_path_the_urls_begin_with_it() -> None:
    job = asyncio.run(_mounted(f"/queue.fal.run/{T2V}", {}))
    assert job["response_url"].startswith(f"http://test/fake/fal/queue.fal.run/{APP}/requests/")


def test_mounted_below_a_path_a_host_header_still_counts() -> None:
    job = asyncio.run(_mounted(f"/{T2V}", {"host": "queue.fal.run"}))
    assert job["response_url"].startswith(f"http://queue.fal.run/fake/fal/{APP}/requests/")


def test_a_requests_path_of_another_app_finds_nothing(mock: Mock) -> None:
    job = mock.submit()
    reply = mock.http.get(f"/queue.fal.run/fal-ai/flux/requests/{job['request_id']}")
    assert (reply.status_code, reply.json()) == (404, {"status": "NOT_FOUND"})


@pytest.mark.parametrize(
    ("path", "denies"),
    [
        (f"/fal.run/{T2V}", True),
        ("/nowhere", True),
        # A server that can send no reply to a handshake can't say why one is refused.
        (f"/ws.fal.run/{T2V}", False),
    ],
)
def test_a_websocket_that_nothing_speaks_is_closed_at_once(path: str, denies: bool) -> None:
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    scope: dict[str, Any] = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "query_string": b"",
        "server": ("127.0.0.1", 80),
        "headers": [],
        "extensions": {"websocket.http.response": {}} if denies else {},
    }
    asyncio.run(create_app()(scope, receive, send))
    assert sent == ["websocket.close"]
