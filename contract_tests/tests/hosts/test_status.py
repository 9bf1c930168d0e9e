"""Status: what the queue tells of a job at each moment (wire.md §3.2)."""

from __future__ import annotations

from datetime import datetime

import pytest

from serving import PROMPT, T2V, Mock, Serve

URLS = ["response_url", "status_url", "cancel_url"]


def _code(mock: Mock, job: dict[str, str]) -> int:
    return mock.http.get(job["status_url"]).status_code


def test_the_status_code_is_202_until_the_end_and_200_from_then_on(slow: Mock) -> None:
    job = slow.submit()
    seen = [(slow.status(job)["status"], _code(slow, job))]
    for seconds in (1, 9.9, 0.1, 3599):
        slow.advance(seconds)
        seen.append((slow.status(job)["status"], _code(slow, job)))
    assert seen == [
        ("IN_QUEUE", 202),
        ("IN_PROGRESS", 202),
        ("IN_PROGRESS", 202),
        ("COMPLETED", 200),
        ("COMPLETED", 200),
    ]


def test_each_status_has_exactly_its_fields(slow: Mock) -> None:
    job = slow.submit()
    base = {name: job[name] for name in ("request_id", *URLS)}
    queued = slow.status(job)
    assert queued == {**base, "status": "IN_QUEUE", "logs": None, "metrics": {}} | {
        "queue_position": 0
    }
    slow.advance(1)
    running = slow.status(job)
    assert running == {**base, "status": "IN_PROGRESS", "logs": None, "metrics": {}}
    slow.advance(10)
    done = slow.status(job)
    assert done == {
        **base,
        "status": "COMPLETED",
        "logs": None,
        "metrics": {"inference_time": 10.0},
    }


def test_request_id_header_is_the_jobs(slow: Mock) -> None:
    job = slow.submit()
    reply = slow.http.get(job["status_url"])
    assert reply.headers["x-fal-request-id"] == job["request_id"]


@pytest.mark.parametrize("spelling", ["1", "true"])
def test_logs_come_in_each_spelling_that_clients_have(slow: Mock, spelling: str) -> None:
    job = slow.submit()
    slow.advance(5)
    assert isinstance(slow.status(job, logs=spelling)["logs"], list)


@pytest.mark.parametrize("spelling", ["True", "yes", "on", "TRUE", "2"])
def test_another_spelling_asks_for_no_logs_and_is_a_hint(slow: Mock, spelling: str) -> None:
    job = slow.submit()
    slow.advance(5)
    reply = slow.http.get(job["status_url"], params={"logs": spelling})
    assert reply.json()["logs"] is None
    assert f"logs: '{spelling}' is neither 1 nor true" in reply.headers["x-falkit-hint"]


@pytest.mark.parametrize("query", [{}, {"logs": "0"}, {"logs": "false"}, {"logs": ""}])
def test_logs_are_null_unless_asked_for(slow: Mock, query: dict[str, str]) -> None:
    job = slow.submit()
    slow.advance(5)
    assert slow.status(job, **query)["logs"] is None
    slow.advance(50)
    assert slow.status(job, **query)["logs"] is None


def test_logs_are_null_while_the_job_waits(slow: Mock) -> None:
    assert slow.status(slow.submit(), logs=1)["logs"] is None


def test_log_lines_have_message_timestamp_level_and_source(slow: Mock) -> None:
    job = slow.submit()
    slow.advance(5)
    lines = slow.status(job, logs=1)["logs"]
    assert all(list(line) == ["message", "timestamp", "level", "source"] for line in lines)
    assert {line["level"] for line in lines} == {"INFO", "STDERR"}
    assert {line["source"] for line in lines} == {"USER"}
    moments = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    assert moments == sorted(moments)
    assert all(moment.utcoffset() is not None for moment in moments)
    assert moments[-1].timestamp() <= slow.clock.now()


def test_logs_are_a_moving_window_and_no_growing_prefix(slow: Mock) -> None:
    job = slow.submit()
    slow.advance(2)
    early = slow.status(job, logs=1)["logs"]
    slow.advance(9)
    late = slow.status(job, logs=1)["logs"]
    assert len(early) < len(late) == 10
    assert early[0] not in late
    assert late[-1]["message"] == "Uploading the result"


@pytest.mark.parametrize(
    ("endpoint", "input", "told"),
    [
        (T2V, {}, ("Generating", "Encoding the video", "Uploading the result")),
        ("fal-ai/flux/dev", {}, ("Generating", "Encoding the image", "Uploading the result")),
        (
            "fal-ai/elevenlabs/tts/eleven-v3",
            {"text": "Hello"},
            ("Generating", "Encoding the audio", "Uploading the result"),
        ),
        (
            "fal-ai/flux-lora-fast-training",
            {"images_data_url": "https://example.com/a.zip"},
            ("Training", "Saving the weights", "Uploading the result"),
        ),
        (
            "openrouter/router",
            {"model": "any/one"},
            ("Generating", "Collecting the text", "Returning the result"),
        ),
    ],
)
def test_logs_tell_of_what_is_made(
    slow: Mock, endpoint: str, input: dict[str, str], told: tuple[str, ...]
) -> None:
    job = slow.submit({**PROMPT, **input}, endpoint)
    slow.advance(100)
    lines = slow.status(job, logs=1)["logs"]
    work, *ends = told
    assert lines[-3]["message"].startswith(f"{work}: 100%")
    assert [line["message"] for line in lines[-2:]] == ends


