"""The lines of the log: jobs that failed, hints that come again, and what programs read."""

from __future__ import annotations

import io
import json
import logging
import re
from dataclasses import replace

import pytest

from falkit_mock.cli.console import ConsoleLog, Format, job_failure, log_errors
from falkit_mock.core.events import (
    Delivery,
    DeliveryAttempted,
    Event,
    HostContacted,
    JobChanged,
    JobError,
    RequestAnswered,
    RequestRecord,
)
from serving import T2V

WRONG = JobError(422, "literal_error", "duration", "Input should be 6, 8 or 10")
FAILED = JobChanged("ended", "019b", T2V, "alice", 1_800_000_000.0, error=WRONG)
ANSWERED = RequestRecord(
    0.0, "POST", "fal.run", f"/{T2V}", "alice", "127.0.0.1:5", fal=True, status=200, ms=1.0
)
REFUSED = Delivery(
    id="d",
    request_id="019b",
    url="http://127.0.0.1:8000/fal",
    cause="job",
    number=1,
    sent=0.0,
    seconds=0.0,
    headers={},
    body=b"{}",
    status_code=500,
    response_headers={},
    response_body=b"",
    error=None,
    status="retry",
    next=7.0,
)


def log(*events: Event, form: Format = "text", failures_only: bool = False) -> list[str]:
    """Return the lines that are written of events, without their times."""
    told = io.StringIO()
    listener = ConsoleLog(form, told, failures_only=failures_only)
    for event in events:
        listener(event)
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in told.getvalue().splitlines()]


def test_a_failed_job_is_logged_with_its_id_field_and_message() -> None:
    assert log(FAILED) == [
        f"422 JOB  {T2V}  failed  019b",
        "         duration: Input should be 6, 8 or 10",
    ]


def test_jobs_that_did_not_fail_have_no_line() -> None:
    cancelled = replace(FAILED, cancelled=True)
    accepted = replace(FAILED, change="accepted", error=None)
    assert log(cancelled, accepted, replace(FAILED, error=None)) == []


def test_a_message_cannot_forge_a_line() -> None:
    forged = WRONG._replace(message="a\n12:00:00 200 GET  \x1b[2Jx")
    assert job_failure(forged) == "duration: a 12:00:00 200 GET   [2Jx"
    assert len(log(replace(FAILED, error=forged, endpoint_id="a\nb"))) == 2


def test_a_hint_that_comes_again_is_shortened() -> None:
    hint = "duration: the document lists integers, so send 8 without quotes; " + "x" * 160
    first, whole, second, short = log(*[RequestAnswered(replace(ANSWERED, hint=hint))] * 2)
    assert first == second
    assert whole == f"         hint: {hint}"
    assert short == f"         hint: {hint[:160]}… (as above)"


def test_hints_that_are_remembered_have_a_bound() -> None:
    hints = [f"{number} {'x' * 200}" for number in range(200)]
    every = [RequestAnswered(replace(ANSWERED, hint=hint)) for hint in (*hints, hints[0])]
    assert log(*every)[-1].endswith(hints[0])


def test_failures_alone_are_logged_once_each() -> None:
    delivery = DeliveryAttempted(REFUSED)
    taken = DeliveryAttempted(replace(REFUSED, status="acknowledged", next=None))
    left = HostContacted("example.com", 443, 0.0, allowed=True)
    quiet: list[Event] = [RequestAnswered(replace(ANSWERED, status=500)), taken, left]
    lines = log(*quiet, FAILED, FAILED, delivery, delivery, failures_only=True)
    assert [line.partition("  ")[0] for line in lines if line[0] != " "] == [
        "422 JOB",
        "500 HOOK http://127.0.0.1:8000/fal",
    ]


def test_the_end_of_each_job_is_logged_as_json() -> None:
    done = replace(FAILED, error=None)
    failed, succeeded = (json.loads(line) for line in log(FAILED, done, form="json"))
    assert failed.pop("time").endswith("Z")
    assert failed == {
        "level": "warning",
        "event": "job_ended",
        "request_id": "019b",
        "endpoint_id": T2V,
        "key": "alice",
        "cancelled": False,
        "error": {
            "status_code": 422,
            "error_type": "literal_error",
            "field": "duration",
            "message": "Input should be 6, 8 or 10",
        },
        "ended": "2027-01-15T08:00:00.000Z",
    }
    assert (succeeded["level"], succeeded["error"]) == ("info", None)


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({}, "info"),
        ({"status": 422}, "warning"),
        ({"status": 0}, "warning"),
        ({"cut": True}, "warning"),
        ({"status": 400, "early": True}, "info"),
        ({"status": 503}, "error"),
    ],
    ids=str,
)
def test_a_request_has_a_level_and_its_caller(changed: dict[str, int | bool], level: str) -> None:
    record = replace(ANSWERED)
    for name, value in changed.items():
        setattr(record, name, value)
    line = json.loads(log(RequestAnswered(record), form="json")[0])
    assert line["level"] == level
    assert (line["key"], line["client"]) == ("alice", "127.0.0.1:5")


def test_falkits_own_errors_are_json_where_the_log_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("falkit_mock")
    before = [*logger.handlers]
    try:
        log_errors()
        try:
            raise RuntimeError("no more\nfiles")
        except RuntimeError:
            logger.exception("it failed")
        line = json.loads(capsys.readouterr().err)
    finally:
        logger.handlers[:] = before
    assert line["level"] == "error"
    assert line["message"].startswith("it failed\nTraceback")
