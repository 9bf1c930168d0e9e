"""Faults of jobs: tries inside the service, time in the queue, lines, results and files."""

from __future__ import annotations

import io
import json

import av
import pytest
from av.error import FFmpegError

from serving import PROMPT, Mock, Serve, WatchedClock

TEMPORARY = [
    "startup_timeout",
    "runner_scheduling_failure",
    "runner_connection_timeout",
    "runner_disconnected",
    "runner_connection_refused",
    "runner_connection_error",
    "raw_error status=429",
    "raw_error status=503",
    "raw_error status=504",
    "generation_timeout retryable=true",
    "internal_server_error retryable=true",
]
FINAL = [
    "request_timeout",
    "runner_incomplete_response",
    "runner_server_error",
    "internal_error",
    "bad_request",
    "raw_error status=500",
    "raw_error status=502",
    "generation_timeout",
    "internal_server_error",
    "downstream_service_error retryable=true",
    "image_load_error",
]


def attempts(mock: Mock, job: dict[str, str]) -> int:
    return int(mock.job(job)["attempts"])


@pytest.mark.parametrize("fault", TEMPORARY)
def test_the_queue_tries_again_up_to_ten_times(serve: Serve, fault: str) -> None:
    mock = serve(f"{fault} times=2", f"{fault} key=doomed")
    healed = mock.submit()
    assert mock.result(healed).status_code == 200
    assert attempts(mock, healed) == 3
    failed = mock.submit(headers={"authorization": "Key doomed:secret"})
    assert mock.result(failed).status_code in (429, 500, 503, 504)
    assert attempts(mock, failed) == 10


@pytest.mark.parametrize("fault", FINAL)
def test_the_queue_does_not_try_again(serve: Serve, fault: str) -> None:
    mock = serve(f"{fault} times=2")
    codes: list[bool] = []
    for _ in range(3):
        job = mock.submit()
        codes.append(mock.result(job).status_code < 400)
        assert attempts(mock, job) == 1
    assert codes == [False, False, True]


def test_no_retry_where_the_caller_forbids_it_nor_by_fal_run(serve: Serve) -> None:
    mock = serve("runner_disconnected times=2")
    job = mock.submit(headers={"x-fal-no-retry": "1"})
    assert mock.result(job).status_code == 503
    assert attempts(mock, job) == 1
    assert mock.run(PROMPT).headers["x-fal-needs-retry"] == "1"
    assert mock.run(PROMPT).status_code == 200


def test_an_error_of_the_run_takes_its_time_and_one_of_the_input_does_not(serve: Serve) -> None:
    clock = WatchedClock()
    mock = serve(timing="1,10", clock=clock)
    ran = mock.submit({"prompt": "[falkit:generation_timeout]"})
    refused = mock.submit({"prompt": "[falkit:image_too_small]"})
    mock.advance(1)
    assert mock.status(ran)["status"] == "IN_PROGRESS"
    assert mock.status(refused)["status"] == "COMPLETED"
    mock.advance(9.9)
    assert mock.status(ran)["status"] == "IN_PROGRESS"
    mock.advance(0.1)
    done = mock.status(ran, logs=1)
    assert (done["status"], done["metrics"]) == ("COMPLETED", {"inference_time": 10.0})
    assert done["logs"][-1]["message"].startswith("Generating: 100%")


def test_a_stuck_job_waits_for_its_time_or_for_ever(serve: Serve) -> None:
    mock = serve("stuck seconds=100 times=1", "stuck times=1", timing="0,2", clock=WatchedClock())
    late, never, next_one = mock.submit(), mock.submit(), mock.submit()
    mock.advance(2)
    assert mock.status(late)["status"] == mock.status(never)["status"] == "IN_QUEUE"
    assert mock.status(late)["queue_position"] == 0
    assert mock.status(next_one)["status"] == "COMPLETED", "others pass by"
    mock.advance(98)
    assert mock.status(late)["status"] == "IN_PROGRESS"
    mock.advance(1e6)
    assert mock.status(never)["status"] == "IN_QUEUE"
    url = f"/__falkit/jobs/{never['request_id']}/release"
    assert mock.http.post(url).json()["status"] == "IN_PROGRESS"
    mock.advance(2)
    assert mock.status(never)["status"] == "COMPLETED"


