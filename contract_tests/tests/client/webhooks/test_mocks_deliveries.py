"""What the mock delivers, judged by verifiers that share nothing with it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client.webhooks.signing import KeyHost, Sent
from client.webhooks.test_independent import changed
from client.webhooks.test_listen import COMMAND, Listening, listen
from client.webhooks.verifiers import STRICT, Accepts
from clients.javascript_client import HERE, node
from falkit import Settings
from falkit_client import errors, webhooks
from falkit_client.webhooks import KeyRing
from serving import PATIENCE, PROMPT, T2V, Mock, running

__all__ = ["listen"]
INSTANT = "instant"
BAD = {"prompt": "Rain", "duration": 7}


@contextmanager
def inbox() -> Generator[tuple[str, queue.Queue[Sent]]]:
    """Receive deliveries as they stand on the wire: the URL, and what has come."""
    came: queue.Queue[Sent] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.put(Sent(dict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?order=7", came
        finally:
            server.shutdown()
            thread.join()


def delivered(mock: Mock, input: object = PROMPT) -> Sent:
    """Submit a job with a webhook, and return what comes."""
    with inbox() as (url, came):
        mock.submit(input, T2V, params={"fal_webhook": url})
        return came.get(timeout=PATIENCE)


def jwks(mock: Mock, host: str = "rest.fal.ai") -> str:
    return f"{mock.url}/{host}/.well-known/jwks.json"


@pytest.fixture(scope="module")
def mock() -> Generator[Mock]:
    with running(Settings(timing=INSTANT)) as served:
        yield served


@pytest.fixture(scope="module", params=["an output", "an error"])
def sent(mock: Mock, request: pytest.FixtureRequest) -> Sent:
    return delivered(mock, BAD if request.param == "an error" else PROMPT)


def test_each_verifier_but_the_strict_accepts_what_the_mock_delivers(
    mock: Mock, sent: Sent, verifiers: dict[str, Accepts]
) -> None:
    good = {name for name, accepts in verifiers.items() if accepts(jwks(mock), sent, time.time())}
    assert set(verifiers) - good == set(STRICT)


def test_no_verifier_accepts_it_as_javascript_writes_it_again(
    mock: Mock, sent: Sent, accepts: Accepts
) -> None:
    """wire.md §5.1: the signature is over fal's bytes, which `JSON.stringify` doesn't write."""
    again = 'JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")))'
    command = [node(), "--print", again]
    done = subprocess.run(
        command, input=sent.body, capture_output=True, timeout=PATIENCE, check=True
    )
    body = done.stdout.rstrip(b"\n")
    assert json.loads(body) == json.loads(sent.body)
    assert not accepts(jwks(mock), replace(sent, body=body), time.time())


def test_an_importer_that_wants_alg_fails_at_the_mocks_keys(mock: Mock) -> None:
    """wire.md §5.2: fal's keys name no algorithm, so jose has to be given it."""
    program = """
        import { importJWK } from "jose";
        const { keys } = await (await fetch(process.argv[1])).json();
        for (const key of keys) await importJWK(key).catch((error) => console.log(error.message));
    """
    command = [node(), "--input-type=module", "--eval", program, jwks(mock)]
    shown = subprocess.check_output(command, cwd=HERE, text=True, timeout=PATIENCE)
    assert shown.count('"alg" argument is required') == 2


def test_the_keys_are_at_the_older_host_too(
    mock: Mock, sent: Sent, verifiers: dict[str, Accepts]
) -> None:
    url = jwks(mock, "rest.alpha.fal.ai")
    assert verifiers["python, as the sample"](url, sent, time.time())


def test_each_verifier_refuses_it_tampered_with(mock: Mock, sent: Sent, accepts: Accepts) -> None:
    body = sent.body.replace(b'"status"', b'"Status"')
    assert body != sent.body
    assert not accepts(jwks(mock), replace(sent, body=body), time.time())
    for name in ("Request-Id", "User-Id"):
        assert not accepts(jwks(mock), changed(sent, name, "another"), time.time())


