"""When webhooks are sent again: at the documented moments, on the mock's clock."""

from __future__ import annotations

from itertools import pairwise

import pytest

from falkit_mock.webhooks import SCHEDULES, Schedule
from following import deliveries, go, settled, submit
from receiver import Receiver, Reply, receiving
from serving import Serve

HOUR = 3600.0
OLDER, NEWEST = SCHEDULES["two-hours"], SCHEDULES["until-expiry"]
LATE_IN_THE_DAY = [7.0, 21.1, 49.3, 105.6, 218.2, 443.4, 893.8, 1794.7, 3596.5, 7200.0]


def test_a_receiver_that_fails_for_an_hour_is_delivered_to_once_it_answers(
    standing: Serve,
) -> None:
    mock = standing()
    start = mock.clock.now()

    def answer(_: object) -> Reply:
        return Reply(503 if mock.clock.now() < start + HOUR else 200)

    with receiving(answer) as receiver:
        submit(mock, receiver.url)
        receiver.wait()
        go(mock, 2 * HOUR + 60)
        log = deliveries(mock)
    assert [round(one["sent"] - start, 1) for one in log] == [0.0, *LATE_IN_THE_DAY]
    assert [one["status"] for one in log] == ["retry"] * 10 + ["acknowledged"]
    assert [one["number"] for one in log] == list(range(1, 12))
    for before, after in pairwise(log):
        assert before["next"] == after["sent"]
    assert len({one["request"]["body"] for one in log}) == 1, "the same body each time"
    stamps = {one["request"]["headers"]["X-Fal-Webhook-Timestamp"] for one in log}
    assert len(stamps) == 11, "each attempt is signed for its own moment"


def test_after_ten_retries_in_two_hours_it_is_given_up(standing: Serve) -> None:
    mock = standing()
    with receiving(lambda _: Reply(500)) as receiver:
        submit(mock, receiver.url)
        receiver.wait()
        go(mock, 24 * HOUR)
        log = deliveries(mock)
    assert len(log) == len(receiver.received) == 11
    assert (log[-1]["status"], log[-1]["next"]) == ("failed", None)
    assert log[-1]["sent"] - log[0]["sent"] == pytest.approx(2 * HOUR)
    assert mock.http.get("/__falkit/webhooks").json()["waiting"] == 0


def test_the_newest_schedule_makes_31_attempts_within_the_hour(
    standing: Serve,
) -> None:
    mock = standing(webhook_schedule="until-expiry")
    with receiving(lambda _: Reply(500)) as receiver:
        submit(mock, receiver.url)
        receiver.wait()
        go(mock, 2 * HOUR)
        log = deliveries(mock)
    assert len(log) == 31
    moments = [round(one["sent"] - log[0]["sent"], 3) for one in log]
    assert moments[:10] == [0, 1, 3, 7, 15, 31, 63, 127, 255, 405]
    assert moments[-1] == 3555


def test_the_newest_schedule_ends_with_a_large_result(standing: Serve) -> None:
    mock = standing("held", webhook_schedule="until-expiry")
    with receiving(lambda _: Reply(500)) as receiver:
        job = submit(mock, receiver.url)
        output = {"output": {"text": "x" * 10_240}}
        mock.http.post(f"/__falkit/jobs/{job['request_id']}/complete", json=output)
        receiver.wait()
        go(mock, HOUR)
        log = deliveries(mock)
    assert [round(one["sent"] - log[0]["sent"]) for one in log][-1] == 255
    assert log[-1]["status"] == "failed"


def test_the_observed_schedule_is_what_a_receiver_that_answered_400_saw(standing: Serve) -> None:
    """wire.md §5.3: six more within ten minutes, 60 to 120 s apart."""
    mock = standing(webhook_schedule="observed")
    with receiving(lambda _: Reply(400)) as receiver:
        submit(mock, receiver.url)
        receiver.wait()
        go(mock, 2 * HOUR)
        log = deliveries(mock)
    assert [one["status"] for one in log] == ["retry"] * 6 + ["failed"]
    pauses = [after["sent"] - before["sent"] for before, after in pairwise(log)]
    assert min(pauses) == 60
    assert max(pauses) <= 120
    assert sum(pauses) == 540


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_an_acknowledgement(status: int) -> None:
    for schedule in SCHEDULES.values():
        decided = schedule.decide(1, status, first=0.0, now=0.0, gone=1e9, once=False)
        assert decided == ("acknowledged", None)


@pytest.mark.parametrize(
    ("schedule", "outcome"), [("two-hours", "retry"), ("until-expiry", "failed")]
)
def test_a_redirect_is_not_followed(
    serve: Serve, receiver: Receiver, schedule: str, outcome: str
) -> None:
    mock = serve(webhook_schedule=schedule)
    with receiving(lambda _: Reply(307, {"location": receiver.url})) as redirecting:
        submit(mock, redirecting.url)
        (log,) = settled(mock)
    assert (log["status"], log["response"]["status_code"]) == (outcome, 307)
    assert receiver.received == []


def test_a_receiver_that_says_nothing_is_given_15_seconds_of_the_clock(
    standing: Serve, silent: str
) -> None:
    mock = standing()
    submit(mock, silent)
    go(mock, 14)
    assert deliveries(mock) == []
    go(mock, 2)
    (log,) = deliveries(mock)
    assert (log["error"], log["status"]) == ("no answer within 15 s", "retry")
    assert log["next"] == log["sent"] + 15, "its moment at 7 s had passed by then"


def test_a_retry_of_the_newest_schedule_is_given_120_seconds(standing: Serve, silent: str) -> None:
    mock = standing(webhook_schedule="until-expiry")
    submit(mock, silent)
    go(mock, 15 + 119)
    assert len(deliveries(mock)) == 1
    go(mock, 1)
    assert [one["error"] for one in deliveries(mock)] == [
        "no answer within 15 s",
        "no answer within 120 s",
    ]


def again(
    schedule: Schedule, number: int, *, first: float, now: float, gone: float
) -> float | None:
    """Return when an attempt is followed by another, after an answer of 500."""
    return schedule.decide(number, 500, first=first, now=now, gone=gone, once=False)[1]


def test_an_attempt_that_outlasts_its_pause_is_followed_at_once() -> None:
    assert again(OLDER, 1, first=100.0, now=115.0, gone=1e9) == 115.0
    assert again(OLDER, 2, first=100.0, now=130.0, gone=1e9) == 130.0
    assert again(OLDER, 3, first=100.0, now=145.0, gone=1e9) == pytest.approx(149.3, abs=0.1)


def test_the_older_schedule_outlasts_the_result() -> None:
    assert again(OLDER, 10, first=0.0, now=3700.0, gone=3600.0) == pytest.approx(7200.0)
    assert again(OLDER, 11, first=0.0, now=7200.0, gone=3600.0) is None
    assert again(NEWEST, 30, first=0.0, now=3406.0, gone=3500.0) is None
