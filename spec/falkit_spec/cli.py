"""`falkit spec …`: show endpoints and their combinations, and lint documents."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Generator, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from urllib.parse import unquote

import click

from falkit_spec.catalog import Catalog
from falkit_spec.document import Document
from falkit_spec.endpoint import Combination, Endpoint, axes
from falkit_spec.errors import BadDocument, UnknownDate, UnknownEndpoint
from falkit_spec.schema import follow_ref, ordered, resolve
from falkit_spec.types import JSON, Object, dig, is_array, is_object

# Imported when called.
_ELSEWHERE = {
    "add": "falkit_spec.drift_cli:add",
    "diff": "falkit_spec.drift_cli:diff",
    "update": "falkit_spec.drift_cli:update",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = _ELSEWHERE[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands)
def spec() -> None:
    """Look at the endpoints that falkit knows, and at documents."""


_AS_OF = click.option(
    "--as-of",
    metavar="MONTH",
    help="Go by the documents that fal had in this month, such as 2026-01.  [default: the newest]",
)


@spec.command("list")
@_AS_OF
def list_(as_of: str | None) -> None:
    """List the endpoints with the date of their document and the price of their defaults."""
    rows = [
        (
            endpoint.id,
            endpoint.document.date,
            endpoint.category,
            _counted(endpoint),
            _default_price(endpoint),
        )
        for endpoint in _catalog(as_of)
    ]
    header = ("endpoint", "date", "category", "combinations", "price")
    _table(header, rows, right=(3, 4))


@spec.command()
@click.argument("endpoint_id", metavar="ID")
@_AS_OF
def show(endpoint_id: str, as_of: str | None) -> None:
    """Show an endpoint's inputs, rules, price and files."""
    endpoint = _endpoint(endpoint_id, as_of)
    click.echo(f"{endpoint.id}  ({endpoint.category}), document of {endpoint.document.date}\n")
    root = endpoint.input_schema
    required = root.get("required")
    must = required if is_array(required) else []
    rows = [
        (name, *_described(resolve(node, root), required=name in must))
        for name, node in ordered(root).items()
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
@_AS_OF
def combinations(endpoint_id: str, form: str, as_of: str | None) -> None:
    """Print every combination of inputs, legal or not.

    Each row has its price. An input combines when it has two values or more to choose
    from; a single value is no choice, and a boolean is a switch. All other inputs keep
    their defaults.
    """
    endpoint = _endpoint(endpoint_id, as_of)
    found = endpoint.combinations()
    names = list(axes(endpoint.input_schema))
    if form == "json":
        click.echo(json.dumps([_row(one) for one in found], indent=2))
    elif form == "csv":
        click.echo(_csv(names, found), nl=False)
    else:
        rows = [
            (
                *map(str, one.values.values()),
                _dollars(one.price),
                "yes" if one.legal else f"no: {one.why}",
            )
            for one in found
        ]
        _table((*names, "price", "legal"), rows, right=(len(names),))
        click.echo(f"\n{len(found)} combinations, {sum(one.legal for one in found)} legal")


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
    problems = {path: lint(path) for path in files}
    for path, found in problems.items():
        for problem in found or ["ok"]:
            click.echo(f"{path}: {problem}")
    sys.exit(1 if any(problems.values()) else 0)


def _catalog(as_of: str | None) -> Catalog:
    try:
        return Catalog.vendored(as_of)
    except UnknownDate as error:
        raise click.UsageError(f"as-of: {error}") from error


def _endpoint(endpoint_id: str, as_of: str | None) -> Endpoint:
    try:
        return _catalog(as_of).get(endpoint_id)
    except UnknownEndpoint as error:
        raise click.UsageError(f"{error}; `falkit spec list` names those that it has") from error


def _default_price(endpoint: Endpoint) -> str:
    """Return what a call with the defaults costs, or a unit of it where a file decides how many."""
    price = endpoint.price({})
    if price is not None or endpoint.pricing is None:
        return _dollars(price)
    amount = endpoint.pricing.amount.of(endpoint.defaults)
    unit = "s" if endpoint.pricing.unit == "second" else endpoint.pricing.unit
    return "" if amount is None else f"${amount}/{unit}"


def _counted(endpoint: Endpoint) -> str:
    found = endpoint.combinations()
    if not found:
        # Nothing of it is to be chosen.
        return "-"
    legal = sum(one.legal for one in found)
    return str(len(found)) if legal == len(found) else f"{legal} of {len(found)}"


def _described(schema: Object, *, required: bool) -> tuple[str, str]:
    default = "(required)" if required else ""
    if "default" in schema:
        default = _text(schema["default"])
    return _taken(schema), default


def _taken(schema: JSON) -> str:
    if not is_object(schema):
        return "anything"
    values, branches = schema.get("enum"), schema.get("anyOf")
    if is_array(values):
        return " | ".join(map(_text, values))
    if is_array(branches):
        return " or ".join(map(_taken, branches))
    kinds = schema.get("type", "anything")
    takes = " or ".join(map(str, kinds)) if is_array(kinds) else str(kinds)
    is_text = takes.startswith("string")
    least, most = ("minLength", "maxLength") if is_text else ("minimum", "maximum")
    if most not in schema:
        return takes
    span = f"{schema[least]} to {schema[most]}" if least in schema else f"at most {schema[most]}"
    return f"{takes}, {span}{' characters' if is_text else ''}"


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _facts(endpoint: Endpoint) -> Iterable[str]:
    for rule in endpoint.rules:
        yield f"\nrule ({rule.certainty}): {rule.message}"
    for media in endpoint.media_inputs:
        formats = ", ".join(media.formats)
        yield f"\n{media.field}: a URL or data URI of {formats} ({media.certainty})"
        if media.max_bytes:
            size = f"{media.max_bytes / 2**20:g} MiB at most ({media.size_certainty})"
            yield f"{' ' * len(media.field)}  {size}"
        bounds = (("at least", media.min_seconds), ("at most", media.max_seconds))
        lasts = " and ".join(f"{word} {limit:g} s" for word, limit in bounds if limit is not None)
        if lasts:
            yield f"{' ' * len(media.field)}  {lasts} long"
    video, price = endpoint.video({}), endpoint.price({})
    if video is not None and price is not None:
        yield (
            f"\nby default: {video.width}x{video.height}, {video.fps} fps, {video.seconds} s,"
            f" {'with' if video.audio else 'without'} sound, {_dollars(price)}"
        )
    elif endpoint.measured:
        files = " and ".join(endpoint.measured)
        yield f"\nby default: as long as {files} makes it, {_default_price(endpoint)}"


def _row(one: Combination) -> dict[str, JSON]:
    price = None if one.price is None else str(one.price)
    return {**one.values, "legal": one.legal, "why": one.why, "price": price}


def _csv(names: Sequence[str], found: list[Combination]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*names, "legal", "why", "price"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**_row(one), "legal": "yes" if one.legal else "no"} for one in found)
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


