"""What was seen of one job, and whether it goes together: an assertion fails where it doesn't."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from falkit_spec import Endpoint
from protocol.asgi import HOST, Reply
from protocol.deliveries import Webhook
from protocol.faults import CANCELLED, TIMED_OUT, Ending, Fault
from protocol.service import Task

RANKS = {"IN_QUEUE": 0, "IN_PROGRESS": 1, "COMPLETED": 2}
BASE = f"http://{HOST}/queue.fal.run"
STILL = "Request is still in progress"


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
    """One job as the outside sees it, beside what it should be."""

    id: str
    endpoint: Endpoint
    key: str
    # What is known of it in time, and how it is to end if it starts.
    task: Task
    planned: Ending
    lines: Lines
    # How often the service tries before that.
    attempts: int = 1
    fault: Fault | None = None
    webhook: Webhook | None = None
    # Whether a test ended it as it would have ended.
    completed_by_hand: bool = False
    # Seconds for which its result can be had.
    kept: float = 3600.0
    rank: int = 0
    result: Reply | None = None
    completed: dict[str, Any] | None = None
    # What its webhook brought: the body as it came, untampered.
    delivered: bytes | None = None

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

    @property
    def gone(self) -> float:
        """When its result can be had no longer, unix seconds."""
        return self.task.ends + self.kept

    @property
    def ending(self) -> Ending:
        """How it is to end, or ended."""
        return TIMED_OUT if self.task.given_up else self.planned

    def see_status(self, body: dict[str, Any]) -> None:
        """Take a status, of a reply or an event, all but its logs."""
        rank = RANKS[body["status"]]
        assert rank >= self.rank, f"{body['status']} after rank {self.rank}"
        self.rank = rank
        assert body["request_id"] == self.id
        assert {name: body[name] for name in self.urls} == self.urls
        if self.done:
            self._see_end(body)

    def see_logs(self, body: dict[str, Any], *, asked: bool) -> None:
        """Take a status's logs: a window, or null while it waits or where none were asked for."""
        logs = body["logs"]
        assert (logs is not None) == (asked and body["status"] != "IN_QUEUE")
        if logs is not None:
            # One that a test completes while it waits counts as if it had run.
            failed = self.task.cut_short and self.planned.code >= 400 and not self.completed_by_hand
            never_ran = self.task.given_up or failed
            assert not (logs and never_ran), "a job that never ran has lines"
            self.lines.see(logs)

    def see_result(self, reply: Reply) -> None:
        """Take what the result answers: not yet, or the same as long as it is kept."""
        if reply.status_code == 400 and reply.json().get("detail") == STILL:
            assert not self.done, "a finished job is said to be in progress"
            body = {"detail": STILL, "request_id": self.id, **self.urls}
            assert reply.json() == body
            return
        self.rank = RANKS["COMPLETED"]
        self._see_ending(reply)
        if self.result is None:
            self.result = reply
        assert reply == self.result, "a result changed"
        if self.delivered is not None:
            self._compare(self.delivered, reply)

    def see_delivery(self, body: bytes) -> None:
        """Take the body of a delivery: every time the same, and about this job's result."""
        assert self.delivered in (None, body), "a delivery differs from the one before"
        self.delivered = body
        payload = json.loads(body)
        assert body == json.dumps(payload, sort_keys=True).encode(), "other bytes than fal's"
        assert payload["request_id"] == self.id
        anew = payload["gateway_request_id"] != self.id
        assert anew == (self.attempts > 1), f"gateway id after {self.attempts} attempts"
        if self.result is not None:
            self._compare(body, self.result)
        else:
            self._see_payload(payload)

    def _see_payload(self, payload: dict[str, Any]) -> None:
        failed, ending = self.ending.code >= 400, self.ending
        assert payload["status"] == ("ERROR" if failed else "OK")
        error = f"Invalid status code: {ending.code}" if failed else None
        assert payload["error"] == error
        assert ("payload_error" in payload) == (ending.text is not None)

    def _compare(self, body: bytes, reply: Reply) -> None:
        payload = json.loads(body)
        self._see_payload(payload)
        told = None if self.ending.text is not None else reply.json()
        assert payload["payload"] == told, "a webhook says something else than the result"

    def _see_ending(self, reply: Reply) -> None:
        ending = self.ending
        assert reply.status_code == ending.code, f"{reply.status_code}, not {ending}"
        assert reply.headers.get("x-fal-error-type") == ending.error_type
        if ending.text is not None:
            assert reply.body.decode() == ending.text
        elif ending.error_type is not None:
            assert reply.json()["error_type"] == ending.error_type
        elif ending.kind is not None:
            assert [item["type"] for item in reply.json()["detail"]] == [ending.kind]
        by_user = reply.headers.get("x-fal-request-timeout-type") == "user"
        assert by_user == (ending == TIMED_OUT)

    def _see_end(self, body: dict[str, Any]) -> None:
        end = {name: value for name, value in body.items() if name != "logs"}
        assert self.completed in (None, end), "a finished job's status changed"
        self.completed = end
        no_time = self.ending in (CANCELLED, TIMED_OUT)
        assert ("inference_time" in body["metrics"]) == (not no_time)
        assert body.get("error_type") == self.ending.error_type
        assert ("error" in body) == (self.ending.code >= 400)
