"""`falkit.InProcess` answers as a socket does: the same calls of httpx, by both ways, compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, NamedTuple

import httpx
import pytest

import falkit
from serving import I2V_FAST, KEY, PATIENCE, PROMPT, START, T2V

CUTS = ("connection_reset", "reply_lost", "half_reply", "garbage")


class Outcome(NamedTuple):
    """What comes of a call: a reply, or httpx's error."""

    status: int
    reason: str
    version: str
    headers: dict[str, str]
    body: bytes
    error: str = ""

    @property
    def json(self) -> Any:
        return httpx.Response(self.status, content=self.body).json()


Calls = Generator[httpx.Request, Outcome, None]


def call(method: str, url: str, fault: str = "", **given: Any) -> httpx.Request:
    headers = {**KEY, **given.pop("headers", {})}
    headers |= {"x-falkit-fault": fault} if fault else {}
    return httpx.Request(method, url, headers=headers, **given)


def queue_calls() -> Calls:
    submitted = yield call("POST", f"http://queue.fal.run/{T2V}", json=PROMPT)
    job = submitted.json
    for name in ("status_url", "response_url"):
        yield call("GET", job[name])
        yield call("HEAD", job[name])
    yield call("GET", f"{job['status_url']}?logs=1")
    yield call("GET", f"{job['status_url']}/stream?logs=1")
    yield call("PUT", job["cancel_url"])
    yield call("DELETE", job["cancel_url"])
    yield call("GET", "http://queue.fal.run/fal-ai/ltx-2/requests/nobody/status")


def direct_calls() -> Calls:
    yield call("POST", f"http://fal.run/{T2V}", json=PROMPT)
    yield call("POST", f"http://fal.run/{T2V}", content=b"{")
    yield call("POST", f"http://fal.run/{T2V}", json={"prompt": 7})
    yield call("POST", f"http://fal.run/{T2V}", json=PROMPT, headers={"authorization": ""})
    yield call("POST", "http://fal.run/nobody/nothing", json=PROMPT)
    yield call("GET", f"http://falrun.com/{T2V}")
    page = {"origin": "http://page.example", "access-control-request-method": "POST"}
    yield call("OPTIONS", f"http://fal.run/{T2V}", headers=page)
    yield call("POST", f"http://fal.run/{T2V}?x=a%20b", content=iter([b'{"prompt":', b'"x"}']))
    for fault in ("", "half_reply", "latency seconds=0"):
        yield call("POST", "http://fal.run/fal-ai/flux-lora/stream", fault, json=PROMPT)
    chat = {"model": "x", "messages": [{"role": "user", "content": "Rain?"}], "stream": True}
    yield call("POST", "http://fal.run/openrouter/router/openai/v1/chat/completions", json=chat)
    yield call("GET", "http://kv.fal.media/anything")
    yield call("GET", "http://fal.ai/robots%2Ftxt")


def file_calls() -> Calls:
    made = yield call("POST", f"http://fal.run/{T2V}", json=PROMPT)
    url = made.json["video"]["url"]
    yield call("GET", url)
    yield call("HEAD", url)
    yield call("GET", url, headers={"range": "bytes=0-99"})
    first = yield call("GET", url, headers={"range": "bytes=9999999-"})
    assert first.status == 416
    yield call("GET", "http://v3.fal.media/files/nothing.mp4")
    yield call("GET", url, "half_reply on=media")
    yield call("GET", url, "media_truncated")
    yield call("GET", url, "media_slow seconds=0")
    asked = {"file_name": "a.png", "content_type": "image/png"}
    begun = yield call("POST", "http://rest.fal.ai/storage/upload/initiate", json=asked)
    data = b"not much of an image" * 10_000
    yield call("PUT", begun.json["upload_url"], content=data)
    yield call("GET", begun.json["file_url"])
    token = "http://rest.alpha.fal.ai/storage/auth/token?storage_type=fal-cdn-v3"
    yield call("POST", token, json={})
    yield call("GET", "http://api.fal.ai/v1/models?limit=1")


