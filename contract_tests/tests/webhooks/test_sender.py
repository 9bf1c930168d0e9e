"""One POST to receivers of all kinds, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from falkit_mock.gateway.certificates import issue, make_authority
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.sender import MOST_BODY, Answer, HttpSender
from falkit_mock.webhooks.targets import Target, Targets
from serving import PATIENCE

HEADERS = {"Content-Type": "application/json"}


@contextmanager
def answering(
    reply: bytes, tls: ssl.SSLContext | None = None
) -> Generator[tuple[int, list[bytes]]]:
    """Answer one connection with these bytes and close it: its port, and what came."""
    came: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        stream = tls.wrap_socket(connection, server_side=True) if tls else connection
        with stream:
            data = b""
            while not data.endswith(b"{}"):
                data += stream.recv(65_536)
            came.append(data)
            stream.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            thread.join()


def send(target: Target) -> Answer:
    async def run() -> Answer:
        async with asyncio.timeout(PATIENCE):
            return await HttpSender().send(target, HEADERS, b"{}")

    return asyncio.run(run())


def answer_to(reply: bytes) -> Answer:
    with answering(reply) as (port, _):
        return send(Targets().find(f"http://127.0.0.1:{port}/hook?a=b"))


def test_the_request_is_plain() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, came):
        send(Targets().find(f"http://me:secret@localhost:{port}/hook?a=b"))
    head = (
        f"POST /hook?a=b HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
        "Authorization: Basic bWU6c2VjcmV0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    )
    assert came == [head.encode() + b"{}"]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, {}, b"")),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nok",
            Answer(200, {"content-length": "2", "x-a": "1, 2"}, b"ok"),
        ),
        (
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nok\r\n1\r\n!\r\n0\r\n\r\n",
            Answer(201, {"transfer-encoding": "chunked"}, b"ok!"),
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Answer(200, {}, b"until the end")),
        (
            b"HTTP/1.1 100 Continue\r\nX-No: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Answer(200, {"content-length": "0"}, b""),
        ),
    ],
    ids=["no body", "sized", "chunked", "until the end", "after a 100"],
)
def test_every_kind_of_answer_is_read(reply: bytes, answer: Answer) -> None:
    assert answer_to(reply) == answer


def test_the_beginning_of_a_long_answer_is_kept() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * (MOST_BODY + 5)
    assert answer_to(reply).body == b"x" * MOST_BODY


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "in the middle of the answer"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer isn't HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "headers are longer"),
    ],
    ids=["nothing", "half a head", "half a body", "no HTTP", "a head without end"],
)
def test_a_failed_request_says_why(reply: bytes, why: str) -> None:
    with pytest.raises(SendFailed, match=why):
        answer_to(reply)


def test_a_receiver_on_this_machine_needs_no_certificate_that_is_known(tmp_path: Path) -> None:
    context = _own_certificate(tmp_path)
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", context) as (port, _):
        assert send(Targets().find(f"https://localhost:{port}/")).status_code == 200


def test_a_receiver_elsewhere_needs_a_known_certificate(tmp_path: Path) -> None:
    context = _own_certificate(tmp_path)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        with connection, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        # As a name that is resolved, which this one is only in the test.
        target = Target("", "https", "127.0.0.1", port, "/", (), None)
        with pytest.raises(SendFailed, match="certificate verify failed"):
            send(target)
        thread.join()


def test_a_plain_receiver_that_is_called_by_https_says_so() -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        target = Targets().find(f"https://localhost:{listener.getsockname()[1]}/")
        # Nobody listens at the other address of this name, which says less.
        with pytest.raises(SendFailed, match=r"it doesn't speak TLS; use http://$"):
            send(target)
        thread.join()


def test_localhost_is_looked_for_in_both_families() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        thread = threading.Thread(target=lambda: _greet(listener))
        thread.start()
        port = listener.getsockname()[1]
        assert send(Targets().find(f"http://localhost:{port}/")).status_code == 200
        thread.join()


def _greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def _own_certificate(folder: Path) -> ssl.SSLContext:
    """Return how a server speaks TLS with a certificate that no root knows."""
    file = folder / "own.pem"
    file.write_bytes(issue(make_authority(), ["localhost", "127.0.0.1"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
