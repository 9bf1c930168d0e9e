"""Reports of findings for people and for other programs: `write` has all formats."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath
from typing import Literal, TypeAlias, get_args

from falkit_spec.errors import SpecError
from falkit_spec.findings import Report

Format: TypeAlias = Literal["text", "json", "junit", "sarif", "markdown", "html", "github"]
"""`github` are workflow commands, which annotate lines of a pull request."""
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".md": "markdown",
    ".html": "html",
}

# Modules that aren't called as their formats, since html is Python's own.
_MODULES: dict[Format, str] = {"html": "page"}


def write(report: Report, format: Format) -> str:
    """Return a report in a format, with a line's end.

    Texts from outside are escaped, and cut where they are long. What a format has no room for is
    counted; JSON has all.
    """
    if format == "json":
        import json

        return json.dumps(report.to_json(), indent=2) + "\n"
    # Lazy: a command writes one or two of them, and most none.
    module = import_module(f"falkit_spec.reports.{_MODULES.get(format, format)}")
    written: Callable[[Report], str] = getattr(module, f"as_{format}")
    return written(report)


def format_of(path: PurePath | str) -> Format:
    """Return the format that a file's suffix stands for; raise SpecError for another."""
    suffix = PurePath(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    known = ", ".join(SUFFIXES)
    raise SpecError(f"{str(path)!r} ends in none of {known}; write FORMAT:FILE, as in junit:{path}")
