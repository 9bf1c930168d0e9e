"""`--documents` and `--as-of`: the options by which every command chooses its documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from falkit_spec.catalog import Catalog
from falkit_spec.errors import UnknownDate

_Command = TypeVar("_Command", bound=Callable[..., Any])


def document_options(command: _Command) -> _Command:
    """Add --documents and --as-of to a command."""
    as_of = click.option(
        "--as-of",
        metavar="MONTH",
        help="Go by the documents that fal had in this month, such as 2026-01."
        "  [default: the newest]",
    )
    documents = click.option(
        "--documents",
        multiple=True,
        type=click.Path(),
        envvar="FALKIT_DOCUMENTS",
        show_envvar=True,
        metavar="FOLDER|FILE",
        help="Use fal's documents in this folder or file too, before falkit's own.",
    )
    return documents(as_of(command))


def read_catalog(
    documents: Iterable[str | Path], as_of: str | None, say: Callable[[str], object] | None = None
) -> Catalog:
    """Return the catalog that the options choose, after its notes; a UsageError says the fix."""
    try:
        catalog = Catalog.read(documents, as_of)
    except UnknownDate as error:
        raise click.UsageError(f"as-of: {error}") from None
    for line in catalog.notes:
        (say or _to_stderr)(line)
    return catalog


def _to_stderr(line: str) -> None:
    click.echo(f"falkit: {line}", err=True)
