"""What fal's own clients raise for each error type, and how often they try before."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fal_client import FalClientHTTPError, SyncClient

from clients.javascript_client import HERE, READY, node
from faults.published import EVERY, ModelErrorType, RequestErrorType
from rerouting import rerouted
from serving import PATIENCE, T2V, Mock

# wire.md §9: how often each client tries in all.
PYTHON_TRIES, JAVASCRIPT_TRIES = 10, 4
# Faults of the way to fal, with the status that is seen, if there is one.
OTHERS = {
    "account_locked": 403,
    "bad_key": 401,
    "concurrent_requests_limit on=run,submit": 429,
    "ingress_error status=502": 502,
    "ingress_error status=503": 503,
    "ingress_error status=504": 504,
    "connection_reset": None,
    "half_reply": None,
    "garbage": None,
    "reply_lost": None,
}
INGRESS = "ingress_error"
# Counted by its text, so that no other test may have the same.
SOON_OVER = "ingress_error status=504 times=2"


def prompt(fault: str) -> dict[str, str]:
    return {"prompt": f"A lighthouse [falkit:{fault}]"}


@pytest.fixture
def python(mock: Mock, monkeypatch: pytest.MonkeyPatch) -> Generator[SyncClient]:
    """The Python client before a mock; its pauses between attempts take no time."""

    def no_time(seconds: float) -> None:
        pass

    still = SimpleNamespace(**{**vars(time), "sleep": no_time})
    monkeypatch.setattr("fal_client.client.time", still)
    with rerouted(mock, monkeypatch, []):
        yield SyncClient(key="id:secret")


@pytest.fixture
def posted(mock: Mock) -> Generator[list[str]]:
    """What the mock was posted, in order."""
    rules = mock.service.rules
    seen: list[str] = []
    choose = rules.choose

    def watched(phase: Any, context: Any, only: Any = None) -> Any:
        if phase == "answer" and context.operation in ("run", "submit"):
            seen.append(context.operation)
        return choose(phase, context, only)

    rules.choose = watched  # type: ignore[method-assign]  # for the length of the test
    yield seen
    del rules.choose


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.type)
def test_python_raises(python: SyncClient, error: ModelErrorType | RequestErrorType) -> None:
    for call in (python.run, python.subscribe):
        with pytest.raises(FalClientHTTPError) as caught:
            call(T2V, prompt(error.type))
        raised = caught.value
        assert raised.status_code == error.status
        assert raised.response_headers["x-fal-request-id"]
        if isinstance(error, ModelErrorType):
            detail = raised.response.json()["detail"]
            assert detail[0]["type"] == error.type
            assert raised.error_type is None
            assert raised.message == detail
        else:
            assert raised.error_type == error.type
            assert raised.message == raised.response.json()["detail"]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.type)
def test_python_tries_no_error_of_fals_again(
    python: SyncClient, posted: list[str], error: ModelErrorType | RequestErrorType
) -> None:
    with pytest.raises(FalClientHTTPError):
        python.run(T2V, prompt(error.type))
    assert posted == ["run"]


@pytest.mark.parametrize("fault", OTHERS)
def test_python_on_the_way_to_fal(python: SyncClient, posted: list[str], fault: str) -> None:
    status = OTHERS[fault]
    kind = httpx.TransportError if status is None else FalClientHTTPError
    with pytest.raises(kind) as caught:
        python.run(T2V, prompt(fault))
    final = status in (401, 403)
    assert len(posted) == (1 if final else PYTHON_TRIES)
    if isinstance(caught.value, FalClientHTTPError):
        assert caught.value.status_code == status


def test_python_gets_there_when_a_fault_is_over(python: SyncClient, posted: list[str]) -> None:
    for fault in ("ingress_error times=2", "connection_reset times=2"):
        posted.clear()
        assert python.run(T2V, prompt(fault))["video"]["url"]
        assert len(posted) == 3


def test_python_submits_twice_where_a_reply_is_lost(python: SyncClient, mock: Mock) -> None:
    before = mock.jobs()
    handle = python.submit(T2V, prompt("reply_lost times=1"))
    assert handle.request_id
    new = [job for job in mock.jobs() if job not in before]
    assert len(new) == 2, "as at fal: wire.md §12 row 25"


@pytest.fixture(scope="module")
def javascript(mock: Mock) -> dict[str, Any]:
    """What the JavaScript client made of every fault."""
    assert READY.exists(), "the JavaScript client isn't installed; run: make javascript"
    faults = [*(error.type for error in EVERY), *OTHERS, SOON_OVER]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FAL_")}
    command = [node(), "failing.mjs", mock.url, "id:secret", T2V, json.dumps(faults)]
    done = subprocess.run(
        command, cwd=HERE, env=clean, capture_output=True, text=True, timeout=6 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def phrase(status: int) -> str:
    """Return the reason phrase, which the client shows as an error's message."""
    return {422: "Unprocessable Entity", 499: "Client Closed Request"}.get(status) or HTTPStatus(
        status
    ).phrase


@pytest.mark.parametrize("entry", ["run", "queue"])
@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.type)
def test_javascript_throws(
    javascript: dict[str, Any], error: ModelErrorType | RequestErrorType, entry: str
) -> None:
    thrown = javascript[error.type][entry]
    invalid = error.status == 422
    assert thrown["name"] == ("ValidationError" if invalid else "ApiError")
    assert (thrown["status"], thrown["message"]) == (error.status, phrase(error.status))
    assert thrown["requestId"]
    assert thrown["isUserTimeout"] == (error.type == "request_timeout")
    if isinstance(error, ModelErrorType):
        assert thrown["body"]["detail"][0]["type"] == error.type
    else:
        assert thrown["body"]["error_type"] == error.type
    if invalid:
        assert [item["type"] for item in thrown["fieldErrors"]] == [error.type]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.type)
def test_javascript_tries_by_the_status_alone(
    javascript: dict[str, Any], error: ModelErrorType | RequestErrorType
) -> None:
    again = error.status in (502, 503, 504) and error.type != "request_timeout"
    calls = javascript[error.type]["run"]["calls"]
    assert len(calls) == (JAVASCRIPT_TRIES if again else 1)


@pytest.mark.parametrize("fault", OTHERS)
def test_javascript_on_the_way_to_fal(javascript: dict[str, Any], fault: str) -> None:
    thrown, status = javascript[fault]["run"], OTHERS[fault]
    if fault == "half_reply":
        # The head came, so that the call succeeded to its mind; reading on then failed.
        assert thrown["name"] == "TypeError"
        return
    assert len(thrown["calls"]) == (1 if status in (401, 403) else JAVASCRIPT_TRIES)
    if status is None:
        assert (thrown["name"], thrown["message"]) == ("TypeError", "fetch failed")
    else:
        page = fault.startswith(INGRESS)
        text = f"HTTP {status}: {phrase(status)}" if page else phrase(status)
        assert (thrown["status"], thrown["message"]) == (status, text)


def test_javascript_gets_there_when_a_fault_is_over(javascript: dict[str, Any]) -> None:
    reached = javascript[SOON_OVER]["run"]
    assert reached["value"]["data"]["video"]["url"]
    assert len(reached["calls"]) == 3
