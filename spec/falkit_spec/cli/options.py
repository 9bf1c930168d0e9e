"""Options that several commands have: which documents count, and what of findings fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from falkit_spec.catalog import Catalog
from falkit_spec.cli.project import ConfigError, beside, find_config, read_table, shown
from falkit_spec.errors import BadDocument, UnknownDate
from falkit_spec.sources import FOLDER, VARIABLE
from falkit_spec.types import is_array

if TYPE_CHECKING:
    from falkit_spec.findings import FailOn

# Where a command keeps which file named the documents, for what is wrong with them.
_TOLD = "falkit.documents"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Place(click.Path):
    """A path; several in a variable are separated as those of PATH are, and may be empty."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [place for place in super().split_envvar_value(rv) if place]


def _of_the_folder() -> list[str]:
    return [FOLDER] if os.path.isdir(FOLDER) else []


DOCUMENTS = click.Option(
    ["--documents"],
    multiple=True,
    default=_of_the_folder,
    type=_Place(),
    envvar=VARIABLE,
    show_envvar=True,
    metavar="FOLDER|FILE",
    help="Use fal's documents in this folder or file too, before falkit's own, and overlays "
    f"beside them; may be given more than once.  [default: ./{FOLDER}, if it is there]",
)
AS_OF = click.Option(
    ["--as-of"],
    metavar="DATE",
    help="Go by the documents that fal had in this month or on this day, such as 2026-01 or "
    "2026-01-28; `falkit spec list` shows their dates.  [default: the newest]",
)


format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)


def fail_on_option(default: FailOn) -> click.Option:
    """Return --fail-on."""
    return click.Option(
        ["--fail-on"],
        type=click.Choice(["error", "warning", "never"]),
        default=default,
        show_default=True,
        help="What makes the exit code 1; notes never do.",
    )


BASELINE = (
    click.Option(
        ["--baseline"],
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Accept the findings that this file lists, each until its date, such as "
        "falkit-baseline.toml.",
    ),
    click.Option(
        ["--update-baseline"],
        is_flag=True,
        help="Write what is found now to that file: reasons stay, what is gone is dropped.",
    ),
    click.Option(
        ["--reason"],
        metavar="TEXT",
        help="With --update-baseline: why what is new is accepted.",
    ),
)


def document_options(command: _Command) -> _Command:
    """Add --documents and --as-of to a command; falkit.toml can set them, too."""
    return _with(command, AS_OF, DOCUMENTS)


def folder_option(command: _Command) -> _Command:
    """Add --documents to a command that has an option of its own for their one folder."""
    return _with(command, DOCUMENTS, hidden=True)


def _with(command: _Command, *options: click.Option, hidden: bool = False) -> _Command:
    for option in options:
        own = copy(option)
        own.callback = _or_of_the_project
        own.hidden = hidden
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
        ctx = click.get_current_context(silent=True)
        told = "" if ctx is None else ctx.meta.get(_TOLD, "")
        raise click.UsageError(f"{told}documents: {error}") from None
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
    ctx.meta[_TOLD] = f"{shown(path)}: "
    return tuple(
        beside(path, _text(path, name, one)) for one in (found if is_array(found) else [found])
    )


def _text(path: Path, name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise ConfigError(f"{shown(path)}: {name}: {value!r} isn't text")
