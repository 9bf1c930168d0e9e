"""How long jobs wait and run, in each of the timings that `--timing` names."""

from __future__ import annotations

import re

import pytest

from falkit import Settings
from serving import I2V_FAST, PROMPT, T2V, Mock, Serve


def _statuses(mock: Mock, job: dict[str, str], count: int) -> list[str]:
    return [mock.status(job)["status"] for _ in range(count)]


def test_instant_is_done_when_first_looked_at(timed: Serve) -> None:
    mock = timed("instant")
    jobs = [mock.submit() for _ in range(4)]
    assert [mock.status(job)["status"] for job in jobs] == ["COMPLETED"] * 4
    assert mock.result(jobs[0]).status_code == 200


def test_polls_moves_a_job_one_step_with_each_status(timed: Serve) -> None:
    mock = timed("polls")
    job = mock.submit()
    assert _statuses(mock, job, 4) == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "COMPLETED"]


def test_polls_moves_a_job_for_those_who_only_ask_for_the_result(timed: Serve) -> None:
    mock = timed("polls")
    job = mock.submit()
    assert [mock.result(job).status_code for _ in range(3)] == [400, 400, 200]


def test_polls_leaves_other_jobs_where_they_are(timed: Serve) -> None:
    mock = timed("polls")
    one, other = mock.submit(), mock.submit()
    _statuses(mock, one, 3)
    assert mock.status(other)["status"] == "IN_QUEUE"


def test_held_stays_until_released_whatever_the_clock(held: Mock) -> None:
    job = held.submit()
    held.advance(1e6)
    assert held.status(job)["status"] == "IN_QUEUE"
    reply = held.release(job, to="IN_PROGRESS")
    assert reply.json() == {"request_id": job["request_id"], "status": "IN_PROGRESS"}
    held.advance(1e6)
    assert held.status(job)["status"] == "IN_PROGRESS"
    assert held.release(job).json()["status"] == "COMPLETED"
    assert held.result(job).status_code == 200


def test_a_release_of_no_known_job_is_404_and_to_nowhere_422(held: Mock) -> None:
    assert held.release({"request_id": "nobody"}).status_code == 404
    reply = held.release(held.submit(), to="LOST")
    assert (reply.status_code, "LOST" in reply.json()["detail"]) == (422, True)


@pytest.mark.parametrize("request_id", ["%E2%82%AC", "a%0Dx-evil:1"])
def test_a_release_of_an_id_that_no_header_can_hold_is_404(held: Mock, request_id: str) -> None:
    reply = held.release({"request_id": request_id})
    assert reply.status_code == 404
    assert re.fullmatch("[0-9a-f-]{36}", reply.headers["x-fal-request-id"])


def test_seconds_are_those_asked_for(timed: Serve) -> None:
    mock = timed("3,4.5")
    job = mock.submit()
    seen: list[str] = []
    for seconds in (2.9, 0.1, 4.4, 0.1):
        mock.advance(seconds)
        seen.append(mock.status(job)["status"])
    assert seen == ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]


def test_realistic_grows_with_seconds_and_with_pixels(timed: Serve) -> None:
    mock = timed("realistic", seed=1)
    inputs: list[dict[str, object]] = [
        {},
        {"duration": 10},
        {"duration": 10, "resolution": "2160p"},
    ]
    jobs = [mock.submit({**PROMPT, **input}) for input in inputs for _ in range(5)]
    mock.advance(3600)
    times = [mock.status(job)["metrics"]["inference_time"] for job in jobs]
    assert max(times[:5]) < min(times[5:10])
    assert max(times[5:10]) < min(times[10:])
    assert len(set(times)) == len(times)


def test_realistic_follows_what_is_made(timed: Serve) -> None:
    mock = timed("realistic", seed=1)
    calls: list[tuple[str, dict[str, object]]] = [
        ("fal-ai/flux/dev", {"image_size": "square"}),
        ("fal-ai/flux/dev", {"image_size": {"width": 2048, "height": 2048}, "num_images": 4}),
        ("fal-ai/kling-video/v2.6/pro/text-to-video", {"duration": "5"}),
        ("fal-ai/kling-video/v2.6/pro/text-to-video", {"duration": "10"}),
        ("fal-ai/flux-lora-fast-training", {"images_data_url": "https://example.com/a.zip"}),
    ]
    jobs = [mock.submit({**PROMPT, **input}, endpoint) for endpoint, input in calls]
    mock.advance(3600)
    small, large, short, long, training = (
        mock.status(job)["metrics"]["inference_time"] for job in jobs
    )
    assert small < 6 < 2 * small < large
    assert short < long < 60 < training


