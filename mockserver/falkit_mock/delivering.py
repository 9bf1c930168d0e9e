"""What `falkit trigger` and `falkit resend` print: a delivery and the receiver's answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FORM = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the delivery is written to stdout.",
)


def format_option(command: _Command) -> _Command:
    """Add --format to a command."""
    return _FORM(command)


def tell(delivery: dict[str, Any], form: str) -> None:
    """Print a delivery as the control API describes it and end: with 0 if it was taken, else 1."""
    if form == "json":
        import json

        click.echo(json.dumps(delivery))
    else:
        click.echo(_text(delivery))
    sys.exit(0 if delivery["outcome"] == "acknowledged" else 1)


def _text(delivery: dict[str, Any]) -> str:
    sent, answer = delivery["request"], delivery["response"]
    lines = [f"POST {delivery['url']}"]
    lines += [f"  {name}: {value}" for name, value in sent["headers"].items()]
    lines += [f"  {sent['body']}", ""]
    if answer is None:
        lines.append(f"{delivery['outcome']}: {delivery['error']}")
    else:
        milliseconds = delivery["seconds"] * 1000
        lines.append(f"{delivery['outcome']}: {answer['status_code']} in {milliseconds:.0f} ms")
        lines += [f"  {name}: {value}" for name, value in answer["headers"].items()]
        lines += [f"  {line}" for line in answer["body"].splitlines()]
    return "\n".join(lines)
