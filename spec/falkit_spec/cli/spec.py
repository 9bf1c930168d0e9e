"""`falkit spec …`: show endpoints and their combinations, and lint documents."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from textwrap import fill, indent

import click

from falkit_spec.cli.describing import (
    file_lines,
    input_rows,
    printable,
    table,
    taken,
    terminal_width,
    written,
)
from falkit_spec.cli.options import document_options, read_catalog
from falkit_spec.combinations import Combination
from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import BadDocument, UnknownEndpoint
from falkit_spec.lint import lint
from falkit_spec.origin import origin
from falkit_spec.showing import (
    UNKNOWN,
    combined,
    default_price,
    listed,
    price_in_words,
    shown,
    ways,
)

# Imported when called.
_ELSEWHERE = {
    "add": "falkit_spec.cli.drift:add",
    "diff": "falkit_spec.cli.drift:diff",
    "update": "falkit_spec.cli.drift:update",
    "types": "falkit_spec.cli.types:types",
}


# What is known, then the user's documents, as help lists them.
_ORDER = ["list", "show", "combinations", "add", "diff", "update", "types", "validate"]


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE}, key=_ORDER.index)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = _ELSEWHERE[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands)
def spec() -> None:
    """Show endpoints, and keep documents of your own."""


# Rows of one listing of combinations.
_MOST_ROWS = 100_000
_PIPED_WIDTH = 100
_NOTHING = "nothing of it is to be chosen: 0 combinations"
_JSON_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)


@spec.command("list")
@_JSON_FORMAT
@document_options
def list_(form: str, documents: tuple[str, ...], as_of: str | None) -> None:
    """List the endpoints that falkit knows, with prices.

    Each with the date of its document and the price of its defaults. `12 of 20` combinations of
    inputs: 12 are legal. A narrow terminal shows fewer columns.
    """
    catalog = read_catalog(documents, as_of)
    found = [listed(endpoint) for _, endpoint in sorted(catalog.endpoints.items())]
    if form == "json":
        click.echo(json.dumps(found, indent=2))
        return
    header = ("endpoint", "date", "certainty", "category", "combinations", "price")
    rows = [
        (
            one["endpoint"],
            one["date"] or "-",
            one["certainty"] or "yours",
            printable(one["category"]),
            _counted(one["combinations"], one["legal"]) if "problem" not in one else "broken",
            one["price"],
        )
        for one in found
    ]
    table(header, rows, right=(4, 5), optional=(2, 3, 4, 1), cut=0, width=terminal_width())
    for one in found:
        if "problem" in one:
            click.echo(printable(f"falkit: {one['endpoint']}: {one['problem']}"), err=True)


@spec.command()
@click.argument("endpoint_id", metavar="ID")
@_JSON_FORMAT
@document_options
def show(endpoint_id: str, form: str, documents: tuple[str, ...], as_of: str | None) -> None:
    """Show an endpoint's inputs, rules, price and files.

    As JSON, with the schemas of its input and output.
    """
    endpoint = _endpoint(endpoint_id, documents, as_of)
    if form == "json":
        click.echo(json.dumps(shown(endpoint), indent=2, default=str))
        return
    about = f"  ({endpoint.category})" if endpoint.category else ""
    dated = endpoint.document.date or "unknown date"
    found = origin(endpoint.document)
    certainty, source = (
        ("yours", endpoint.document.source) if found is None else (found.certainty, found.source)
    )
    click.echo(f"{endpoint.id}{printable(about)}, document of {dated}, {certainty}")
    click.echo(f"{printable(source)}\n")
    width = terminal_width() or _PIPED_WIDTH
    rows = input_rows(endpoint.input_schema)
    if rows:
        table(("input", "takes", "default"), rows, wrapped=1, cut=2, width=width)
    else:
        click.echo(f"input: {taken(endpoint.input_schema, endpoint.input_schema)}")
    for line in _facts(endpoint):
        click.echo("\n".join(map(printable, line.split("\n"))))


@spec.command()
@click.argument("endpoint_id", metavar="ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print the rows.",
)
@click.option("--fields", metavar="NAME,…", help="Combine these inputs alone.")
@document_options
def combinations(
    endpoint_id: str,
    form: str,
    fields: str | None,
    documents: tuple[str, ...],
    as_of: str | None,
) -> None:
    """Print every combination of inputs, legal or not.

    Each row has its price. An input combines when it has two values or more to choose
    from; a single value is no choice, and a boolean is a switch. All other inputs keep
    their defaults.
    """
    endpoint = _endpoint(endpoint_id, documents, as_of)
    names = _fields(endpoint, fields)
    count = endpoint.combining.count(names)
    if count > _MOST_ROWS:
        raise click.UsageError(
            f"{endpoint.id} has {many(count)} combinations, and at most {_MOST_ROWS:,} are printed;"
            f" choose from its inputs, such as --fields {printable(','.join(names[:2]))}"
        )
    found = endpoint.combining.each(names)
    if form == "json":
        _print_json(found)
    elif form == "csv":
        _print_csv(names, found)
    else:
        _print_table(endpoint, names, found)


@spec.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
def validate(files: tuple[Path, ...]) -> None:
    """Check fal's OpenAPI documents.

    Prints a line for each problem.

    Exits with 1 if there is any.
    """
    problems = {path: _problems(path) for path in files}
    for path, found in problems.items():
        for problem in found or ["ok"]:
            click.echo(f"{path}: {problem}")
    sys.exit(1 if any(problems.values()) else 0)


def _problems(path: Path) -> list[str]:
    try:
        return lint(Document.from_path(path))
    except BadDocument as error:
        return [error.reason]


def _endpoint(endpoint_id: str, documents: Sequence[str], as_of: str | None) -> Endpoint:
    try:
        return read_catalog(documents, as_of).get(endpoint_id)
    except UnknownEndpoint as error:
        raise click.UsageError(f"{error}; `falkit spec list` names those that it has") from error


def _counted(count: int, legal: int | None) -> str:
    if not count:
        # Nothing of it is to be chosen.
        return "-"
    return many(count) if legal in (count, None) else f"{many(legal or 0)} of {many(count)}"


def many(count: int) -> str:
    """Write a number so that it can be read, however large it is."""
    return f"{count:,}" if count < 10**15 else f"about 10^{math.log10(count):.0f}"


def _fields(endpoint: Endpoint, fields: str | None) -> list[str]:
    """Return the inputs to combine, in the document's order."""
    if fields is None:
        return [*endpoint.combining.choices]
    asked = [name.strip() for name in fields.split(",")]
    for name in asked:
        if name not in endpoint.combining.choices:
            known = ", ".join(endpoint.combining.choices) or "none"
            raise click.UsageError(
                f"--fields: {name!r} isn't one of the inputs that combine; those are {known}"
            )
    return [name for name in endpoint.combining.choices if name in asked]


