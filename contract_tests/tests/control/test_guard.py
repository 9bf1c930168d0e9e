"""Who may use the control API: this machine, or whoever has the token; never a page elsewhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Generator

import httpx
import pytest

from falkit import Settings, create_app
from falkit_mock.control.guard import Guard
from processes import FALKIT, started
from serving import PATIENCE, Mock, running

COMMAND = [FALKIT, "serve", "--port", "0"]
HEALTH = "/__falkit/health"


@pytest.fixture
def guarded() -> Generator[Mock]:
    with running(Settings(control_token="s3cret")) as served:
        yield served


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer s3cret"},
        {"authorization": "bearer s3cret"},
        {"x-falkit-token": "s3cret"},
        # The token says enough: whoever has it may come by any name.
        {"x-falkit-token": "s3cret", "host": "mock.example", "origin": "https://app.example"},
    ],
)
def test_a_request_with_the_token_is_answered(guarded: Mock, headers: dict[str, str]) -> None:
    assert guarded.http.get(HEALTH, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Key id:secret"},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Bearer"},
        {"authorization": "Basic s3cret"},
        {"x-falkit-token": "wrong", "authorization": "Bearer s3cret"},
        {"authorization": b"Bearer \xff\xfe"},
    ],
)
@pytest.mark.parametrize("path", [HEALTH, "/__falkit/openapi.json", "/__falkit", "/__falkit/none"])
def test_a_request_without_the_token_or_with_another_is_401(
    guarded: Mock, headers: dict[str, str], path: str
) -> None:
    reply = guarded.http.get(path, headers={"authorization": "", **headers})
    assert reply.status_code == 401
    assert "Authorization: Bearer" in reply.json()["detail"]
    assert reply.headers["www-authenticate"] == 'Bearer realm="falkit"'
    assert reply.headers["x-fal-request-id"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost:4325", "[::1]:4325", "LOCALHOST", "127.1.2.3:80", "a.localhost"],
)
def test_this_machine_by_its_own_names_needs_no_token(mock: Mock, host: str) -> None:
    assert mock.http.get(HEALTH, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4325",
        "127.0.0.1.evil.example",
        "192.168.0.7",
        "x y",
        "[::1]evil.com",
        "[::1].evil.com:4325",
        "127.0.0.1:80:evil.com",
        "127.0.0.1:evil.com",
        "127.0.0.1@evil.com",
        "127.0.0.1/evil.com",
        "0.0.0.0",
        "0.0.0.0:4325",
        "0.0.0.0.",
        "evil.com;.localhost",
        "evil.com%.localhost",
        "[::]",
        "0",
    ],
)
def test_a_host_name_that_is_not_this_machines_is_refused(mock: Mock, host: str) -> None:
    reply = mock.http.post("/__falkit/reset", headers={"host": host})
    assert (reply.status_code, "host" in reply.json()["detail"]) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "object"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    ],
)
def test_a_page_of_another_origin_is_refused(mock: Mock, headers: dict[str, str]) -> None:
    for method, path in (("GET", HEALTH), ("POST", "/__falkit/reset"), ("OPTIONS", HEALTH)):
        reply = mock.http.request(method, path, headers=headers)
        assert (reply.status_code, "origin" in reply.json()["detail"]) == (403, True)
        assert "access-control-allow-origin" not in reply.headers


def test_the_mocks_own_pages_and_a_followed_link_are_answered(mock: Mock) -> None:
    own = {"origin": mock.url, "sec-fetch-site": "same-origin"}
    assert mock.http.post("/__falkit/reset", headers=own).status_code == 200
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert mock.http.get("/__falkit/", headers=followed).status_code == 200
    assert mock.http.post("/__falkit/reset", headers=followed).status_code == 403


def test_a_preflight_finds_the_control_api_closed_and_fals_hosts_open(mock: Mock) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert mock.http.options("/__falkit/reset", headers=asked).status_code == 403
    assert mock.http.options("/fal.run/fal-ai/ltx-2", headers=asked).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "queue.fal.run"},
        {"host": "api.fal.ai:4325"},
        {"x-fal-target-url": "https://queue.fal.run/fal-ai/ltx-2/text-to-video"},
    ],
)
def test_a_request_for_a_host_of_fals_never_reaches_the_control_api(
    mock: Mock, headers: dict[str, str]
) -> None:
    mock.submit()
    for path in ("/__falkit/reset", "/__falkit/jobs"):
        mock.http.post(path, headers=headers)
    assert mock.jobs()
    assert "next_cursor" not in mock.http.get("/__falkit/jobs", headers=headers).text


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/__falkit/reset", "/__falkit/reset", "https://fal.run/__falkit/reset"],
)
def test_a_target_url_that_names_the_control_api_changes_nothing(mock: Mock, target: str) -> None:
    mock.submit()
    mock.http.post("/api/fal/proxy", headers={"x-fal-target-url": target})
    assert len(mock.jobs()) == 1


def test_a_call_within_the_process_may_use_any_host_name() -> None:
    async def ask() -> int:
        transport = httpx.ASGITransport(create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://mock") as client:
            return (await client.get(HEALTH)).status_code

    assert asyncio.run(ask()) == 200


def test_a_server_on_another_address_without_a_token_refuses_every_request() -> None:
    async def app(*_: object) -> None:
        raise AssertionError("must not be reached")

    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"host", b"127.0.0.1")],
        "server": ("192.168.0.7", 4325),
    }
    with pytest.raises(Exception, match="control-token"):
        asyncio.run(Guard(app, None)(scope, app, app))  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "printed"), [([], True), (["--control-token", "own"], False)])
def test_falkit_serve_on_another_address_makes_a_token(options: list[str], printed: bool) -> None:
    command = [*COMMAND, "--host", "0.0.0.0", *options]
    with started(command, stderr=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            url = ready["url"].replace("0.0.0.0", "127.0.0.1")
            assert ("control_token" in ready) == printed
            token = ready.get("control_token", "own")
            with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
                assert client.get(HEALTH).status_code == 401
                known = {"authorization": f"Bearer {token}"}
                assert client.get(HEALTH, headers=known).status_code == 200
        finally:
            server.terminate()
            _, banner = server.communicate(timeout=PATIENCE)
    assert (token in banner) == printed


def test_a_page_of_this_very_origin_that_came_by_another_site_is_refused(mock: Mock) -> None:
    headers = {"origin": mock.url, "sec-fetch-site": "cross-site"}
    assert mock.http.post("/__falkit/reset", headers=headers).status_code == 403
