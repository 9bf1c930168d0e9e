"""`falkit spec …`: look at endpoints, their combinations, and whether documents are sound."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from falkit_spec.catalog import Catalog
from falkit_spec.combinations import Combination, axes, ordered
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint
from falkit_spec.schema import resolve
from falkit_spec.types import JSON, Object, is_array


@click.group()
def spec() -> None:
    """Look at the endpoints that falkit knows, and at documents."""


@spec.command("list")
def list_() -> None:
    """List the endpoints with the price of their defaults."""
    rows = [
        (endpoint.id, endpoint.category, _counted(endpoint), _dollars(endpoint.price({})))
        for endpoint in Catalog.vendored()
    ]
    _table(("endpoint", "category", "combinations", "default price"), rows, right=(2, 3))


@spec.command()
@click.argument("endpoint_id", metavar="ID")
def show(endpoint_id: str) -> None:
    """Show an endpoint's inputs, rules, price and files."""
    endpoint = _endpoint(endpoint_id)
    click.echo(f"{endpoint.id}  ({endpoint.category})\n")
    required = endpoint.input_schema.get("required")
    must = required if is_array(required) else []
    rows = [
        (name, *_described(resolve(node, endpoint.input_schema), required=name in must))
        for name, node in ordered(endpoint.input_schema).items()
    ]
    _table(("input", "takes", "default"), rows)
    for line in _facts(endpoint):
        click.echo(line)


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
def combinations(endpoint_id: str, form: str) -> None:
    """Print every combination of inputs, legal or not.

    Each row has its price. An input combines when it has two values or more to choose
    from; a single value is no choice, and a boolean is a switch. All other inputs keep
    their defaults.
    """
    endpoint = _endpoint(endpoint_id)
    found = endpoint.combinations()
    names = list(axes(endpoint.input_schema))
    if form == "json":
        click.echo(json.dumps([_row(one) for one in found], indent=2))
    elif form == "csv":
        click.echo(_csv(names, found), nl=False)
    else:
        _print_combinations(names, found)


@spec.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
def validate(files: tuple[Path, ...]) -> None:
    """Say whether fal's OpenAPI documents are sound.

    A line for each thing wrong.

    Exits with 1 if any is not.
    """
    # Imported here: the checks need jsonschema, which the other commands do without.
    from falkit_spec.soundness import problems

    bad = 0
    for path in files:
        found = problems(path)
        bad += bool(found)
        for problem in found:
            click.echo(f"{path}: {problem}")
        if not found:
            click.echo(f"{path}: ok")
    sys.exit(1 if bad else 0)


def _endpoint(endpoint_id: str) -> Endpoint:
    try:
        return Catalog.vendored().get(endpoint_id)
    except UnknownEndpoint as error:
        raise click.UsageError(f"{error} (`falkit spec list` names them all)") from error


def _counted(endpoint: Endpoint) -> str:
    found = endpoint.combinations()
    legal = sum(one.legal for one in found)
    return str(len(found)) if legal == len(found) else f"{legal} of {len(found)}"


def _described(schema: Object, *, required: bool) -> tuple[str, str]:
    default = "(required)" if required else ""
    if "default" in schema:
        default = _text(schema["default"])
    values = schema.get("enum")
    if is_array(values):
        return " | ".join(map(_text, values)), default
    takes, unit = str(schema.get("type", "anything")), ""
    low, high = schema.get("minimum"), schema.get("maximum")
    if takes == "string":
        low, high, unit = schema.get("minLength"), schema.get("maxLength"), " characters"
    if low is not None and high is not None:
        takes = f"{takes}, {low} to {high}{unit}"
    return takes, default


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _facts(endpoint: Endpoint) -> Iterable[str]:
    for rule in endpoint.rules:
        yield f"\nrule ({rule.evidence.certainty}): {rule.message}"
    for media in endpoint.media_inputs:
        formats = ", ".join(media.formats)
        yield f"\n{media.field}: a URL or data URI of {formats} ({media.certainty})"
        if media.max_bytes:
            size = f"{media.max_bytes / 2**20:g} MiB at most ({media.size_certainty})"
            yield f"{' ' * len(media.field)}  {size}"
    video, price = endpoint.video({}), endpoint.price({})
    if video is not None and price is not None:
        yield (
            f"\nby default: {video.width}x{video.height}, {video.fps} fps, {video.seconds} s,"
            f" {'with' if video.audio else 'without'} sound, {_dollars(price)}"
        )


def _print_combinations(names: Sequence[str], found: list[Combination]) -> None:
    rows = [
        (
            *(str(value) for value in one.values.values()),
            _dollars(one.price),
            "yes" if one.legal else f"no: {one.why}",
        )
        for one in found
    ]
    _table((*names, "price", "legal"), rows, right=(len(names),))
    legal = sum(one.legal for one in found)
    click.echo(f"\n{len(found)} combinations, {legal} legal")


def _row(one: Combination) -> dict[str, JSON]:
    price = None if one.price is None else str(one.price)
    return {**one.values, "legal": one.legal, "why": one.why, "price": price}


def _csv(names: Sequence[str], found: list[Combination]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*names, "legal", "why", "price"], lineterminator="\n")
    writer.writeheader()
    for one in found:
        writer.writerow({**_row(one), "legal": "yes" if one.legal else "no"})
    return text.getvalue()


def _dollars(price: object) -> str:
    return "" if price is None else f"${price}"


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for cells in (header, ["-" * width for width in widths], *rows):
        padded = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        click.echo("  ".join(padded).rstrip())
