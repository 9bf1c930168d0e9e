"""ws.fal.run: HTTP over a WebSocket, by a client that knows nothing of fal (wire.md §8)."""

from __future__ import annotations

import json
import socket as sockets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from falkit import Settings
from gated import gated
from serving import KEY, PATIENCE, PROMPT, T2V, Mock, Serve, WatchedClock, running

HANDSHAKE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-version": "13",
}
WRONG = {**PROMPT, "duration": 7}


def url(mock: Mock, path: str = T2V) -> str:
    return f"{mock.url.replace('http', 'ws')}/ws.fal.run/{path}"


@contextmanager
def opened(mock: Mock, path: str = T2V, **headers: str) -> Generator[ClientConnection]:
    with connect(url(mock, path), additional_headers={**KEY, **headers}, proxy=None) as socket:
        yield socket


def told(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message, which is a `start` or an `end`."""
    message: dict[str, Any] = json.loads(socket.recv(PATIENCE))
    return message


def answer(socket: ClientConnection) -> tuple[int, Any]:
    """Return status and body of a reply, whose three messages belong together."""
    start, body, end = told(socket), socket.recv(PATIENCE), told(socket)
    assert isinstance(body, str)
    assert start.keys() == {"type", "request_id", "status", "headers"}
    assert end.keys() == {"type", "request_id", "status", "time_to_first_byte_seconds"}
    assert (start["type"], end["type"]) == ("start", "end")
    assert (start["request_id"], start["status"]) == (end["request_id"], end["status"])
    assert start["headers"]["X-Fal-Request-Id"] == start["request_id"]
    assert start["headers"]["Content-Type"] == "application/json"
    return start["status"], json.loads(body)


def test_inputs_sent_at_once_are_answered_in_their_order(mock: Mock) -> None:
    with opened(mock) as socket:
        for text in (json.dumps(PROMPT), json.dumps(WRONG), "no JSON", "", json.dumps(PROMPT)):
            socket.send(text)
        status, output = answer(socket)
        assert (status, output.keys()) == (200, {"video"})
        assert mock.http.get(output["video"]["url"]).headers["content-type"] == "video/mp4"
        for kind in ("literal_error", "json_invalid", "missing"):
            status, refused = answer(socket)
            assert (status, refused["detail"][0]["type"]) == (422, kind)
        assert answer(socket)[0] == 200


def test_an_input_is_a_call_of_fal_run(slow: Mock, clock: WatchedClock) -> None:
    with opened(slow) as socket:
        socket.send(json.dumps(PROMPT))
        clock.until_waited_for()
        (job,) = slow.jobs()
        assert (job["status"], job["entry"], job["key"]) == ("IN_PROGRESS", "run", "id")
        slow.advance(10)
        start, _, end = told(socket), socket.recv(), told(socket)
        assert start["request_id"] == job["request_id"]
        assert start["headers"]["X-Fal-Billable-Units"] == "6"
        assert end["time_to_first_byte_seconds"] == 10
    assert slow.http.get("/__falkit/billing").json()["cost"] == "0.36"


def test_the_request_log_has_the_handshake_and_each_input(serve: Serve) -> None:
    mock = serve()
    with opened(mock) as socket:
        for input in (PROMPT, WRONG):
            socket.send(json.dumps(input))
            answer(socket)
    with mock.http.stream("GET", "/__falkit/events?kind=request_answered&since=0") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        seen = [json.loads(next(lines).removeprefix("data: ")) for _ in range(3)]
    assert {(one["method"], one["status"]) for one in seen} == {
        ("GET", 101),
        ("POST", 200),
        ("POST", 422),
    }
    assert {(one["host"], one["path"]) for one in seen} == {("ws.fal.run", f"/{T2V}")}


@pytest.mark.parametrize(
    ("path", "headers", "status", "detail"),
    [
        (T2V, {}, 401, 'Cannot access application "fal-ai/ltx-2"'),
        (T2V, {"Authorization": "Key no:key"}, 401, "invalid key credentials"),
        ("fal-ai/nothing", {"Authorization": "Key a:b"}, 404, 'Application "nothing" not found'),
        ("nothing", {"Authorization": "Key a:b"}, 404, "Not Found"),
        (f"{T2V}?fal_jwt_token=a.b.c", {}, 401, "Invalid or expired token"),
    ],
)
def test_a_handshake_is_refused_in_http(
    serve: Serve, path: str, headers: dict[str, str], status: int, detail: str
) -> None:
    mock = serve(api_keys=["a:b"])
    with pytest.raises(InvalidStatus) as refused:
        connect(url(mock, path), additional_headers=headers, proxy=None)
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert detail in json.loads(response.body or b"")["detail"]
    assert response.headers["x-fal-request-id"]
    assert response.headers["x-falkit-hint"]


def test_a_path_that_the_app_lacks_is_the_apps_own_404(mock: Mock) -> None:
    with opened(mock, "fal-ai/ltx-2/no/such") as socket:
        socket.send(json.dumps(PROMPT))
        assert answer(socket) == (404, {"detail": "Path /no/such not found"})


def test_a_token_opens_its_path_and_what_is_below(mock: Mock) -> None:
    def token(path: str) -> str:
        body = {"allowed_apps": [path], "duration": 60}
        return str(mock.http.post("/rest.fal.ai/tokens/realtime", json=body).json()["token"])

    for path in (T2V, "fal-ai/ltx-2"):
        with connect(url(mock, f"{T2V}?fal_jwt_token={token(path)}"), proxy=None) as socket:
            socket.send(json.dumps(PROMPT))
            assert answer(socket)[0] == 200
    for path in (f"{T2V}/realtime", "ltx-2"):
        with pytest.raises(InvalidStatus) as refused:
            connect(url(mock, f"{T2V}?fal_jwt_token={token(path)}"), proxy=None)
        assert f"not for {T2V}" in refused.value.response.headers["x-falkit-hint"]


def test_the_host_header_or_the_target_url_names_the_host_too(mock: Mock) -> None:
    place = mock.url.removeprefix("http://")
    target = {"x-fal-target-url": f"wss://ws.fal.run/{T2V}"}
    with connect(f"ws://{place}/proxy", additional_headers={**KEY, **target}, proxy=None) as one:
        one.send(json.dumps(PROMPT))
        assert answer(one)[0] == 200
    host, _, port = place.partition(":")
    wire = f"ws://ws.fal.run:{port}/{T2V}"
    there = sockets.create_connection((host, int(port)), PATIENCE)
    with connect(wire, sock=there, additional_headers=KEY) as other:
        other.send(json.dumps(PROMPT))
        assert answer(other)[1]["video"]["url"].startswith(f"http://v3b.fal.media:{port}/")


def test_the_gateway_answers_for_the_name(authority_folder: Path) -> None:
    name = f"wss://ws.fal.run/{T2V}"
    with (
        gated(authority_folder) as gate,
        connect(name, additional_headers=KEY, proxy=gate.gateway.url, ssl=gate.tls) as socket,
    ):
        socket.send(json.dumps(PROMPT))
        assert answer(socket)[1]["video"]["url"].startswith(gate.mock)


def test_only_text_is_an_input(mock: Mock) -> None:
    with opened(mock) as socket:
        socket.send(json.dumps(PROMPT).encode())
        with pytest.raises(ConnectionClosedError, match=r"1003.* as JSON, in a text message"):
            socket.recv(PATIENCE)


def test_a_longer_message_than_a_body_may_be_ends_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    mock = serve(max_body=100)
    with opened(mock) as socket:
        socket.send(json.dumps(PROMPT))
        assert answer(socket)[0] == 200
        socket.send("x" * 101)
        with pytest.raises(ConnectionClosedError, match="1009"):
            socket.recv(PATIENCE)
    assert caplog.records == []
    assert mock.run(PROMPT).status_code == 200


@pytest.mark.parametrize("lacks", ["sec-websocket-key", "sec-websocket-version", "upgrade"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_http_is_told_to_upgrade(mock: Mock, method: str, lacks: str) -> None:
    handshake = {name: value for name, value in HANDSHAKE.items() if name != lacks}
    reply = mock.http.request(method, f"/ws.fal.run/{T2V}", headers=handshake)
    assert (reply.status_code, reply.headers["upgrade"]) == (426, "websocket")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"cookie": "x" * 9000}, 431),
        ({f"x-{number}": "y" for number in range(200)}, 431),
        ({"sec-websocket-version": "12"}, 400),
        ({"sec-websocket-key": "short"}, 400),
    ],
)
def test_an_impossible_handshake_is_refused(
    mock: Mock, headers: dict[str, str], status: int
) -> None:
    reply = mock.http.get(f"/ws.fal.run/{T2V}", headers={**HANDSHAKE, **headers})
    assert reply.status_code == status
    assert mock.run(PROMPT).status_code == 200


def test_a_caller_who_hangs_up_ends_the_job(slow: Mock, clock: WatchedClock) -> None:
    with opened(slow) as socket:
        for _ in range(3):
            socket.send(json.dumps(PROMPT))
        clock.until_waited_for()
    with slow.http.stream("GET", "/__falkit/events?kind=job_changed&since=0") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        changes = (json.loads(line.removeprefix("data: ")) for line in lines)
        ended = next(change for change in changes if change["change"] == "ended")
    assert ended["error"]["error_type"] == "client_disconnected"
    assert len(slow.jobs()) == 1, "what waited behind it is dropped"


def test_the_limit_counts_inputs_as_calls(timed: Serve, clock: WatchedClock) -> None:
    mock = timed("1,10", concurrency=1)
    with opened(mock) as one, opened(mock) as other:
        one.send(json.dumps(PROMPT))
        clock.until_waited_for()
        other.send(json.dumps(PROMPT))
        status, body = answer(other)
        assert (status, body["error_type"]) == (429, "concurrent_requests_limit")
        mock.advance(10)
        assert answer(one)[0] == 200


def test_what_still_waits_when_the_mock_stops_is_503(held: Mock, clock: WatchedClock) -> None:
    with opened(held) as socket:
        socket.send(json.dumps(PROMPT))
        clock.until_waited_for()
        held.stop()
        assert answer(socket) == (503, {"detail": "Service Unavailable"})


def test_an_idle_connection_ends_with_the_mock() -> None:
    with running(Settings(timing="instant")) as mock:
        socket = connect(url(mock), additional_headers=KEY, proxy=None)
    with socket, pytest.raises(ConnectionClosed, match="1012"):
        socket.recv(PATIENCE)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("content_policy_violation", 422),
        ("account_locked", 403),
        ("bad_key on=run", 401),
        ("runner_disconnected", 503),
    ],
)
def test_a_rule_applies_to_each_input(mock: Mock, fault: str, status: int) -> None:
    with opened(mock, **{"x-falkit-fault": fault}) as socket:
        for _ in range(2):
            socket.send(json.dumps(PROMPT))
            assert answer(socket)[0] == status


def test_the_ingress_has_a_page_of_its_own(mock: Mock) -> None:
    with opened(mock, **{"x-falkit-fault": "ingress_error"}) as socket:
        socket.send(json.dumps(PROMPT))
        start, page, end = told(socket), socket.recv(PATIENCE), told(socket)
    assert (start["status"], start["headers"]["Content-Type"]) == (503, "text/html")
    assert isinstance(page, bytes)
    assert b"nginx" in page
    assert start["request_id"] == end["request_id"]


@pytest.mark.parametrize("fault", ["connection_reset", "reply_lost", "half_reply", "garbage"])
def test_the_connection_is_cut(mock: Mock, fault: str) -> None:
    with opened(mock, **{"x-falkit-fault": fault}) as socket:
        socket.send(json.dumps(PROMPT))
        if fault == "half_reply":
            start, half = told(socket), socket.recv(PATIENCE)
            assert 0 < len(half) < int(start["headers"]["Content-Length"])
        with pytest.raises(ConnectionClosedError):
            socket.recv(PATIENCE)


def test_text_that_is_none_with_a_close_behind_it_leaves_no_error(
    mock: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in {**HANDSHAKE, **KEY}.items())
    place = mock.url.removeprefix("http://")
    host, _, port = place.rpartition(":")
    with sockets.create_connection((host, int(port)), PATIENCE) as caller:
        caller.sendall(f"GET /ws.fal.run/{T2V} HTTP/1.1\r\nhost: {place}\r\n{head}\r\n".encode())
        assert caller.recv(4096).startswith(b"HTTP/1.1 101")
        caller.sendall(b"\x81\x82\0\0\0\0\xd7j" + b"\x88\x80\0\0\0\0")
        while caller.recv(4096):
            pass
    assert mock.http.get("/health").status_code == 200
    assert caplog.text == ""


def test_what_waits_behind_an_input_is_bounded(mock: Mock) -> None:
    many = json.dumps({**PROMPT, "x": "y" * 400_000})
    with opened(mock) as socket:
        # More than a mebibyte of them: the last are read once the first have been answered.
        for _ in range(6):
            socket.send(many)
        assert [answer(socket)[0] for _ in range(6)] == [200] * 6


def test_a_message_of_endless_pieces_ends_the_connection(mock: Mock) -> None:
    with opened(mock) as socket:
        with suppress(ConnectionClosed):
            socket.send("" for _ in range(20_000))
        with pytest.raises(ConnectionClosed):
            socket.recv(PATIENCE)
