"""`--documents` and `--as-of`: the options by which every command chooses its documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from falkit_spec.catalog import Catalog
from falkit_spec.cli.project import ConfigError, beside, find_config, read_table, shown
from falkit_spec.errors import BadDocument, UnknownDate
from falkit_spec.sources import VARIABLE
from falkit_spec.types import is_array

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Place(click.Path):
    """A path; several in a variable are separated as those of PATH are, and may be empty."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [place for place in super().split_envvar_value(rv) if place]


DOCUMENTS = click.Option(
    ["--documents"],
    multiple=True,
    type=_Place(),
    envvar=VARIABLE,
    show_envvar=True,
    metavar="FOLDER|FILE",
    help="Use fal's documents in this folder or file too, before falkit's own, and overlays "
    "beside them; may be given more than once.",
)
AS_OF = click.Option(
    ["--as-of"],
    metavar="DATE",
    help="Go by the documents that fal had in this month or on this day, such as 2026-01 or "
    "2026-01-28; `falkit spec list` shows their dates.  [default: the newest]",
)


def documents_option(command: _Command) -> _Command:
    """Add --documents to a command; falkit.toml can set it, too."""
    return _with(command, DOCUMENTS)


def document_options(command: _Command) -> _Command:
    """Add --documents and --as-of to a command; falkit.toml can set them, too."""
    return _with(command, AS_OF, DOCUMENTS)


def _with(command: _Command, *options: click.Option) -> _Command:
    for option in options:
        own = copy(option)
        own.callback = _or_of_the_project
        params: list[click.Parameter] = getattr(command, "__click_params__", [])
        command.__click_params__ = params  # type: ignore[attr-defined]
        params.append(own)
    return command


def read_catalog(
    documents: Iterable[str | Path], as_of: str | None, say: Callable[[str], object] | None = None
) -> Catalog:
    """Return the catalog that the options choose, after its notes; a UsageError says the fix."""
    try:
        catalog = Catalog.read(documents, as_of)
    except UnknownDate as error:
        raise click.UsageError(f"as-of: {error}") from None
    except BadDocument as error:
        raise click.UsageError(f"documents: {error}") from None
    for line in catalog.notes:
        (say or _to_stderr)(line)
    return catalog


def _to_stderr(line: str) -> None:
    click.echo(f"falkit: {line}", err=True)


def _or_of_the_project(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Return an option's value, or what falkit.toml says where it wasn't given."""
    name = str(param.name)
    if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
        return value
    path = find_config(Path.cwd())
    if path is None:
        return value
    table = read_table(path)
    found = table.get(name, table.get(name.replace("_", "-")))
    if found is None:
        return value
    if not param.multiple:
        return _text(path, name, found)
    return tuple(
        beside(path, _text(path, name, one)) for one in (found if is_array(found) else [found])
    )


def _text(path: Path, name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise ConfigError(f"{shown(path)}: {name}: {value!r} isn't text")