@pytest.mark.parametrize("text", ["soon", "1", "1,2,3", "-1,2", "nan,1", "1,inf", "", "a,b"])
def test_a_malformed_timing_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^timing: .*" + text):
        Settings(timing=text)


def test_one_seed_makes_the_same_ids_logs_files_and_media(timed: Serve) -> None:
    def transcript(seed: int) -> list[object]:
        mock = timed("realistic", seed=seed)
        # What is about no job must not change the jobs that follow.
        mock.http.get("/health")
        mock.run({})
        job = mock.submit()
        mock.http.get("/nowhere")
        start = mock.clock.now()
        assert start == 1_800_000_000.0
        mock.submit({"prompt": "again"}, I2V_FAST)
        status = mock.status(job)
        told = mock.job(job)
        return [job["request_id"], status["queue_position"], told["starts"], told["ends"]]

    one, same, other = transcript(7), transcript(7), transcript(8)
    assert one == same
    assert one[0] != other[0]
    assert one[2:] != other[2:]


def _video(mock: Mock) -> tuple[str, bytes, list[str]]:
    job = mock.submit()
    mock.advance(5)
    lines = [line["message"] for line in mock.status(job, logs=1)["logs"]]
    mock.advance(60)
    url: str = mock.result(job).json()["video"]["url"]
    return url.removeprefix(mock.url), mock.http.get(url).content, lines


def test_one_seed_makes_the_same_file(timed: Serve) -> None:
    one, same, other = [_video(timed("1,10", seed=seed)) for seed in (7, 7, 8)]
    assert one == same
    assert one[0] != other[0]
    assert one[1] != other[1]
    assert one[2] != other[2]


def test_a_seed_of_any_length_will_do(serve: Serve) -> None:
    mock = serve("instant", seed=10**100)
    assert mock.run(PROMPT, T2V).status_code == 200


def test_a_setting_that_cannot_work_is_named() -> None:
    with pytest.raises(ValueError, match="runners: 0 is too small"):
        Settings(runners=0)
    with pytest.raises(ValueError, match="nonsense"):
        Settings(assumptions=["nonsense"])
    with pytest.raises(ValueError, match="requested or ok"):
        Settings(assumptions=["cancel-in-queue=perhaps"])


class TestAssumptions:
    """The other readings of what nobody knows for certain (wire.md §13)."""

    def test_a_queued_job_is_cancelled_with_ok(self, timed: Serve) -> None:
        assumed = ("cancel-in-queue=ok",)
        mock = timed("1,10", assumptions=assumed)
        queued, running = mock.submit(), mock.submit()
        reply = mock.cancel(queued)
        assert (reply.status_code, reply.json()) == (200, {"status": "OK"})
        mock.advance(1)
        assert mock.cancel(running).status_code == 202

    def test_a_running_job_finishes_although_cancelled(self, timed: Serve) -> None:
        assumed = ("cancel-in-progress=ignored",)
        mock = timed("1,10", assumptions=assumed)
        job = mock.submit()
        mock.advance(1)
        assert mock.cancel(job).json() == {"status": "CANCELLATION_REQUESTED"}
        assert mock.status(job)["status"] == "IN_PROGRESS"
        mock.advance(10)
        assert mock.result(job).status_code == 200

    def test_an_unknown_request_has_a_detail(self, timed: Serve) -> None:
        mock = timed(assumptions=("unknown-request=detail",))
        reply = mock.http.get("/queue.fal.run/fal-ai/ltx-2/requests/nobody")
        assert (reply.status_code, reply.json()) == (404, {"detail": "Request not found"})

    def test_a_models_refusal_is_absent_from_the_status(self, timed: Serve) -> None:
        assumed = ("model-error-in-status=absent",)
        mock = timed("instant", assumptions=assumed)
        job = mock.submit({})
        assert "error" not in mock.status(job)
        assert mock.result(job).status_code == 422

    def test_an_unsupported_combination_is_taken(self, timed: Serve) -> None:
        body = {"prompt": "x", "duration": 20, "fps": 50}
        endpoint = f"{T2V}/fast"
        for word, code in (("refused", 422), ("accepted", 200)):
            assumed = (f"unsupported-combination={word}",)
            mock = timed("instant", assumptions=assumed)
            assert mock.run(body, endpoint).status_code == code

    def test_lax_types_are_taken_unless_they_are_to_be_refused(self, timed: Serve) -> None:
        body = {"prompt": "x", "generate_audio": "false"}
        assert timed("instant").run(body).status_code == 200
        for word, code in (("accepted", 200), ("refused", 422)):
            mock = timed("instant", assumptions=(f"lax-types={word}",))
            assert mock.run(body).status_code == code
            assert mock.run({"prompt": "x", "duration": "6"}).status_code == 422
        assert mock.run(body).json()["detail"][0]["type"] == "bool_type"
