"""Tables of a database, as dictionaries that know what is still to be written there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import closing
from typing import Any

from falkit_mock.core.jobs import Job
from falkit_mock.store.journal import Changes, Row, Statement
from falkit_mock.store.rows import FLAG, row_of
from falkit_mock.store.tables import UNREADABLE, BadCopy, shown

# What the columns of a type hold; a converter has checked those of all others.
_HOLDS: dict[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "INTEGER": (int,),
    "REAL": (float, int),
    "BLOB": (bytes,),
    FLAG: (bool,),
}
# How many values a shelf has at hand beside those that it must, and how many bytes one may have.
_AT_HAND, _LIGHT = 512, 1 << 14
# Rows that are read at a time.
_STEP = 500


class Rows:
    """A table's rows, and which of them are still to be written. `noted` is told of each change."""

    def __init__(
        self,
        db: sqlite3.Connection,
        noted: Callable[[], object],
        name: str,
        kind: Callable[..., Any],
    ) -> None:
        self.db = db
        self.name = name
        self._kind = kind
        self._noted = noted
        # The keys of what was put or taken out, and whether all was taken out before.
        self.changed: dict[Any, None] = {}
        self.emptied = False
        with closing(db.execute(f"SELECT * FROM {name} LIMIT 0")) as found:
            columns = [column[0] for column in found.description]
        self._types = types_of(db, name)
        marks = ", ".join("?" * len(columns))
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
        self._key = key = columns[0]
        self._put = (
            f"INSERT INTO {name} VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"
        )
        self._delete = f"DELETE FROM {name} WHERE {key} = ?"
        self._clear = f"DELETE FROM {name}"

    def found(self, key: Any) -> Any:
        """Return what is stored by a key now, None for nothing."""
        raise NotImplementedError

    def written(self) -> None:
        """Note that what was last taken is in the database."""

    def refresh(self, keys: Iterable[Any]) -> None:
        """Go by rows that another process has written, but for what is to be written here."""
        raise NotImplementedError

    def reload(self) -> None:
        """Go by all rows, which may be others, but for what is to be written here."""
        raise NotImplementedError

    def note(self, key: Any) -> None:
        """Have what is stored by a key written."""
        self.changed[key] = None
        self._noted()

    def selected(self, clause: str, *values: object) -> list[Any]:
        """Return what the rows of the database hold that an SQL clause selects."""
        return self._read(f"SELECT {self.name}.* FROM {self.name} {clause}", values)

    def take_changes(self) -> Changes:
        """Return what has changed since; by now it counts as written."""
        changed, emptied = self.changed, self.emptied
        self.changed, self.emptied = {}, False

        def again() -> None:
            if self.emptied:
                return
            self.changed = {**changed, **self.changed}
            self.emptied = emptied

        gone: list[Row] = []
        rows: list[Row] = []
        wrong: list[Exception] = []
        for key in changed:
            value = self.found(key)
            if value is not None:
                try:
                    rows.append(row_of(key, value))
                except (TypeError, ValueError) as error:
                    wrong.append(error)
            elif not emptied:
                gone.append((key,))
        found: list[Statement] = [(self._clear, [()])] if emptied else []
        found += [(self._delete, gone)] if gone else []
        found += [(self._put, rows)] if rows else []
        return Changes(found, again, wrong, self.written)

    def _read(self, sql: str, values: Sequence[object]) -> list[Any]:
        """Return what rows hold; raise BadCopy for what is damaged."""
        try:
            with closing(self.db.execute(sql, values)) as rows:
                return [self._kind(*self._checked(row)) for row in rows]
        except BadCopy:
            raise
        except (sqlite3.Error, *UNREADABLE) as error:
            why = f"has something in {self.name} that can't be read: {shown(error)}"
            raise BadCopy(why) from None

    def _checked(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return checked(row, self._types, self.name)


class Table(Rows, dict[Any, Any]):
    """A dictionary that was read from a table."""

    def __init__(
        self,
        db: sqlite3.Connection,
        noted: Callable[[], object],
        name: str,
        kind: Callable[..., Any],
    ) -> None:
        Rows.__init__(self, db, noted, name, kind)
        with closing(db.execute(f"SELECT * FROM {name} ORDER BY rowid")) as found:
            self.update((row[0], kind(*self._checked(row))) for row in found)

    def found(self, key: Any) -> Any:
        return self.get(key)

    def refresh(self, keys: Iterable[Any]) -> None:
        keys = [key for key in keys if key not in self.changed]
        for start in range(0, len(keys), _STEP):
            step = keys[start : start + _STEP]
            marks = ", ".join("?" * len(step))
            sql = f"SELECT * FROM {self.name} WHERE {self._key} IN ({marks}) ORDER BY rowid"
            with closing(self.db.execute(sql, step)) as found:
                rows = {row[0]: self._kind(*self._checked(row)) for row in found}
            for key in step:
                if key not in rows:
                    super().pop(key, None)
            self.update(rows)
        # What is still to be written comes behind what others have.
        for key in self.changed:
            if key in self:
                super().__setitem__(key, super().pop(key))

    def reload(self) -> None:
        own = {key: self.get(key) for key in self.changed}
        super().clear()
        with closing(self.db.execute(f"SELECT * FROM {self.name} ORDER BY rowid")) as found:
            self.update((row[0], self._kind(*self._checked(row))) for row in found)
        for key, value in own.items():
            super().pop(key, None)
            if value is not None:
                super().__setitem__(key, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.note(key)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.note(key)

    def pop(self, key: Any, default: Any = None) -> Any:
        if key in self:
            default = super().pop(key)
            self.note(key)
        return default

    def clear(self) -> None:
        super().clear()
        self.changed.clear()
        self.emptied = True
        self._noted()


class Shelf(Rows, MutableMapping[Any, Any]):
    """A table whose rows are read when they are asked for.

    At hand is what isn't in the database yet, what is `pinned`, and what was used lately. `db` may
    see only what has been committed.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        noted: Callable[[], object],
        name: str,
        kind: Callable[..., Any],
    ) -> None:
        super().__init__(db, noted, name, kind)
        # None stands for what is gone, while the database may still have it.
        self.at_hand: dict[Any, Any] = {}
        self.pinned: Callable[[Any], object] = _nothing
        self._most = _AT_HAND
        # The keys of what is being written; and whether nothing in the database counts any more.
        self._writing: dict[Any, None] = {}
        self.hidden = False
        self._select = f"SELECT * FROM {name} WHERE {self._key} = ?"

    def found(self, key: Any) -> Any:
        return self.get(key)

    def get(self, key: Any, default: Any = None) -> Any:
        at_hand = self.at_hand
        if key in at_hand:
            value = at_hand[key]
            return default if value is None else value
        if self.hidden:
            return default
        rows = self._read(self._select, (key,))
        if not rows:
            return default
        value = rows[0]
        if _light(value):
            self.hold(key, value)
        return value

    def hold(self, key: Any, value: Any) -> None:
        """Have at hand what is in the database as it is here."""
        self.at_hand[key] = value
        if len(self.at_hand) > self._most:
            self._let_go()

    def refresh(self, keys: Iterable[Any]) -> None:
        for key in keys:
            if key not in self.changed and key not in self._writing:
                self.at_hand.pop(key, None)

    def reload(self) -> None:
        self.at_hand = {key: self.at_hand.get(key) for key in self.changed}

    def take_changes(self) -> Changes:
        self._writing = self.changed
        changes = super().take_changes()
        again = changes.again

        def unwritten() -> None:
            self._writing = {}
            again()

        return changes._replace(again=unwritten)

    def written(self) -> None:
        writing, self._writing = self._writing, {}
        self.hidden = self.emptied
        for key in writing:
            if key not in self.changed and key in self.at_hand:
                value = self.at_hand[key]
                if value is None or not (_light(value) or self.pinned(key)):
                    del self.at_hand[key]
        if len(self.at_hand) > self._most:
            self._let_go()

    def own(self) -> dict[Any, Any]:
        """Return what the database may not have as it is here, by key; None for what is gone."""
        at_hand = self.at_hand
        keys = {**self._writing, **self.changed}
        return {key: at_hand[key] for key in keys if key in at_hand}

    def pop(self, key: Any, default: Any = None) -> Any:
        value = self.get(key)
        if value is None:
            return default
        self.at_hand[key] = None
        self.note(key)
        return value

    def clear(self) -> None:
        self.at_hand.clear()
        self.changed.clear()
        self.emptied = self.hidden = True
        self._noted()

    def __getitem__(self, key: Any) -> Any:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self.at_hand[key] = value
        self.note(key)
        if len(self.at_hand) > self._most:
            self._let_go()

    def __delitem__(self, key: Any) -> None:
        if self.pop(key) is None:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[Any]:
        """Yield the keys, in the order in which they came, of what is in the database first."""
        own, last = self.own(), 0
        # Where they were first put is where they stay.
        while not self.hidden:
            sql = f"SELECT rowid, {self._key} FROM {self.name} WHERE rowid > ? ORDER BY rowid"
            with closing(self.db.execute(f"{sql} LIMIT {_STEP}", (last,))) as found:
                rows = found.fetchall()
            if not rows:
                break
            last = rows[-1][0]
            for _, key in rows:
                if own.pop(key, self) is not None:
                    yield key
        yield from [key for key, value in own.items() if value is not None]

    def __len__(self) -> int:
        own = self.own()
        if self.hidden or len(own) > _STEP:
            return sum(1 for _ in self)
        # In one statement, since a commit may come between two.
        held = f"SELECT count(*) FROM {self.name}"
        ours = f"{held} WHERE {self._key} IN ({', '.join('?' * len(own))})"
        (others,) = self.db.execute(f"SELECT ({held}) - ({ours})", [*own]).fetchone()
        found: int = others + sum(value is not None for value in own.values())
        return found

    def _let_go(self) -> None:
        """Have no more at hand than it takes."""
        keys = [*self.at_hand]
        for key in keys[: -_AT_HAND // 2]:
            if key not in self.changed and key not in self._writing and not self.pinned(key):
                del self.at_hand[key]
        self._most = _AT_HAND + 2 * len(self.at_hand)


def _nothing(key: object) -> bool:
    return False


def _light(value: object) -> bool:
    """Tell whether a value may be kept at hand though the database has it."""
    if isinstance(value, Job):
        return value.outcome is None or len(value.outcome.body) <= _LIGHT
    return not isinstance(value, bytes) or len(value) <= _LIGHT


def checked(row: tuple[Any, ...], types: list[tuple[type, ...]], name: str) -> tuple[Any, ...]:
    """Return a row; raise BadCopy for one of a damaged table: sqlite takes any value."""
    for value, holds in zip(row, types, strict=True):
        if not isinstance(value, holds) or (value is None and type(None) not in holds):
            raise BadCopy(f"is damaged: {name} has {value!r:.40} where it can't be")
    return row


def types_of(db: sqlite3.Connection, name: str) -> list[tuple[type, ...]]:
    """Return what each column of a table may hold."""
    empty = type(None)
    found: list[tuple[type, ...]] = []
    for _, _, declared, filled, _, is_key in db.execute(f"PRAGMA table_info({name})"):
        holds = _HOLDS.get(declared, (object,))
        found.append(holds if filled or is_key else (*holds, empty))
    return found