def test_each_verifier_refuses_it_stale(mock: Mock, sent: Sent, accepts: Accepts) -> None:
    at = int(sent.headers["X-Fal-Webhook-Timestamp"])
    assert not accepts(jwks(mock), sent, at + 301)
    assert not accepts(jwks(mock), sent, at - 301)


def test_each_verifier_refuses_it_by_other_keys(
    sent: Sent, accepts: Accepts, keys: KeyHost
) -> None:
    assert not accepts(keys.url, sent, time.time())


def test_ours_accepts_it_and_says_what_it_says(mock: Mock) -> None:
    with inbox() as (url, came):
        job = mock.submit(PROMPT, T2V, params={"fal_webhook": url})
        sent = came.get(timeout=PATIENCE)
    delivery = webhooks.verify(sent.headers, sent.body, base_url=mock.url)
    assert (delivery.request_id, delivery.status) == (job["request_id"], "OK")
    assert delivery.payload == mock.result(job).json()


def test_ours_says_what_an_error_says(mock: Mock) -> None:
    sent = delivered(mock, BAD)
    delivery = webhooks.verify(sent.headers, sent.body, base_url=mock.url)
    assert (delivery.status, delivery.error) == ("ERROR", "Invalid status code: 422")
    assert delivery.payload is not None
    assert delivery.payload["detail"][0]["loc"] == ["body", "duration"]


def test_ours_refuses_it_tampered_with_stale_and_by_other_keys(
    mock: Mock, sent: Sent, keys: KeyHost
) -> None:
    base = mock.url
    with pytest.raises(errors.WrongSignature):
        webhooks.verify(sent.headers, sent.body + b" ", base_url=base)
    with pytest.raises(errors.StaleTimestamp):
        webhooks.verify(sent.headers, sent.body, base_url=base, now=lambda: time.time() + 302)
    with pytest.raises(errors.WrongSignature):
        webhooks.verify(sent.headers, sent.body, keys=KeyRing(keys.url))


def test_a_rotated_key_is_found_and_the_old_one_believed(mock: Mock) -> None:
    ring = KeyRing(jwks(mock), pause=0)
    before = delivered(mock)
    assert webhooks.verify(before.headers, before.body, keys=ring)
    mock.inside(mock.service.webhooks.keys.rotate)
    after = delivered(mock)
    for sent in (before, after):
        assert webhooks.verify(sent.headers, sent.body, keys=ring)


@pytest.mark.parametrize(
    ("padding", "blind"),
    [
        ("both", set[str]()),
        ("unpadded", {"python, as the sample"}),
        ("padded", set(STRICT)),
    ],
)
def test_keys_in_one_form_are_not_read_by_all(
    verifiers: dict[str, Accepts], padding: str, blind: set[str]
) -> None:
    assumptions = (f"jwks-padding={padding}",)
    with running(Settings(timing=INSTANT, assumptions=assumptions)) as mock:
        sent = delivered(mock)
        good = {name for name, one in verifiers.items() if one(jwks(mock), sent, time.time())}
        assert webhooks.verify(sent.headers, sent.body, base_url=mock.url)
    assert set(verifiers) - good == blind


def test_falkit_listen_hears_the_mock(listen: Callable[..., Listening], mock: Mock) -> None:
    listening = listen("--base-url", mock.url)
    job = mock.submit(PROMPT, T2V, params={"fal_webhook": listening.ready["url"] + "/hook"})
    assert f"OK      {job['request_id']}  verified" in listening.line()
    assert "ltxv-2-t2v-output.mp4" in listening.line()


def test_falkit_listen_hears_falkit_trigger(listen: Callable[..., Listening], mock: Mock) -> None:
    listening = listen("--base-url", mock.url)
    where = ["--base-url", mock.url, "--to", listening.ready["url"]]
    command = [*COMMAND[:-1], "trigger", "unserialisable", *where]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    assert "verified" in listening.line()
    assert "not JSON serializable" in listening.line()
