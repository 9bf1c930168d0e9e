"""What a store is made of: dictionaries, and what makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias


class BadCopy(ValueError):
    """Bytes or a store that can't be taken; the message says why."""


# What it raises to read a damaged row, apart from what sqlite does.
UNREADABLE = (AttributeError, TypeError, ValueError, KeyError, AssertionError, OverflowError)
# The characters of an error that are shown.
_LINE = 160


def shown(error: Exception) -> str:
    """Return an error in one line, of which it may quote several."""
    line = " ".join(str(error).split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"


# Makes a dictionary of a name, given what makes a value from the fields that are stored of it.
MakeTable: TypeAlias = Callable[[str, Callable[..., Any]], Any]


def table_in_memory(name: str, kind: Callable[..., Any]) -> dict[Any, Any]:
    """Make a dictionary that is gone with the store."""
    return {}


def bare(key: str, value: Any) -> Any:
    """Return what is stored by a key and has no other fields."""
    return value


# Where processes share a file: what each commit changed, and who makes an attempt at a webhook.
SHARED = """
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    replica INTEGER NOT NULL,
    change BLOB NOT NULL,
    events BLOB NOT NULL
);
CREATE TABLE claims (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    replica INTEGER NOT NULL
);
"""
