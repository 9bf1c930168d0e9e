"""What a forward proxy must bear: URLs in the open, other hosts, and callers that misbehave."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from falkit_mock.gateway import gateway
from gated import Gated, gated, heard
from serving import PATIENCE, PROMPT, T2V

BODY = b'{"prompt": "x"}'
HEADERS = f"Authorization: Key a:b\r\nContent-Length: {len(BODY)}".encode()


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Generator[int]:
    """Serve one connection on this machine by a function; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.settimeout(PATIENCE)
                talk(caller)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)
        assert not thread.is_alive()


def tunnel(gate: Gated, port: int) -> socket.socket:
    caller = gate.dial()
    caller.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    established = b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert caller.recv(len(established), socket.MSG_WAITALL) == established
    return caller


def test_a_whole_url_in_the_open_is_answered_by_the_mock(gate: Gated) -> None:
    reply = gate.http.post(f"http://queue.fal.run/{T2V}", json=PROMPT).json()
    assert reply["status_url"].startswith("http://queue.fal.run/fal-ai/ltx-2/requests/")


def test_an_https_url_in_the_open_is_answered_as_https(gate: Gated) -> None:
    """Some JavaScript libraries send those to a proxy instead of asking for a tunnel."""
    head = f"POST https://queue.fal.run/{T2V} HTTP/1.1\r\nHost: queue.fal.run\r\n".encode()
    reply = gate.said(head + HEADERS + b"\r\n\r\n" + BODY)
    assert b'"status_url":"https://queue.fal.run/' in reply
    assert b"connection: close" in reply.lower()


def test_the_urls_host_counts_and_not_the_header(gate: Gated) -> None:
    reply = gate.said(b"GET http://user:pw@fal.run/x?y#z HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert b"x-fal-request-id: " in reply


def test_a_tunnel_in_the_open_to_fal_is_answered_without_tls(gate: Gated) -> None:
    with gate.dial() as caller:
        caller.sendall(b"CONNECT fal.run:80 HTTP/1.1\r\n\r\n")
        assert caller.recv(65536).startswith(b"HTTP/1.1 200 ")
        caller.sendall(b"GET /health HTTP/1.1\r\nHost: fal.run\r\nConnection: close\r\n\r\n")
        assert b'{"status":"ok"}' in heard(caller)


def test_the_gateways_own_port_answers_as_the_mocks(gate: Gated) -> None:
    direct = httpx.get(f"{gate.gateway.url}/health", trust_env=False)
    assert direct.json() == {"status": "ok"}


def test_a_tunnel_carries_both_ways_and_a_half_close(gate: Gated) -> None:
    big = bytes(range(256)) * 20_000

    def answer(caller: socket.socket) -> None:
        caller.sendall(heard(caller)[::-1])

    with listening(answer) as port, tunnel(gate, port) as caller:
        caller.sendall(big)
        caller.shutdown(socket.SHUT_WR)
        assert heard(caller) == big[::-1]


def test_bytes_sent_first_in_a_tunnel_arrive_after_its_announcement(gate: Gated) -> None:
    greet = b"220 hello\r\n"
    with listening(lambda caller: caller.sendall(greet)) as port, tunnel(gate, port) as caller:
        assert heard(caller) == greet


def test_a_reset_on_one_side_ends_the_other(gate: Gated) -> None:
    def reset(caller: socket.socket) -> None:
        caller.recv(1)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with listening(reset) as port, tunnel(gate, port) as caller:
        caller.sendall(b"x")
        assert heard(caller) == b""


def test_calls_to_this_machine_are_not_counted_as_leaving(open_gate: Callable[..., Gated]) -> None:
    gate = open_gate(egress="block")
    reply = gate.http.get(f"{gate.mock}/health")
    assert reply.json() == {"status": "ok"}
    assert not gate.gateway.egress.counts


def test_fals_names_never_lead_to_the_control_api(gate: Gated) -> None:
    for url in ("https://fal.run/__falkit/health", "http://queue.fal.run/__falkit/health"):
        reply = gate.http.get(url)
        assert reply.status_code >= 400
        assert "settings" not in reply.text
    assert httpx.get(f"{gate.gateway.url}/__falkit/health").json()["status"] == "ok"


def test_a_blocked_host_is_refused_by_name_and_remembered(open_gate: Callable[..., Gated]) -> None:
    gate = open_gate(egress="block")
    with pytest.raises(httpx.ProxyError, match=r"403 Blocked by falkit: example\.com:443"):
        gate.http.get("https://example.com/")
    plain = gate.http.get("http://example.com/x")
    assert plain.status_code == 403
    assert plain.text == "falkit let nothing out to example.com:80; --egress allow would.\n"
    told = gate.http.get(f"{gate.mock}/__falkit/gateway").json()
    assert told["egress"] == "block"
    assert [(one["host"], one["port"], one["allowed"]) for one in told["attempts"]] == [
        ("example.com", 443, False),
        ("example.com", 80, False),
    ]


def test_a_host_that_cannot_be_reached_is_named(gate: Gated) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    reply = gate.said(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert reply.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert f"falkit could not reach 127.0.0.1:{port}".encode() in reply


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03",
        b"hello\r\n\r\n",
        b"CONNECT\r\n\r\n",
        b"CONNECT fal.run HTTP/1.1\r\n\r\n",
        b"CONNECT fal.run:0 HTTP/1.1\r\n\r\n",
        b"CONNECT fal.run:99999 HTTP/1.1\r\n\r\n",
        b"CONNECT fal.run:4x HTTP/1.1\r\n\r\n",
        b"CONNECT a b:443 HTTP/1.1\r\n\r\n",
        b"CONNECT :443 HTTP/1.1\r\n\r\n",
        b"CONNECT [::1:443 HTTP/1.1\r\n\r\n",
        b"CONNECT ::1:443 HTTP/1.1\r\n\r\n",
        b"GET ftp://fal.run/x HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET fal.run HTTP/1.1\r\n\r\n",
        b"G\xc3\x84T http://fal.run/ HTTP/1.1\r\n\r\n",
        b"GET http://fal.run/ SPDY/3\r\n\r\n",
        b"G" * 70_000,
    ],
)
def test_a_malformed_request_is_answered_400(gate: Gated, garbage: bytes) -> None:
    with gate.dial() as caller:
        caller.sendall(garbage)
        assert caller.recv(65536).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert gate.http.get(f"{gate.mock}/health").status_code == 200


