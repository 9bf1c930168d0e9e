"""Connections are bounded: what a head may be, how long it may take, what may come unasked."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from falkit import Settings
from falkit_mock.connections import ConnectionProtocol, Cycle
from falkit_mock.hosts import ClientDisconnect, RequestContext, unless_gone
from falkit_mock.server import MockServer
from serving import KEY, PATIENCE, PROMPT, T2V, Mock, Serve, WatchedClock, running

KIB = 1024
HEALTH = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def served() -> Generator[Mock]:
    with running(Settings(timing="instant")) as mock:
        yield mock


@contextmanager
def connected(mock: Mock) -> Generator[socket.socket]:
    host, _, port = mock.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        yield connection


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the connection ends."""
    found = bytearray()
    try:
        while data := connection.recv(65_536):
            found += data
    except ConnectionResetError:
        # It was closed with something unread.
        pass
    return bytes(found)


def sent(connection: socket.socket, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)


def server_of(mock: Mock) -> MockServer:
    server = mock.server._server  # pyright: ignore[reportPrivateUsage]
    assert server is not None
    return server


def pass_seconds(mock: Mock, seconds: float) -> None:
    """Have the server look at its connections as it would after some time."""
    server = server_of(mock)

    def look() -> None:
        server.check_connections(asyncio.get_running_loop().time() + seconds)

    mock.inside(look)


def until_known(mock: Mock, count: int) -> None:
    """Return once the server has so many connections beside the test's own client's."""
    server = server_of(mock)
    for _ in range(1000):
        if mock.server.inside(lambda: len(server.server_state.connections)) >= count:
            return
    raise AssertionError("the connections were not taken")


def test_a_head_of_less_than_the_limit_is_read(served: Mock) -> None:
    with connected(served) as connection:
        filler = b"x-filler: " + b"a" * (60 * KIB)
        connection.sendall(HEALTH + filler + b"\r\nconnection: close\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEALTH + b"x-filler: " + b"a" * (70 * KIB) + b"\r\n\r\n", b"431"),
        (HEALTH + b"".join(b"x-%d: 1\r\n" % n for n in range(20_000)) + b"\r\n", b"431"),
        # What never ends is refused before it does.
        (HEALTH + b"x-filler: " + b"a" * (500 * KIB), b"431"),
        (b"GET /" + b"a" * (500 * KIB), b"431"),
        (b"GET /" + b"a" * (70 * KIB) + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", b"414"),
    ],
)
def test_a_longer_head_is_refused_and_the_connection_closed(
    served: Mock, head: bytes, status: bytes
) -> None:
    with connected(served) as connection:
        sent(connection, head)
        answer = everything(connection)
    assert answer.split(b" ", 2)[1] in (status, b"414")
    assert b"65536 bytes" in answer
    assert served.http.get("/health").status_code == 200


def test_no_more_of_a_head_than_the_limit_is_kept(served: Mock) -> None:
    with connected(served) as connection:
        taken = 0
        connection.sendall(HEALTH + b"x-filler: ")
        try:
            for _ in range(1500):
                taken += connection.send(b"a" * (100 * KIB))
        except OSError:
            pass
        # What the sockets' own buffers hold, and not 150 MB.
        assert taken < 30_000 * KIB


@pytest.mark.parametrize("begun", [b"", b"GET /hea", HEALTH])
def test_a_head_that_never_comes_ends_its_connection(served: Mock, begun: bytes) -> None:
    with connected(served) as connection:
        connection.sendall(begun)
        until_known(served, 1)
        served.http.get("/health")
        pass_seconds(served, 29)
        pass_seconds(served, 31)
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"The request's head did not come within 30 s.")


def test_a_body_that_never_comes_ends_its_connection_and_makes_no_job(served: Mock) -> None:
    before = len(served.jobs())
    with connected(served) as connection:
        connection.sendall(
            f"POST /queue.fal.run/{T2V} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"authorization: {KEY['authorization']}\r\ncontent-length: 100\r\n\r\n".encode()
            + b'{"prompt"'
        )
        until_known(served, 1)
        served.http.get("/health")
        pass_seconds(served, 61)
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert len(served.jobs()) == before


