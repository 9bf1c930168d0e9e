"""`falkit faults`: what rules can have go wrong, by name."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from shutil import get_terminal_size

import click

from falkit_mock.faults import Fault, Parameter
from falkit_mock.faults.catalogue import FAULTS
from falkit_spec import JSON

_WIDTH = 100
# Columns of a fault's name, with the space around it, and the fewest for its description.
_NAME, _LEAST = 38, 30
# From so many faults that have a parameter on, it is explained once, below.
_OFTEN = 4
# So many operations are not named one by one.
_MANY = 7


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.option("--markdown", is_flag=True, help="Print the table of docs/faults.md.")
@click.argument("names", nargs=-1)
def faults(as_json: bool, markdown: bool, names: tuple[str, ...]) -> None:
    """List the faults that a rule can name.

    All of them, or those whose names contain a word of NAMES.

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
    if as_json:
        listed: list[JSON] = [fault.to_json() for fault in chosen]
        click.echo(json.dumps(listed, indent=2))
        return
    if markdown:
        click.echo(page(chosen), nl=False)
        return
    wide, shared = min(_WIDTH, get_terminal_size().columns), _shared(chosen)
    for family in dict.fromkeys(fault.family for fault in chosen):
        click.echo(f"{family}\n")
        for fault in chosen:
            if fault.family == family:
                _show(fault, wide, shared)
        click.echo()
    for parameter in shared:
        text = f"  {written(parameter):<16}  {parameter.about}"
        click.echo(textwrap.fill(text, wide, subsequent_indent=" " * 20))


def _show(fault: Fault, wide: int, shared: Collection[Parameter]) -> None:
    room = max(_LEAST, wide - _NAME)
    lines = textwrap.wrap(fault.about, room)
    known = " ".join(written(each) for each in fault.parameters if each in shared)
    lines += textwrap.wrap(known, room)
    own = [each for each in fault.parameters if each not in shared]
    for about, alike in groupby(own, lambda each: each.about):
        text = f"{' '.join(map(written, alike))}  {about}"
        lines += textwrap.wrap(text, room, subsequent_indent="  ", break_on_hyphens=False)
    click.echo(f"  {fault.name:<{_NAME - 4}}  {lines[0]}")
    for line in lines[1:]:
        click.echo(f"{'':{_NAME}}{line}")


def _shared(faults: Sequence[Fault]) -> list[Parameter]:
    """Return the parameters that so many faults have alike that one explanation is enough."""
    found: list[Parameter] = []
    for parameter in (each for fault in faults for each in fault.parameters):
        having = sum(parameter in fault.parameters for fault in faults)
        if having >= _OFTEN and parameter not in found:
            found.append(parameter)
    return found


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
