"""`falkit.toml`, or `[tool.falkit]` in pyproject.toml: where it is, and its table.

The nearest counts, from the working directory up to the root of its repository.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from falkit_spec.types import is_object

NAME, SHARED = "falkit.toml", "pyproject.toml"
_ROOTS = (".git", ".hg", ".jj")


class ConfigError(click.UsageError):
    """A file that can't be used; the message names it, the key, its value and the fix."""


def find_config(folder: Path) -> Path | None:
    """Return the nearest file from a folder upwards, as far as its repository's root."""
    for place in (folder, *folder.parents):
        if (own := place / NAME).is_file():
            return own
        shared = place / SHARED
        if shared.is_file() and b"tool.falkit" in _bytes(shared):
            return shared
        if any((place / root).exists() for root in _ROOTS):
            return None
    return None


def read_table(path: Path) -> dict[str, Any]:
    """Return what a file says of falkit; raise ConfigError."""
    # Lazy: most programs have no such file.
    import tomllib

    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{shown(path)}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown(path)}: not UTF-8, at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        # Not all of them are tomllib's own: numbers of thousands of digits are Python's.
        raise ConfigError(f"{shown(path)}: isn't TOML: {error}") from None
    if path.name == SHARED:
        table = _inner(path, _inner(path, table, "tool"), "falkit")
    return table


def shown(path: Path) -> str:
    """Return a path as a person in the working directory would write it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def beside(path: Path, place: str) -> str:
    """Return a place that a file names, which is relative to the file."""
    return shown(path.parent / Path(place).expanduser())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _inner(path: Path, table: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: Any = table.get(name, {})
    if not is_object(found):
        raise ConfigError(f"{shown(path)}: {name}: {found!r} isn't a table")
    return {**found}
