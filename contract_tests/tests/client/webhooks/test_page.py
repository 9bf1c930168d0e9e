"""docs/webhooks.md: its examples verify what is sent to them, its tables are true."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from client.webhooks.signing import DONE, NOON, REQUEST, KeyHost, Sent, Signer, as_published
from clients.javascript_client import node
from falkit_client import Delivery, errors
from falkit_client.listener import listen
from serving import PATIENCE

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "webhooks.md").read_text()
RECEIVING = PAGE.partition("## Verify a delivery")[2]
Post = Callable[[Sent], httpx.Response]


def section(title: str) -> str:
    found = re.search(rf"^###? {title}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def snippets(title: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", section(title), re.DOTALL)


def run(title: str, **names: Any) -> dict[str, Any]:
    """Run a section's one snippet, and hold what it prints to what its comments say."""
    (snippet,) = snippets(title)
    module = ModuleType(title.lower())
    module.__dict__.update(names)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(snippet, "docs/webhooks.md", "exec"), module.__dict__)
    assert printed.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)", snippet)
    return module.__dict__


@pytest.fixture(autouse=True)
def stand_in(keys: KeyHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALKIT_BASE_URL", keys.base)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def of_now() -> Sent:
    return Signer().sign(at=int(time.time()))


def test_the_first_snippet_prints_what_it_says() -> None:
    sent = of_now()
    run("Verify a delivery", headers=sent.headers, body=sent.body)


def test_the_snippet_without_the_network_runs(keys: KeyHost) -> None:
    sent = Signer().sign()
    names = {"headers": sent.headers, "body": sent.body, "moment": NOON}
    run("Without the network", document=as_published(Signer(7), Signer()), **names)
    assert not keys.asked


NODE = """
import { delivery } from "./fal-webhook.mjs";
for (const { headers, body } of JSON.parse(process.argv[1])) {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  console.log(JSON.stringify(await delivery(Object.fromEntries(lower), Buffer.from(body))));
}
"""


def test_the_snippet_for_node_takes_what_is_signed_and_refuses_the_rest(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```js\n(.*?)```", section("Node"), re.DOTALL)
    (tmp_path / "fal-webhook.mjs").write_text(snippet)
    sent = of_now()
    again = json.dumps(json.loads(sent.body), ensure_ascii=False, separators=(",", ":"))
    unsigned = Sent({name: text for name, text in sent.headers.items() if "User" in name}, b"{}")
    bad = [replace(sent, body=again.encode()), Signer().sign(at=1), Signer(2).sign(), unsigned]
    given = [{"headers": dict(one.headers), "body": one.body.decode()} for one in (sent, *bad)]
    command = [node(), "--input-type=module", "--eval", NODE, json.dumps(given)]
    shown = subprocess.check_output(command, cwd=tmp_path, text=True, timeout=PATIENCE)
    good, *refused = map(json.loads, shown.splitlines())
    assert good.keys() == DONE.keys()
    assert (good["request_id"], good["error"]) == (REQUEST, None)
    assert refused == [None] * 4


def by_asgi(app: Any) -> Post:
    def post(sent: Sent) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
                return await http.post("/fal", headers=dict(sent.headers), content=sent.body)

        return asyncio.run(go())

    return post


def by_wsgi(app: Any) -> Post:
    def post(sent: Sent) -> httpx.Response:
        transport = httpx.WSGITransport(app, raise_app_exceptions=False)
        with httpx.Client(transport=transport, base_url="http://here") as http:
            return http.post("/fal", headers=dict(sent.headers), content=sent.body)

    return post


def django_application(module: dict[str, Any]) -> Any:
    # Without stubs for mypy, and set up once a process.
    import importlib

    configured: Any = importlib.import_module("django.conf").settings
    urls = type("urls", (), {"urlpatterns": module["urlpatterns"]})
    if not configured.configured:
        configured.configure(ALLOWED_HOSTS=["here"], ROOT_URLCONF=urls, LOGGING_CONFIG=None)
    wsgi: Any = importlib.import_module("django.core.wsgi")
    return wsgi.get_wsgi_application()


@pytest.fixture(params=["Starlette", "Flask", "Django"], scope="module")
def example(request: pytest.FixtureRequest) -> Generator[tuple[Post, dict[str, Delivery]]]:
    """An example as the page has it, and what it has taken."""
    module = run(request.param)
    match request.param:
        case "Starlette":
            yield by_asgi(module["app"]), module["done"]
        case "Flask":
            yield by_wsgi(module["app"]), module["done"]
        case _:
            yield by_wsgi(django_application(module)), module["done"]


Example = tuple[Post, dict[str, Delivery]]


def test_the_examples_take_what_is_signed_and_take_it_once(example: Example) -> None:
    post, done = example
    assert [post(of_now()).status_code for _ in range(2)] == [200, 200]
    assert list(done) == [REQUEST]
    assert done[REQUEST].status == "OK"


def test_the_examples_refuse_tampered_stale_and_foreign_deliveries(example: Example) -> None:
    post, done = example
    before = dict(done)
    for sent in (replace(of_now(), body=b"{}"), Signer().sign(at=1), Signer(2).sign(at=1)):
        assert post(sent).status_code == 401
    assert done == before


def test_the_examples_answer_400_to_malformed_deliveries(example: Example) -> None:
    post, done = example
    before = dict(done)
    signed = of_now()
    headers = {name: text for name, text in signed.headers.items() if "User-Id" not in name}
    for sent in (replace(signed, headers=headers), Signer().sign(b"[]", at=int(time.time()))):
        assert post(sent).status_code == 400
    assert done == before


def test_the_examples_have_the_delivery_come_again_without_keys(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALKIT_BASE_URL", "http://127.0.0.1:9")
    assert example[0](of_now()).status_code == 503


def test_the_table_of_fields_has_them_all() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", section("What a delivery says"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert set(named) == set(Delivery.__dataclass_fields__)


def test_the_table_of_errors_is_what_falkit_listen_answers() -> None:
    rows = re.findall(r"^\| `errors\.(\w+)` .*\| (\d+) \|", RECEIVING, re.MULTILINE)
    leaves = {*errors.Unverified.__subclasses__(), errors.BadPayload, errors.KeysUnavailable}
    assert {name for name, _ in rows} == {kind.__name__ for kind in leaves}
    for name, status in rows:
        assert getattr(errors, name).answer == int(status)
    assert errors.BadKeys.answer == 503


def test_the_options_that_the_page_names_exist() -> None:
    known = {option for one in listen.params for option in one.opts}
    told = section("See what comes: `falkit listen`")
    # One is the mock's.
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", told)) == {*known, "--webhook-timestamps"}
