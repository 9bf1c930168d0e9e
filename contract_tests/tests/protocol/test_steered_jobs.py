"""Sequences that the state machine once found wrong, each as a plain test."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Any

import pytest

from falkit import Settings, create_app
from protocol.asgi import Driver, WatchedClock
from protocol.base import FIRST, headers_of
from protocol.receiver import FRIENDLY, SILENT, URLS, Receiver

BODY = json.dumps(FIRST.example_input()).encode()
FAILURE = json.dumps({"fault": "runner_disconnected"}).encode()


@pytest.fixture
def serve() -> Generator[Callable[[str], Driver]]:
    """Make a mock with a timing, in this process."""
    drivers: list[Driver] = []

    def make(timing: str) -> Driver:
        settings = Settings(timing=timing, log_window=50, seed=1)
        clock = WatchedClock()
        drivers.append(Driver(create_app(settings, clock=clock), clock))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.close()


def submitted(driver: Driver, query: str = "", **headers: str) -> str:
    """Submit the example and return its id."""
    path = f"/queue.fal.run/{FIRST.id}{query}"
    reply = driver.call("POST", path, BODY, headers_of(more=headers)).json()
    return str(reply["request_id"])


def status(driver: Driver, job: str) -> dict[str, Any]:
    path = f"/queue.fal.run/{FIRST.app}/requests/{job}/status?logs=1"
    body: dict[str, Any] = driver.call("GET", path, headers=headers_of()).json()
    return body


def steer(driver: Driver, job: str, how: str, body: bytes = b"") -> None:
    assert driver.call("POST", f"/__falkit/jobs/{job}/{how}", body).status_code == 200


@pytest.mark.parametrize(
    ("how", "body"),
    [("complete", b""), ("fail", FAILURE), ("hold", b""), ("release?to=COMPLETED", b"")],
)
@pytest.mark.parametrize("timing", ["0,10", "held"])
def test_log_lines_that_were_shown_stay_whatever_a_test_does_to_the_job(
    serve: Callable[[str], Driver], timing: str, how: str, body: bytes
) -> None:
    driver = serve(timing)
    job = submitted(driver)
    steer(driver, job, "release?to=IN_PROGRESS")
    driver.move_to(driver.clock.now() + 7)
    before = status(driver, job)["logs"]
    assert len(before) > 5
    steer(driver, job, how, body)
    assert status(driver, job)["logs"][: len(before)] == before
    driver.move_to(driver.clock.now() + 60)
    assert status(driver, job)["logs"][: len(before)] == before


def test_a_job_that_fails_long_after_its_run_keeps_its_log_lines(
    serve: Callable[[str], Driver],
) -> None:
    driver = serve("0,3")
    job = submitted(driver)
    steer(driver, job, "hold")
    driver.move_to(driver.clock.now() + 60)
    whole = status(driver, job)["logs"]
    steer(driver, job, "fail", FAILURE)
    assert status(driver, job)["logs"] == whole


def test_a_job_that_fails_while_it_waits_prints_nothing(serve: Callable[[str], Driver]) -> None:
    driver = serve("5,10")
    job = submitted(driver)
    steer(driver, job, "fail", FAILURE)
    assert status(driver, job)["logs"] == []


def test_a_job_that_was_given_up_stays_ended(serve: Callable[[str], Driver]) -> None:
    driver = serve("held")
    job = submitted(driver, **{"x-fal-request-timeout": "5"})
    driver.move_to(driver.clock.now() + 5)
    ended = status(driver, job)
    assert (ended["status"], ended["error_type"]) == ("COMPLETED", "request_timeout")
    steer(driver, job, "release?to=COMPLETED")
    assert status(driver, job) == ended


def test_no_retry_follows_an_acknowledged_resend_even_with_an_attempt_under_way(
    serve: Callable[[str], Driver],
) -> None:
    driver = serve("instant")
    receiver = Receiver(driver.clock, {URLS[0]: SILENT})
    driver.service.webhooks.receivers.sender = receiver
    job = submitted(driver, f"?fal_webhook={URLS[0]}")
    receiver.moods[URLS[0]] = FRIENDLY
    steer(driver, job, "resend")
    driver.move_to(driver.clock.now() + 7200)
    assert [arrival.mood for arrival in receiver.arrivals] == [SILENT, FRIENDLY]
    log = driver.call("GET", "/__falkit/deliveries").json()["deliveries"]
    assert [(entry["status"], entry["next"]) for entry in log] == [
        ("acknowledged", None),
        ("failed", None),
    ]


def test_a_job_without_a_run_prints_all_at_its_end(serve: Callable[[str], Driver]) -> None:
    driver = serve("2,0")
    job = submitted(driver)
    steer(driver, job, "hold")
    steer(driver, job, "release?to=IN_PROGRESS")
    assert status(driver, job)["logs"] == []
    steer(driver, job, "fail", FAILURE)
    assert status(driver, job)["logs"] == []
