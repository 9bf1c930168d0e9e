"""The mock on a real socket, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from falkit import Settings
from falkit_mock.core.clock import Clock, ManualClock
from falkit_mock.core.network import listen, reached
from falkit_mock.mock import ServerThread
from falkit_mock.service.service import Service
from falkit_spec import Catalog

T2V = "fal-ai/ltx-2/text-to-video"
I2V_FAST = "fal-ai/ltx-2/image-to-video/fast"
RETAKE = "fal-ai/ltx-2/retake-video"
EXTEND = "fal-ai/ltx-2/extend-video"
A2V = "fal-ai/ltx-2/audio-to-video"
VIDEO, AUDIO = "https://example.com/x.mp4", "https://example.com/x.mp3"
PROMPT = {"prompt": "A lighthouse in the rain"}
KEY = {"authorization": "Key id:secret"}
# Seconds after which something that should have happened counts as not happening.
PATIENCE = 10.0
# The moment at which a paused clock begins, unix seconds.
START = 1_800_000_000.0


class WatchedClock(ManualClock):
    """Time that a test moves, and that tells when the mock has begun to wait for it."""

    def __init__(self) -> None:
        super().__init__(START)
        self._waits = threading.Semaphore(0)

    async def wait(self, until: float, waiter: asyncio.Event) -> None:
        if until > self.now():
            self._waits.release()
        await super().wait(until, waiter)

    def until_waited_for(self) -> None:
        """Return once somebody waits on this clock who had not been counted yet."""
        assert self._waits.acquire(timeout=PATIENCE), "nobody waits on the clock"


@dataclass(frozen=True)
class Mock:
    """A running mock: where it is, what is inside, and the calls that most tests make."""

    url: str
    service: Service
    clock: Clock
    server: ServerThread
    http: httpx.Client

    def run(self, input: Any, endpoint: str = T2V, **options: Any) -> httpx.Response:
        """Call fal.run."""
        return self.http.post(f"/fal.run/{endpoint}", json=input, **options)

    def submit(self, input: Any = PROMPT, endpoint: str = T2V, **options: Any) -> dict[str, Any]:
        """Put a request into the queue; return the reply's body."""
        reply = self.http.post(f"/queue.fal.run/{endpoint}", json=input, **options)
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body

    def status(self, job: dict[str, Any], **query: object) -> dict[str, Any]:
        """Return the body of a job's status."""
        params = {name: str(value) for name, value in query.items()}
        body: dict[str, Any] = self.http.get(job["status_url"], params=params).json()
        return body

    def result(self, job: dict[str, Any]) -> httpx.Response:
        """Fetch a job's result."""
        return self.http.get(job["response_url"])

    def cancel(self, job: dict[str, Any]) -> httpx.Response:
        """Ask for a job's cancellation."""
        return self.http.put(job["cancel_url"])

    def release(self, job: dict[str, Any], to: str = "COMPLETED") -> httpx.Response:
        """Let a held job go on."""
        url = f"/__falkit/jobs/{job['request_id']}/release"
        return self.http.post(url, params={"to": to})

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return all that the control API tells of a job."""
        found: dict[str, Any] = self.http.get(f"/__falkit/jobs/{job['request_id']}").json()
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Return what the control API lists of the newest 100 jobs, the newest first."""
        found: list[dict[str, Any]] = self.http.get("/__falkit/jobs").json()["jobs"]
        return found

    def stop(self) -> None:
        """Tell the mock that it is to end, so that nobody waits for it any longer."""
        self.inside(self.service.close)

    def advance(self, seconds: float) -> None:
        """Move the clock, on the mock's own event loop."""
        clock = self.clock
        assert isinstance(clock, ManualClock)
        self.inside(lambda: clock.advance(seconds))

    def inside(self, action: Callable[[], object]) -> None:
        """Do something on the mock's own event loop and wait until it is done."""
        self.server.inside(action)


def output_in(reply: httpx.Response) -> Any:
    """Return what a model answered: a reply's JSON, or the last event of a stream."""
    if reply.headers["content-type"].startswith("text/event-stream"):
        return json.loads(reply.text.rstrip().rpartition("\n\n")[2].removeprefix("data: "))
    return reply.json()


Serve = Callable[..., Mock]
"""Serves a mock by its timing and other settings: `serve("1,10", runners=1)`."""


@contextmanager
def running(
    settings: Settings | None = None,
    clock: Clock | None = None,
    catalog: Catalog | None = None,
    port: int = 0,
) -> Generator[Mock]:
    """Serve the mock for the length of the block, on a free port unless one is given."""
    with listen("127.0.0.1", port) as listener:
        url = reached(listener)
        settings = settings or Settings()
        with ServerThread(settings, listener, clock=clock, catalog=catalog) as server:
            service = server.wait().service
            client = httpx.Client(base_url=url, headers=KEY, timeout=PATIENCE, trust_env=False)
            with client:
                yield Mock(url, service, service.clock, server, client)
