"""Faults of the connection: over a socket, through the gateway's TLS, and within one process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from falkit import Settings, create_app
from gated import Gated, gated, heard
from serving import KEY, PATIENCE, PROMPT, T2V, Mock, Serve, WatchedClock

CUTS = {
    "connection_reset": (httpx.ReadError, "reset"),
    "reply_lost": (httpx.ReadError, "reset"),
    "half_reply": (httpx.RemoteProtocolError, "without sending complete message body"),
    "garbage": (httpx.RemoteProtocolError, ""),
}


def assert_cut(call: object, fault: str) -> None:
    kind, words = CUTS[fault]
    with pytest.raises(kind) as caught:
        call()  # type: ignore[operator]
    assert words in str(caught.value).lower()


@pytest.mark.parametrize("fault", CUTS)
@pytest.mark.parametrize("entry", ["fal.run", "queue.fal.run"])
def test_a_connection_is_cut(instant: Mock, fault: str, entry: str) -> None:
    def call() -> httpx.Response:
        header = {"x-falkit-fault": fault}
        return instant.http.post(f"/{entry}/{T2V}", json=PROMPT, headers=header)

    assert_cut(call, fault)
    assert instant.run(PROMPT).status_code == 200, "the next request is answered"


def test_a_reset_keeps_the_job_from_being_made_and_a_lost_reply_does_not(serve: Serve) -> None:
    mock = serve()
    for fault, jobs in (("connection_reset", 0), ("reply_lost", 1), ("half_reply", 2)):
        with pytest.raises(httpx.TransportError):
            mock.submit(headers={"x-falkit-fault": fault})
        assert len(mock.jobs()) == jobs


@pytest.mark.parametrize("operation", ["status", "stream", "result"])
@pytest.mark.parametrize("fault", CUTS)
def test_replies_about_a_job_are_cut(instant: Mock, fault: str, operation: str) -> None:
    job = instant.submit()
    urls = {
        "status": job["status_url"],
        "stream": f"{job['status_url']}/stream",
        "result": job["response_url"],
    }
    header = {"x-falkit-fault": f"{fault} on={operation}"}
    assert_cut_somehow(lambda: instant.http.get(urls[operation], headers=header))


def assert_cut_somehow(call: object) -> None:
    with pytest.raises(httpx.TransportError):
        call()  # type: ignore[operator]


def test_files_are_cut(serve: Serve) -> None:
    mock = serve("half_reply on=media")
    url = mock.run(PROMPT).json()["video"]["url"]
    with pytest.raises(httpx.RemoteProtocolError):
        mock.http.get(url)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_the_ingress_answers_in_nginxs_words(instant: Mock, status: int) -> None:
    reply = instant.run(PROMPT, headers={"x-falkit-fault": f"ingress_error status={status}"})
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    assert "nginx" in reply.text
    ours = [name for name in reply.headers if name.startswith(("x-fal", "access-control"))]
    assert not [name for name in ours if name.startswith("x-fal")]


def test_a_hanging_call_ends_when_the_clock_says(serve: Serve) -> None:
    clock = WatchedClock()
    mock = serve("hang seconds=120", clock=clock)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(mock.run, PROMPT)
        clock.until_waited_for()
        mock.advance(120)
        assert isinstance(call.exception(PATIENCE), httpx.RemoteProtocolError)


def test_a_hanging_call_ends_when_its_caller_gives_up(serve: Serve) -> None:
    clock = WatchedClock()
    mock = serve("hang", clock=clock)
    with pytest.raises(httpx.ReadTimeout):
        mock.run(PROMPT, timeout=0.05)
    assert mock.jobs() == []


def test_latency_is_on_the_clock(serve: Serve) -> None:
    clock = WatchedClock()
    mock = serve("latency seconds=uniform:100..200", clock=clock)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(mock.run, PROMPT)
        clock.until_waited_for()
        mock.advance(99)
        assert not call.done()
        clock.until_waited_for()
        mock.advance(101)
        assert call.result(PATIENCE).status_code == 200


def test_stopping_the_mock_ends_hanging_calls(serve: Serve) -> None:
    clock = WatchedClock()
    mock = serve("hang", clock=clock)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(mock.run, PROMPT)
        clock.until_waited_for()
        mock.stop()
        assert call.result(PATIENCE).status_code == 503


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Generator[Gated]:
    """A gateway before a mock whose jobs take no time."""
    with gated(tmp_path_factory.mktemp("falkit-home")) as served:
        yield served


@pytest.mark.parametrize("fault", CUTS)
def test_a_connection_is_cut_through_tls(gate: Gated, fault: str) -> None:
    url = f"https://fal.run/{T2V}"
    with pytest.raises(httpx.TransportError):
        gate.http.post(url, json=PROMPT, headers={"x-falkit-fault": fault})
    assert gate.http.post(url, json=PROMPT).status_code == 200


def test_a_reset_below_tls_is_one(gate: Gated) -> None:
    # By hand, since Python's own TLS sockets take a reset for a mere end.
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = gate.tls.wrap_bio(inward, outward, server_hostname="fal.run")
    with gate.dial() as caller:
        caller.sendall(b"CONNECT fal.run:443 HTTP/1.1\r\nHost: fal.run:443\r\n\r\n")
        assert caller.recv(1000).startswith(b"HTTP/1.1 200")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                caller.sendall(outward.read())
                inward.write(caller.recv(65536))
        tls.write(
            f"POST /{T2V} HTTP/1.1\r\nHost: fal.run\r\nAuthorization: Key a:b\r\n"
            "x-falkit-fault: connection_reset\r\ncontent-length: 2\r\n\r\n{}".encode()
        )
        caller.sendall(outward.read())
        with pytest.raises(ConnectionResetError):
            heard(caller)


@pytest.mark.parametrize("fault", CUTS)
def test_within_one_process_a_cut_is_an_error(fault: str) -> None:
    app = create_app(Settings(timing="instant", faults=[fault]))

    async def call() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=KEY) as client:
            await client.post(f"http://x/fal.run/{T2V}", json=PROMPT)

    with pytest.raises(ConnectionResetError, match=f"falkit's fault {fault} cut"):
        asyncio.run(call())
