"""A tunnel's ends before there are two of them, and when one is slow or can't half-close."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress

import pytest

from falkit_mock.core.network import is_this_machine
from falkit_mock.gateway.proxy_protocol import Streams, end, relay
from gated import Gated, heard
from gateway.test_proxying import listening, tunnel
from serving import PATIENCE


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_a_half_close_before_the_tunnel_opens_is_passed_on(gate: Gated, data: bytes) -> None:
    def answer(caller: socket.socket) -> None:
        caller.sendall(heard(caller) + b", world")

    with listening(answer) as port, gate.dial() as caller:
        caller.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode() + data)
        caller.shutdown(socket.SHUT_WR)
        assert heard(caller).endswith(b"\r\n\r\n" + data + b", world")


def be_left(caller: socket.socket) -> None:
    assert heard(caller) == b""


def test_a_caller_who_resets_before_the_tunnel_opens_leaves_nothing_behind(gate: Gated) -> None:
    with listening(be_left) as port:
        caller = gate.dial()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        caller.close()
    gate.http.get("https://fal.run/health")


def test_a_full_end_stops_the_other_from_reading(gate: Gated) -> None:
    """What nobody takes doesn't pile up in the gateway."""
    reads = threading.Event()
    counts: list[int] = []

    def read_late(caller: socket.socket) -> None:
        assert reads.wait(PATIENCE)
        counts.append(len(heard(caller)))

    with listening(read_late) as port, tunnel(gate, port) as caller:
        caller.settimeout(0.5)
        sent, most = 0, 64 * 1024 * 1024
        with suppress(TimeoutError):
            while sent < most:
                sent += caller.send(bytes(65536))
        assert sent < most
        caller.settimeout(PATIENCE)
        reads.set()
        caller.shutdown(socket.SHUT_WR)
    assert counts == [sent]


class _NoHalfClose(asyncio.StreamWriter):
    """As over TLS."""

    def can_write_eof(self) -> bool:
        return False


def test_an_end_that_cannot_half_close_is_closed() -> None:
    async def run() -> tuple[bytes, bytes]:
        ends: asyncio.Queue[Streams] = asyncio.Queue()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await ends.put((reader, writer))

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        caller = await asyncio.open_connection("127.0.0.1", port)
        near = await ends.get()
        other = await asyncio.open_connection("127.0.0.1", port)
        far = await ends.get()
        far[1].__class__ = _NoHalfClose
        caller[1].write(b"that is all")
        caller[1].write_eof()
        await relay(near, far)
        told = await other[0].read()
        for _, writer in (near, far, caller, other):
            await end(writer)
        server.close()
        return told, await caller[0].read()

    async def limited() -> tuple[bytes, bytes]:
        async with asyncio.timeout(PATIENCE):
            return await run()

    assert asyncio.run(limited()) == (b"that is all", b"")


@pytest.mark.parametrize("target", ["localhost", "[::1]", "0.0.0.0", "127.0.0.2"])
def test_a_caller_on_another_machine_reaches_nothing_on_this_one(
    gate: Gated, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_here(host: str) -> bool:
        # The test can only call from this machine, so its address is taken for another's.
        return host != "127.0.0.1" and is_this_machine(host)

    monkeypatch.setattr("falkit_mock.gateway.gateway.is_this_machine", is_here)
    answer = gate.said(f"CONNECT {target}:9 HTTP/1.1\r\n\r\n".encode()).decode()
    assert answer.startswith("HTTP/1.1 403 Blocked by falkit")
    assert "callers on other machines" in answer
