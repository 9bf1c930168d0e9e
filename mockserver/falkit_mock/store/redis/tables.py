"""Dictionaries whose rows are in Redis' hashes, written as those of a state file are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from importlib import import_module
from typing import Any

from falkit_mock.store.journal import Changes, Row, Statement
from falkit_mock.store.rows import FLAG, converter, row_of
from falkit_mock.store.shelf import checked, types_of
from falkit_mock.store.sqlite import connect, make_tables, reading

REQUESTS = "requests"
# It has no types.
_msgpack: Any = import_module("msgpack")


def pack(value: object) -> bytes:
    """Return a value as MessagePack has it."""
    packed: bytes = _msgpack.packb(value)
    return packed


def unpack(data: bytes) -> Any:
    """Return what MessagePack has."""
    return _msgpack.unpackb(data)


class Layout:
    """The columns of all tables, which are those of a state file."""

    def __init__(self) -> None:
        with closing(connect(":memory:")) as db:
            make_tables(db)
            found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            self.names: tuple[str, ...] = tuple(name for (name,) in found)
            self._types = {name: types_of(db, name) for name in self.names}
            # MessagePack has flags of its own.
            self._converters = {
                name: [
                    None if column[2] == FLAG else converter(column[2])
                    for column in db.execute(f"PRAGMA table_info({name})")
                ]
                for name in self.names
            }

    def read(self, name: str, data: bytes) -> tuple[Any, ...]:
        """Read a row of a table; raise BadCopy for a damaged one."""
        with reading():
            row = unpack(data)
            values = tuple(
                value if convert is None or value is None else convert(value)
                for value, convert in zip(row, self._converters[name], strict=True)
            )
            return checked(values, self._types[name], name)


class Quiet:
    """Whether what is put into tables is to be noted nowhere."""

    def __init__(self) -> None:
        self.on = False


class RedisTable(dict[Any, Any]):
    """A dictionary that knows what of it is still to be written.

    `noted` is called with each change. What is put in while it is `quiet` is in Redis already.
    `whole` returns a value as it is written, where the dictionary may have another, or None.
    """

    def __init__(
        self,
        name: str,
        kind: Callable[..., Any],
        layout: Layout,
        noted: Callable[[], object],
        quiet: Quiet,
    ) -> None:
        super().__init__()
        self.name = name
        self.whole: Callable[[Any], Any] = self.get
        self._quiet = quiet
        self._kind = kind
        self._layout = layout
        self._noted = noted
        # The keys of what was put or taken out and whether it is new, and whether all was taken
        # out before.
        self.changed: dict[Any, bool] = {}
        self.emptied = False
        # What was taken for a commit that is under way.
        self._flying: dict[Any, bool] = {}

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self._quiet.on:
            self.changed[key] = self.changed.get(key, False) or key not in self
        super().__setitem__(key, value)
        if not self._quiet.on:
            self._noted()

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        if not self._quiet.on:
            self.changed[key] = False
            self._noted()

    def pop(self, key: Any, default: Any = None) -> Any:
        if key in self:
            default = self[key]
            del self[key]
        return default

    def clear(self) -> None:
        super().clear()
        if not self._quiet.on:
            self.changed.clear()
            self.emptied = True
            self._noted()

    def read(self, field: bytes, data: bytes) -> tuple[Any, Any]:
        """Read a row; return its key and its value; raise BadCopy for a damaged one."""
        with reading():
            if self.name == REQUESTS:
                # Their numbers come with their commits.
                return int(field), self._kind(int(field), data)
            row = self._layout.read(self.name, data)
            return row[0], self._kind(*row)

    def ours(self) -> Iterable[Any]:
        """Return the keys of rows that Redis may not have yet as they are here."""
        return {**self._flying, **self.changed}

    def doubtful(self) -> list[Any]:
        """Return the keys of rows that are changed and not new; they count as written now."""
        keys = [key for key, new in self.changed.items() if not new and key in self]
        for key in keys:
            del self.changed[key]
        return keys

    def take_changes(self) -> Changes:
        """Return what has changed since; by now it counts as written.

        Statements are `put`, rows of a key, what is stored of it and whether it is new; `drop`,
        rows of a key; and `empty`.
        """
        changed, emptied = self.changed, self.emptied
        self.changed, self.emptied = {}, False
        self._flying = changed

        def again() -> None:
            self._flying = {}
            if self.emptied:
                return
            since, self.changed = self.changed, dict(changed)
            for key, new in since.items():
                self.changed[key] = new or changed.get(key, False)
            self.emptied = emptied

        puts: list[Row] = []
        drops: list[Row] = []
        wrong: list[Exception] = []
        for key, new in changed.items():
            value = self.whole(key)
            if value is not None:
                try:
                    row = row_of(key, value)
                    puts.append((key, pack(row), new))
                except (TypeError, ValueError, OverflowError) as error:
                    wrong.append(error)
            elif not emptied:
                drops.append((key,))
        statements: list[Statement] = [("empty", [])] if emptied else []
        statements += [("drop", drops)] if drops else []
        statements += [("put", puts)] if puts else []
        return Changes(statements, again, wrong, self._landed)

    def _landed(self) -> None:
        self._flying = {}
