"""Schemathesis makes requests of the control API's document and holds the mock's replies to it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi import checks

from falkit import Settings
from falkit_mock.control import document
from serving import Mock, WatchedClock, running

# Schemathesis's types are more generic than it says, hence Any here and there.
CHECKS: Any = checks
# Ids name jobs or nothing, whatever the schema allows, and a file is an export or none.
UNFIT = [CHECKS.positive_data_acceptance]
BOUNDED = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def steered() -> Generator[Mock]:
    with running(Settings(timing="held", seed=1), WatchedClock()) as served:
        served.submit()
        yield served


def loaded() -> Any:
    """Return the document for Schemathesis: no wait is really waited, and a file is mere bytes."""
    whole = copy.deepcopy(document())
    paths = whole["paths"]
    for path in ("/__falkit/requests", "/__falkit/deliveries"):
        get = paths[path]["get"]
        get["parameters"] = [one for one in get["parameters"] if one.get("name") != "wait"]
    # A stream has no end; its tests are its own.
    del paths["/__falkit/events"]
    paths["/__falkit/state"]["put"]["requestBody"]["content"] = {"application/octet-stream": {}}
    return from_dict(whole)


each_operation: Callable[[Any], Any] = loaded().parametrize()


@each_operation
@BOUNDED
def test_each_operation_answers_as_documented(case: Any, steered: Mock) -> None:
    case.call_and_validate(base_url=steered.url, excluded_checks=UNFIT)
