"""What fal's own clients make of a start timeout, a limit and a result that is gone."""

from __future__ import annotations

from collections.abc import Generator

import fal_client
import pytest
from fal_client.client import FalClientHTTPError

from clients import javascript_client
from clients.in_process import Fal, routed_from_threads
from falkit import Settings, create_app
from falkit_mock.core.clock import ManualClock
from falkit_mock.service.service import Service
from service.conftest import Serve
from serving import PROMPT, T2V


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def fal(clock: ManualClock) -> Generator[Fal]:
    """A mock for one job at a time, each of which runs for ten seconds."""
    settings = Settings(timing="0,10", concurrency=1)
    with routed_from_threads(Fal(create_app(settings, clock=clock))) as served:
        yield served


@pytest.fixture
def client(fal: Fal) -> fal_client.SyncClient:
    return fal_client.SyncClient(key="id:secret")


def test_python_meets_its_start_timeout_at_once_and_never_tries_again(
    fal: Fal, client: fal_client.SyncClient, clock: ManualClock
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
    fal: Fal, client: fal_client.SyncClient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.submit(T2V, PROMPT)

    # The client's pauses, in the mock's time.
    def sleep(seconds: float) -> None:
        clock.advance(4)

    monkeypatch.setattr("fal_client.client.time.sleep", sleep)
    service: Service = fal.app.service  # type: ignore[attr-defined]
    before = len(fal.requests)
    with pytest.raises(FalClientHTTPError) as refused:
        client.run(T2V, {})
    assert refused.value.status_code == 422, "the call that found a place"
    assert len(fal.requests) - before == 4
    assert len(service.store.jobs()) == 2


def test_javascript_says_its_priority_and_meets_its_start_timeout(serve: Serve) -> None:
    mock = serve("held")
    queued = javascript_client.call(mock.url, "submit")
    job = mock.service.store.get(queued["request_id"])
    assert job is not None
    assert job.options.priority == "low"
    javascript_client.call(mock.url, "startTimeoutAndHint")
    late = mock.service.store.jobs()[-1]
    assert late.options.start_within == 30
    mock.advance(30)
    url = f"{mock.url}/queue.fal.run/fal-ai/ltx-2/requests/{late.id}"
    assert mock.http.get(url).status_code == 504
