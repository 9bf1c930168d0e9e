"""`falkit faults`: what rules can have go wrong, by name."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from typing import Literal

import click

from falkit_mock.platform.rules.catalogue import FAULTS
from falkit_mock.platform.rules.fault import Fault
from falkit_mock.platform.rules.parameter import Parameter
from falkit_spec import JSON

_WIDTH = 100
# So many operations are not named one by one.
_MANY = 7


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="For people, for programs, or for a page.",
)
@click.argument("names", nargs=-1)
def faults(form: Literal["table", "json", "markdown"], names: tuple[str, ...]) -> None:
    """List the faults that a rule can name: all, or those whose names contain a word of NAMES.

    \b
    falkit serve --fault 'image_load_error times=2'
    falkit serve --fault 'latency seconds=uniform:1..3 endpoint=fal-ai/ltx-2/*'
    """
    words = [name.replace("-", "_") for name in names]
    chosen = [
        fault for fault in FAULTS.values() if not words or any(word in fault.name for word in words)
    ]
    if not chosen:
        raise click.UsageError(f"names: no fault has {' or '.join(names)} in its name")
    if form == "json":
        listed: list[JSON] = [fault.described() for fault in chosen]
        click.echo(json.dumps(listed, indent=2))
        return
    if form == "markdown":
        click.echo(page(chosen), nl=False)
        return
    for family in dict.fromkeys(fault.family for fault in chosen):
        click.echo(f"{family}\n")
        for fault in chosen:
            if fault.family == family:
                _show(fault)
        click.echo()


def _show(fault: Fault) -> None:
    told = textwrap.wrap(fault.about, _WIDTH - 38)
    click.echo(f"  {fault.name:<34}  {told[0]}")
    for line in told[1:]:
        click.echo(f"{'':38}{line}")
    for parameter in fault.parameters:
        click.echo(f"{'':38}{written(parameter)}  {parameter.about}")


def page(faults: Iterable[Fault]) -> str:
    """Return the table of faults as docs/faults.md has it."""
    rows = ["| fault | what happens | on | parameters and their defaults |", "|---|---|---|---|"]
    for fault in faults:
        on = ", ".join(fault.on) if len(fault.on) < _MANY else "all but uploads and files"
        taken = ", ".join(f"`{written(parameter)}`" for parameter in fault.parameters)
        rows.append(f"| `{fault.name}` | {fault.about} | {on} | {taken} |")
    return "\n".join(rows) + "\n"


def written(parameter: Parameter) -> str:
    """Return a parameter with its default, as a rule would have it."""
    default = parameter.default
    if default is None:
        return f"{parameter.name}="
    shown = ",".join(map(str, default)) if isinstance(default, list) else default
    if isinstance(shown, str) and " " in shown:
        shown = json.dumps(shown)
    return f"{parameter.name}={str(shown).lower() if isinstance(shown, bool) else shown}"
