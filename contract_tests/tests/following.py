"""What tests ask a mock about webhooks, and how they move its time."""

from __future__ import annotations

from typing import Any

from serving import PATIENCE, PROMPT, Mock

Seen = dict[str, Any]


def submit(mock: Mock, url: str, input: Any = PROMPT, **options: Any) -> Seen:
    """Submit a job with a webhook."""
    return mock.submit(input, params={"fal_webhook": url}, **options)


def go(mock: Mock, seconds: float) -> None:
    """Move the mock's clock by way of all that is waited for."""
    reply = mock.http.post("/__falkit/clock/advance", json={"seconds": seconds})
    assert reply.status_code == 200, reply.text


def deliveries(mock: Mock, **query: str | float) -> list[Seen]:
    """Return the log, oldest first."""
    reply = mock.http.get("/__falkit/deliveries", params=query)
    assert reply.status_code == 200, reply.text
    found: list[Seen] = reply.json()["deliveries"]
    return found


def settled(mock: Mock, count: int = 1) -> list[Seen]:
    """Return the log once it has so many entries."""
    deliveries(mock, wait=PATIENCE, count=count)
    return deliveries(mock)
