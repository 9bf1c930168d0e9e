"""--probe-webhooks: copies that a receiver should refuse, and all that they must leave as it is."""

from __future__ import annotations

import io
import json
import time
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

from client.webhooks.published import Verifier, as_the_sample
from falkit import Settings
from falkit_mock.cli.console import ConsoleLog
from falkit_mock.cli.summary import Summary
from falkit_mock.cli.webhooks import deliveries as listed
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.sender import Answer
from falkit_mock.webhooks.targets import Target
from following import Seen, deliveries, go, settled, submit
from receiver import Answer as Answers, Received, Receiver, Reply, receiving
from serving import PATIENCE, Mock, Serve, WatchedClock, running

JWKS = "/rest.fal.ai/.well-known/jwks.json"


def probes(mock: Mock, count: int = 2) -> list[Seen]:
    """Return the probes, once there are so many."""
    return deliveries(mock, cause="probe", count=count, wait=PATIENCE)


def verifying(mock: Mock) -> Answers:
    """Return what fal's sample answers."""
    verifier = Verifier(as_the_sample)

    def answer(request: Received) -> Reply:
        good = verifier.accepts(mock.url + JWKS, request.headers, request.body, time.time())
        return Reply(200 if good else 401)

    return answer


def test_a_receiver_that_verifies_refuses_both_copies(serve: Serve) -> None:
    mock = serve(probe_webhooks=True)
    with receiving(verifying(mock)) as receiver:
        job = submit(mock, receiver.url)
        forged, rewritten = probes(mock)
        sent, *copies = receiver.wait(3)
    assert [one["status_code"] for one in (forged["response"], rewritten["response"])] == [401] * 2
    assert (forged["faults"], rewritten["faults"]) == (["unknown_key"], ["reserialised"])
    assert {one["request_id"] for one in (forged, rewritten)} == {job["request_id"]}
    assert {one["status"] for one in (forged, rewritten)} == {"failed"}
    assert [one["next"] for one in (forged, rewritten)] == [None, None]
    # Nothing but the signature tells the one from the webhook, nothing but the bytes the other.
    assert copies[0].body == sent.body
    assert copies[0].path == copies[1].path == sent.path
    assert len(copies[0].headers["x-fal-webhook-signature"]) == 128
    assert copies[1].body != sent.body
    assert b" " not in copies[1].body
    assert json.dumps(copies[1].json) == sent.body.decode(), "in the order that was signed"


def test_a_rewritten_copy_has_the_signature_of_the_bytes_that_were_sent(serve: Serve) -> None:
    mock = serve(probe_webhooks=True)
    with receiving() as receiver:
        submit(mock, receiver.url)
        sent, _, rewritten = receiver.wait(3)
    accepts = Verifier(as_the_sample).accepts
    assert accepts(mock.url + JWKS, rewritten.headers, sent.body, time.time())
    assert not accepts(mock.url + JWKS, rewritten.headers, rewritten.body, time.time())


def test_without_the_option_nothing_is_probed(serve: Serve, receiver: Receiver) -> None:
    mock = serve()
    submit(mock, receiver.url)
    settled(mock)
    submit(mock, receiver.url)
    assert [one["cause"] for one in settled(mock, 2)] == ["job", "job"]
    assert len(receiver.received) == 2