def lint(path: Path) -> list[str]:
    """List the problems of a document, a line each; an empty list where there is none.

    Only what falkit would fail on or guess at is named; it loads such documents all the same.
    """
    try:
        document = Document.from_path(path)
        data, endpoint_id = document.data, document.endpoint_id
    except BadDocument as error:
        return [error.reason]
    dangling = dict.fromkeys(ref for ref in _refs(data) if follow_ref(data, ref) is None)
    return [
        *_path_problems(data, endpoint_id),
        *(f"{unquote(ref)} leads nowhere: anything is accepted there" for ref in dangling),
        *_schema_problems(Endpoint(document)),
    ]


def _path_problems(data: Object, endpoint_id: str) -> Generator[str]:
    label = data.get("openapi")
    if not isinstance(label, str) or not label.startswith(("3.0.", "3.1.", "3.2.")):
        yield f"`openapi` is {label!r}; fal's documents say '3.0.4'"
    submit = "/" + endpoint_id
    if not is_object(dig(data, "paths", submit, "post")):
        yield f"no POST at {submit}: `paths` should hold the endpoint's id as it stands"
    if not is_object(dig(data, "paths", submit + "/requests/{request_id}", "get")):
        yield f"no GET at {submit}/requests/{{request_id}}: the result's schema is read from there"


def _refs(node: JSON) -> Generator[str]:
    if is_object(node):
        ref = node.get("$ref")
        if isinstance(ref, str):
            yield ref
        node = list(node.values())
    for child in node if is_array(node) else ():
        yield from _refs(child)


def _schema_problems(endpoint: Endpoint) -> Generator[str]:
    # Imported here: jsonschema is slow to import, and the other commands do without.
    from falkit_spec.validation import describe_errors

    for name, schema in (("input", endpoint.input_schema), ("output", endpoint.output_schema)):
        if not schema:
            yield f"no {name} schema: anything is accepted as {name}"
        for field, node in ordered(schema).items():
            read = resolve(node, schema)
            alone = {**read, "$defs": schema.get("$defs", {})}
            examples = read.get("examples")
            given = {"its first example": examples[0]} if is_array(examples) and examples else {}
            if read.get("default") is not None:
                given = {"its default": read["default"], **given}
            for title, value in given.items():
                for error in describe_errors(alone, value)[:1]:
                    why = shorten(error.removeprefix("$: "), 100, placeholder="...")
                    yield f"{name} {field!r}: {title} breaks its own schema ({why})"
