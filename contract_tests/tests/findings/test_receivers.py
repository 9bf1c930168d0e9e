"""How receivers take webhooks, copies and probes: what is wrong is found, and no more."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from client.webhooks.published import Verifier, as_the_sample
from falkit import Settings
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.events import DeliveryAttempted
from falkit_mock.webhooks import probes
from falkit_mock.webhooks.sender import Receivers
from falkit_mock.webhooks.signing import PROBE_FAULTS
from falkit_spec.findings import Report
from findings.conversing import codes, found
from following import go, submit
from receiver import Answer, Received, Reply, receiving
from serving import I2V_FAST, PROMPT, Mock, Serve, WatchedClock, running

JWKS = "/rest.fal.ai/.well-known/jwks.json"
BAD = {"prompt": 7}


@pytest.fixture
def standing() -> Generator[Serve]:
    """Serve a mock whose jobs take no time, and whose time stands until the test moves it."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Mock:
            made = Settings(timing="instant", concurrency=0, **settings)
            return stack.enter_context(running(made, WatchedClock()))

        yield start


def answering(*statuses: int) -> Answer:
    """Return what answers with these codes, and with the last one from then on."""
    turn = count()
    return lambda _: Reply(statuses[min(next(turn), len(statuses) - 1)])


def after(
    mock: Mock, answer: Answer, seconds: float = 5, path: str = "", **options: Any
) -> dict[str, str]:
    """Return the codes of what is found once a receiver had a webhook for some seconds."""
    with receiving(answer) as receiver:
        submit(mock, f"{receiver.url}{path}", **options)
        go(mock, seconds)
    return codes(mock)


def test_a_redirect_is_found(standing: Serve) -> None:
    mock = standing()
    with receiving(lambda _: Reply(308, {"location": "/hook/"})) as receiver:
        submit(mock, f"{receiver.url}/7?token=secret")
        go(mock, 30)
    (finding,) = found(mock)
    assert (finding.kind.code, finding.severity) == ("webhook-redirected", "error")
    assert finding.subject == "http://127.0.0.1:*/hook/*", "as in the next run"
    assert finding.seen == "a webhook was answered 308"
    assert (finding.times, finding.key) == (3, "id")
    assert "secret" not in str(finding.to_json())


def test_what_is_refused_by_a_redirect_is_not_found(standing: Serve) -> None:
    assert after(standing(faults=["webhook_tampered"]), answering(302, 200), 30) == {}


def test_a_receiver_that_says_nothing_is_found_and_less_so_where_time_was_moved(
    standing: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedClock, "patience", 0.05)
    monkeypatch.setattr(Receivers, "patience", 0.05)
    mock = standing()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        submit(mock, f"http://127.0.0.1:{listener.getsockname()[1]}/silent")
        go(mock, 16)
        assert codes(mock) == {"webhook-too-slow": "warning"}
    made = mock.service.store.deliveries.select()[0]
    late = replace(made, seconds=15.01)
    mock.inside(lambda: mock.service.events.emit(DeliveryAttempted(late)))
    said = {one.severity: one.seen for one in found(mock)}
    assert said == {
        "error": "no answer within 15 s",
        "warning": "no answer within 15 s, by the mock's clock, which was moved on",
    }


def test_what_is_slow_by_a_fault_or_not_there_is_not_found(standing: Serve) -> None:
    mock = standing(faults=["webhook_slow"])
    assert after(mock, answering(200), 60) == {}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    submit(mock, f"http://127.0.0.1:{port}/")
    go(mock, 60)
    assert codes(mock) == {}


def resent(mock: Mock, answer: Answer) -> dict[str, str]:
    """Return what is found of a receiver to which a job's webhook is sent again by hand."""
    with receiving(answer) as receiver:
        job = submit(mock, receiver.url)
        go(mock, 1)
        mock.http.post(f"/__falkit/jobs/{job['request_id']}/resend")
    return codes(mock)


@pytest.mark.parametrize("status", [409, 500])
@pytest.mark.parametrize("fault", ["webhook_duplicate seconds=1", "webhook_slow"])
def test_an_error_for_a_webhook_that_was_acknowledged_is_found(
    standing: Serve, fault: str, status: int
) -> None:
    found = after(standing(faults=[fault]), answering(200, status, 200), 30)
    assert found == {"webhook-not-idempotent": "error"}


def test_an_error_for_a_webhook_that_is_sent_again_by_hand_is_found(standing: Serve) -> None:
    assert resent(standing(), answering(200, 500)) == {"webhook-not-idempotent": "error"}
    assert resent(standing(), answering(200, 200)) == {}


@pytest.mark.parametrize("statuses", [(200,), (500, 503, 200), (204, 200)])
def test_copies_that_are_acknowledged_and_retries_are_not_found(
    standing: Serve, statuses: tuple[int, ...]
) -> None:
    mock = standing(faults=["webhook_duplicate seconds=60 copies=3"])
    assert after(mock, answering(*statuses), 300) == {}


def calling(mock: Mock, call: Callable[[Received], object]) -> Answer:
    """Return what calls the mock, and then takes the webhook."""

    def answer(request: Received) -> Reply:
        call(request)
        return Reply()

    return answer


