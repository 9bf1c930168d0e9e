"""What an endpoint takes, in the words and tables of the command line."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Generator, Iterable, Iterator, Sequence

import click

from falkit_spec.media import MediaInput
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

# Rows of one table, levels of nesting, values of an enum, and characters of a default.
_MOST_ROWS, _DEEPEST, _MOST_VALUES, _LONGEST = 300, 5, 24, 40
REQUIRED = "(required)"
_GAP = "  "
# Of the column that is wrapped, and of one that is cut.
_NARROWEST, _SHORTEST = 24, 12
_FORMATS = ("uuid4", "uri", "date", "date-time", "email")
# Of a file, under `x-fal`: what is limited, and its unit.
_LIMITS = {"width": " px", "height": " px", "aspect_ratio": "", "duration": " s", "fps": ""}

# Texts that would be taken for a number, a boolean, null, a list or an object.
_OTHER_JSON = re.compile(r"-?\d+(\.\d+)?$|(true|false|null)$|[\[{\"]")

Row = tuple[str, str, str]
"""An input's name, what it takes, and its default."""


def input_rows(root: Object) -> list[Row]:
    """Return a row for each input, followed by those of the fields inside it.

    Their names lead into objects and lists, such as `image_size.width` and `loras[].path`.
    """
    found = _rows(root, root, "", _DEEPEST)
    rows = [row for _, row in zip(range(_MOST_ROWS + 1), found, strict=False)]
    return [*rows[:_MOST_ROWS], ("…", "", "")] if len(rows) > _MOST_ROWS else rows


def _rows(schema: Object, root: Object, within: str, deep: int) -> Generator[Row]:
    required = schema.get("required")
    must = required if is_array(required) else []
    for name, node in ordered(schema).items():
        of, path = resolve(node, root), f"{within}{name}"
        default = shortened(of["default"]) if "default" in of else ""
        yield printable(path), taken(of, root), default or (REQUIRED if name in must else "")
        for inner, suffix in _objects(of, root, deep) if deep else ():
            yield from _rows(inner, root, f"{path}{suffix}.", deep - 1)


def _objects(of: Object, root: Object, deep: int) -> Generator[tuple[Object, str]]:
    """Yield the schemas of objects in a field, and how a name shows the lists around them."""
    if ordered(of):
        yield of, ""
        return
    branches = of.get("anyOf", of.get("oneOf"))
    for branch in branches if is_array(branches) and deep else ():
        yield from _objects(resolve(branch, root), root, deep - 1)
    if "items" in of and deep:
        for inner, suffix in _objects(resolve(of["items"], root), root, deep - 1):
            yield inner, f"[]{suffix}"


def taken(node: JSON, root: Object, deep: int = _DEEPEST) -> str:
    """Say what a schema takes.

    >>> taken({"type": ["integer", "null"], "minimum": 1, "maximum": 4}, {})
    'integer, 1 to 4, or null'
    """
    of = resolve(node, root)
    values, branches = of.get("enum"), of.get("anyOf", of.get("oneOf"))
    if "const" in of:
        values = [of["const"]]
    if is_array(values):
        listed = " | ".join(map(written, values[:_MOST_VALUES]))
        more = len(values) - _MOST_VALUES
        return listed if more <= 0 else f"{listed} | … {more} more, which --format json has"
    if is_array(branches) and deep:
        parts = dict.fromkeys(taken(one, root, deep - 1) for one in branches)
        return _or([*parts]) + _limits(of)
    kinds = of.get("type")
    if is_array(kinds):
        return _or([_plain(of, str(kind), root, deep) for kind in kinds])
    if kinds is None and ordered(of):
        kinds = "object"
    return _plain(of, "anything" if kinds is None else str(kinds), root, deep)


def _plain(of: Object, kind: str, root: Object, deep: int) -> str:
    if kind in ("integer", "number"):
        return kind + _span(of, "minimum", "maximum", "") + _more(of, "multipleOf", "multiple of")
    if kind == "string":
        form = of.get("format")
        named = f" ({form})" if form in _FORMATS else ""
        return kind + named + _span(of, "minLength", "maxLength", " characters") + _limits(of)
    if kind == "array":
        items = of.get("prefixItems")
        if is_array(items):
            each = ", ".join(taken(one, root, deep - 1) for one in items) if deep else "…"
            return f"list of [{each}]"
        of_what = taken(of["items"], root, deep - 1) if "items" in of and deep else "anything"
        # What follows belongs to the items: a union among them is put in brackets.
        of_what = f"({of_what})" if " or " in of_what or " | " in of_what else of_what
        return f"list of {of_what}" + _span(of, "minItems", "maxItems", " items")
    more = of.get("additionalProperties")
    if kind == "object" and is_object(more) and more and not ordered(of) and deep:
        return f"object of {taken(more, root, deep - 1)}"
    return kind


