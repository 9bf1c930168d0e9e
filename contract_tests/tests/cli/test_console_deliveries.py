"""The console's lines about webhooks, and about callers who wait for a paused clock."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Literal

import httpx
import pytest

from falkit import create_app
from falkit_mock.cli.console import ConsoleLog, delivery_facts, delivery_text
from falkit_mock.core.events import Delivery
from serving import KEY, PROMPT, T2V, WatchedClock

NOW = 1_800_000_000.0
TAKEN = Delivery(
    id="d",
    request_id="019b76da-a801-74c7-aab7-01d3c98e3dee",
    url="http://user:secret@127.0.0.1:8000/fal",
    cause="job",
    number=1,
    sent=NOW - 1,
    seconds=0.25,
    headers={},
    body=b'{"error": "x", "payload": {"status": "OK"}, "request_id": "x", "status": "ERROR"}',
    status_code=200,
    response_headers={},
    response_body=b"never mind\n",
    error=None,
    status="acknowledged",
    next=None,
)
REFUSED = replace(TAKEN, status_code=500, status="retry", next=NOW + 7)


def test_a_line_has_the_jobs_id_its_status_and_the_faults_and_no_password() -> None:
    line = delivery_text(replace(TAKEN, number=2, faults=("duplicate", "stale")), NOW)
    assert line.partition(" ")[2] == (
        "200 HOOK http://user:***@127.0.0.1:8000/fal  250.0 ms  ERROR "
        "019b76da-a801-74c7-aab7-01d3c98e3dee  attempt 2  fault: webhook_duplicate, webhook_stale"
    )


@pytest.mark.parametrize(
    ("delivery", "why"),
    [
        (REFUSED, "attempt 1 was not taken: never mind; the next is at "),
        (replace(REFUSED, response_body=b""), "attempt 1 was not taken; the next is at "),
        (replace(REFUSED, response_body=b"\x1b[1m" + b"x" * 999), f"taken:  [1m{'x' * 96}…; "),
        (replace(REFUSED, status_code=302), "not taken: redirects aren't followed; the next"),
        (replace(REFUSED, status_code=None, error="no answer"), "not taken: no answer; the next"),
        (
            replace(REFUSED, status="failed", next=None, number=11),
            "given up after 11 attempts: never mind",
        ),
        (
            replace(REFUSED, status="failed", next=None, cause="resend", number=3),
            "not taken, and not tried again: never mind",
        ),
    ],
)
def test_a_webhook_that_was_not_accepted_says_why(delivery: Delivery, why: str) -> None:
    _, said = delivery_text(delivery, NOW).splitlines()
    assert why in said


def test_the_mocks_time_is_logged_where_it_differs() -> None:
    assert "mock's clock" not in delivery_text(TAKEN, NOW)
    assert "  at 2027-01-15T07:59:59.000Z by the mock's clock" in delivery_text(
        TAKEN, NOW, paused=True
    )
    moved = delivery_text(REFUSED, NOW + 3600)
    assert "  at 2027-01-15T07:59:59.000Z by the mock's clock\n" in moved
    assert moved.endswith("; the next is at 2027-01-15T08:00:07.000Z")


def test_an_object_has_times_of_the_mock_and_the_faults() -> None:
    facts = delivery_facts(replace(REFUSED, faults=("slow",)))
    assert facts["webhook"] == "http://user:***@127.0.0.1:8000/fal"
    times = ("2027-01-15T07:59:59.000Z", "2027-01-15T08:00:07.000Z")
    assert (facts["sent"], facts["next"]) == times
    assert (facts["status_code"], facts["status"]) == (500, "retry")
    assert (facts["job_status"], facts["faults"]) == ("ERROR", ["slow"])
    assert facts["error"] == "never mind"


class Log(ConsoleLog):
    patience = 0.0


def asked(form: Literal["text", "json"], path: str, *, running: bool = False) -> str:
    """Return what is logged of a direct call that has to wait until the clock is moved."""
    told, clock = io.StringIO(), WatchedClock()
    app = create_app(clock=clock)
    app.service.events.listen(Log(form, told, clock))

    async def ask() -> None:
        if running:
            clock.run()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://mock", headers=KEY
        ) as client:
            call: Coroutine[Any, Any, httpx.Response] = client.post(path, json=PROMPT)
            task = asyncio.ensure_future(call)
            for _ in range(200):
                await asyncio.sleep(0)
            clock.advance(60)
            assert (await task).status_code == 200
            app.service.close()

    asyncio.run(ask())
    return told.getvalue()


def test_a_caller_who_waits_for_a_paused_clock_is_logged_once() -> None:
    waits, why, done = asked("text", f"/fal.run/{T2V}").splitlines()
    assert waits.endswith(f" ... POST fal.run/{T2V}")
    assert why.endswith(
        "waits for the clock, which is paused at 2027-01-15T08:00:00.000Z; "
        "`falkit clock advance 1m` moves it"
    )
    assert f" 200 POST fal.run/{T2V}  " in done


def test_waiting_callers_are_logged_as_json() -> None:
    lines = [json.loads(line) for line in asked("json", f"/fal.run/{T2V}").splitlines()]
    waits, ended, done = lines
    assert (waits["target"], waits["waits_for"]) == (f"fal.run/{T2V}", "clock")
    assert (ended["endpoint_id"], ended["error"]) == (T2V, None)
    assert done["status"] == 200


def test_no_wait_is_logged_on_a_running_clock_or_for_instant_answers() -> None:
    assert "waits" not in asked("text", f"/fal.run/{T2V}", running=True)
    assert "waits" not in asked("text", f"/queue.fal.run/{T2V}")