def test_a_stuck_job_shows_the_position_that_is_asked_for(serve: Serve) -> None:
    mock = serve("stuck position=8663 seconds=100 times=1", timing="0,2", clock=WatchedClock())
    job, next_one = mock.submit(), mock.submit()
    assert (job["queue_position"], next_one["queue_position"]) == (8663, 0)
    mock.advance(99)
    assert mock.status(job)["queue_position"] == mock.job(job)["queue_position"] == 8663
    mock.advance(1)
    status = mock.status(job)
    assert (status["status"], "queue_position" in status) == ("IN_PROGRESS", False)


@pytest.mark.parametrize("position", [0, 8663])
def test_a_stream_and_a_job_of_a_file_have_the_position_too(serve: Serve, position: int) -> None:
    clock = WatchedClock()
    mock = serve(f"stuck position={position} seconds=60", timing="0,2", clock=clock)
    first, job = mock.submit(), mock.submit()
    assert first["queue_position"] == job["queue_position"] == position, "whoever is ahead"
    with mock.http.stream("GET", f"{job['status_url']}/stream") as stream:
        line = next(line for line in stream.iter_lines() if line)
        assert f'"queue_position":{position}}}' in line


@pytest.mark.parametrize("position", ["-1", "1.5", "first"])
def test_a_position_that_cannot_be_is_refused(instant: Mock, position: str) -> None:
    reply = instant.http.post("/__falkit/rules", json={"rule": f"stuck position={position}"})
    assert reply.status_code == 422
    assert "position" in reply.text


def test_a_stuck_job_runs_into_its_start_timeout(serve: Serve) -> None:
    mock = serve("stuck", clock=WatchedClock())
    job = mock.submit(headers={"x-fal-request-timeout": "30"})
    mock.advance(31)
    assert mock.status(job)["error_type"] == "request_timeout"
    assert mock.result(job).status_code == 504


def test_lines_show_late_or_never(serve: Serve) -> None:
    mock = serve(
        "slow_logs seconds=5 times=1", "slow_logs seconds=inf", timing="0,10", clock=WatchedClock()
    )
    late, never = mock.submit(), mock.submit()
    mock.advance(4)
    assert mock.status(late, logs=1)["logs"] == []
    mock.advance(2)
    assert mock.status(late, logs=1)["logs"]
    mock.advance(4)
    assert mock.status(late, logs=1)["status"] == "COMPLETED"
    assert "Uploading" not in mock.status(late, logs=1)["logs"][-1]["message"]
    mock.advance(5)
    assert "Uploading" in mock.status(late, logs=1)["logs"][-1]["message"]
    assert mock.status(never, logs=1)["logs"] == []


def test_a_result_expires_and_the_status_stays(serve: Serve) -> None:
    mock = serve("result_expired skip=1")
    job = mock.submit()
    assert mock.result(job).status_code == 200
    assert mock.result(job).json() == {"status": "NOT_FOUND"}
    assert mock.status(job)["status"] == "COMPLETED"


def test_a_locked_account_can_neither_submit_nor_upload_but_still_look(serve: Serve) -> None:
    mock = serve("account_locked skip=1 reason=TOP_UP")
    job = mock.submit()
    refused = mock.http.post("/queue.fal.run/fal-ai/ltx-2/text-to-video", json=PROMPT)
    assert refused.status_code == 403
    assert refused.json() == {"detail": "User is locked. Reason: TOP_UP."}
    body = {"file_name": "x.png", "content_type": "image/png"}
    upload = mock.http.post("/rest.fal.ai/storage/upload/initiate", json=body)
    assert upload.status_code == 403
    assert mock.run(PROMPT).status_code == 403
    assert mock.http.get(job["status_url"]).status_code == 200


