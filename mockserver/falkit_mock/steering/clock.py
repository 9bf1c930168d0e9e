"""`falkit clock`: a running mock's time."""

from __future__ import annotations

from typing import Any

import click

from falkit_mock.calling import RunningMock, running_mock
from falkit_mock.steering.duration import DurationError, parse_duration

_ACTIONS = ("show", "advance", "set", "run", "stand")
# What those take that take something.
_TAKEN = {
    "advance": "a length of time, such as 15m",
    "set": "a moment, such as 2030-01-01T12:00:00Z",
}


@click.command()
@running_mock
@click.argument("action", type=click.Choice(_ACTIONS), default="show")
@click.argument("value", required=False)
def clock(mock: RunningMock, action: str, value: str | None) -> None:
    """Show a running mock's clock, move it on, let it run or stand.

    \b
    falkit clock                    the time there
    falkit clock advance 15m        go on: 90, 15m, 2h, 1h30m
    falkit clock set 2030-01-01T12:00:00Z
    falkit clock stand              let no time pass by itself
    falkit clock run                let it pass

    What moves it returns once all that was due on the way has been done.
    """
    body = _body(action, value)
    told = mock.get("/clock") if action == "show" else mock.post(f"/clock/{action}", body)
    state = "runs" if told["running"] else "stands"
    click.echo(f"{told['iso']}  ({told['now']:.3f}, {state})")


def _body(action: str, value: str | None) -> dict[str, Any]:
    if action not in _TAKEN:
        if value is not None:
            raise click.UsageError(f"{action}: takes nothing, not {value!r}")
        return {}
    if value is None:
        raise click.UsageError(f"{action}: give {_TAKEN[action]}")
    if action == "set":
        return {"now": _number(value)}
    try:
        return {"seconds": parse_duration(value)}
    except DurationError as error:
        raise click.UsageError(f"advance: {error}") from None


def _number(text: str) -> float | str:
    """Return a number, where it is one: what else it may be the mock knows."""
    try:
        return float(text)
    except ValueError:
        return text
