"""`falkit trigger` and `falkit resend`, and the log's lines."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from falkit_mock.platform.webhooks.samples import SAMPLES
from falkit_mock.request_log import RequestLog
from receiving.published import Verifier, as_jose
from serving import Mock
from webhooks.following import deliveries, settled, submit
from webhooks.receiver import Receiver, Reply, receiving

FALKIT = str(Path(sys.executable).with_name("falkit"))
JWKS = "/rest.fal.ai/.well-known/jwks.json"


def falkit(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FALKIT, *words], capture_output=True, text=True, timeout=60, env=environment
    )


@pytest.mark.parametrize("kind", ["completed", "failed-unserialisable"])
def test_trigger_sends_a_webhook_by_a_running_mock(
    mock: Mock, receiver: Receiver, kind: str
) -> None:
    done = falkit("trigger", kind, "--to", receiver.url, "--base-url", mock.url)
    (request,) = receiver.wait()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"POST {receiver.url}\n  User-Agent: ")
    assert request.body.decode() in done.stdout
    assert "acknowledged: 200 in " in done.stdout
    (log,) = deliveries(mock)
    assert log["request_id"] == request.json["request_id"]
    now = mock.clock.now()
    assert Verifier(as_jose).accepts(mock.url + JWKS, request.headers, request.body, now)


def test_trigger_sends_one_without_a_mock_that_every_mock_verifies(
    mock: Mock, receiver: Receiver
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    nowhere = f"http://127.0.0.1:{free}"
    refused = falkit("trigger", "completed", "--to", receiver.url, "--base-url", nowhere)
    assert (refused.returncode, receiver.received) == (2, [])
    assert "base-url: no mock answers" in refused.stderr
    to = ("--to", receiver.url, "--request-id", "7", "--format", "json")
    done = falkit("trigger", "failed", "--standalone", *to)
    assert done.returncode == 0, done.stderr
    assert "jwks.json" in done.stderr
    (request,) = receiver.wait()
    told = json.loads(done.stdout)
    assert (told["request_id"], told["cause"]) == ("7", "trigger")
    now = mock.clock.now()
    assert Verifier(as_jose).accepts(mock.url + JWKS, request.headers, request.body, now)


def test_trigger_does_without_a_mock_where_none_answers(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The module, which the package's own name for the command hides.
    module = import_module("falkit_mock.trigger")

    def answers(url: str) -> bool:
        return False

    monkeypatch.setattr(module, "_answers", answers)
    monkeypatch.delenv("FALKIT_BASE_URL", raising=False)
    done = CliRunner().invoke(module.trigger, ["completed", "--to", receiver.url])
    assert (done.exit_code, len(receiver.wait())) == (0, 1)
    assert "no mock runs here" in done.stderr


def test_trigger_fails_where_the_receiver_does(mock: Mock) -> None:
    with receiving(lambda _: Reply(400, body=b"bad\nsignature")) as receiver:
        done = falkit("trigger", "failed", "--to", receiver.url, "--base-url", mock.url)
    assert done.returncode == 1
    assert "failed: 400 in " in done.stdout
    assert done.stdout.endswith("  bad\n  signature\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["completed", "--to", "http://example.com"], "--allow example.com lets it"),
        (["completed", "--to", "nothing"], "http:// or https://"),
        (["completed", "--to", "http://localhost", "--endpoint", "x/y"], "endpoint: "),
        (["completed", "--to", "http://localhost", "--allow", "a/b"], "allow: "),
        (["done", "--to", "http://localhost"], "'done' is not one of"),
        (["completed"], "--to"),
    ],
    ids=str,
)
def test_trigger_refuses_what_cant_work_in_one_line(words: list[str], why: str) -> None:
    done = falkit("trigger", "--standalone", *words)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_of_trigger_names_every_kind() -> None:
    shown = falkit("trigger", "--help").stdout
    for name in SAMPLES:
        assert f"\n    {name} " in shown


def test_resend_sends_a_jobs_webhook_again(mock: Mock, receiver: Receiver) -> None:
    job = submit(mock, receiver.url)
    settled(mock)
    done = falkit("resend", job["request_id"], "--base-url", mock.url)
    assert done.returncode == 0, done.stderr
    first, second = receiver.wait(2)
    assert first.body == second.body


def test_resend_sends_it_elsewhere(mock: Mock, receiver: Receiver) -> None:
    job = mock.submit()["request_id"]
    done = falkit("resend", job, "--to", receiver.url, "--base-url", mock.url, "--format", "json")
    assert json.loads(done.stdout)["response"]["status_code"] == 200
    assert receiver.wait()[0].json["request_id"] == job


def test_resend_refuses_an_unknown_job(mock: Mock) -> None:
    done = falkit("resend", "no-such-job", "--base-url", mock.url)
    assert done.returncode == 2
    assert "no-such-job" in done.stderr


def test_the_log_has_a_line_for_each_attempt(mock: Mock) -> None:
    told = io.StringIO()
    mock.platform.webhooks.log.heard = RequestLog(mock.http, file=told).delivered  # type: ignore[arg-type]
    codes = iter([500, 200])
    with receiving(lambda _: Reply(next(codes))) as receiver:
        submit(mock, receiver.url)
        submit(mock, receiver.url)
        settled(mock, 2)
    submit(mock, "http://example.com/\nx")
    settled(mock, 3)
    failed, why, taken, refused, because = told.getvalue().splitlines()
    assert f" 500 HOOK {receiver.url}  " in failed
    assert why.startswith("         attempt 1 was not taken; the next is at ")
    assert f" 200 HOOK {receiver.url}  " in taken
    assert " --- HOOK http://example.com/%0Ax  " in refused
    assert because.startswith("         refused: webhooks go to this machine")


def test_the_json_log_has_an_object_for_each_attempt(mock: Mock, receiver: Receiver) -> None:
    told = io.StringIO()
    log = RequestLog(mock.http, "json", told)  # type: ignore[arg-type]
    mock.platform.webhooks.log.heard = log.delivered
    job = submit(mock, receiver.url)
    settled(mock)
    line = json.loads(told.getvalue())
    assert line["webhook"] == receiver.url
    assert (line["request_id"], line["status"]) == (job["request_id"], 200)
    assert (line["attempt"], line["outcome"], line["next"]) == (1, "acknowledged", None)
