"""Webhooks that come late, twice, badly or too soon, on demand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from client.webhooks.published import Verifier, as_the_sample
from falkit_mock.core.jobs import JobFaults, KeptFault
from following import deliveries, go, settled, submit
from receiver import Received, Receiver, Reply, receiving
from serving import PROMPT, T2V, Mock, Serve

JWKS = "/rest.fal.ai/.well-known/jwks.json"


def faulty(mock: Mock, url: str, *faults: str) -> dict[str, Any]:
    """Submit a job whose webhook has faults, which the request names."""
    rules = "; ".join(f"webhook_{fault}" for fault in faults)
    return submit(mock, url, headers={"x-falkit-fault": rules})


def good(mock: Mock, request: Received) -> bool:
    return Verifier(as_the_sample).accepts(
        mock.url + JWKS, request.headers, request.body, mock.clock.now()
    )


def test_a_duplicate_comes_as_often_as_asked_though_it_was_acknowledged(
    mock: Mock, receiver: Receiver
) -> None:
    job = faulty(mock, receiver.url, "duplicate copies=3")
    came = receiver.wait(3)
    assert [request.json["request_id"] for request in came] == [job["request_id"]] * 3
    log = settled(mock, 3)
    assert [one["status"] for one in log] == ["acknowledged"] * 3
    assert log[0]["faults"] == ["duplicate"]


def test_duplicates_can_come_apart(standing: Serve, receiver: Receiver) -> None:
    mock = standing()
    faulty(mock, receiver.url, "duplicate copies=3 seconds=40")
    go(mock, 100)
    sent = [one["sent"] for one in deliveries(mock)]
    assert [moment - sent[0] for moment in sent] == [0, 40, 80]


def test_a_duplicate_that_fails_is_not_tried_again(standing: Serve) -> None:
    mock = standing()
    with receiving(lambda _: Reply(500)) as receiver:
        faulty(mock, receiver.url, "duplicate")
        go(mock, 10)
        outcomes = sorted(one["status"] for one in deliveries(mock))
    assert outcomes == ["failed", "retry", "retry"]


def test_a_late_webhook_comes_its_seconds_after_the_end(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("0,5")
    faulty(mock, receiver.url, "late seconds=90")
    go(mock, 94)
    assert receiver.received == []
    go(mock, 2)
    assert deliveries(mock)[0]["sent"] == pytest.approx(1_800_000_095.0)


def test_a_webhook_out_of_order_is_overtaken_by_the_next(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("0,5", concurrency=0, runners=9)
    first = faulty(mock, receiver.url, "out_of_order seconds=600")
    go(mock, 60)
    assert receiver.received == []
    second = submit(mock, receiver.url)
    go(mock, 10)
    came = [request.json["request_id"] for request in receiver.received]
    assert came == [second["request_id"], first["request_id"]]


def test_a_webhook_out_of_order_with_none_behind_it_comes_in_the_end(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing()
    faulty(mock, receiver.url, "out_of_order seconds=30")
    go(mock, 29)
    assert receiver.received == []
    go(mock, 2)
    assert len(receiver.received) == 1


def test_two_webhooks_out_of_order_change_places(standing: Serve, receiver: Receiver) -> None:
    mock = standing("0,5", runners=1)
    fault = "out_of_order"
    jobs = [faulty(mock, receiver.url, fault)["request_id"] for _ in range(2)]
    go(mock, 30)
    assert [request.json["request_id"] for request in receiver.received] == jobs[::-1]


def test_a_lost_webhook_never_comes_and_the_log_says_so(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("0,5", faults=["webhook_lost times=1"])
    lost, other = submit(mock, receiver.url), submit(mock, receiver.url)
    go(mock, 4)
    assert deliveries(mock) == []
    go(mock, 24 * 3600)
    assert [request.json["request_id"] for request in receiver.received] == [other["request_id"]]
    (log,) = deliveries(mock, status="lost")
    assert (log["request_id"], log["number"], log["next"]) == (lost["request_id"], 0, None)
    assert log["sent"] == 1_800_000_005.0
    assert (log["faults"], log["response"]) == (["lost"], None)
    assert log["error"] == "nothing was sent, by the fault webhook_lost"
    assert mock.http.get("/__falkit/webhooks").json()["waiting"] == 0
    for path in (f"jobs/{lost['request_id']}", f"deliveries/{log['id']}"):
        again = mock.http.post(f"/__falkit/{path}/resend").json()
        assert again["status"] == "acknowledged"
    assert len(receiver.received) == 3


def test_a_lost_webhook_does_not_come_after_an_import(standing: Serve, receiver: Receiver) -> None:
    old, new = standing(), standing()
    faulty(old, receiver.url, "lost", "before_reply")
    (log,) = settled(old)
    new.http.put(
        "/__falkit/state",
        content=old.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content,
    )
    go(new, 24 * 3600)
    assert receiver.received == []
    assert deliveries(new) == [log]


def test_a_webhook_before_the_reply_comes_first(serve: Serve) -> None:
    mock = serve("1,60")
    order: list[str] = []

    def answer(request: Received) -> Reply:
        order.append("webhook")
        return Reply()

    with receiving(answer) as receiver:
        job = faulty(mock, receiver.url, "before_reply")
        order.append("reply")
        assert receiver.received[0].json["request_id"] == job["request_id"]
    assert order == ["webhook", "reply"]
    assert len(settled(mock)) == 1
    assert mock.status(job)["status"] == "COMPLETED"


def test_a_tampered_webhook_does_not_verify_and_its_retry_does(
    standing: Serve,
) -> None:
    mock = standing()

    with receiving(lambda request: Reply(200 if good(mock, request) else 401)) as receiver:
        faulty(mock, receiver.url, "tampered")
        go(mock, 30)
        first, second = receiver.received
    assert first.json == {**second.json, "tampered": True}
    assert [one["status"] for one in deliveries(mock)] == ["retry", "acknowledged"]
    assert [one["faults"] for one in deliveries(mock)] == [["tampered"], []]


def test_a_stale_webhook_is_signed_for_an_earlier_moment(mock: Mock, receiver: Receiver) -> None:
    faulty(mock, receiver.url, "stale seconds=400")
    (request,) = receiver.wait()
    age = mock.clock.now() - int(request.headers["x-fal-webhook-timestamp"])
    assert 399 <= age < 410
    assert not good(mock, request)
    then = mock.clock.now() - 400
    verifier = Verifier(as_the_sample)
    assert verifier.accepts(mock.url + JWKS, request.headers, request.body, then)


def test_a_webhook_with_an_unknown_key_verifies_by_no_published_key(
    standing: Serve,
) -> None:
    mock = standing()
    with receiving(lambda request: Reply(200 if good(mock, request) else 401)) as receiver:
        faulty(mock, receiver.url, "unknown_key attempts=2")
        go(mock, 30)
    assert [one["status"] for one in deliveries(mock)] == ["retry", "retry", "acknowledged"]


def test_a_slow_webhooks_acknowledgement_does_not_count(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing()
    faulty(mock, receiver.url, "slow")
    go(mock, 60)
    log = deliveries(mock)
    assert [one["status"] for one in log] == ["retry", "acknowledged"]
    assert log[0]["response"]["status_code"] == 200
    assert "counted as no answer within 15 s" in log[0]["error"]
    assert log[1]["sent"] - log[0]["sent"] == 15


def test_faults_add_up(standing: Serve, receiver: Receiver) -> None:
    mock = standing()
    faulty(
        mock,
        receiver.url,
        "late seconds=5",
        "duplicate",
        "stale seconds=1000",
    )
    go(mock, 6)
    log = deliveries(mock)
    assert [one["faults"] for one in log] == [["late", "duplicate", "stale"]] * 2
    assert log[0]["sent"] == 1_800_000_005.0


def test_without_a_webhook_a_fault_does_nothing(mock: Mock) -> None:
    mock.submit(PROMPT, T2V)
    assert deliveries(mock) == []


def test_the_faults_kept_with_a_job_are_read_back() -> None:
    late = KeptFault("late", {"seconds": 60.0})
    stuck = KeptFault("stuck", {"seconds": math.inf})
    faults = JobFaults(("x",), "raw_error", "r1", queue=stuck, webhook={"late": late})
    assert JobFaults.from_json(faults.to_json()) == faults
    assert JobFaults.from_json({"webhook": ["x", {"name": 1}], "named": 3}) == JobFaults()
