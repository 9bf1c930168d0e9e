"""What was seen of one job, and whether it goes together: an assertion fails where it doesn't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from falkit_spec import Endpoint
from protocol.asgi import HOST, Reply

RANKS = {"IN_QUEUE": 0, "IN_PROGRESS": 1, "COMPLETED": 2}
BASE = f"http://{HOST}/queue.fal.run"
STILL = "Request is still in progress"
CANCELLED = {"detail": "Request cancelled by the client.", "error_type": "client_cancelled"}


@dataclass
class Lines:
    """A job's log, pieced together from windows of it."""

    size: int
    known: list[Any] = field(default_factory=list[Any])

    def see(self, window: list[Any]) -> None:
        """Take a window: a slice of one list that only grows, with its newest line at the end."""
        assert len(window) <= self.size, f"{len(window)} lines in a window of {self.size}"
        if not window:
            assert not self.known, "lines that were shown are gone"
            return
        if window[0] in self.known:
            start = self.known.index(window[0])
            overlap = len(self.known) - start
            assert window[:overlap] == self.known[start:], "a window changed or went back"
            self.known += window[overlap:]
            return
        # Lines went by unseen in between.
        assert not [line for line in window if line in self.known]
        self.known += window
        times = [line["timestamp"] for line in self.known]
        assert times == sorted(times), "lines out of order"


@dataclass
class Witness:
    """One job as the outside sees it."""

    id: str
    endpoint: Endpoint
    # As posted: the endpoint's id, perhaps with a path that the app doesn't have.
    path: str
    # What its result is to be if nobody cancels it.
    code: int
    lines: Lines
    # By the clock, unix seconds.
    submitted: float
    rank: int = 0
    position: int | None = None
    cancelled: bool = False
    # Whether it was cancelled while it waited, so that it never ran.
    spared: bool = False
    result: Reply | None = None
    completed: dict[str, Any] | None = None

    @property
    def urls(self) -> dict[str, str]:
        """The job's URLs: owner and app, whatever it was posted to."""
        base = f"{BASE}/{self.endpoint.app}/requests/{self.id}"
        return {
            "response_url": base,
            "status_url": f"{base}/status",
            "cancel_url": f"{base}/cancel",
        }

    @property
    def done(self) -> bool:
        return self.rank == RANKS["COMPLETED"]

    def see_status(self, body: dict[str, Any]) -> None:
        """Take a status, of a reply or an event, all but its logs."""
        rank = RANKS[body["status"]]
        assert rank >= self.rank, f"{body['status']} after rank {self.rank}"
        self.rank = rank
        assert body["request_id"] == self.id
        assert {name: body[name] for name in self.urls} == self.urls
        if rank == 0:
            self._see_position(body["queue_position"])
        if self.done:
            self._see_end(body)

    def see_logs(self, body: dict[str, Any], *, asked: bool) -> None:
        """Take a status's logs: a window, or null while it waits or where none were asked for."""
        logs = body["logs"]
        assert (logs is not None) == (asked and body["status"] != "IN_QUEUE")
        if logs is not None:
            assert not (logs and self.spared), "a job that never ran has lines"
            self.lines.see(logs)

    def see_result(self, reply: Reply) -> None:
        """Take what the result answers: not yet, or the same for good."""
        if reply.status_code == 400 and reply.json()["detail"] == STILL:
            assert not self.done, "a finished job is said to be in progress"
            body = {"detail": STILL, "request_id": self.id, **self.urls}
            assert reply.json() == body
            return
        self.rank = RANKS["COMPLETED"]
        assert reply.status_code == (499 if self.cancelled else self.code)
        if self.cancelled:
            assert reply.json() == CANCELLED
        if self.result is None:
            self.result = reply
        assert reply == self.result, "a result changed"

    def see_cancellation(self, reply: Reply, *, heeded: bool, spared: bool) -> None:
        """Take what a cancellation answers, and whether the job then ends, and ends unrun."""
        if reply.status_code == 400:
            assert reply.json() == {"status": "ALREADY_COMPLETED"}
            self.rank = RANKS["COMPLETED"]
            return
        assert not self.done, "a finished job was cancelled"
        if heeded:
            self.cancelled, self.spared = True, spared
            self.rank = RANKS["COMPLETED"]

    def _see_position(self, position: int) -> None:
        assert self.position is None or position <= self.position, "a position rose"
        self.position = position

    def _see_end(self, body: dict[str, Any]) -> None:
        end = {name: value for name, value in body.items() if name != "logs"}
        assert self.completed in (None, end), "a finished job's status changed"
        self.completed = end
        assert ("inference_time" in body["metrics"]) == (not self.cancelled)
        failed = self.cancelled or self.code != 200
        assert body.get("error_type") == ("client_cancelled" if self.cancelled else None)
        assert "error" not in body or failed
