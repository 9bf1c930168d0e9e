"""Each mistake is found by its code, and what is right is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from findings.conftest import Own
from findings.conversing import Program, codes, lost, queue, well
from serving import I2V_FAST, PROMPT, T2V, Mock

PICTURE = {"prompt": "a quiet harbour", "image_url": "https://example.com/photo.png"}
REFUSED: dict[str, Any] = {"prompt": 7}
WHOLE = "fal-ai/ltx-2/text-to-video/requests"


def get(path: Callable[[str], str], method: str = "GET") -> Program:
    """Return a program that submits, and asks for a path that is made of the job's id."""

    def run(mock: Mock) -> None:
        job = mock.submit()
        assert mock.http.request(method, queue(path(job["request_id"]))).status_code >= 400
        mock.cancel(job)

    return run


def submits(*inputs: Any, endpoint: str = T2V) -> Program:
    """Return a program that submits inputs and fetches each result."""

    def run(mock: Mock) -> None:
        for input in inputs:
            job = mock.submit(input, endpoint)
            mock.status(job)
            mock.result(job)

    return run


def calls(*inputs: Any, endpoint: str = T2V) -> Program:
    """Return a program that calls fal.run."""

    def run(mock: Mock) -> None:
        for input in inputs:
            mock.run(input, endpoint)

    return run


def polls(input: Any, times: int, *, fetch: bool = False) -> Program:
    """Return a program that asks for a status so often, and for the result or not."""

    def run(mock: Mock) -> None:
        job = mock.submit(input)
        for _ in range(times):
            mock.status(job)
        if fetch:
            mock.result(job)

    return run


def cancels(times: int) -> Program:
    def run(mock: Mock) -> None:
        job = mock.submit()
        mock.cancel(job)
        for _ in range(times):
            mock.status(job)

    return run


def early(*, again: bool) -> Program:
    def run(mock: Mock) -> None:
        job = mock.submit()
        assert mock.result(job).status_code == 400
        mock.release(job)
        mock.release(job)
        if again:
            assert mock.result(job).status_code == 200

    return run


def twice(*, same: bool) -> Program:
    def run(mock: Mock) -> None:
        lost(mock)
        job = mock.submit(PROMPT if same else {"prompt": "another"})
        mock.status(job)
        mock.result(job)

    return run


def waits(times: int, *, cancel: bool) -> Program:
    def run(mock: Mock) -> None:
        job = mock.submit()
        for _ in range(times):
            mock.status(job)
        if cancel:
            mock.cancel(job)

    return run


def in_vain(times: int) -> Program:
    def run(mock: Mock) -> None:
        for _ in range(times):
            mock.http.get(
                queue("fal-ai/ltx-2/requests/0d9ff8a4-8a0c-4c1a-9d37-1b7a2c5f9e10/status")
            )

    return run


class Case(NamedTuple):
    """What is wrong, a program that does it, and one that comes near to it."""

    code: str
    wrong: Program
    right: Program
    severity: str = "error"
    settings: Mapping[str, Any] = MappingProxyType({})


HELD, SLOW = {"timing": "held"}, {"timing": "1,600"}
CASES = [
    Case("whole-id-url", get(lambda id: f"{WHOLE}/{id}/status"), well, settings=HELD),
    Case("whole-id-url", get(lambda id: f"{WHOLE}/{id}"), submits(PROMPT)),
    Case("whole-id-url", get(lambda id: f"{WHOLE}/{id}/cancel", "PUT"), submits(PROMPT)),
    Case("response-url", get(lambda id: f"fal-ai/ltx-2/requests/{id}/response"), submits(PROMPT)),
    Case("invented-url", get(lambda id: f"fal-ai/ltx-2/jobs/{id}"), submits(PROMPT)),
    Case("invented-url", get(lambda id: f"requests/{id}/status"), submits(PROMPT)),
    Case("invented-url", get(lambda id: f"fal-ai/ltx-2/requests/{id}/logs"), submits(PROMPT)),
    Case(
        "invented-url",
        get(lambda id: f"fal-ai/ltx-2/requests/{id}/cancel", "POST"),
        cancels(1),
        settings=HELD,
    ),
    Case("input-wrapper", submits({"input": PROMPT}), submits(PROMPT)),
    Case("input-wrapper", calls({"input": PROMPT}), calls(PROMPT)),
    Case(
        "integer-as-string",
        submits({**PICTURE, "duration": "6"}, endpoint=I2V_FAST),
        submits({**PICTURE, "duration": 6}, endpoint=I2V_FAST),
    ),
    Case(
        "integer-as-string",
        calls({**PICTURE, "duration": "6"}, endpoint=I2V_FAST),
        calls({**PICTURE, "duration": "six"}, endpoint=I2V_FAST),
    ),
    Case("unknown-field", calls({**PROMPT, "promt": "x"}), calls(PROMPT), "warning"),
    Case("unlisted-endpoint", calls(PROMPT, endpoint="fal-ai/ltx-2/text-to-vide"), calls(PROMPT)),
    Case("failure-not-read", polls(REFUSED, 1), polls(REFUSED, 1, fetch=True)),
    Case("waits-for-failed", polls(REFUSED, 3), polls(REFUSED, 3, fetch=True)),
    Case("waits-for-failed", polls(REFUSED, 9, fetch=True), polls(REFUSED, 2, fetch=True)),
    Case("waits-for-failed", cancels(3), cancels(1), settings=HELD),
    Case("polling-endless", polls(PROMPT, 9), polls(PROMPT, 2), "warning"),
    Case("polling-endless", in_vain(20), in_vain(3), "warning"),
    Case("early-result-taken", early(again=False), early(again=True), settings=HELD),
    Case("refusal-retried", submits(REFUSED, REFUSED), submits(REFUSED, PROMPT), "warning"),
    Case("refusal-retried", calls(REFUSED, REFUSED), calls(REFUSED, {"prompt": 8}), "warning"),
    Case("paid-twice", twice(same=True), twice(same=False)),
    Case("polling-fast", waits(8, cancel=True), waits(4, cancel=True), "warning", SLOW),
    Case("abandoned-job", waits(2, cancel=False), waits(2, cancel=True), "warning", HELD),
    Case("cost-alert", well, in_vain(1), "warning", {"alert_at": ("0.01",)}),
    Case("budget-exceeded", well, in_vain(1), "error", {"budget": "0.01"}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_mistake_is_found_and_what_is_near_it_is_not(own: Own, case: Case) -> None:
    wrong, right = own(**case.settings), own(**case.settings)
    case.wrong(wrong)
    assert codes(wrong) == {case.code: case.severity}
    case.right(right)
    assert codes(right) == {}