def _or(parts: list[str]) -> str:
    *first, last = parts or ["anything"]
    # A comma where a part has one itself, so that the last part doesn't seem to belong to it.
    comma = "," if any("," in one for one in first) else ""
    return f"{' or '.join(first)}{comma} or {last}" if first else last


def _span(of: Object, low: str, high: str, unit: str) -> str:
    least, most = of.get(low), of.get(high)
    if is_number(least) and is_number(most):
        exactly = f"{least:g}" if least == most else f"{least:.15g} to {most:.15g}"
        return f", {exactly}{unit}"
    below, above = of.get("exclusiveMaximum"), of.get("exclusiveMinimum")
    bounds = (("at least", least, unit), ("more than", above, ""), ("at most", most, unit),
              ("less than", below, ""))  # fmt: skip
    words = [f"{word} {bound:.15g}{unit}" for word, bound, unit in bounds if is_number(bound)]
    return "".join(f", {one}" for one in words)


def _more(of: Object, keyword: str, words: str) -> str:
    value = of.get(keyword)
    return f", {words} {value:.15g}" if is_number(value) else ""


def _limits(of: Object) -> str:
    """Say how large or long a file may be."""
    told = of.get("x-fal")
    if not is_object(told):
        return ""
    size = told.get("max_file_size")
    words = [f"at most {size / 2**20:.3g} MiB"] if is_number(size) else []
    for name, unit in _LIMITS.items():
        limits = {"low": told.get(f"min_{name}"), "high": told.get(f"max_{name}")}
        if span := _span(limits, "low", "high", unit):
            words.append(name.replace("_", " ") + span.removeprefix(",").replace(", ", " and "))
    return f" ({'; '.join(words)})" if words else ""


def shortened(value: JSON) -> str:
    """Write a value in one short line."""
    text = written(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def written(value: JSON) -> str:
    """Write a value as JSON, but a text without its quotes where it can be nothing else."""
    if isinstance(value, str) and value and not _OTHER_JSON.match(value):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))


def printable(text: str) -> str:
    """Escape what a terminal would not show as it is."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def terminal_width() -> int | None:
    """Return the terminal's width, or what COLUMNS says; None where nobody looks."""
    return shutil.get_terminal_size((0, 0)).columns or None


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Iterable[int] = (),
    optional: Iterable[int] = (),
    wrapped: int | None = None,
    cut: int | None = None,
    width: int | None = None,
) -> None:
    """Print a table that is at most so wide, where that can be.

    Columns in `optional` are left out for it, the first of them first; then the column `wrapped`
    gets more lines, and at last the cells of the column `cut` are.
    """
    kept: list[int] = [*range(len(header))]
    at_right = {*right}
    widths = [max(len(cells[at]) for cells in (header, *rows)) for at in kept]

    def whole() -> int:
        return sum(widths[at] for at in kept) + len(_GAP) * (len(kept) - 1)

    def narrow(at: int, least: int) -> None:
        if width is not None and whole() > width:
            widths[at] = min(widths[at], max(least, widths[at] - whole() + width))

    for at in optional:
        if width is not None and whole() > width:
            kept.remove(at)
    if wrapped is not None:
        narrow(wrapped, _NARROWEST)
    if cut is not None:
        narrow(cut, _SHORTEST)
    for cells in (header, ["-" * each for each in widths], *rows):
        lines = textwrap.wrap(cells[wrapped], widths[wrapped]) if wrapped is not None else []
        for number in range(max(1, len(lines))):
            padded: list[str] = []
            for at in kept:
                cell = cells[at] if number == 0 else ""
                if at == wrapped:
                    cell = lines[number] if lines else ""
                if len(cell) > widths[at]:
                    cell = f"{cell[: widths[at] - 1]}…"
                padded.append(cell.rjust(widths[at]) if at in at_right else cell.ljust(widths[at]))
            click.echo(_GAP.join(padded).rstrip())


def file_lines(media: MediaInput) -> Iterator[str]:
    """Write what is known of a field that takes files beyond its schema, a line each."""
    name = printable(media.field)
    if not media.formats:
        # Its limits stand with its type.
        given = "a URL, data URI or name at Hugging Face" if media.kind == "weights" else ""
        yield f"{name}: {given or 'a URL or data URI'} ({media.kind}, by its name)"
        return
    formats = printable(", ".join(media.formats))
    yield f"{name}: a URL or data URI of {formats} ({media.certainty})"
    indent = " " * len(name)
    if media.max_bytes:
        yield f"{indent}  {media.max_bytes / 2**20:g} MiB at most ({media.size_certainty})"
    lengths = (("at least", media.min_seconds), ("at most", media.max_seconds))
    lasts = " and ".join(f"{word} {limit:g} s" for word, limit in lengths if limit is not None)
    if lasts:
        yield f"{indent}  {lasts} long"