def test_a_reply_that_nobody_takes_ends_its_connection(served: Mock) -> None:
    upload = served.http.post("/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={})
    token = upload.json()["token"]
    url = served.http.post(
        "/v3.fal.media/files/upload",
        content=b"a" * (40 * KIB * KIB),
        headers={"authorization": f"Bearer {token}"},
    ).json()["access_url"]
    path = url.removeprefix(served.url)
    with connected(served) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        connection.recv(1)
        until_blocked(served)
        assert open_blobs(served)
        pass_seconds(served, 61)
        until_gone(served)
    assert not open_blobs(served), "what a broken download read from is closed"


def until_blocked(mock: Mock) -> None:
    def blocked() -> bool:
        return any(connection.flow.write_paused for connection in connections(mock))

    for _ in range(5000):
        if mock.server.inside(blocked):
            return
    raise AssertionError("nothing waits to be written")


def connections(mock: Mock) -> list[ConnectionProtocol]:
    found = server_of(mock).server_state.connections
    return [each for each in found if isinstance(each, ConnectionProtocol)]


def until_gone(mock: Mock) -> None:
    for _ in range(5000):
        if not mock.server.inside(lambda: len(server_of(mock).server_state.tasks)):
            return
    raise AssertionError("a request is still being answered")


def open_blobs(mock: Mock) -> list[str]:
    """Return the blobs that this process has open; Linux alone can say."""
    folder = str(mock.service.store.uploads.blobs.folder)
    found: list[str] = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith(folder) and Path(target) != Path(folder):
            found.append(target)
    return found


def test_unread_requests_are_bounded(served: Mock) -> None:
    """A caller that sends requests and reads no reply keeps no more than a reading's worth."""
    gc.collect()
    with connected(served) as connection:
        connection.settimeout(2)
        line = HEALTH + b"\r\n"
        try:
            for _ in range(400):
                connection.sendall(line * 2000)
        except OSError:
            pass
        kept = served.server.inside(lambda: [len(each.pipeline) for each in connections(served)])
        assert max(kept) < 1000


def test_pipelined_requests_are_all_answered_in_order(served: Mock) -> None:
    paths = [f"/__falkit/jobs?limit={n}" for n in range(1, 101)] * 8
    with connected(served) as connection:
        heads = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() for path in paths]
        last = HEALTH + b"connection: close\r\n\r\n"
        connection.sendall(b"".join(heads) + last)
        answer = everything(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == len(paths) + 1


def test_a_caller_that_leaves_requests_behind_leaves_no_error(
    timed: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    mock = timed("0,10")
    clock = mock.clock
    assert isinstance(clock, WatchedClock)
    body = b'{"prompt": "a"}'
    run = (
        f"POST /fal.run/{T2V} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Key a:b\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    with connected(mock) as connection:
        connection.sendall(run * 3)
        clock.until_waited_for()
    until_gone(mock)
    mock.advance(10)
    until_gone(mock)
    gc.collect()
    assert capfd.readouterr().err == ""
    assert len(mock.jobs()) == 1, "what came behind was never begun"


CHUNKED = (
    f"POST /fal.run/{T2V} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Key a:b\r\n"
    "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
).encode()


@pytest.mark.parametrize("trailer", [b"x-a: 1\r\n" * 100_000, b"x-a: " + b"a" * 1_000_000])
def test_trailers_are_bounded_and_are_no_headers(served: Mock, trailer: bytes) -> None:
    with connected(served) as connection:
        sent(connection, CHUNKED + trailer)
        assert b"HTTP/1.1 4" in everything(connection)
    with connected(served) as connection:
        connection.sendall(CHUNKED + b"x-falkit-fault: hang\r\n\r\n" + HEALTH + b"\r\n")
        assert b"json_invalid" in connection.recv(65_536), "a trailer asks for nothing"


def test_a_byte_that_begins_no_request_keeps_no_connection(served: Mock) -> None:
    with connected(served) as connection:
        connection.sendall(HEALTH + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"\r\n")
        served.http.get("/health")
        pass_seconds(served, 61)
        assert everything(connection) == b""


def test_half_a_request_behind_another_leaves_its_answer_alone(timed: Serve) -> None:
    mock = timed("0,10")
    clock = mock.clock
    assert isinstance(clock, WatchedClock)
    body = b'{"prompt": "a"}'
    with connected(mock) as connection:
        connection.sendall(
            f"POST /fal.run/{T2V} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Key a:b\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
            + b"GET /hea"
        )
        clock.until_waited_for()
        pass_seconds(mock, 100)
        mock.advance(10)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_work_that_fails_once_its_caller_has_gone_leaves_no_error() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("the mock ends") from None

    async def hung_up() -> Message:
        return {"type": "http.disconnect"}

    async def call() -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: heard.append(said))
        with pytest.raises(ClientDisconnect):
            await unless_gone(hung_up, fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        return heard

    assert asyncio.run(call()) == []


def test_requests_leave_nothing_to_the_garbage_collector(served: Mock) -> None:
    made = served.submit()
    with httpx.Client(headers=KEY) as client:
        urls = [made["status_url"], f"{made['status_url']}?logs=1", made["response_url"]]
        for url in urls:
            client.get(url)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for url in urls:
                client.get(url)
            gc.collect()
            left = [type(one) for one in gc.garbage if isinstance(one, Cycle | RequestContext)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert left == []


def asked(mock: Mock, request: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines of a reply's head, in order of name, and its body."""
    with connected(mock) as connection:
        connection.sendall(request)
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    return sorted(line for line in head.split(b"\r\n") if not line.startswith(b"date:")), body


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("version", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nconnection: close\r\n"])
def test_a_reply_sent_in_one_go_is_the_one_that_goes_by_the_server(
    served: Mock, method: bytes, version: bytes
) -> None:
    path = served.submit()["status_url"].removeprefix(served.url).encode()
    host = served.url.removeprefix("http://").encode()
    rest = b"host: " + host + b"\r\nauthorization: Key a:b\r\n"
    request = b"%s %s %s%s" % (method, path, version, rest)
    head, body = asked(served, request + b"\r\n")
    # A page's request goes through the middleware for pages.
    other_head, other_body = asked(served, request + b"origin: http://localhost\r\n\r\n")
    of_pages = (b"access-control-", b"vary")
    assert head == [line for line in other_head if not line.startswith(of_pages)]
    assert body == other_body
    assert (body == b"") == (method == b"HEAD")
    assert b"connection: close" in head


def test_what_a_proxy_on_this_machine_says_of_the_scheme_counts(served: Mock) -> None:
    reply = httpx.post(
        f"{served.url}/queue.fal.run/{T2V}",
        json=PROMPT,
        headers={**KEY, "x-forwarded-proto": "https"},
    )
    assert reply.json()["status_url"].startswith("https://")
