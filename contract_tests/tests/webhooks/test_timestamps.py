"""By which clock webhooks are signed, however far the mock's has been moved."""

from __future__ import annotations

import time
from itertools import count

import pytest

from client.webhooks.published import Verifier, as_the_sample
from falkit_client import errors, webhooks
from following import deliveries, go, submit
from receiver import Received, Receiver, Reply, receiving
from serving import Mock, Serve

JWKS = "/rest.fal.ai/.well-known/jwks.json"
HOUR = 3600.0


def stamps(mock: Mock) -> list[int]:
    return [int(one["request"]["headers"]["X-Fal-Webhook-Timestamp"]) for one in deliveries(mock)]


def test_a_receiver_that_verifies_takes_a_retry_two_hours_on(
    standing: Serve,
) -> None:
    mock = standing(webhook_timestamps="machine")
    turns = count()

    def answer(request: Received) -> Reply:
        if next(turns) < 10:
            return Reply(500)
        try:
            webhooks.verify(request.headers, request.body, base_url=mock.url)
        except errors.Unverified:
            return Reply(401)
        return Reply()

    with receiving(answer) as receiver:
        submit(mock, receiver.url)
        go(mock, 2 * HOUR)
        log = deliveries(mock)
    assert [one["status"] for one in log] == ["retry"] * 10 + ["acknowledged"]
    assert log[-1]["sent"] - log[0]["sent"] == pytest.approx(2 * HOUR)


def test_the_machines_clock_dates_signatures_and_the_mocks_the_log(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing(webhook_timestamps="machine")
    mock.service.webhooks.signed_at = lambda: 1_700_000_000.9
    submit(mock, receiver.url)
    go(mock, HOUR)
    assert stamps(mock) == [1_700_000_000]
    assert deliveries(mock)[0]["sent"] == 1_800_000_000.0
    (request,) = receiver.received
    accepts = Verifier(as_the_sample).accepts
    assert accepts(mock.url + JWKS, request.headers, request.body, 1_700_000_000.0)


def test_a_stale_webhook_is_stale_by_the_machines_clock(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing(webhook_timestamps="machine", faults=["webhook_stale seconds=400"])
    before = time.time()
    submit(mock, receiver.url)
    go(mock, HOUR)
    (stamp,) = stamps(mock)
    assert before - 401 <= stamp <= time.time() - 400


def test_receivers_that_live_in_the_mocks_time_get_its_timestamps(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("0,60", webhook_timestamps="mock")
    submit(mock, receiver.url)
    go(mock, HOUR)
    assert stamps(mock) == [1_800_000_060]
