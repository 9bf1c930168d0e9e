"""Connections to fal's names on which no request comes are counted by how they ended."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from clients.place import PLACE, under_falkit
from falkit_mock.gateway.proxy_protocol import server_name
from gated import Gated, heard
from serving import PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING = 1, 4, 6


@contextmanager
def tunnel(gate: Gated, host: str) -> Generator[socket.socket]:
    """Ask for a tunnel to one of fal's names; at the end see it closed."""
    with gate.dial() as caller:
        caller.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        assert caller.recv(65536).startswith(b"HTTP/1.1 200 ")
        yield caller
        with suppress(OSError):
            caller.shutdown(socket.SHUT_WR)
            heard(caller)


def early_ends(gate: Gated) -> object:
    """Return what the control API says of them."""
    # An answer of the same event loop comes after what ended before.
    return gate.http.get(f"{gate.mock}/__falkit/gateway").json()["early_ends"]


def test_a_refused_certificate_is_counted_for_its_host(open_gate: Callable[..., Gated]) -> None:
    gate = open_gate()
    stranger = ssl.create_default_context()
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get("https://fal.run/", proxy=gate.gateway.url, verify=stranger, timeout=PATIENCE)
    # Without a proxy TLS says which host is meant.
    with gate.dial() as caller, pytest.raises(ssl.SSLCertVerificationError):
        stranger.wrap_socket(caller, server_hostname="Rest.Fal.AI")
    gate.http.get("https://fal.run/")
    hosts = ("fal.run", "rest.fal.ai")
    assert early_ends(gate) == [{"host": host, "how": "refused", "times": 1} for host in hosts]


def test_a_connection_that_closes_before_its_request_is_counted(
    open_gate: Callable[..., Gated],
) -> None:
    gate = open_gate()
    with tunnel(gate, "queue.fal.run"):
        pass
    with tunnel(gate, "queue.fal.run") as caller:
        caller.sendall(b"\x16\x03\x01\x02\x00\x01")
    with tunnel(gate, "router.huggingface.co") as caller:
        gate.tls.wrap_socket(caller, server_hostname="router.huggingface.co").close()
    closed = {"how": "closed"}
    assert early_ends(gate) == [
        {"host": "queue.fal.run", "times": 2, **closed},
        {"host": "router.huggingface.co", "times": 1, **closed},
    ]


def test_requests_and_connections_to_others_are_not_counted(
    open_gate: Callable[..., Gated],
) -> None:
    gate = open_gate(egress="block")
    gate.http.get("https://fal.run/health")
    with tunnel(gate, "fal.run") as caller:
        caller.sendall(b"no HTTP at all")
    gate.said(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
    gate.dial().close()
    assert early_ends(gate) == []


def frames(caller: socket.socket, most: int) -> list[tuple[int, int, bytes]]:
    """Read frames of HTTP/2: kind, stream, payload."""
    found: list[tuple[int, int, bytes]] = []
    while len(found) < most:
        head = caller.recv(9, socket.MSG_WAITALL)
        size, kind, _, stream = struct.unpack(">IBBI", b"\x00" + head)
        found.append((kind, stream, caller.recv(size, socket.MSG_WAITALL)))
    return found


def test_http2_is_refused_in_its_own_words(open_gate: Callable[..., Gated]) -> None:
    gate = open_gate()
    with tunnel(gate, "api.alpha.fal.ai") as caller:
        caller.settimeout(PATIENCE)
        # The preface and a frame may come in pieces.
        caller.sendall(PREFACE[:5])
        caller.sendall(PREFACE[5:] + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x08\x06")
        caller.sendall(b"\x00\x00\x00\x00\x00" + b"12345678")
        caller.sendall(b"\x00\x00\x01\x01\x04\x00\x00\x00\x07\x82")
        settings, acknowledged, pong, refusal = frames(caller, 4)
    assert (settings, acknowledged, pong) == (
        (SETTINGS, 0, b""),
        (SETTINGS, 0, b""),
        (PING, 0, b"12345678"),
    )
    assert refusal[:2] == (HEADERS, 7)
    assert b"grpc-status\x0212" in refusal[2]
    assert early_ends(gate) == [{"host": "api.alpha.fal.ai", "how": "http2", "times": 1}]


def test_the_name_that_tls_asks_for_is_read_or_left_open() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="fal.run")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    assert server_name(hello) == "fal.run"
    assert {server_name(hello[:size]) for size in range(len(hello))} <= {"", "fal.run"}
    assert server_name(b"") == ""


GRPC = """
import grpc
channel = grpc.secure_channel("api.alpha.fal.ai:443", grpc.ssl_channel_credentials())
try:
    channel.unary_unary("/controller.IsolateController/ListApplications")(b"", timeout=60)
except grpc.RpcError as error:
    print(error.code().name, error.details())
"""
BOTO = """
import botocore.session
from botocore.exceptions import ClientError
options = {"region_name": "x", "endpoint_url": "https://v3b.fal.media"}
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
client = botocore.session.get_session().create_client("s3", **options, **keys)
try:
    client.list_buckets()
except ClientError as error:
    print(error.response["ResponseMetadata"]["HTTPStatusCode"])
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [(GRPC, "UNIMPLEMENTED falkit answers HTTP/1.1 alone"), (BOTO, "501")],
    ids=["grpc", "boto"],
)
def test_grpc_and_boto_trust_the_authority(program: str, said: str, tmp_path: Path) -> None:
    command = [*PLACE.command("sdk", "")[:1], "-c", program]
    done = under_falkit(tmp_path, [], command)
    assert done.stdout.startswith(said)
