"""assert_submitted: which jobs it takes, and what it says where there is none."""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

import falkit
from serving import KEY, T2V

RAIN = {"prompt": "Rain", "duration": 6}
SNOW = {"prompt": "Snow", "duration": 8, "generate_audio": False}
FLUX_DEV = "fal-ai/flux/dev"
FLUX = {"prompt": "A cat", "image_size": {"width": 512, "height": 256}, "loras": [{"path": "a"}]}


def submit(mock: falkit.Mock, endpoint: str, input: Any) -> httpx.Response:
    return httpx.post(f"{mock.url}/queue.fal.run/{endpoint}", json=input, headers=KEY)


@pytest.fixture(scope="module")
def three() -> Generator[falkit.Mock]:
    """A mock with three jobs, which tests only read."""
    with falkit.Mock(timing="instant", seed=1) as mock:
        for endpoint, input in ((T2V, RAIN), (T2V, SNOW), (FLUX_DEV, FLUX)):
            assert submit(mock, endpoint, input).status_code == 200
        yield mock


@pytest.mark.parametrize(
    ("endpoint", "expected", "times", "places"),
    [
        (T2V, None, None, [0, 1]),
        (T2V, None, 2, [0, 1]),
        (T2V, {}, 2, [0, 1]),
        (T2V, {"prompt": "Rain"}, 1, [0]),
        (T2V, SNOW, 1, [1]),
        (T2V, {"prompt": ANY, "duration": 8}, None, [1]),
        (T2V, {"prompt": "Hail"}, 0, []),
        ("fal-ai/*", {"prompt": ANY}, 3, [0, 1, 2]),
        (FLUX_DEV, {"image_size": {"width": 512}}, 1, [2]),
        (FLUX_DEV, {"loras": [{"path": "a"}]}, 1, [2]),
    ],
)
def test_the_jobs_that_match_are_returned(
    three: falkit.Mock,
    endpoint: str,
    expected: dict[str, Any] | None,
    times: int | None,
    places: list[int],
) -> None:
    jobs = three.jobs
    assert three.assert_submitted(endpoint, expected, times) == [jobs[place] for place in places]


@pytest.mark.parametrize(
    ("endpoint", "expected", "times", "lines"),
    [
        (
            T2V,
            {"prompt": "Snow", "duration": 6, "seed": 7},
            None,
            [
                f"no job of {T2V} has this input; the nearest of 2, JOB1, differs",
                "duration: expected 6, got 8",
                "seed: expected 7, got nothing",
            ],
        ),
        (
            FLUX_DEV,
            {"image_size": {"width": 640}, "loras": []},
            None,
            [
                f"no job of {FLUX_DEV} has this input; that one, JOB2, differs",
                "image_size.width: expected 640, got 512",
                "loras: expected [], got [{'path': 'a'}]",
            ],
        ),
        (T2V, None, 1, [f"2 jobs of {T2V} match, and 1 should"]),
        (T2V, {"prompt": "Snow"}, 0, ["1 job matches, and none should"]),
        (
            "fal-ai/veo3",
            None,
            None,
            [f"no job of fal-ai/veo3 was submitted; there is 2 of {T2V}, 1 of {FLUX_DEV}"],
        ),
    ],
)
def test_the_nearest_miss_is_told(
    three: falkit.Mock,
    endpoint: str,
    expected: dict[str, Any] | None,
    times: int | None,
    lines: list[str],
) -> None:
    jobs = three.jobs
    with pytest.raises(AssertionError) as failed:
        three.assert_submitted(endpoint, expected, times)
    *told, curl = str(failed.value).splitlines()
    said = "\n".join(lines)
    for place, job in enumerate(jobs):
        said = said.replace(f"JOB{place}", job.request_id)
    assert [line.strip() for line in told] == said.splitlines()
    words = shlex.split(curl)
    assert words[:1] == ["curl"]
    assert json.loads(words[-1]) in (RAIN, SNOW, FLUX)


def test_of_several_misses_the_newest_is_shown_by_its_request(three: falkit.Mock) -> None:
    with pytest.raises(AssertionError) as failed:
        three.assert_submitted(T2V, {"prompt": "Hail"})
    assert json.loads(shlex.split(str(failed.value).splitlines()[-1])[-1]) == SNOW


def test_without_a_job_the_last_request_is_told(mock: falkit.Mock) -> None:
    with pytest.raises(AssertionError, match="nothing was submitted, and no request came at all"):
        mock.assert_submitted(T2V)
    assert httpx.post(f"{mock.url}/queue.fal.run/{T2V}", json=RAIN).status_code == 401
    told = r"nothing was submitted; the last request was POST queue\.fal\.run/.*: 401 \(.+\)"
    with pytest.raises(AssertionError, match=told):
        mock.assert_submitted(T2V)


@pytest.mark.parametrize("times", [-1, True])
def test_a_number_of_times_that_makes_no_sense_is_refused(mock: falkit.Mock, times: int) -> None:
    with pytest.raises(ValueError, match=f"times: {times!r} is no number of jobs"):
        mock.assert_submitted(T2V, times=times)


class TestVideoOf:
    """Videos are measured in memory."""

    def test_a_failed_job_has_none(self, mock: falkit.Mock) -> None:
        mock.faults.add("content_policy_violation")
        submit(mock, T2V, RAIN)
        with pytest.raises(ValueError, match=r"answers 422 .*, and has no video"):
            mock.video_of(mock.jobs[0])

    def test_what_is_not_a_video_is_named(self, mock: falkit.Mock) -> None:
        submit(mock, FLUX_DEV, FLUX)
        with pytest.raises(ValueError, match=r"output\.jpg: the file isn't a video: no known"):
            mock.video_of(mock.jobs[0])

    def test_a_video_of_somebody_else_is_not_fetched(self, mock: falkit.Mock) -> None:
        mock.pin(T2V, {"video": {"url": "https://example.com/a.mp4"}})
        submit(mock, T2V, RAIN)
        with pytest.raises(ValueError, match=r"https://example.com/a\.mp4 isn't a file of this"):
            mock.video_of(mock.jobs[0].request_id)
        with pytest.raises(ValueError, match="'x' isn't the request id of a job"):
            mock.video_of("x")