def test_paid_work_that_is_done_again_is_found(standing: Serve) -> None:
    mock = standing(faults=["webhook_duplicate seconds=1"])
    chained = {"prompt": "again", "image_url": "https://example.com/a.png"}
    answer = calling(mock, lambda _: mock.submit(chained, I2V_FAST))
    assert after(mock, answer) == {"webhook-not-idempotent": "error"}
    (finding,) = found(mock)
    assert finding.seen.startswith(f"{I2V_FAST} was called with the same input each time")


def test_a_direct_call_that_is_made_again_is_found(standing: Serve) -> None:
    mock = standing(faults=["webhook_duplicate seconds=1"])
    answer = calling(mock, lambda _: mock.run({"prompt": "again"}))
    assert after(mock, answer) == {"webhook-not-idempotent": "error"}


def test_paid_work_that_is_done_once_or_is_other_work_is_not_found(standing: Serve) -> None:
    mock, number, done = standing(faults=["webhook_duplicate seconds=1"]), count(), set[str]()

    def once(request: Received) -> None:
        id = request.json["request_id"]
        if id not in done:
            done.add(id)
            mock.submit({"prompt": "again"})

    assert after(mock, calling(mock, once)) == {}
    assert after(mock, calling(mock, lambda _: mock.submit({"prompt": f"{next(number)}"}))) == {}
    # The same job once more is another of whoever submits it.
    assert after(mock, calling(mock, lambda _: mock.submit(PROMPT))) == {}


def test_a_job_that_failed_and_is_submitted_again_twice_is_found(standing: Serve) -> None:
    mock = standing(faults=["webhook_duplicate seconds=1"])
    answer = calling(mock, lambda _: mock.submit(BAD))
    with receiving(answer) as receiver:
        submit(mock, receiver.url, BAD)
        go(mock, 5)
    assert codes(mock)["webhook-not-idempotent"] == "error"


def verifying(mock: Mock, *, written: bool = False, known: bool = False) -> Answer:
    """Return what verifies as fal's sample does: raw bytes, or what it has `written` anew.

    With `known` an id that it knows is answered before anything is verified.
    """
    accepts, seen = Verifier(as_the_sample).accepts, set[str]()

    def answer(request: Received) -> Reply:
        body = json.dumps(request.json).encode() if written else request.body
        id = request.json["request_id"]
        if known and id in seen:
            return Reply()
        if not accepts(mock.url + JWKS, request.headers, body, time.time()):
            return Reply(401)
        seen.add(id)
        return Reply()

    return answer


def test_probes_that_are_refused_are_not_found(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    assert after(mock, verifying(mock)) == {}


def test_probes_that_are_taken_are_found(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    # Whoever verifies nothing has no other bytes to verify.
    assert after(mock, answering(200)) == {"webhook-unverified": "error"}
    said = {one.kind.code: one.seen for one in found(mock)}
    signed = "signed with a key that isn't published"
    assert said["webhook-unverified"] == f"a webhook that was {signed} was answered 200"


def test_a_handler_that_verifies_what_it_has_written_is_found(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    assert after(mock, verifying(mock, written=True)) == {"webhook-reserialised": "error"}


def test_what_verifies_nothing_verifies_no_other_bytes_whatever_came_first(
    standing: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PROBE_FAULTS", PROBE_FAULTS[::-1])
    mock = standing(probe_webhooks=True)
    assert after(mock, answering(200)) == {"webhook-unverified": "error"}
    # Another receiver is another matter.
    assert after(mock, verifying(mock, written=True), path="/other") == {
        "webhook-unverified": "error",
        "webhook-reserialised": "error",
    }


def untried(mock: Mock) -> list[str]:
    return Report.read(mock.http.get("/__falkit/report").json()).untried


def test_receivers_that_were_sent_no_forged_copy_are_counted(standing: Serve) -> None:
    mock = standing()
    after(mock, answering(500))
    assert untried(mock) == [], "it took none"
    after(mock, answering(200), path="/a")
    after(mock, answering(200), path="/a")
    after(mock, answering(200), path="/b")
    assert untried(mock) == [f"http://127.0.0.1:*/hook/{name}" for name in "ab"]
    added = mock.http.post("/__falkit/rules", json={"rule": "webhook_tampered"})
    assert added.status_code == 201, added.text
    after(mock, answering(401, 200), path="/b")
    assert untried(mock) == ["http://127.0.0.1:*/hook/a"], "the other has been tried by a fault"
    probing = standing(probe_webhooks=True)
    after(probing, answering(200))
    assert untried(probing) == []


def test_a_handler_that_answers_known_ids_before_it_verifies_is_found(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    assert "webhook-unverified" in after(mock, verifying(mock, known=True))


def test_probes_and_their_refusals_are_no_copies(standing: Serve) -> None:
    mock = standing(probe_webhooks=True)
    assert after(mock, answering(200, 500, 302, 200)) == {}


@pytest.mark.parametrize("fault", ["tampered", "stale", "unknown_key"])
def test_a_corrupted_webhook_that_is_taken_is_found(standing: Serve, fault: str) -> None:
    mock = standing(faults=[f"webhook_{fault}"])
    assert after(mock, answering(200)) == {"webhook-unverified": "error"}
    refusing = standing(faults=[f"webhook_{fault}"])
    assert after(refusing, verifying(refusing), 30) == {}
