"""Connections to fal's names end at the mock, with a certificate that verifies."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import httpx
import pytest

from falkit import Settings
from falkit_mock.core.network import ROLES, is_fal
from falkit_mock.gateway.certificates import issue
from gated import INSTANT, Gated
from serving import PROMPT, T2V

POST = (
    f"POST /{T2V} HTTP/1.1\r\nHost: fal.run\r\nAuthorization: Key a:b\r\n"
    'Connection: close\r\nContent-Length: 15\r\n\r\n{"prompt": "x"}'
).encode()


@pytest.mark.parametrize("host", [*ROLES, "storage.fal.ai", "a.b.fal.run", "x.y.z.falrun.com"])
def test_every_name_of_fals_is_answered_by_the_mock_over_verified_tls(
    gate: Gated, host: str
) -> None:
    reply = gate.http.get(f"https://{host}/nothing/here/at/all")
    assert reply.headers["x-fal-request-id"]
    assert not gate.gateway.egress.counts


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("fal.run", True),
        ("QUEUE.FAL.RUN", True),
        ("falrun.com.", True),
        ("deep.er.v3.fal.media", True),
        ("notfal.run", False),
        ("fal.run.example.com", False),
        ("fal.dev", False),
        ("", False),
    ],
)
def test_a_name_is_fals_by_its_domain(host: str, expected: bool) -> None:
    assert is_fal(host) is expected


def test_a_name_that_fal_may_have_but_the_mock_does_not_know_is_answered_501(gate: Gated) -> None:
    reply = gate.http.get("https://storage.fal.ai/x")
    assert reply.status_code == 501
    assert "storage.fal.ai" in reply.json()["detail"]


def test_replies_name_real_addresses_and_media_that_a_browser_outside_plays(gate: Gated) -> None:
    job = gate.http.post(f"https://queue.fal.run/{T2V}", json=PROMPT).json()
    assert job["status_url"].startswith("https://queue.fal.run/fal-ai/ltx-2/requests/")
    result = gate.http.get(job["response_url"]).json()
    assert result["video"]["url"].startswith(f"{gate.mock}/v3b.fal.media/files/")
    media = httpx.get(result["video"]["url"], trust_env=False)
    assert media.headers["content-type"] == "video/mp4"


def test_media_can_be_named_by_fals_host_too(open_gate: Callable[..., Gated]) -> None:
    gate = open_gate(Settings(timing=INSTANT.timing, media_host="real"))
    url = gate.http.post(f"https://fal.run/{T2V}", json=PROMPT).json()["video"]["url"]
    assert url.startswith("https://v3b.fal.media/files/")
    assert gate.http.get(url).headers["content-type"] == "video/mp4"
    target = {"x-fal-target-url": f"https://fal.run/{T2V}"}
    proxied = httpx.post(
        f"{gate.mock}/api/fal/proxy",
        json=PROMPT,
        headers={**gate.http.headers, **target},
        trust_env=False,
    )
    assert proxied.json()["video"]["url"].startswith("https://v3b.fal.media/files/")


def test_an_output_can_be_the_next_jobs_input(gate: Gated) -> None:
    url = gate.http.post(f"https://fal.run/{T2V}", json=PROMPT).json()["video"]["url"]
    retake = {"video_url": url, "prompt": "again", "start_time": 0, "duration": 2}
    reply = gate.http.post("https://fal.run/fal-ai/ltx-2/retake-video", json=retake)
    assert reply.status_code == 200, reply.text


def test_tls_without_a_proxy_is_answered_too(gate: Gated) -> None:
    """As behind a hosts file, or from a program whose resolver leads here."""
    with gate.tls.wrap_socket(gate.dial(), server_hostname="fal.run") as caller:
        caller.sendall(POST)
        assert caller.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_a_handshake_that_does_not_wait_for_the_tunnel_is_taken(gate: Gated) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = gate.tls.wrap_bio(incoming, outgoing, server_hostname="fal.run")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with gate.dial() as caller:
        caller.sendall(b"CONNECT fal.run:443 HTTP/1.1\r\n\r\n" + outgoing.read())
        established = b"HTTP/1.1 200 Connection established\r\n\r\n"
        assert caller.recv(len(established), socket.MSG_WAITALL) == established
        while not _shaken(client):
            incoming.write(caller.recv(65536))
        client.write(POST)
        caller.sendall(outgoing.read())
        assert _read(client, incoming, caller).startswith(b"HTTP/1.1 200 OK")


def _shaken(client: ssl.SSLObject) -> bool:
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _read(client: ssl.SSLObject, incoming: ssl.MemoryBIO, caller: socket.socket) -> bytes:
    while True:
        try:
            return client.read(65536)
        except ssl.SSLWantReadError:
            incoming.write(caller.recv(65536))


def test_the_certificates_satisfy_the_strictest_check(gate: Gated) -> None:
    strict = ssl.create_default_context(cafile=str(gate.gateway.authority.certificate))
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    with strict.wrap_socket(gate.dial(), server_hostname="a.b.fal.run") as caller:
        assert caller.version() == "TLSv1.3"


def test_the_authority_can_pass_for_nobody_but_fal(gate: Gated) -> None:
    """Name constraints: a stolen key is of no use against other sites."""
    folder = gate.gateway.authority.key.parent
    forged = folder / "forged.pem"
    forged.write_bytes(issue(gate.gateway.authority.key.read_bytes(), ["example.com"]))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(forged)
    client_in, server_in = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = gate.tls.wrap_bio(client_in, server_in, server_hostname="example.com")
    host = server.wrap_bio(server_in, client_in, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        host.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        client.do_handshake()
