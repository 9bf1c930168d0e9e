"""Commands for a running mock, by its control API: clock, requests, spend, reset."""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from typing import Any

import click

from falkit_mock.cli import new_name
from falkit_mock.cli.running import RunningMock, json_option, note_empty, running_mock
from falkit_mock.core import count, iso, parse_duration, printable


class _Words(click.Choice[str]):
    """A choice that says what a word is called now."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if new := new_name(value, self.choices):
            raise click.UsageError(f"{value!r} is now called {new!r}")
        return super().convert(value, param, ctx)


# What each action on the clock takes.
_CLOCK_ACTIONS = {
    "show": None,
    "advance": "a length of time, such as 15m",
    "set": "a moment, such as 2030-01-01T12:00:00Z",
    "run": None,
    "pause": None,
}


@click.command()
@running_mock
@click.argument("action", type=_Words([*_CLOCK_ACTIONS]), default="show")
@click.argument("value", required=False)
@json_option
def clock(mock: RunningMock, action: str, value: str | None, as_json: bool) -> None:
    """Show a running mock's clock, move it on, run or pause it.

    \b
    falkit clock                    the time there
    falkit clock advance 15m        go on: 90, 15m, 2h, 1h30m
    falkit clock set 2030-01-01T12:00:00Z
    falkit clock pause              let no time pass by itself
    falkit clock run                let it pass

    What moves it returns once all that was due on the way has been done.
    """
    body = _clock_body(action, value)
    try:
        now = mock.get("/clock") if action == "show" else mock.post(f"/clock/{action}", body)
    except click.UsageError as error:
        # What the mock calls `now`, and may show in its own way, is this command's value.
        why = _NOW.sub(lambda _: f"set: {value!r} ", error.message)
        raise click.UsageError(why) from None
    if as_json:
        click.echo(json.dumps(now))
        return
    state = "running" if now["running"] else "paused"
    click.echo(f"{now['iso']}  ({now['now']:.3f}, {state})")


_NOW = re.compile(r"^now: ('[^']*'|\S+) ")


def _clock_body(action: str, value: str | None) -> dict[str, Any]:
    wanted = _CLOCK_ACTIONS[action]
    if wanted is None and value is not None:
        raise click.UsageError(f"{action}: takes nothing, not {value!r}")
    if wanted is not None and value is None:
        raise click.UsageError(f"{action}: give {wanted}")
    if value is None:
        return {}
    if action == "set":
        return {"now": _number(value)}
    try:
        return {"seconds": parse_duration(value)}
    except ValueError as error:
        raise click.UsageError(f"advance: {error}") from None


def _number(text: str) -> float | str:
    """Return a number, where it is one: what else it may be the mock knows."""
    try:
        return float(text)
    except ValueError:
        return text


@click.command()
@running_mock
@click.option("--method", metavar="METHOD", help="Only requests by this method.")
@click.option("--host", metavar="GLOB", help="Only requests to these fal hosts.")
@click.option("--path", metavar="GLOB", help="Only requests to these paths there.")
@click.option("--status", type=click.IntRange(0, 599), help="Only those answered with this.")
@click.option("--since", type=click.IntRange(0), help="Only those with a higher number.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many."
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    help="Wait so long for such a request; the exit code is 1 if none came.",
)
@click.option("--clear", is_flag=True, help="Forget the requests so far, and print none.")
@json_option
def requests(mock: RunningMock, clear: bool, as_json: bool, **filters: Any) -> None:
    """List the newest requests that a running mock answered.

    They are those for fal's hosts; its control API's are not among them. The newest is the last.
    """
    if clear:
        mock.call("DELETE", "/requests")
        return
    given = {name: value for name, value in filters.items() if value is not None}
    page = mock.get("/requests", given)
    if as_json:
        click.echo(json.dumps(page))
    else:
        for request in page["requests"]:
            click.echo(_request_line(request))
        note_empty("requests", page["requests"], filtered=not {*given} <= {"limit", "wait"})
    if filters["wait"] is not None and not page["requests"]:
        sys.exit(1)


def _request_line(request: dict[str, Any]) -> str:
    took = "" if request["ms"] is None else f"  {request['ms']:.1f} ms"
    faults = f"  [{', '.join(request['faults'])}]" if request["faults"] else ""
    what = f"{request['status'] or '---'} {request['method']:<4} {request['host']}{request['path']}"
    line = printable(f"{request['number']:>5}  {iso(request['time'])[11:23]}  {what}{took}{faults}")
    return f"{line}\n       hint: {request['hint']}" if request["hint"] else line


@click.command()
@running_mock
@json_option
def spend(mock: RunningMock, as_json: bool) -> None:
    """Show what a running mock's jobs would have cost.

    All that have ended since it started count: a reset gives nothing back. With tenants it is of
    all keys, where neither --key nor FAL_KEY names one.
    """
    told = mock.get("/spend")
    if as_json:
        click.echo(json.dumps(told))
        return
    # Lazy: no other command has prices.
    from falkit_spec.facts import dollars, over

    click.echo(_spent(told, ""))
    for one in told["endpoints"]:
        click.echo(_spent(one, one["endpoint_id"]))
    for one in told["keys"] if len(told["keys"]) > 1 else ():
        click.echo(_spent(one, f"key {one['key']}"))
    if told["budget"] is not None:
        budget, total = Decimal(told["budget"]), Decimal(told["cost"])
        click.echo(over(budget, total) or f"within the budget of {dollars(budget)}")


def _spent(sums: dict[str, Any], what: str) -> str:
    from falkit_spec.facts import in_words

    cost = in_words(Decimal(sums["cost"]), sums["unpriced"])
    return printable(f"{cost}  {what or 'in all'}  ({count(sums['jobs'], 'job')})")


@click.command()
@running_mock
@click.option("--keep-rules", is_flag=True, help="Keep the rules that were set since the start.")
@json_option
def reset(mock: RunningMock, keep_rules: bool, as_json: bool) -> None:
    """Empty a running mock; the same ids come again."""
    state = mock.post("/reset", {"keep_rules": keep_rules})
    line = f"the mock is empty; its seed is {state['seed']}"
    click.echo(json.dumps(state) if as_json else line)
