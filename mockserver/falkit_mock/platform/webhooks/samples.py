"""Outcomes to try a receiver with, for deliveries without a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from falkit_mock.platform.jobs import Outcome
from falkit_mock.platform.refusals import model_error, platform_error, refusal
from falkit_mock.platform.wire_json import dumps
from falkit_spec import Endpoint

SampleName: TypeAlias = Literal[
    "completed", "failed", "timed-out", "cancelled", "unserialisable", "failed-unserialisable"
]
SAMPLES: tuple[SampleName, ...] = get_args(SampleName)
# What each stands for, in the order of SAMPLES.
ABOUT = (
    "the endpoint's example output",
    "the model refused the prompt (422)",
    "the job did not start in time (504)",
    "the job was cancelled (499)",
    "an output that is no JSON: OK without a payload",
    "an error that is no JSON (404)",
)


def sample(name: SampleName, endpoint: Endpoint) -> Outcome:
    """Return what a job of an endpoint answered that ended as the name says."""
    makers: dict[SampleName, Callable[[], Outcome]] = {
        "completed": lambda: Outcome(200, dumps(endpoint.example_output())),
        "failed": _refused,
        "timed-out": lambda: platform_error("request_timeout"),
        "cancelled": lambda: platform_error("client_cancelled"),
        "unserialisable": lambda: Outcome(200, b"\x89PNG\r\n"),
        "failed-unserialisable": lambda: Outcome(404, b"404 page not found"),
    }
    return makers[name]()


def _refused() -> Outcome:
    return refusal([model_error("content_policy_violation", ["prompt"])], error=None)
