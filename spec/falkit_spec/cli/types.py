"""`falkit spec types`: write typed clients for a user's own endpoints."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from keyword import iskeyword
from pathlib import Path

import click

from falkit_spec.catalog import Catalog
from falkit_spec.cli.options import document_options, read_catalog
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import SpecError, UnknownDate, UnknownEndpoint
from falkit_spec.typed.clients import MARK, Typed, module, package

# The mark is in a module's first lines.
_TOP = 1000


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER|FILE",
    required=True,
    help="Write a package, or one module where the name ends in .py.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if it would change.")
@document_options
def types(
    ids: tuple[str, ...],
    out: Path,
    check: bool,
    documents: tuple[str, ...],
    as_of: str | None,
) -> None:
    """Write Python types of endpoints' inputs and outputs.

    With them come a Client and an AsyncClient, whose calls of these endpoints type checkers and
    editors know. Without an ID, all endpoints of --documents are written.
    """
    name = out.stem if out.suffix == ".py" else out.name
    if not name.isidentifier() or iskeyword(name):
        raise click.UsageError(
            f"--out: Python can't import {name!r}; use letters, digits and _, such as fal_types"
        )
    endpoints = _chosen(ids, documents, as_of)
    texts = _texts(endpoints, out)
    changed = _changed(texts, out)
    for path, text in changed.items():
        if not check and text is None:
            path.unlink()
        elif not check and text is not None:
            _write(path, text)
        click.echo(f"{path}: {'differs' if check else 'removed' if text is None else 'written'}")
    if not changed:
        click.echo(f"{out}: up to date")
    elif check:
        click.echo("falkit: run the same command without --check", err=True)
        sys.exit(1)


def _chosen(ids: Sequence[str], documents: Sequence[str], as_of: str | None) -> list[Endpoint]:
    """Return the endpoints to write, in the order of their ids."""
    catalog = read_catalog(documents, as_of)
    if not ids and not documents:
        raise click.UsageError("name the endpoints, or --documents for all that are in there")
    try:
        found = [catalog.get(id) for id in dict.fromkeys(ids)] or _own(catalog, as_of)
    except UnknownEndpoint as error:
        raise click.UsageError(str(error)) from None
    usable = [endpoint for endpoint in found if _is_usable(endpoint, named=bool(ids))]
    if not usable:
        raise click.UsageError(f"{', '.join(documents)}: no document that can be used")
    return sorted(usable, key=lambda endpoint: endpoint.id)


def _own(catalog: Catalog, as_of: str | None) -> list[Endpoint]:
    try:
        ours = {one.id: one.document for one in Catalog.vendored(as_of)}
    except UnknownDate:
        # The user's documents are older than falkit's first.
        ours = {}
    return [one for one in catalog if ours.get(one.id) is not one.document]


def _is_usable(endpoint: Endpoint, *, named: bool) -> bool:
    try:
        Typed([endpoint]).text()
    except (SpecError, RecursionError) as error:
        if named:
            raise click.UsageError(f"{endpoint.id}: {error}") from None
        click.echo(f"falkit: {endpoint.id}: {error}; left out", err=True)
        return False
    return True


def _texts(endpoints: Sequence[Endpoint], out: Path) -> dict[Path, str]:
    if out.suffix == ".py":
        return {out: module(endpoints)}
    return {out / path: text for path, text in package(endpoints).items()}


def _changed(texts: dict[Path, str], out: Path) -> dict[Path, str | None]:
    """Return what differs: new texts, and None for modules that are no longer made."""
    changed: dict[Path, str | None] = {}
    for path, text in texts.items():
        old = _read(path)
        if old is not None and MARK not in old[:_TOP]:
            raise click.UsageError(
                f"--out: {path} isn't of falkit's making; name another place, or remove it"
            )
        if old != text:
            changed[path] = text
    for path in _modules(out) if out.suffix != ".py" else ():
        if path not in texts and MARK in (_read(path) or "")[:_TOP]:
            changed[path] = None
    return changed


def _modules(out: Path) -> Iterable[Path]:
    return sorted(out.glob("*.py")) if out.is_dir() else ()


def _read(path: Path) -> str | None:
    try:
        # As it stands: newlines of another system are a difference that Git makes, not the text.
        return path.read_text(encoding="utf-8") if path.exists() else None
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        raise click.UsageError(f"--out: {path} can't be read ({error.strerror})") from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise click.UsageError(f"--out: {path} can't be written ({error.strerror})") from None
