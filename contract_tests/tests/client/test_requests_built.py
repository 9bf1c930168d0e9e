"""What goes out on the wire, request by request."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import respx

from falkit_client import Budget, Client, InProgress, Queued, Result, errors

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}
JOB = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"
VIDEO = {"video": {"url": "https://v3b.fal.media/files/b/0/out.mp4"}}

Do = Callable[..., Any]


def test_run_posts_the_bare_input_to_the_full_id(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"https://fal.run/{FAST}").respond(json=VIDEO)
    do("run", FAST, INPUT)
    sent = route.calls.last.request
    assert json.loads(sent.content) == INPUT
    assert sent.headers["authorization"] == "Key id:secret"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept"] == "application/json"


def test_run_waits_for_its_answer_without_limit(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"https://fal.run/{FAST}").respond(json=VIDEO)
    do("run", FAST, INPUT)
    assert route.calls.last.request.extensions["timeout"]["read"] is None
    assert route.calls.last.request.extensions["timeout"]["connect"] == 10


def test_run_gives_output_request_id_and_units(do: Do, respx_mock: respx.MockRouter) -> None:
    headers = {"x-fal-request-id": "r7", "x-fal-billable-units": "6.0"}
    respx_mock.post(f"https://fal.run/{FAST}").respond(json=VIDEO, headers=headers)
    result = do("run", FAST, INPUT)
    assert result == Result(VIDEO, FAST, "r7", Decimal("6.0"), cost=Decimal("0.24"))


def test_submit_says_its_options_in_headers_and_query(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    do(
        "submit",
        FAST,
        INPUT,
        webhook_url="https://example.com/hook?a=1",
        max_queue_length=5,
        priority="low",
        start_timeout=30,
        runner_hint="warm",
        headers={"X-Fal-Store-IO": "0"},
    )
    sent = route.calls.last.request
    assert (
        sent.url.query
        == b"fal_webhook=https%3A%2F%2Fexample.com%2Fhook%3Fa%3D1&fal_max_queue_length=5"
    )
    assert sent.headers["x-fal-queue-priority"] == "low"
    assert sent.headers["x-fal-request-start-timeout"] == "30.0"
    assert sent.headers["x-fal-runner-hint"] == "warm"
    assert sent.headers["x-fal-store-io"] == "0"


def test_plain_submit_has_no_query_and_no_fal_header(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    do("submit", FAST, INPUT)
    sent = route.calls.last.request
    assert sent.url.query == b""
    assert [name for name in sent.headers if name.startswith("x-fal")] == []


@pytest.mark.parametrize(("logs", "query"), [(False, b"logs=0"), (True, b"logs=1")])
def test_status_asks_at_the_short_form(
    do: Do, respx_mock: respx.MockRouter, logs: bool, query: bytes
) -> None:
    body = {"status": "IN_QUEUE", "request_id": "r1", "queue_position": 2, "logs": None}
    route = respx_mock.get(f"{JOB}/status").respond(202, json=body)
    assert do("status", FAST, "r1", logs=logs) == Queued("r1", 2)
    assert route.calls.last.request.url.query == query


def test_in_progress_is_read_with_its_logs(do: Do, respx_mock: respx.MockRouter) -> None:
    line = {"message": "1/8", "timestamp": "2026-01-01T00:00:00", "level": "INFO", "source": "USER"}
    body = {"status": "IN_PROGRESS", "request_id": "r1", "logs": [line]}
    respx_mock.get(f"{JOB}/status").respond(202, json=body)
    status = do("status", FAST, "r1", logs=True)
    assert isinstance(status, InProgress)
    assert (status.logs[0].message, status.logs[0].level) == ("1/8", "INFO")


def test_result_is_asked_at_the_short_form(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(JOB).respond(json=VIDEO, headers={"x-fal-request-id": "r1"})
    assert do("result", FAST, "r1").output == VIDEO


def test_cancel_puts_an_empty_body(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.put(f"{JOB}/cancel").respond(202, json={"status": "CANCELLATION_REQUESTED"})
    assert do("cancel", FAST, "r1") is True
    assert route.calls.last.request.headers["content-length"] == "0"
    assert route.calls.last.request.headers["authorization"] == "Key id:secret"


def test_cancelling_a_finished_job_is_not_an_error(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.put(f"{JOB}/cancel").respond(400, json={"status": "ALREADY_COMPLETED"})
    assert do("cancel", FAST, "r1") is False


def test_cancelling_an_unknown_job_is_not_found(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.put(f"{JOB}/cancel").respond(404, json={"status": "NOT_FOUND"})
    with pytest.raises(errors.NotFound) as caught:
        do("cancel", FAST, "r1")
    assert caught.value.detail == "NOT_FOUND"
    assert caught.value.request_id == "r1"


def test_namespaces_keep_three_segments(do: Do, respx_mock: respx.MockRouter) -> None:
    body = {"status": "IN_PROGRESS", "request_id": "r1", "logs": None}
    respx_mock.get("https://queue.fal.run/workflows/o/a/requests/r1/status").respond(202, json=body)
    assert do("status", "workflows/o/a/deep/path", "r1") == InProgress("r1")


def test_base_url_goes_before_the_real_host(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(f"http://127.0.0.1:4325/fal.run/{FAST}").respond(json=VIDEO)
    do("run", FAST, INPUT, settings={"base_url": "http://127.0.0.1:4325/"})
    assert route.called


def test_base_url_comes_from_the_environment(
    do: Do, respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALKIT_BASE_URL", "http://127.0.0.1:4325")
    route = respx_mock.post(f"http://127.0.0.1:4325/fal.run/{FAST}").respond(json=VIDEO)
    do("run", FAST, INPUT)
    assert route.called


@pytest.mark.parametrize(
    "base", ["127.0.0.1:4325", "ftp://a", "http://", "http://a/?b", "http://u:p@a"]
)
def test_a_malformed_base_url_is_named(do: Do, base: str) -> None:
    with pytest.raises(ValueError, match="give an http or https URL"):
        do("run", FAST, INPUT, settings={"base_url": base})


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"FAL_KEY": "a:b", "FAL_KEY_ID": "c", "FAL_KEY_SECRET": "d"}, "Key a:b"),
        ({"FAL_KEY_ID": "c", "FAL_KEY_SECRET": "d"}, "Key c:d"),
    ],
)
def test_key_comes_from_the_environment(
    do: Do,
    respx_mock: respx.MockRouter,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    sent: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    route = respx_mock.post(f"https://fal.run/{FAST}").respond(json=VIDEO)
    do("run", FAST, INPUT, settings={"key": None})
    assert route.calls.last.request.headers["authorization"] == sent


def test_without_a_key_nothing_is_sent_to_fal(do: Do, respx_mock: respx.MockRouter) -> None:
    with pytest.raises(errors.MissingKey, match="FAL_KEY"):
        do("run", FAST, INPUT, settings={"key": None})
    assert not respx_mock.calls


def test_without_a_key_a_stand_in_is_asked_all_the_same(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(f"http://mock/fal.run/{FAST}").respond(401, json={"detail": "no"})
    with pytest.raises(errors.Unauthorized):
        do("run", FAST, INPUT, settings={"key": None, "base_url": "http://mock"})
    assert "authorization" not in route.calls.last.request.headers


@pytest.mark.parametrize("key", ["a:b\n", " a:b", "a:ü", "a:b\r\nX: y"])
def test_a_key_that_no_header_carries_is_refused_unseen(do: Do, key: str) -> None:
    with pytest.raises(ValueError, match="header cannot carry") as caught:
        do("run", FAST, INPUT, settings={"key": key})
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start_timeout": 0.5}, "more than 1 second"),
        ({"priority": "high"}, "'normal' or 'low'"),
        ({"headers": {"authorization": "Key x"}}, "give the key to the client"),
    ],
)
def test_options_that_fal_ignores_or_refuses_are_named(
    do: Do, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        do("submit", FAST, INPUT, **options)


def test_an_option_that_does_not_exist_is_a_type_error(do: Do) -> None:
    with pytest.raises(TypeError, match="webhook"):
        do("submit", FAST, INPUT, webhook="https://example.com")


@pytest.mark.parametrize("request_id", ["", "..", "/", " "])
def test_a_malformed_request_id_is_named(do: Do, request_id: str) -> None:
    with pytest.raises(ValueError, match="request_id"):
        do("status", FAST, request_id)


def test_a_request_id_cannot_leave_its_path(do: Do, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(url__startswith="https://queue.fal.run/").respond(404)
    with pytest.raises(errors.NotFound):
        do("status", FAST, "../../x?y")
    assert b"requests/..%2F..%2Fx%3Fy/status" in route.calls.last.request.url.raw_path


@pytest.mark.parametrize("said", ["many", ""])
def test_units_that_are_not_a_number_are_unknown(
    do: Do, respx_mock: respx.MockRouter, said: str
) -> None:
    headers = {"x-fal-billable-units": said}
    respx_mock.get(JOB).respond(json=VIDEO, headers=headers)
    assert do("result", FAST, "r1").billable_units is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"runner_hint": "caf\u00e9"}, "X-Fal-Runner-Hint"),
        ({"runner_hint": "a\r\nx-evil: 1"}, "X-Fal-Runner-Hint"),
        ({"headers": {"x bad": "1"}}, "'x bad'"),
        ({"headers": {"x-tags": " led"}}, "x-tags"),
        ({"webhook_url": "https://example.com/\ud800"}, "webhook_url"),
    ],
)
def test_unsendable_options_are_refused_before_money_is_held(
    options: dict[str, Any], says: str
) -> None:
    budget = Budget("5")
    with Client(key="id:secret", budget=budget) as client, pytest.raises(ValueError, match=says):
        client.submit("fal-ai/ltx-2/text-to-video", {"prompt": "x"}, **options)
    assert budget.held == 0
