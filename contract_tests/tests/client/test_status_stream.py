"""The event stream: followed to its end, and polling where it fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import respx

from falkit_client import Completed, InProgress, Queued, errors

FAST = "fal-ai/ltx-2/image-to-video/fast"
JOB = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"

Do = Callable[..., Any]


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in pieces; one that is callable is called when its turn comes."""

    def __init__(self, *pieces: bytes | Callable[[], bytes]) -> None:
        self.pieces = pieces
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            yield piece() if callable(piece) else piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece() if callable(piece) else piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def event(status: str, **fields: object) -> bytes:
    body = {"status": status, "request_id": "r1", "logs": None, **fields}
    return f"data: {json.dumps(body)}\n\n".encode()


def stream(body: Pieces) -> httpx.Response:
    return httpx.Response(200, stream=body, headers={"content-type": "text/event-stream"})


def test_events_are_followed_to_the_end(do: Do, respx_mock: respx.MockRouter) -> None:
    whole = event("IN_PROGRESS")
    body = Pieces(
        event("IN_QUEUE", queue_position=1), b": keep-alive\n\n", whole[:9], whole[9:] * 2,
        event("COMPLETED"),
    )  # fmt: skip
    route = respx_mock.get(f"{JOB}/status/stream?logs=1").mock(return_value=stream(body))
    events = do("iter_events", FAST, "r1", stream=True, logs=True)
    assert events == [Queued("r1", 1), InProgress("r1"), Completed("r1")]
    sent = route.calls.last.request
    assert sent.headers["accept"] == "text/event-stream"
    assert sent.headers["authorization"] == "Key id:secret"
    assert body.closed


def lost() -> bytes:
    raise httpx.ReadError("reset")


@pytest.mark.parametrize(
    "answer",
    [
        lambda: stream(Pieces(event("IN_PROGRESS"))),
        lambda: stream(Pieces(event("IN_PROGRESS"), lost)),
        lambda: httpx.Response(404, json={"detail": "no stream here"}),
        lambda: httpx.Response(503),
        lambda: httpx.Response(200, json={"status": "IN_PROGRESS", "request_id": "r1"}),
    ],
)
def test_polling_takes_over_from_a_stream_that_fails(
    do: Do, respx_mock: respx.MockRouter, answer: Callable[[], httpx.Response]
) -> None:
    respx_mock.get(f"{JOB}/status/stream").mock(return_value=answer())
    done = {"status": "COMPLETED", "request_id": "r1", "logs": None}
    running = {**done, "status": "IN_PROGRESS"}
    respx_mock.get(f"{JOB}/status").mock(
        side_effect=[httpx.Response(202, json=running), httpx.Response(200, json=done)]
    )
    assert do("iter_events", FAST, "r1", stream=True) == [InProgress("r1"), Completed("r1")]


def test_polling_takes_over_when_the_stream_cannot_be_opened(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.get(f"{JOB}/status/stream").mock(side_effect=httpx.ConnectError("refused"))
    done = {"status": "COMPLETED", "request_id": "r1", "logs": None}
    respx_mock.get(f"{JOB}/status").respond(200, json=done)
    assert do("iter_events", FAST, "r1", stream=True) == [Completed("r1")]


def test_a_time_limit_holds_while_only_comments_come(
    do: Do, respx_mock: respx.MockRouter, slept: list[float]
) -> None:
    def comment() -> bytes:
        slept.append(15.0)
        return b": keep-alive\n\n"

    respx_mock.get(f"{JOB}/status/stream").mock(return_value=stream(Pieces(*[comment] * 9)))
    running = {"status": "IN_PROGRESS", "request_id": "r1", "logs": None}
    respx_mock.get(f"{JOB}/status").respond(202, json=running)
    respx_mock.put(f"{JOB}/cancel").respond(202, json={"status": "CANCELLATION_REQUESTED"})
    with pytest.raises(errors.TimedOut):
        do("iter_events", FAST, "r1", stream=True, timeout=40)
    assert sum(slept) == pytest.approx(40)


def test_a_short_time_limit_is_polled(do: Do, respx_mock: respx.MockRouter) -> None:
    done = {"status": "COMPLETED", "request_id": "r1", "logs": None}
    respx_mock.get(f"{JOB}/status").respond(200, json=done)
    assert do("iter_events", FAST, "r1", stream=True, timeout=5) == [Completed("r1")]


def test_an_event_that_is_not_a_status_is_a_bad_reply(do: Do, respx_mock: respx.MockRouter) -> None:
    body = Pieces(b"data: nonsense\n\n")
    respx_mock.get(f"{JOB}/status/stream").mock(return_value=stream(body))
    with pytest.raises(errors.BadReply):
        do("iter_events", FAST, "r1", stream=True)
    assert body.closed