def test_logs_of_a_refused_input_stop_at_its_reading(slow: Mock) -> None:
    job = slow.submit({"prompt": ""})
    slow.advance(1)
    messages = [line["message"] for line in slow.status(job, logs=1)["logs"]]
    assert messages == ["Preparing the request", "Reading the inputs"]


def test_logs_of_a_job_cancelled_half_way_stop_there(slow: Mock) -> None:
    job = slow.submit()
    slow.advance(3)
    before = slow.status(job, logs=1)["logs"]
    slow.cancel(job)
    slow.advance(100)
    assert slow.status(job, logs=1)["logs"] == before


def test_a_job_cancelled_while_it_waited_logged_nothing(slow: Mock) -> None:
    job = slow.submit()
    slow.cancel(job)
    assert slow.status(job, logs=1)["logs"] == []


def test_a_failed_job_is_completed_with_an_error(slow: Mock) -> None:
    job = slow.submit({"prompt": ""})
    slow.advance(1)
    status = slow.status(job)
    assert (status["status"], status["error"]) == ("COMPLETED", "Invalid status code: 422")
    assert "error_type" not in status


def test_a_cancelled_job_is_completed_with_error_and_type(slow: Mock) -> None:
    job = slow.submit()
    slow.cancel(job)
    status = slow.status(job)
    assert (status["status"], status["error_type"]) == ("COMPLETED", "client_cancelled")
    assert status["error"] == "Request cancelled by the client."
    assert status["metrics"] == {}


def test_two_jobs_run_and_the_third_waits(slow: Mock) -> None:
    jobs = [slow.submit() for _ in range(4)]
    assert [job["queue_position"] for job in jobs] == [0, 1, 2, 3]
    slow.advance(1)
    seen = [slow.status(job) for job in jobs]
    assert [each["status"] for each in seen] == ["IN_PROGRESS"] * 2 + ["IN_QUEUE"] * 2
    assert [each.get("queue_position") for each in seen] == [None, None, 0, 1]
    slow.advance(10)
    seen = [slow.status(job) for job in jobs]
    assert [each["status"] for each in seen] == ["COMPLETED"] * 2 + ["IN_PROGRESS"] * 2
    slow.advance(10)
    assert slow.status(jobs[3])["status"] == "COMPLETED"


def test_each_endpoint_has_its_own_runners(timed: Serve) -> None:
    mock = timed("1,10", concurrency=0)
    busy = [mock.submit() for _ in range(3)]
    other = mock.submit(endpoint=f"{T2V}/fast")
    assert other["queue_position"] == 0
    mock.advance(1)
    assert mock.status(busy[2])["status"] == "IN_QUEUE"
    assert mock.status(other)["status"] == "IN_PROGRESS"


def test_a_cancellation_moves_up_those_who_wait(slow: Mock) -> None:
    jobs = [slow.submit() for _ in range(5)]
    slow.advance(3)
    slow.cancel(jobs[0])
    assert slow.status(jobs[2])["status"] == "IN_PROGRESS"
    assert slow.status(jobs[3])["queue_position"] == 0
    slow.cancel(jobs[3])
    assert slow.status(jobs[4])["queue_position"] == 0
    slow.advance(8)
    assert slow.status(jobs[4])["status"] == "IN_PROGRESS"
    slow.advance(2)
    assert slow.status(jobs[2])["status"] == "COMPLETED"


def test_more_runners_run_more_jobs(timed: Serve) -> None:
    mock = timed("0,10", runners=3, concurrency=0)
    jobs = [mock.submit() for _ in range(4)]
    states = [mock.status(job)["status"] for job in jobs]
    assert states == ["IN_PROGRESS"] * 3 + ["IN_QUEUE"]


def test_a_refused_input_takes_no_runners_time(slow: Mock) -> None:
    refused = [slow.submit({"prompt": ""}) for _ in range(2)]
    good = slow.submit(PROMPT)
    slow.advance(1)
    assert {slow.status(job)["status"] for job in refused} == {"COMPLETED"}
    assert slow.status(good)["status"] == "IN_PROGRESS"
    assert slow.status(refused[0])["metrics"] == {"inference_time": 0.0}


def test_unknown_request_is_404(mock: Mock) -> None:
    for tail in ("/status", "/status/stream", ""):
        url = f"/queue.fal.run/fal-ai/ltx-2/requests/00000000-0000-7000-8000-000000000000{tail}"
        reply = mock.http.get(url)
        assert (reply.status_code, reply.json()) == (404, {"status": "NOT_FOUND"})


def test_a_head_request_has_the_code_and_no_body(slow: Mock) -> None:
    job = slow.submit()
    reply = slow.http.head(job["status_url"])
    assert (reply.status_code, reply.content) == (202, b"")