def faulty_calls() -> Calls:
    for host in ("fal.run", "queue.fal.run"):
        for fault in (*CUTS, "ingress_error status=502", "bad_key", "redirect", "account_locked"):
            yield call("POST", f"http://{host}/{T2V}", fault, json=PROMPT)
    submitted = yield call("POST", f"http://queue.fal.run/{I2V_FAST}", json=PROMPT)
    job = submitted.json
    for operation, url in (
        ("status", job["status_url"]),
        ("stream", f"{job['status_url']}/stream"),
        ("result", job["response_url"]),
    ):
        for fault in CUTS:
            yield call("GET", url, f"{fault} on={operation}")


FLOWS = [queue_calls, direct_calls, file_calls, faulty_calls]
SETTINGS = falkit.Settings(
    timing="instant", seed=1, clock="manual", clock_start=START, media_host="real", concurrency=0
)


def outcome_of(reply: httpx.Response) -> Outcome:
    headers = {name: value for name, value in reply.headers.items() if name != "date"}
    assert "date" in reply.headers or "nginx" in reply.text
    return Outcome(
        reply.status_code, reply.reason_phrase, reply.http_version, headers, reply.content
    )


def failure(error: httpx.HTTPError) -> Outcome:
    return Outcome(0, "", "", {}, b"", f"{type(error).__name__}: {error}")


def sync_outcomes(flow: Callable[[], Calls], client: httpx.Client) -> list[Outcome]:
    found: list[Outcome] = []
    calls = flow()
    request = next(calls)
    while True:
        try:
            found.append(outcome_of(client.send(request)))
        except httpx.TransportError as error:
            found.append(failure(error))
        try:
            request = calls.send(found[-1])
        except StopIteration:
            return found


async def async_outcomes(flow: Callable[[], Calls]) -> list[Outcome]:
    found: list[Outcome] = []
    calls = flow()
    request = next(calls)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        while True:
            if not isinstance(request.stream, httpx.AsyncByteStream):
                request = httpx.Request(
                    request.method, request.url, headers=request.headers, content=pieces(request)
                )
            try:
                found.append(outcome_of(await client.send(request)))
            except httpx.TransportError as error:
                found.append(failure(error))
            try:
                request = calls.send(found[-1])
            except StopIteration:
                return found


async def pieces(request: httpx.Request) -> AsyncGenerator[bytes]:
    assert isinstance(request.stream, httpx.SyncByteStream)
    for piece in request.stream:
        yield piece


class Dialing(httpx.HTTPTransport):
    """Connects to a mock, whatever host a request names."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._mock = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host=self._mock.host, port=self._mock.port)
        return super().handle_request(request)


@pytest.fixture(scope="module")
def on_sockets() -> dict[str, list[Outcome]]:
    """What comes of each flow over sockets, by fal's own names."""
    found: dict[str, list[Outcome]] = {}
    for flow in FLOWS:
        with (
            falkit.Mock(SETTINGS) as mock,
            httpx.Client(transport=Dialing(mock.url), timeout=PATIENCE) as client,
        ):
            found[flow.__name__] = sync_outcomes(flow, client)
    return found


def assert_same(found: list[Outcome], wanted: list[Outcome]) -> None:
    for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one == other, f"call {place}"
    assert len({outcome.status for outcome in found}) > 3


@pytest.mark.parametrize("flow", FLOWS)
def test_a_waiting_client_finds_the_same(
    flow: Callable[[], Calls], on_sockets: dict[str, list[Outcome]]
) -> None:
    with falkit.InProcess(SETTINGS), httpx.Client(timeout=PATIENCE) as client:
        found = sync_outcomes(flow, client)
    assert_same(found, on_sockets[flow.__name__])


@pytest.mark.parametrize("flow", FLOWS)
def test_an_asynchronous_client_finds_the_same(
    flow: Callable[[], Calls], on_sockets: dict[str, list[Outcome]]
) -> None:
    with falkit.InProcess(SETTINGS):
        found = asyncio.run(async_outcomes(flow))
    assert_same(found, on_sockets[flow.__name__])
