"""/ready is 503, with a reason, while a mock is made and while it ends; who called early waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import suppress

import httpx
import pytest

from falkit import Settings
from falkit_mock.app import MockApp
from falkit_mock.assembly import create_app
from falkit_mock.core.network import listen, reached
from falkit_mock.server import MockServer
from falkit_mock.waiting import WaitingRoom
from serving import PATIENCE, T2V

SUBMIT = (
    f"POST /queue.fal.run/{T2V} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Key falkit\r\n"
    'content-length: 15\r\nconnection: close\r\n\r\n{"prompt": "a"}'
).encode()
# The name of the thread that a test serves in.
SERVING = "the mock that is ready"


@pytest.fixture
def listener() -> Generator[socket.socket]:
    with listen("127.0.0.1", 0) as made:
        yield made


def get(listener: socket.socket, path: str) -> httpx.Response:
    return httpx.get(f"{reached(listener)}{path}", timeout=PATIENCE, trust_env=False)


def connected(listener: socket.socket, data: bytes) -> socket.socket:
    connection = socket.create_connection(listener.getsockname(), PATIENCE)
    connection.sendall(data)
    return connection


def answer(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def served(app: MockApp, listener: socket.socket, room: WaitingRoom) -> MockServer:
    """Serve in a thread, and return once requests are answered."""
    ready = threading.Event()
    server = MockServer(app, app.service, ready.set, room=room)
    thread = threading.Thread(target=server.run, name=SERVING, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(PATIENCE)
    return server


def test_a_mock_that_is_made_says_so_and_answers_afterwards_who_came_before(
    listener: socket.socket,
) -> None:
    with WaitingRoom(listener) as room:
        room.why = "its state is being read"
        early = connected(listener, SUBMIT)
        silent, halfway = connected(listener, b""), connected(listener, SUBMIT[:30])
        reply = get(listener, "/ready")
        assert (reply.status_code, reply.json()) == (
            503,
            {"status": "not ready", "reason": "its state is being read"},
        )
        assert get(listener, "/health").json() == {"status": "ok"}
        server = served(create_app(Settings(timing="instant")), listener, room)
        try:
            assert get(listener, "/ready").json() == {"status": "ready"}
            assert answer(early).startswith(b"HTTP/1.1 200 OK\r\n")
            silent.sendall(SUBMIT)
            halfway.sendall(SUBMIT[30:])
            for late in (silent, halfway):
                assert answer(late).startswith(b"HTTP/1.1 200 OK\r\n")
        finally:
            server.stop()


def test_who_waits_for_a_mock_that_cannot_be_made_is_let_go(listener: socket.socket) -> None:
    with WaitingRoom(listener):
        asked, silent = connected(listener, SUBMIT), connected(listener, b"")
        assert get(listener, "/ready").status_code == 503
    assert answer(silent) == b""
    # What it has sent was never read.
    with suppress(ConnectionResetError):
        assert answer(asked) == b""


def test_a_mock_that_ends_is_not_ready_while_it_exports(listener: socket.socket) -> None:
    app, found = create_app(Settings(timing="instant")), list[httpx.Response]()

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mock") as client:
            found.extend([await client.get("/ready"), await client.get("/health")])

    app.service.hooks.ending.append(ask)
    with WaitingRoom(listener) as room:
        served(app, listener, room).stop()
        for thread in threading.enumerate():
            if thread.name == SERVING:
                thread.join(PATIENCE)
    assert [one.status_code for one in found] == [503, 200]
    assert found[0].json()["reason"] == "it is shutting down"
