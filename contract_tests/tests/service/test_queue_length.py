"""fal_max_queue_length: rather no place than one in a long queue."""

from __future__ import annotations

import pytest

from serving import PROMPT, T2V, Serve

SUBMIT = f"/queue.fal.run/{T2V}"


@pytest.mark.parametrize(("most", "code"), [(0, 429), (1, 429), (2, 200), (999, 200)])
def test_a_queue_that_is_longer_is_429(timed: Serve, most: int, code: int) -> None:
    mock = timed("0,10", concurrency=1)
    for _ in range(3):
        mock.submit()
    reply = mock.http.post(f"{SUBMIT}?fal_max_queue_length={most}", json=PROMPT)
    assert reply.status_code == code
    assert len(mock.jobs()) == (4 if code == 200 else 3)
    if code == 429:
        hint = f"2 wait for {T2V}, more than fal_max_queue_length={most}"
        assert reply.headers["x-falkit-hint"] == hint
        assert reply.json() == {"detail": "Queue is too long"}


def test_the_jobs_of_every_key_are_counted(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1, runners=1)
    for key in ("one:x", "two:x", "three:x"):
        mock.submit(headers={"authorization": f"Key {key}"})
    for most, code in ((1, 429), (2, 200)):
        reply = mock.http.post(f"{SUBMIT}?fal_max_queue_length={most}", json=PROMPT)
        assert reply.status_code == code


def test_running_jobs_and_other_queues_are_not_counted(timed: Serve) -> None:
    mock = timed("0,10", concurrency=1)
    mock.submit()
    mock.submit(endpoint=f"{T2V}/fast")
    reply = mock.http.post(f"{SUBMIT}?fal_max_queue_length=0", json=PROMPT)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("many", "int_parsing"),
        ("", "int_parsing"),
        ("1.5", "int_parsing"),
        ("-1", "greater_than_equal"),
        ("9" * 5000, "int_parsing"),
    ],
)
def test_a_malformed_queue_length_is_refused(timed: Serve, value: str, kind: str) -> None:
    mock = timed("instant")
    reply = mock.http.post(SUBMIT, params={"fal_max_queue_length": value}, json=PROMPT)
    assert reply.status_code == 422
    (item,) = reply.json()["detail"]
    assert (item["type"], item["loc"]) == (kind, ["query", "fal_max_queue_length"])


def test_headers_that_only_a_real_service_heeds_are_taken(timed: Serve) -> None:
    mock = timed("instant")
    headers = {"x-fal-runner-hint": "session", "x-fal-no-retry": "yes", "x-fal-store-io": "1"}
    options = mock.job(mock.submit(headers=headers))["options"]
    assert (options["retry"], options["keep_payloads"]) == (False, True)


@pytest.mark.parametrize(
    ("value", "retry"),
    [("1", False), ("true", False), ("yes", False), ("TRUE", True), ("0", True), ("", True)],
)
def test_retries_are_given_up_in_each_of_the_spellings(
    timed: Serve, value: str, retry: bool
) -> None:
    mock = timed("instant")
    reply = mock.http.post(SUBMIT, json=PROMPT, headers={"x-fal-no-retry": value})
    assert mock.job(reply.json())["options"]["retry"] is retry
    assert ("isn't 1 or true or yes" in reply.headers.get("x-falkit-hint", "")) == (value == "TRUE")
