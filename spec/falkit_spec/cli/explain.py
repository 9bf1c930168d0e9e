"""`falkit explain`: what the code of a finding means."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from difflib import get_close_matches

import click

from falkit_spec.findings import FindingKind, finding_kinds


@click.command()
@click.argument("codes", metavar="[CODE...]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(codes: tuple[str, ...], as_json: bool) -> None:
    """Say what the code of a finding means, or list all codes."""
    kinds = finding_kinds()
    for code in codes:
        if code not in kinds:
            near = get_close_matches(code, kinds, n=1)
            fix = f"did you mean {near[0]}?" if near else "`falkit explain` lists them"
            raise click.UsageError(f"CODE: there is no {code!r}; {fix}")
    chosen = [kinds[code] for code in dict.fromkeys(codes)] or [*kinds.values()]
    if as_json:
        click.echo(json.dumps([asdict(kind) for kind in chosen], indent=2))
    elif codes:
        click.echo("\n\n".join(map(_text, chosen)))
    else:
        wide = max(len(code) for code in kinds)
        for kind in chosen:
            click.echo(f"{kind.severity:<8} {kind.code:<{wide}}  {kind.title}")


def _text(kind: FindingKind) -> str:
    parts = [
        *(f"{kind.code} ({kind.severity}): {kind.title}", f"fal: {kind.fal}"),
        *(f"fix: {kind.fix}", kind.why, f"More, in falkit's source: docs/{kind.see}"),
    ]
    return "\n".join(textwrap.fill(part, 100, subsequent_indent="    ") for part in parts)
