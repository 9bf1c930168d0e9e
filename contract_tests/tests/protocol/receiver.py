"""A receiver of webhooks inside the process: it notes what comes, and answers as it is told to."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from falkit_mock.core.clock import Clock
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.sender import Answer
from falkit_mock.webhooks.targets import Target

# None of them is called: what goes to these addresses is caught before.
URLS = ("http://127.0.0.1:9001/a", "http://localhost:9002/b?c=d", "http://[::1]:9003/")
ABROAD = "https://hooks.example.com/fal"


@dataclass(frozen=True)
class Mood:
    """How a receiver answers: with a code, or not, and after how many seconds by the clock."""

    code: int | None
    delay: float = 0.0

    def __repr__(self) -> str:
        return f"<{self.code or 'nothing'} after {self.delay:g} s>"

    @property
    def prompt(self) -> bool:
        return self.delay == 0


FRIENDLY = Mood(200)
SILENT = Mood(200, math.inf)
MOODS = (
    FRIENDLY,
    Mood(204),
    Mood(307),
    Mood(404),
    Mood(500),
    Mood(503),
    Mood(None),
    Mood(200, 10.0),
    Mood(200, 20.0),
    Mood(500, 4.0),
    SILENT,
)


@dataclass(frozen=True)
class Arrival:
    """What came, when, and how it is answered."""

    moment: float
    url: str
    headers: dict[str, str]
    body: bytes
    mood: Mood

    def header(self, name: str) -> str:
        """Return one of the four that a webhook has."""
        return self.headers[f"X-Fal-Webhook-{name}"]


@dataclass
class Receiver:
    """Takes the place of HTTP. Each URL has a mood of its own."""

    clock: Clock
    moods: dict[str, Mood] = field(default_factory=dict[str, Mood])
    arrivals: list[Arrival] = field(default_factory=list[Arrival])

    def mood(self, url: str) -> Mood:
        return self.moods.get(url, FRIENDLY)

    async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        """Take a delivery."""
        mood = self.mood(target.url)
        now = self.clock.now()
        self.arrivals.append(Arrival(now, target.url, dict(headers), body, mood))
        # Whoever hangs waits on nothing that the clock goes by: it is the mock that gives up.
        if mood.delay == math.inf:
            await asyncio.Event().wait()
        while self.clock.now() < now + mood.delay:
            await self.clock.wait(now + mood.delay, self.clock.notifier.waiter())
        if mood.code is None:
            raise SendFailed("the connection broke")
        return Answer(mood.code, {"content-type": "text/plain"}, b"heard")
