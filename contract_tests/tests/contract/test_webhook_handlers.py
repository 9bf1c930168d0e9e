"""The webhook pack reaches handlers of every kind, and sees what they did."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import SkipTest

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.javascript_client import node
from contract.test_webhook_pack import CASES, HANDLERS, MISTAKES, SHOP, loaded, options_of
from falkit_contract import BadArgument, ContractError
from falkit_contract.webhooks import WebhookCase, WebhookFinding, environ, webhook_cases
from falkit_contract.webhooks._sent import ENDPOINT, example_input, stand_in
from falkit_contract.webhooks._trial import shape
from processes import started

PLAIN = CASES["error-null"]
SERVE = """
import shop, socket, uvicorn
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(shop.app, log_level="error")).run([listener])
"""


def test_a_wsgi_application_passes_with_the_clients_verification() -> None:
    shop = loaded((HANDLERS / "flask_shop.py").read_text(), "flask_shop")
    skipped: list[str] = []
    for case in webhook_cases:
        try:
            case.check(
                shop.app,
                "/hooks/fal",
                stored=shop.videos.get,
                failed=shop.failures.__contains__,
            )
        except SkipTest as why:
            skipped.append(f"{case.id}: {why}")
    assert skipped == [
        "lost: give reconcile= and stored=: only your program can find what never came"
    ]


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    """The shop as a program of its own, at a port."""
    env = {**os.environ, **environ()}
    with started([sys.executable, "-c", SERVE], cwd=HANDLERS, env=env) as program:
        assert program.stdout is not None
        yield f"http://127.0.0.1:{program.stdout.readline().strip()}"


def test_a_program_at_a_url_passes(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as http:

        def stored(request_id: str) -> object:
            return http.get(f"/orders/{request_id}").json()["videos"]

        def submitted(request_id: str) -> object:
            return http.post(f"/orders/{request_id}")

        skipped: list[str] = []
        for case in webhook_cases:
            try:
                case.check(f"{url}/fal", stored=stored, submitted=submitted)
            except SkipTest as why:
                skipped.append(f"{case.id}: {why}")
    assert skipped == [
        "lost: give reconcile= and stored=: only your program can find what never came",
        "rotated-key: it keeps fal's keys, as is allowed for a day: give expire= to empty that",
    ]


# Serves what docs/webhooks.md has for Node.
NODE = """
import { createServer } from "node:http";
import { delivery } from "./fal-webhook.mjs";
const videos = {};
const server = createServer(async (request, reply) => {
  const known = videos[request.url.slice(1)] ?? null;
  if (request.method === "GET") return reply.end(JSON.stringify(known));
  const parts = [];
  for await (const part of request) parts.push(part);
  const found = await delivery(request.headers, Buffer.concat(parts));
  if (found?.status === "OK" && found.payload) videos[found.request_id] ??= found.payload.video.url;
  reply.writeHead(found ? 200 : 401).end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def test_a_program_in_javascript_passes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    (snippet,) = re.findall(r"```js\n(// fal-webhook.mjs\n.*?)```", page, re.DOTALL)
    (tmp_path / "fal-webhook.mjs").write_text(snippet)
    (tmp_path / "server.mjs").write_text(NODE)
    env = {**os.environ, **environ()}
    with (
        started([node(), "server.mjs"], cwd=tmp_path, env=env) as program,
        httpx.Client(trust_env=False) as http,
    ):
        assert program.stdout is not None
        url = f"http://127.0.0.1:{program.stdout.readline().strip()}"

        def stored(request_id: str) -> object:
            return http.get(f"{url}/{request_id}").json()

        skipped: list[str] = []
        for case in webhook_cases:
            try:
                case.check(f"{url}/fal", stored=stored)
            except SkipTest:
                skipped.append(case.id)
    assert skipped == ["lost", "rotated-key"]


def test_the_curl_line_delivers_the_same_again(url: str) -> None:
    mock = stand_in()
    sent = mock.sign(mock.submit(ENDPOINT, example_input(ENDPOINT)))
    line = f"{sent.curl(f'{url}/fal')} -s -o /dev/null -w '%{{http_code}}'"
    env = {**os.environ, "NO_PROXY": "*"}
    said = subprocess.check_output(["sh", "-c", line], text=True, env=env)
    assert said.endswith("200")


def test_a_url_where_nobody_listens_is_told() -> None:
    with pytest.raises(WebhookFinding, match=r"an output, with `error: null`: nothing \(.*refused"):
        PLAIN.check("http://127.0.0.1:9/fal")


@pytest.mark.parametrize("id", ["stale", "rotated-key", "reserialised", "payload-null"])
def test_status_codes_alone_show_much(id: str) -> None:
    before, after, problem = MISTAKES[id]
    right, wrong = loaded(SHOP), loaded(SHOP.replace(before, after))
    CASES[id].check(right.app, "/fal", submitted=right.submitted)
    with pytest.raises(WebhookFinding, match=re.escape(f"{id}: {problem}")):
        CASES[id].check(wrong.app, "/fal", submitted=wrong.submitted)


def test_a_handler_that_writes_json_as_javascript_does_is_told_so() -> None:
    source = SHOP.replace(
        "is_fals(request.headers, body)",
        "is_fals(request.headers, json.dumps(json.loads(body), separators=(',', ':')).encode())",
    )
    shop = loaded(source)
    for id in ("error-null", "reserialised"):
        with pytest.raises(WebhookFinding, match="it verifies JSON that it has written again"):
            CASES[id].check(shop.app, "/fal", **options_of(shop))


def test_a_handler_that_finds_no_keys_is_told_where_they_are() -> None:
    shop = loaded(SHOP.replace("for key in fal_keys():", "for key in []:"))
    with pytest.raises(WebhookFinding) as found:
        PLAIN.check(shop.app, "/fal", **options_of(shop))
    assert f"{stand_in().jwks_url}, where nobody has asked" in str(found.value)


def test_what_a_handler_raises_is_told() -> None:
    def broken(environ: object, start: object) -> Iterable[bytes]:
        raise KeyError("video")

    async def broken_too(scope: Any, receive: object, send: object) -> None:
        raise KeyError("video")

    for application in (broken, broken_too):
        with pytest.raises(WebhookFinding, match="500 after it raised KeyError: 'video'"):
            PLAIN.check(application)


def test_what_is_done_later_is_waited_for() -> None:
    shop, looks = loaded(SHOP), list[str]()

    def stored(request_id: str) -> object:
        looks.append(request_id)
        return shop.videos.get(request_id) if looks.count(request_id) > 2 else None

    with pytest.raises(WebhookFinding, match="acknowledged and not stored"):
        PLAIN.check(shop.app, "/fal", stored=stored, submitted=shop.submitted)
    PLAIN.check(shop.app, "/fal", stored=stored, submitted=shop.submitted, wait=30.0)


def test_an_applications_lifespan_is_run() -> None:
    shop, told = loaded(SHOP), list[str]()

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[dict[str, Any]]:
        told.append("begins")
        yield {"take": shop.fal}
        told.append("ends")

    async def fal(request: Request) -> Response:
        response: Response = await request.state.take(request)
        return response

    routes = [Route("/fal", fal, methods=["POST"])]
    app = Starlette(routes=routes, lifespan=lifespan)
    PLAIN.check(app, "/fal", stored=shop.videos.get, submitted=shop.submitted)
    assert told == ["begins", "ends"]


def test_an_application_that_does_not_start_is_told() -> None:
    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[None]:
        raise OSError("no database")
        yield

    with pytest.raises(ContractError, match=r"does not start: (?s:.*)no database"):
        PLAIN.check(Starlette(lifespan=lifespan), "/fal")


def test_what_makes_no_sense_is_refused() -> None:
    app: Callable[..., Awaitable[None]] = loaded(SHOP).app
    with pytest.raises(BadArgument, match=r"^handler is 5: "):
        PLAIN.check(5)
    with pytest.raises(BadArgument, match=r"^handler is 'ftp://x': "):
        PLAIN.check("ftp://x")
    with pytest.raises(BadArgument, match=r"^path is 'fal': "):
        PLAIN.check(app, "fal")
    odd: Any = {"store": str}
    with pytest.raises(BadArgument, match=r"^store is .*: the arguments are stored, failed"):
        PLAIN.check(app, "/fal", **odd)
    with pytest.raises(BadArgument, match=r"^endpoint is 'acme/none'"):
        PLAIN.check(app, "/fal", endpoint="acme/none")
    with pytest.raises(BadArgument, match=r"^input is .*422"):
        PLAIN.check(app, "/fal", input={"prompt": 5})


class Row:
    def __init__(self, state: str) -> None:
        self.state = state
        self._session = object()


@dataclass(frozen=True)
class Kept:
    rows: tuple[Row, ...]


@pytest.mark.parametrize("value", [{"a": [1, {2}]}, Kept((Row("done"),)), [Row("done")], "x", 5])
def test_what_is_stored_is_compared_by_what_it_says(value: object) -> None:
    assert shape(value) == shape(value)


def test_an_object_that_changes_is_seen_to_change() -> None:
    row = Row("done")
    before = shape([row])
    assert before == shape([Row("done")])
    row.state = "twice"
    assert before != shape([row])
    circle: list[object] = []
    circle.append(circle)
    assert "..." in json.dumps(shape(circle))


ASYNC = """
import pytest
from shop import app, failures, orders, reconcile, submitted, videos
from falkit_contract.webhooks import webhook_cases


async def stored(request_id):
    return videos.get(request_id)


@pytest.mark.{marker}
@pytest.mark.parametrize("case", webhook_cases)
async def test_fal_webhook(case):
    await case.check_async(
        app, "/fal", stored=stored, failed=failures.count, submitted=submitted, reconcile=reconcile
    )
"""
FIXTURES = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def test_asynchronous_tests_run_it_on_their_own_loop(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "conftest.py").write_text(FIXTURES)
    for marker in ("asyncio", "anyio"):
        (tmp_path / f"test_{marker}.py").write_text(ASYNC.format(marker=marker))
    words = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "anyio.pytest_plugin"]
    # It warns where this isn't said.
    words += ["-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{2 * len(webhook_cases)} passed" in done.stdout, done.stdout


def test_cases_can_be_left_out_by_their_ids() -> None:
    kept: list[WebhookCase] = [case for case in webhook_cases if case.id != "lost"]
    assert len(kept) == len(webhook_cases) - 1
    assert all(case.title and case.__name__ == case.id for case in webhook_cases)