BILLING = "fal.ai/dashboard/billing"
EXHAUSTED = f"Exhausted balance. Top up your balance at {BILLING}"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("", f"{EXHAUSTED}."),
        ("exhausted_balance", f"{EXHAUSTED}."),
        ("Exhausted balance", f"{EXHAUSTED}."),
        (EXHAUSTED, f"{EXHAUSTED}."),
        ("EXHAUSTED_BALANCE_TOP_UP_YOUR_BALANCE_AT_FAL_AIDASHBOARDBILLING", f"{EXHAUSTED}."),
        ("TOP_UP", "TOP_UP."),
        ("top_up", "TOP_UP."),
        ("payment_method", f"Please add a payment method at {BILLING}."),
        ("budget_exceeded", f"User budget is exceeded. Adjust it at {BILLING}."),
        ("admin", "Admin lock. Please contact hello@fal.ai."),
        ("Admin lock", "Admin lock. Please contact hello@fal.ai."),
        ("archived", "This account has been archived. Please contact hello@fal.ai."),
        ("unknown", "Unknown. Please contact hello@fal.ai."),
    ],
)
def test_a_lock_says_why_in_fals_words(instant: Mock, reason: str, text: str) -> None:
    given = f" reason={json.dumps(reason)}" if reason else ""
    reply = instant.run(PROMPT, headers={"x-falkit-fault": f"account_locked{given}"})
    assert (reply.status_code, reply.json()) == (403, {"detail": f"User is locked. Reason: {text}"})


def test_files_are_missing_cut_short_or_pages(serve: Serve) -> None:
    mock = serve(
        "media_missing times=1", "media_truncated share=0.25 times=1", "media_wrong_type times=1"
    )
    url = mock.run(PROMPT).json()["video"]["url"]
    missing, short, page, whole = (mock.http.get(url) for _ in range(4))
    assert missing.status_code == 404
    assert len(short.content) == int(len(whole.content) / 4)
    assert short.headers["content-length"] == str(len(short.content))
    assert (page.headers["content-type"], page.content[:9]) == ("text/html", b"<!DOCTYPE")
    assert len({reply.headers["etag"] for reply in (short, page, whole)}) == 3
    assert short.headers["cache-control"] == "no-store"
    assert whole.headers["content-type"] == "video/mp4"


def test_a_file_cut_short_does_not_play(serve: Serve) -> None:
    mock = serve("media_truncated share=0.1")
    clip = mock.http.get(mock.run(PROMPT).json()["video"]["url"]).content
    with pytest.raises(FFmpegError), av.open(io.BytesIO(clip), "r") as container:
        list(container.decode(video=0))


def test_only_the_files_of_matching_jobs_are_corrupted(serve: Serve) -> None:
    mock = serve("media_missing prompt=rain")
    urls = [mock.run({"prompt": text}).json()["video"]["url"] for text in ("rain", "sun")]
    assert [mock.http.get(url).status_code for url in urls] == [404, 200]
    named = mock.run({"prompt": "sun [falkit:media_missing times=1]"}).json()["video"]["url"]
    assert [mock.http.get(named).status_code for _ in range(2)] == [404, 200]


def test_a_slow_file_comes_in_pieces(serve: Serve) -> None:
    mock = serve("media_slow seconds=0.2 times=1")
    url = mock.run(PROMPT).json()["video"]["url"]
    slow, quick = mock.http.get(url), mock.http.get(url)
    assert slow.content == quick.content
    assert slow.elapsed.total_seconds() >= 0.2 * 0.9


def test_a_request_errors_words_follow_the_job_into_the_status(serve: Serve) -> None:
    mock = serve('runner_server_error detail="It fell over."')
    assert mock.status(mock.submit())["error"] == "It fell over."
