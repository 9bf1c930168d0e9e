"""Hugging Face's router: what is for fal is answered, and the rest goes on or is blocked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.place import under_falkit
from falkit import Settings
from falkit_mock.gateway.proxy_protocol import Streams
from gated import INSTANT, Gated, heard
from gateway.test_proxying import listening
from serving import PROMPT, T2V

ROUTER = "https://router.huggingface.co"
TOKEN = {"authorization": "Bearer hf_falkit"}
CHAT = "/v1/chat/completions"


def test_a_queued_call_is_followed_as_the_hubs_clients_do(gate: Gated) -> None:
    """They put fal's own paths behind the router's, and repeat the query (wire.md §1.5)."""
    queue = {"_subdomain": "queue"}
    url = f"{ROUTER}/fal-ai/{T2V}"
    job = gate.http.post(url, params=queue, json=PROMPT, headers=TOKEN).json()
    assert job["response_url"].startswith("https://queue.fal.run/fal-ai/ltx-2/requests/")
    result = f"{ROUTER}/fal-ai{httpx.URL(job['response_url']).path}"
    status = gate.http.get(f"{result}/status", params=queue, headers=TOKEN)
    assert (status.status_code, status.json()["status"]) == (200, "COMPLETED")
    video = gate.http.get(result, params=queue, headers=TOKEN).json()["video"]
    assert gate.http.get(video["url"]).headers["content-type"] == "video/mp4"


def test_a_call_without_a_subdomain_is_a_direct_one(open_gate: Callable[..., Gated]) -> None:
    gate = open_gate()
    reply = gate.http.post(f"{ROUTER}/fal-ai/{T2V}", json=PROMPT, headers=TOKEN)
    assert "video" in reply.json()
    assert reply.headers["connection"] == "close", "the next request may be for another"
    kept = gate.http.get(f"{gate.mock}/__falkit/requests").json()["requests"]
    assert [(one["host"], one["path"]) for one in kept] == [("fal.run", f"/{T2V}")]


def test_a_subdomain_that_is_not_imitated_is_501(gate: Gated) -> None:
    url = f"{ROUTER}/fal-ai/{T2V}?_subdomain=nothing"
    reply = gate.http.post(url, json=PROMPT, headers=TOKEN)
    assert (reply.status_code, "nothing.fal.run" in reply.text) == (501, True)


@pytest.mark.parametrize("authorization", ["Key falkit:falkit", "Bearer a.b.c", ""])
def test_the_router_takes_the_hubs_tokens_alone(gate: Gated, authorization: str) -> None:
    headers = {"authorization": authorization}
    reply = gate.http.post(f"{ROUTER}/fal-ai/{T2V}", json=PROMPT, headers=headers)
    assert reply.status_code == 401
    assert "Bearer hf_" in reply.headers["x-falkit-hint"]


def test_keys_that_a_mock_is_started_with_are_the_routers_too(
    open_gate: Callable[..., Gated],
) -> None:
    gate = open_gate(Settings(timing=INSTANT.timing, api_keys=["hf_mine"]))
    for token, code in {"hf_mine": 200, "hf_other": 401}.items():
        headers = {"authorization": f"Bearer {token}"}
        reply = gate.http.post(f"{ROUTER}/fal-ai/{T2V}", json=PROMPT, headers=headers)
        assert reply.status_code == code


@pytest.mark.parametrize("url", [f"{ROUTER}{CHAT}", f"http://router.huggingface.co{CHAT}"])
def test_what_is_not_for_fal_is_blocked_and_named(
    open_gate: Callable[..., Gated], url: str
) -> None:
    gate = open_gate(egress="block")
    reply = gate.http.post(url, json={"model": "x"}, headers=TOKEN)
    assert reply.status_code == 403
    assert f"it answers /fal-ai/… alone, not {CHAT}" in reply.text
    (where,) = gate.gateway.egress.counts
    assert where == ("router.huggingface.co", 443 if url.startswith("https") else 80)
    assert gate.http.post(f"{ROUTER}/fal-ai/{T2V}", json=PROMPT, headers=TOKEN).is_success


def test_what_is_not_for_fal_goes_on_as_it_came(
    open_gate: Callable[..., Gated], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = open_gate()
    sent: list[bytes] = []

    def answer(caller: socket.socket) -> None:
        sent.append(caller.recv(65536))
        while b"hello" not in sent[-1]:
            sent[-1] += caller.recv(65536)
        caller.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nanswered")

    connect = asyncio.open_connection
    called: list[tuple[str, int, bool]] = []

    with listening(answer) as port:

        async def led(host: str, asked: int, *, ssl: ssl.SSLContext | None, **_: Any) -> Streams:
            called.append((host, asked, ssl is not None))
            return await connect("127.0.0.1", port)

        monkeypatch.setattr(asyncio, "open_connection", led)
        reply = gate.http.post(f"{ROUTER}{CHAT}", json={"text": "hello"}, headers=TOKEN)
    assert (reply.status_code, reply.text) == (200, "answered")
    assert called == [("router.huggingface.co", 443, True)]
    head = sent[0].partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert head[0] == f"post {CHAT} http/1.1".encode()
    assert {b"authorization: bearer hf_falkit", b"host: router.huggingface.co"} <= {*head}


def test_the_router_is_answered_for_without_a_proxy_too(gate: Gated) -> None:
    """As from a program whose resolver leads here."""
    head = f"POST /fal-ai/{T2V} HTTP/1.1\r\nHost: router.huggingface.co\r\n"
    body = b'{"prompt": "x"}'
    rest = f"Authorization: Bearer hf_x\r\nContent-Length: {len(body)}\r\n\r\n"
    with gate.tls.wrap_socket(gate.dial(), server_hostname="router.huggingface.co") as caller:
        caller.sendall((head + rest).encode() + body)
        assert heard(caller).startswith(b"HTTP/1.1 200 OK")


def test_a_python_program_that_ignores_proxies_is_led_here_too(tmp_path: Path) -> None:
    program = """
import os, socket
found = socket.getaddrinfo("router.huggingface.co", 443)[0][4]
print(os.environ["FALKIT_GATEWAY"] == "http://%s:%d" % found[:2])
"""
    assert under_falkit(tmp_path, [], [sys.executable, "-c", program]).stdout == "True\n"