def test_a_receiver_is_probed_once_whatever_its_query_and_ids(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    with receiving() as receiver:
        paths = ["?a=1", "?a=2", "/7", "/8", "/019b76da-a801-74c7-aab7-01d3c98e3dee", "/fal2"]
        for path in paths:
            submit(mock, receiver.url + path)
            go(mock, 1)
        probed = [request.path for request in receiver.received]
    whole = {path: probed.count(f"/hook{path}") for path in paths}
    assert whole == {**dict.fromkeys(paths, 1), "?a=1": 3, "/7": 3, "/fal2": 3}


def test_nothing_is_probed_before_a_webhook_was_taken(standing: Serve) -> None:
    mock, codes = standing(probe_webhooks=True), count()
    with receiving(lambda _: Reply(500 if next(codes) == 0 else 200)) as receiver:
        submit(mock, receiver.url)
        assert [one["status"] for one in settled(mock)] == ["retry"]
        assert len(receiver.received) == 1
        go(mock, 10)
        assert len(probes(mock)) == 2


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_receiver_that_takes_nothing_is_not_probed(standing: Serve, status: int) -> None:
    mock = standing(probe_webhooks=True)
    with receiving(lambda _: Reply(status, {"location": "/elsewhere"})) as receiver:
        submit(mock, receiver.url)
        go(mock, 7300)
        assert {one.path for one in receiver.received} == {"/hook"}
        assert len(receiver.received) == 11
    assert deliveries(mock, cause="probe") == []


@pytest.mark.parametrize("fault", ["webhook_tampered", "webhook_stale", "webhook_unknown_key"])
def test_what_a_fault_has_corrupted_is_not_what_is_copied(
    standing: Serve, receiver: Receiver, fault: str
) -> None:
    mock = standing(probe_webhooks=True, faults=[f"{fault} times=1"])
    submit(mock, receiver.url)
    go(mock, 1)
    assert len(receiver.received) == 1
    submit(mock, receiver.url)
    go(mock, 1)
    assert b"tampered" not in receiver.received[-1].body
    assert len(probes(mock)) == 2


def test_nothing_is_probed_where_webhooks_may_not_go_any_more(standing: Serve) -> None:
    """Such as to an application in this process that is gone once it has answered."""
    mock, came, url = standing(probe_webhooks=True), list[str](), "https://app.example/hook"
    webhooks = mock.service.webhooks

    class Sender:
        async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
            came.append(target.url)
            webhooks.targets.inside.clear()
            return Answer(200, headers, body)

    webhooks.receivers.sender = Sender()
    webhooks.targets.inside.append(url)
    submit(mock, url)
    go(mock, 1)
    assert [one["status"] for one in deliveries(mock)] == ["acknowledged"]
    assert came == [url]


def test_probes_are_no_webhooks_of_a_job(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    with receiving() as receiver:
        job = submit(mock, receiver.url)
        go(mock, 1)
        assert len(probes(mock)) == 2
        (own,) = deliveries(mock, wait=0.01, count=2)
        assert (own["cause"], own["number"], own["status"]) == ("job", 1, "acknowledged")
        assert mock.http.get("/__falkit/webhooks").json()["waiting"] == 0
        again = mock.http.post(f"/__falkit/jobs/{job['request_id']}/resend").json()
        assert (again["cause"], again["number"]) == ("resend", 2)
        go(mock, 7300)
        assert len(receiver.received) == 4
    metrics = mock.http.get("/metrics").text
    assert 'falkit_webhook_attempts_total{verdict="acknowledged"} 2' in metrics


def test_a_probe_that_is_taken_ends_no_retries(standing: Serve) -> None:
    """A receiver takes the first webhook that comes, and its probes; the other it refuses."""
    mock = standing("0,1", probe_webhooks=True)
    first: list[str] = []

    def answer(request: Received) -> Reply:
        first.append(request.json["request_id"])
        return Reply(200 if request.json["request_id"] == first[0] else 503)

    with receiving(answer) as receiver:
        ids = {submit(mock, receiver.url)["request_id"] for _ in range(2)}
        go(mock, 7300)
        (other,) = ids - {first[0]}
        of_other = deliveries(mock, request_id=other)
        assert len(receiver.received) == 1 + 2 + 11
    assert [one["status"] for one in of_other] == ["retry"] * 10 + ["failed"]


def test_a_restart_probes_nobody_again_and_a_reset_does(tmp_path: Path) -> None:
    settings = Settings(timing="instant", probe_webhooks=True, state=tmp_path / "falkit.state")
    with receiving() as receiver:
        with running(settings, WatchedClock()) as mock:
            submit(mock, receiver.url)
            go(mock, 1)
        assert len(receiver.received) == 3
        with running(settings, WatchedClock()) as mock:
            assert len(probes(mock)) == 2
            submit(mock, receiver.url)
            go(mock, 1)
            assert len(receiver.received) == 4
            mock.http.post("/__falkit/reset")
            submit(mock, receiver.url)
            go(mock, 1)
            assert len(receiver.received) == 7


def test_an_export_has_the_probes(standing: Serve, receiver: Receiver) -> None:
    mock = standing(probe_webhooks=True)
    submit(mock, receiver.url)
    go(mock, 1)
    there = standing(probe_webhooks=True)
    exported = mock.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content
    assert there.http.put("/__falkit/state", content=exported).status_code == 200
    assert [one["faults"] for one in probes(there)] == [["unknown_key"], ["reserialised"]]


@pytest.mark.parametrize("taken", [True, False])
def test_the_log_says_what_became_of_each_copy(standing: Serve, *, taken: bool) -> None:
    mock, everything, failures = standing(probe_webhooks=True), io.StringIO(), io.StringIO()
    summary = Summary(mock.service, mock.server.wait().catalog)
    logs = ConsoleLog(file=everything), ConsoleLog(file=failures, failures_only=True)
    mock.inside(lambda: mock.service.events.listen(summary, *logs))
    codes = count()
    with receiving(lambda _: Reply(200 if taken or next(codes) == 0 else 400)) as receiver:
        submit(mock, receiver.url)
        go(mock, 1)
    said = [line for line in everything.getvalue().splitlines() if " HOOK " in line]
    became = "was taken; it should be refused" if taken else "was refused, as it should be"
    assert [line.split("  ")[-2] for line in said[1:]] == [
        f"a forged copy {became}",
        f"a re-serialised copy {became}",
    ]
    assert failures.getvalue().count(became) == (2 if taken else 0)
    assert mock.server.call(summary.text).splitlines()[1:] == []


def test_the_command_lists_probes_alone_where_they_are_asked_for(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing(probe_webhooks=True)
    submit(mock, receiver.url)
    go(mock, 1)
    command = ["--base-url", mock.url]
    told = CliRunner().invoke(listed, command).stdout.splitlines()
    copies = CliRunner().invoke(listed, [*command, "--cause", "probe"]).stdout.splitlines()
    assert (len(told), len(copies)) == (1, 2)
    assert copies[0].endswith("  by probe  [webhook_unknown_key]")


def test_a_receiver_that_has_gone_is_probed_again_and_the_report_says_if_it_never_answered(
    standing: Serve,
) -> None:
    mock, came = standing(probe_webhooks=True), list[str]()

    class Sender:
        async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
            came.append(target.url)
            if len(came) == 2:
                raise SendFailed("it has gone")
            return Answer(200, headers, body)

    def problems() -> list[str]:
        told: list[str] = mock.http.get("/__falkit/report").json()["problems"]
        return told

    mock.service.webhooks.receivers.sender = Sender()
    url = "http://localhost:9/hook"
    submit(mock, url)
    go(mock, 1)
    assert problems() == [f"{url} answered no probe: it has to be there a moment longer"]
    submit(mock, url)
    go(mock, 1)
    assert len(came) == 2 + 3
    assert problems() == []
