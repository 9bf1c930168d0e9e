"""`falkit doctor env`: what it says of a client is what becomes of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner

import falkit as public
from falkit_contract.doctor._environment import Report, examine
from falkit_mock.cli import falkit

PYTHON = ("fal-client (Python)", "requests", "httpx", "aiohttp")
NODE = ("@fal-ai/client (Node)", "AI SDK (Node)")
ALL = (*PYTHON, *NODE, "curl", "falkit_client")
REAL = "3f1c9a47-5b0e-4d26-9c83-e7a1b2d40f95:9be17c04d2a853f6c1e04b7f92d8a635"


@pytest.fixture(scope="module")
def led(authority_folder: Path) -> Generator[dict[str, str]]:
    """The variables that lead a program to a mock that runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FALKIT_HOME", str(authority_folder))
        with public.Mock(timing="instant") as mock:
            yield dict(mock.environ)


def verdicts(report: Report) -> dict[str, str]:
    return {row.client: row.verdict for row in report.rows}


def without(environ: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}


def test_an_empty_shell_leads_all_to_fal() -> None:
    assert verdicts(examine({})) == dict.fromkeys(ALL, "real fal")


def test_a_shell_that_falkit_set_leads_all_to_the_mock(led: dict[str, str]) -> None:
    assert verdicts(examine(led)) == dict.fromkeys(ALL, "mock")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Python's preload leads names to the gateway where no proxy does; curl has none.
        ({"no_proxy": "fal.run"}, {"curl": "real fal"}),
        ({"no_proxy": ".fal.ai:443"}, {"curl": "real fal"}),
        ({"no_proxy": "*"}, {"curl": "real fal"}),
        ({"no_proxy": "al.run"}, {}),
        ({"https_proxy": None, "all_proxy": None}, {}),
        # One that is empty is none, as Python and curl have it.
        ({"https_proxy": ""}, {"curl": "real fal"}),
        (
            {"PYTHONPATH": None, "no_proxy": "*"},
            {"curl": "real fal", **dict.fromkeys(PYTHON, "real fal")},
        ),
        ({"PYTHONPATH": None}, {"aiohttp": "real fal"}),
        ({"NODE_OPTIONS": None}, dict.fromkeys(NODE, "real fal")),
        # As docker's --env-file hands it on: Node takes the quotes for a part of the value.
        ({"NODE_OPTIONS": "'{}'"}, dict.fromkeys(NODE, "real fal")),
        ({"NODE_OPTIONS": "--require /nowhere/falkit.cjs"}, dict.fromkeys(NODE, "fails")),
        ({"NODE_EXTRA_CA_CERTS": None}, dict.fromkeys(NODE, "fails")),
        (
            {"SSL_CERT_FILE": None},
            dict.fromkeys(("fal-client (Python)", "httpx", "aiohttp"), "fails"),
        ),
        ({"REQUESTS_CA_BUNDLE": None}, {}),
        ({"REQUESTS_CA_BUNDLE": None, "CURL_CA_BUNDLE": None}, {"requests": "fails"}),
        (
            {"FALKIT_GATEWAY": None},
            {"aiohttp": "real fal", **dict.fromkeys(NODE, "real fal")},
        ),
        ({"FAL_RUN_HOST": "127.0.0.1:4325"}, {"fal-client (Python)": "fails"}),
        ({"FALKIT_BASE_URL": None}, {"falkit_client": "real fal"}),
        ({"FALKIT_BASE_URL": "https://queue.fal.run"}, {"falkit_client": "real fal"}),
    ],
)
def test_one_variable_changes_what_it_is_for(
    led: dict[str, str], changes: dict[str, str | None], expected: dict[str, str]
) -> None:
    environ = without(led, *changes)
    for name, value in changes.items():
        if value is not None:
            environ[name] = value.format(led.get(name))
    assert verdicts(examine(environ)) == {**dict.fromkeys(ALL, "mock"), **expected}


def test_a_gateway_that_has_ended_fails_all_that_go_by_it(led: dict[str, str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    names = ("https_proxy", "HTTPS_PROXY", "FALKIT_GATEWAY", "FALKIT_BASE_URL")
    assert verdicts(examine(led | dict.fromkeys(names, gone))) == dict.fromkeys(ALL, "fails")


def test_another_proxy_leads_to_fal(led: dict[str, str], receiver_url: str) -> None:
    found = verdicts(examine({**led, "https_proxy": receiver_url, "HTTPS_PROXY": receiver_url}))
    other = dict.fromkeys(("curl", *PYTHON), "real fal")
    assert found == {**dict.fromkeys(ALL, "mock"), **other}


@pytest.fixture
def receiver_url() -> Generator[str]:
    """A server that is no gateway of falkit's."""
    code = (
        "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler);"
        "print(s.server_port, flush=True); s.serve_forever()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


CALLS = """
import asyncio, json, ssl, sys
import aiohttp, httpx, requests

url, found = "https://queue.fal.run/fal-ai/ltx-2/requests/none/status", {}

async def by_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status

for name, call in {
    "httpx": lambda: httpx.get(url).status_code,
    "requests": lambda: requests.get(url).status_code,
    "aiohttp": lambda: asyncio.run(by_aiohttp()),
}.items():
    try:
        found[name] = "mock" if call() else ""
    except (httpx.ConnectError, requests.exceptions.SSLError, aiohttp.ClientError):
        found[name] = "fails"
print(json.dumps(found))
"""


def test_clients_end_up_where_it_says(led: dict[str, str]) -> None:
    # Only what doesn't leave is tried: with a proxy there, all goes to the gateway or fails. That
    # each of them reaches the mock with all variables is what the tests of clients show.
    environ = without({**os.environ, **led}, "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    printed = subprocess.check_output(
        [sys.executable, "-c", CALLS], env=environ, text=True, timeout=60
    )
    said = verdicts(examine(environ))
    assert json.loads(printed) == {name: said[name] for name in ("httpx", "requests", "aiohttp")}
    assert (said["httpx"], said["requests"]) == ("mock", "fails")


def test_a_real_key_is_told_of_and_masked(led: dict[str, str]) -> None:
    report = examine({**led, "FAL_KEY": REAL})
    assert (REAL[:4] in report.key, REAL[9:] in report.key, report.notes) == (True, False, [])
    (note,) = examine({"FAL_KEY": REAL}).notes
    assert note.startswith("a key that looks real is set: fal charges it for fal-client")
    (note,) = examine({**led, "FAL_BASE_URL": "http://127.0.0.1:4325"}).notes
    assert note == "FAL_BASE_URL is set, but none of these clients reads it"


def test_one_client_that_reaches_fal_is_enough_for_1(
    led: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in led.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NODE_OPTIONS")
    result = CliRunner().invoke(falkit, ["doctor", "env"])
    assert result.exit_code == 1
    assert (
        "real fal  @fal-ai/client (Node)  NODE_OPTIONS is without falkit's preload" in result.output
    )
    assert result.output.splitlines()[-1].startswith("6 mock, 2 real fal; ")