def _facts(endpoint: Endpoint) -> Iterable[str]:
    for rule in endpoint.rules:
        yield f"\nrule ({rule.certainty}): {rule.message}"
    if endpoint.file_fields:
        yield ""
    for media in endpoint.file_fields:
        yield from file_lines(media)
    if endpoint.pricing is None:
        yield f"\nprice: {UNKNOWN}"
    else:
        yield f"\nprice ({endpoint.pricing.certainty}): {default_price(endpoint)} by default"
        yield fill(endpoint.pricing.source, 98, initial_indent="  ", subsequent_indent="  ")
    video, price = endpoint.video({}), endpoint.price({})
    if video is not None and price is not None:
        yield (
            f"\nby default: {video.width}x{video.height}, {video.fps} fps, {video.seconds} s,"
            f" {'with' if video.audio else 'without'} sound, {price_in_words(price)}"
        )
    elif endpoint.measured:
        files = " and ".join(endpoint.measured)
        yield f"\nby default: as long as {files} makes it, {default_price(endpoint)}"
    if others := [*ways(endpoint)]:
        yield "\n" + "\n".join(others)


def _print_json(found: Iterable[Combination]) -> None:
    """Print a list row by row, so that the first comes at once however many there are."""
    between = "[\n"
    for one in found:
        click.echo(between + indent(json.dumps(combined(one), indent=2), "  "), nl=False)
        between = ",\n"
    click.echo("[]" if between == "[\n" else "\n]")


def _print_csv(names: Sequence[str], found: Iterable[Combination]) -> None:
    writer = csv.DictWriter(sys.stdout, [*names, "legal", "why", "price"], lineterminator="\n")
    writer.writeheader()
    for one in found:
        writer.writerow({**combined(one), "legal": "yes" if one.legal else "no"})


def _print_table(endpoint: Endpoint, names: Sequence[str], found: Iterable[Combination]) -> None:
    # The widths are known before the rows are, but for prices of more than 10 dollars.
    shown = [*map(printable, names)]
    choices = [map(written, endpoint.combining.choices[name]) for name in names]
    columns = [[name, *cells] for name, cells in zip(shown, choices, strict=True)]
    columns.append(["price", price_in_words(Decimal("0.01")) if endpoint.pricing else UNKNOWN])
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Iterable[str], legal: str) -> str:
        *first, price = cells
        padded = [cell.ljust(width) for cell, width in zip(first, widths, strict=False)]
        return "  ".join([*padded, price.rjust(widths[-1]), legal])

    count = legal = 0
    for one in found:
        if not count:
            click.echo(line([*shown, "price"], "legal"))
            click.echo(line(["-" * width for width in widths], "-----"))
        cells = [*map(written, one.values.values()), price_in_words(one.price) or UNKNOWN]
        click.echo(line(cells, "yes" if one.legal else printable(f"no: {one.why}")))
        count, legal = count + 1, legal + one.legal
    click.echo(f"\n{count:,} combinations, {legal:,} legal" if count else _NOTHING)
