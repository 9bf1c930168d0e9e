"""What fal's own clients make of a start timeout, a limit and a result that is gone."""

from __future__ import annotations

from collections.abc import Generator

import fal_client
import pytest
from fal_client.client import FalClientHTTPError

from clients import javascript_client
from clients.in_process import Fal, in_process
from serving import PROMPT, T2V, Serve, WatchedClock


@pytest.fixture
def fal(clock: WatchedClock) -> Generator[Fal]:
    """A mock for one job at a time, each of which runs for ten seconds."""
    with in_process(timing="0,10", concurrency=1, clock=clock) as served:
        yield served


@pytest.fixture
def client(fal: Fal) -> fal_client.SyncClient:
    return fal_client.SyncClient(key="id:secret")


def test_python_meets_its_start_timeout_at_once_and_never_tries_again(
    fal: Fal, client: fal_client.SyncClient, clock: WatchedClock
) -> None:
    client.submit(T2V, PROMPT)
    waits = client.submit(T2V, PROMPT, start_timeout=5)
    assert isinstance(waits.status(), fal_client.Queued)
    clock.advance(5)
    done = waits.status()
    assert isinstance(done, fal_client.Completed)
    assert (done.error, done.error_type) == ("Request timed out", "request_timeout")
    before = len(fal.requests)
    with pytest.raises(FalClientHTTPError) as late:
        waits.get()
    assert (late.value.status_code, late.value.error_type) == (504, "request_timeout")
    assert late.value.message == "Request timed out"
    assert late.value.response_headers["x-fal-request-timeout-type"] == "user"
    assert len(fal.requests) == before + 2, "a status and the result, once each"


def test_pythons_priority_is_heeded(fal: Fal, client: fal_client.SyncClient) -> None:
    client.submit(T2V, PROMPT)
    low = client.submit(T2V, PROMPT, priority="low")
    normal = client.submit(T2V, PROMPT)
    assert [handle.status() for handle in (normal, low)] == [
        fal_client.Queued(position=0),
        fal_client.Queued(position=1),
    ]


def test_python_tries_a_call_above_the_limit_again_until_there_is_a_place(
    fal: Fal, client: fal_client.SyncClient, clock: WatchedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.submit(T2V, PROMPT)

    # The client's pauses, in the mock's time.
    def sleep(seconds: float) -> None:
        clock.advance(4)

    monkeypatch.setattr("fal_client.client.time.sleep", sleep)
    before = len(fal.requests)
    with pytest.raises(FalClientHTTPError) as refused:
        client.run(T2V, {})
    assert refused.value.status_code == 422, "the call that found a place"
    assert len(fal.requests) - before == 4


def test_javascript_says_its_priority_and_meets_its_start_timeout(timed: Serve) -> None:
    mock = timed("held")
    queued = javascript_client.call(mock.url, "submit")
    assert mock.job(queued)["options"]["priority"] == "low"
    javascript_client.call(mock.url, "startTimeoutAndHint")
    late = mock.jobs()[0]
    assert mock.job(late)["options"]["start_within"] == 30
    mock.advance(30)
    url = f"{mock.url}/queue.fal.run/fal-ai/ltx-2/requests/{late['request_id']}"
    assert mock.http.get(url).status_code == 504
