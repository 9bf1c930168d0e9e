"""`falkit trigger` and `falkit resend`, and the log's lines."""

from __future__ import annotations

import io
import json
import socket
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module

import pytest
from click.testing import CliRunner

from client.webhooks.published import Verifier, as_the_sample
from falkit_mock.cli import main
from falkit_mock.cli.console import ConsoleLog
from falkit_mock.core.events import DeliveryAttempted, Listener
from falkit_mock.webhooks.signing import SAMPLES
from following import deliveries, go, settled, submit
from receiver import Receiver, Reply, receiving
from serving import Mock, Serve

JWKS = "/rest.fal.ai/.well-known/jwks.json"


@pytest.fixture
def mock(serve: Serve) -> Mock:
    """A mock of the test's own, whose jobs take no time."""
    return serve()


@dataclass(frozen=True)
class Done:
    """What a command has printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.delenv("FALKIT_BASE_URL", raising=False)


def falkit(*words: str) -> Done:
    """Run a command in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([*words])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


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
    assert Verifier(as_the_sample).accepts(mock.url + JWKS, request.headers, request.body, now)


def test_trigger_sends_one_without_a_mock_that_every_mock_verifies(
    mock: Mock, receiver: Receiver
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    nowhere = f"http://127.0.0.1:{free}"
    refused = falkit("trigger", "completed", "--to", receiver.url, "--base-url", nowhere)
    assert (refused.returncode, receiver.received) == (2, [])
    assert f"base-url: no mock answers at {nowhere}; " in refused.stderr
    assert "--standalone" in refused.stderr
    to = ("--to", receiver.url, "--request-id", "7", "--json")
    done = falkit("trigger", "failed", "--standalone", *to)
    assert done.returncode == 0, done.stderr
    assert "jwks.json" in done.stderr
    (request,) = receiver.wait()
    told = json.loads(done.stdout)
    assert (told["request_id"], told["cause"]) == ("7", "trigger")
    now = mock.clock.now()
    assert Verifier(as_the_sample).accepts(mock.url + JWKS, request.headers, request.body, now)


def test_trigger_does_without_a_mock_where_none_answers(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The module, which the package's own name for the command hides.
    module = import_module("falkit_mock.cli.webhooks")

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
        (
            ["completed", "--to", "http://localhost", "--endpoint", "x/y"],
            "endpoint: falkit has no document for 'x/y', which says nothing about fal",
        ),
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


def test_resend_sends_a_webhook_elsewhere(mock: Mock, receiver: Receiver) -> None:
    job = mock.submit()["request_id"]
    done = falkit("resend", job, "--to", receiver.url, "--base-url", mock.url, "--json")
    assert json.loads(done.stdout)["response"]["status_code"] == 200
    assert receiver.wait()[0].json["request_id"] == job


def test_resend_names_the_option_where_there_is_no_webhook(mock: Mock) -> None:
    done = falkit("resend", mock.submit()["request_id"], "--base-url", mock.url)
    assert (done.returncode, "--to URL" in done.stderr) == (2, True)


def test_trigger_says_once_which_endpoints_there_are(mock: Mock) -> None:
    where = ("--to", "http://localhost:9", "--base-url", mock.url)
    done = falkit("trigger", "completed", *where, "--endpoint", "fal-ai/aura-flow")
    assert done.stderr == (
        "falkit: endpoint_id: falkit has no document for 'fal-ai/aura-flow', which says nothing "
        "about fal: it may well exist there; `falkit spec add fal-ai/aura-flow` fetches its "
        "document and says how to use it (docs/documents.md); `falkit spec list` names "
        "those that it has\n"
    )


def test_deliveries_are_listed_with_what_came_of_them(timed: Serve) -> None:
    mock, codes = timed(webhook_timestamps="mock"), iter([500, 200])
    url = ("--base-url", mock.url)
    with receiving(lambda _: Reply(next(codes))) as receiver:
        at = receiver.url.replace("://", "://me:secret@")
        job = submit(mock, at)["request_id"]
        settled(mock)
        go(mock, 10)
    other = submit(mock, "http://example.com/")["request_id"]
    first, second, refused, why = falkit("deliveries", *url).stdout.splitlines()
    shown = receiver.url.replace("://", "://me:***@")
    assert first == f"08:00:00  500  retry         attempt 1   {job}  {shown}  next 08:00:07"
    assert second == f"08:00:07  200  acknowledged  attempt 2   {job}  {shown}"
    assert refused.startswith(f"08:00:10  ---  refused       attempt 0   {other}  http://example")
    assert "--webhook-allow" in why
    assert falkit("deliveries", job, *url).stdout.splitlines() == [first, second]
    limited = falkit("deliveries", "--limit", "1", *url)
    assert (limited.stdout, limited.stderr) == (
        f"{refused}\n{why}\n",
        "(the newest of 3: --limit)\n",
    )


def test_deliveries_can_be_waited_for_and_read_by_programs(mock: Mock, receiver: Receiver) -> None:
    job = submit(mock, receiver.url)["request_id"]
    words = ("--status", "acknowledged", "--base-url", mock.url)
    done = falkit("deliveries", job, "--wait", "10", "--json", *words)
    page = json.loads(done.stdout)
    assert [one["request_id"] for one in page["deliveries"]] == [job]
    assert falkit("deliveries", "none", "--wait", "0.01", *words).returncode == 1


def test_resend_refuses_an_unknown_job(mock: Mock) -> None:
    done = falkit("resend", "no-such-job", "--base-url", mock.url)
    assert done.returncode == 2
    assert "no-such-job" in done.stderr


def deliveries_alone(log: ConsoleLog) -> Listener:
    """Return a listener that hands on deliveries, and no requests."""
    return lambda event: log(event) if isinstance(event, DeliveryAttempted) else None


def test_the_log_has_a_line_for_each_attempt(mock: Mock) -> None:
    told = io.StringIO()
    mock.service.events.listen(deliveries_alone(ConsoleLog(file=told)))
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
    mock.service.events.listen(deliveries_alone(ConsoleLog("json", told)))
    job = submit(mock, receiver.url)
    settled(mock)
    line = json.loads(told.getvalue())
    assert line["webhook"] == receiver.url
    assert (line["request_id"], line["status_code"]) == (job["request_id"], 200)
    assert (line["attempt"], line["status"], line["next"]) == (1, "acknowledged", None)
