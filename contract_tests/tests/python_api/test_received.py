"""Webhooks for applications in this process, by `receive`: no socket, and all else as ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import fal_client
import flask
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import falkit
from falkit import webhooks
from falkit.exchange import Exchange
from falkit_mock.mock import SharedLoop
from receiver import Receiver
from serving import PROMPT, T2V

BASE = "https://shop.example"
HOOK = f"{BASE}/hooks/fal?order=7"


class Shop:
    """A shop that takes webhooks, and what they were."""

    def __init__(self, answer: Callable[[], int] = lambda: 200) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self._answer = answer

    def take(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.taken.append((url, headers, body))
        return self._answer()

    def asgi(self) -> Starlette:
        async def hook(request: Request) -> PlainTextResponse:
            status = self.take(str(request.url), {**request.headers}, await request.body())
            return PlainTextResponse("taken", status)

        return Starlette(routes=[Route("/hooks/fal", hook, methods=["POST"])])

    def wsgi(self) -> flask.Flask:
        app = flask.Flask("shop")

        @app.post("/hooks/fal")
        def hook() -> tuple[str, int]:  # pyright: ignore[reportUnusedFunction]
            request = flask.request
            headers = {name.lower(): text for name, text in request.headers.items()}
            return "taken", self.take(request.url, headers, request.get_data())

        return app


KINDS = ["asgi", "wsgi"]


def app_of(shop: Shop, kind: str) -> object:
    made: object = getattr(shop, kind)()
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("base", [BASE, f"{BASE}/", f"{BASE}/hooks", HOOK])
def test_an_application_gets_what_is_signed(kind: str, base: str) -> None:
    shop = Shop()
    with falkit.InProcess(timing="instant") as mock:
        mock.receive(base, app_of(shop, kind))
        job = fal_client.submit(T2V, PROMPT, webhook_url=HOOK)
        (delivery,) = mock.webhooks.wait()
        ((url, headers, body),) = shop.taken
        keys = webhooks.read_jwks(httpx.get(webhooks.FAL_JWKS).content, webhooks.FAL_JWKS)
        assert webhooks.verify(headers, body, keys=keys).request_id == job.request_id
    assert (delivery.status, delivery.status_code) == ("acknowledged", 200)
    assert (delivery.response_body, url) == (b"taken", HOOK)
    assert headers["host"] == "shop.example"
    assert delivery.request_id == job.request_id
    assert body == delivery.body


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_tried_again_on_the_clock(kind: str) -> None:
    answers = iter([503, 200])
    shop = Shop(lambda: next(answers))
    with falkit.InProcess(timing="instant", clock="manual") as mock:
        mock.receive(BASE, app_of(shop, kind))
        fal_client.submit(T2V, PROMPT, webhook_url=HOOK)
        assert [each.status for each in mock.webhooks.wait()] == ["retry"]
        mock.clock.advance("2h")
        assert [each.status for each in mock.webhooks] == ["retry", "acknowledged"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_raises_is_logged_and_answered_500(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise LookupError("no such order")

    app: Any = app_of(Shop(fail), kind)
    if kind == "wsgi":
        app.config["PROPAGATE_EXCEPTIONS"] = True
    with falkit.InProcess(timing="instant", clock="manual") as mock:
        mock.receive(BASE, app)
        fal_client.submit(T2V, PROMPT, webhook_url=HOOK)
        (delivery,) = mock.webhooks.wait()
    assert (delivery.status, delivery.status_code) == ("retry", 500)
    assert f"the application at {HOOK} failed" in caplog.text
    assert "LookupError: no such order" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_may_call_the_mock_and_wait(kind: str) -> None:
    found: list[Any] = []

    def fetch() -> int:
        found.append(fal_client.result(T2V, mock.jobs[0].request_id))
        return 200

    with falkit.InProcess(timing="instant") as mock:
        mock.receive(BASE, app_of(Shop(fetch), kind))
        fal_client.submit(T2V, PROMPT, webhook_url=HOOK)
        mock.webhooks.wait()
        assert found == [mock.jobs[0].output]


def test_an_application_can_run_on_the_tests_own_loop() -> None:
    threads: list[threading.Thread] = []

    def note() -> int:
        threads.append(threading.current_thread())
        return 200

    async def run(mock: falkit.InProcess) -> None:
        mock.receive(BASE, Shop(note).asgi(), loop=asyncio.get_running_loop())
        await fal_client.submit_async(T2V, PROMPT, webhook_url=HOOK)
        await asyncio.to_thread(mock.webhooks.wait)

    with falkit.InProcess(timing="instant", clock="manual") as mock:
        asyncio.run(run(mock))
        fal_client.submit(T2V, PROMPT, webhook_url=HOOK)
        last = mock.webhooks.wait(2)[-1]
    assert threads == [threading.current_thread()]
    assert (last.status, last.error) == ("retry", "the application's event loop has ended")


def test_other_urls_go_where_they_lead(receiver: Receiver) -> None:
    shop = Shop()
    with falkit.InProcess(timing="instant") as mock:
        mock.receive(BASE, shop.asgi())
        for url in (f"{BASE}.evil/hooks/fal", f"{receiver.url}/hooks/fal"):
            fal_client.submit(T2V, PROMPT, webhook_url=url)
        found = {each.url: each.status for each in mock.webhooks.wait(2)}
    assert [*found.values()].count("refused") == 1
    assert found[f"{receiver.url}/hooks/fal"] == "acknowledged"
    assert shop.taken == []


def test_the_longest_beginning_counts_and_the_newest_of_the_same() -> None:
    all_of_it, old, new = Shop(), Shop(), Shop()
    with falkit.InProcess(timing="instant") as mock:
        for base, shop in ((f"{BASE}/hooks", old), (f"{BASE}/hooks", new), (BASE, all_of_it)):
            mock.receive(base, shop.asgi())
        fal_client.submit(T2V, PROMPT, webhook_url=HOOK)
        mock.webhooks.wait()
    assert [len(shop.taken) for shop in (all_of_it, old, new)] == [0, 0, 1]


def test_a_mock_on_a_socket_delivers_so_too() -> None:
    shop = Shop()
    with falkit.Mock(timing="instant") as mock:
        mock.receive(BASE, shop.wsgi())
        url = f"{mock.url}/queue.fal.run/{T2V}"
        key = {"authorization": "Key id:secret"}
        httpx.post(url, json=PROMPT, headers=key, params={"fal_webhook": HOOK})
        assert mock.webhooks.wait()[0].status == "acknowledged"
    assert len(shop.taken) == 1


def test_what_cannot_receive_is_refused() -> None:
    with falkit.InProcess(timing="instant") as mock:
        for url in ("shop.example", "ftp://shop.example", "https://[", 7):
            with pytest.raises(ValueError, match=r"url: .* is no URL of a webhook; give what"):
                mock.receive(url, Shop().asgi())  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="app: 7 is no ASGI or WSGI application; give the"):
            mock.receive(BASE, 7)


class TestExchange:
    """What no fal host shows."""

    @pytest.mark.parametrize("piece", [1000, 300_000])
    def test_a_reply_is_made_no_faster_than_it_is_read(self, piece: int) -> None:
        made = 0

        async def app(scope: Any, receive: Any, send: Any) -> None:
            nonlocal made
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1000):
                made += 1
                await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
            await send({"type": "http.response.body"})

        loop = SharedLoop.named("falkit mocks").running()
        request = httpx.Request("GET", "https://fal.run/")
        request.read()
        exchange = Exchange(app, loop, request, lambda _: None)
        loop.call_soon_threadsafe(exchange.begin)
        reply = exchange.response()
        most, size = 64 * 1024 // piece + 3, 0
        assert made <= most
        for part in reply.iter_raw():
            size += len(part)
            assert made <= size // piece + most
        assert size == piece * 1000