def test_a_head_in_many_pieces_is_read(gate: Gated) -> None:
    with gate.dial() as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET http://fal.run/health HTTP/1.1\r\nHost: fal.run\r\n\r\n":
            caller.sendall(bytes([byte]))
        assert heard(caller).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "beginning",
    [b"", b"CONNECT fal.ru", b"CONNECT fal.run:443 HTTP/1.1\r\n\r\n", b"\x16\x03\x01"],
)
def test_a_silent_caller_is_disconnected(
    open_gate: Callable[..., Gated], monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    gate = open_gate()
    gate.http.get("https://fal.run/health")
    monkeypatch.setattr(gateway, "PATIENCE", 0.05)
    with gate.dial() as caller:
        caller.sendall(beginning)
        with suppress(ConnectionResetError):
            heard(caller)


@pytest.mark.parametrize(
    "beginning",
    [
        b"CONNECT fal",
        b"CONNECT fal.run:443 HTTP/1.1\r\n\r\n",
        b"CONNECT fal.run:443 HTTP/1.1\r\n\r\n\x16\x03\x01\x02\x00\x01",
        b"\x16\x03\x01\xff\xff\xff\xff",
    ],
)
def test_a_caller_who_hangs_up_halfway_leaves_nothing_behind(
    open_gate: Callable[..., Gated], beginning: bytes
) -> None:
    gate = open_gate()
    with gate.dial() as caller:
        caller.sendall(beginning)
        caller.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            heard(caller)
    gate.http.get("https://fal.run/health")
    assert not gate.gateway.connections


def test_open_tunnels_do_not_keep_the_server_from_ending(authority_folder: Path) -> None:
    def wait(caller: socket.socket) -> None:
        with suppress(ConnectionResetError):
            heard(caller)

    with listening(wait) as port:
        with gated(authority_folder) as gate:
            caller = tunnel(gate, port)
        # The block's end has asserted that the server ended.
        with caller, suppress(ConnectionResetError):
            assert heard(caller) == b""
