"""A store emptied, written down, and taken over by another, in every store alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from falkit_mock.store import BadCopy, KeyRecord, Store, all_pieces
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.sqlite import SqliteStore, read_image, write_image
from store.items import DONE, FAULTS, added, everything, file, fill, piece, upload


def test_all_but_the_keys_is_forgotten(store: Store) -> None:
    fill(store)
    keys = store.deliveries.keys()
    store.clear()
    empty = Store()
    for key in keys:
        empty.deliveries.put_key(key)
    assert everything(store) == everything(empty)
    assert added(store).seq == 1


@pytest.mark.parametrize("make", [Store, SqliteStore])
def test_an_image_has_everything_and_any_store_takes_it(
    store: Store, make: Callable[[], Store]
) -> None:
    fill(store)
    before = everything(store)
    copy = read_image(write_image(store))
    assert everything(copy) == before
    target = make()
    fill(target)
    added(target)
    target.take(copy, {})
    assert everything(target) == before == everything(store)
    assert target.next_seq() == len(store.jobs()) + 1
    target.close()


def test_all_that_is_done_to_a_store_survives(tmp_path: Path) -> None:
    database = str(tmp_path / "jobs.sqlite")
    store = DurableStore(database)
    fill(store)
    gone, changed, decided, erased = (added(store, outcome=None) for _ in range(4))
    store.decide(decided.id, DONE)
    store.decide(erased.id, DONE)
    for each in (decided, erased, gone):
        store.add_file(file(f"/{each.id}.mp4", each.id))
    store.erase(erased.id)
    changed.cancelled, changed.faults = True, FAULTS
    store.update(changed)
    store.reschedule({decided.id: (112.0, 117.0), erased.id: (113.0, 118.0)})
    gone.ends = 101.0
    store.update(gone)
    store.drop({gone.id})
    store.uploads.update(replace(upload("one"), done=True))
    store.uploads.add(upload("two"))
    for number in (1, 2, 3):
        store.uploads.put_piece("two", number, piece(f"two-{number}"))
    store.uploads.put_piece("two", 3, piece("again"))
    store.uploads.keep_pieces("two", {1, 3})
    store.uploads.add(upload("three"))
    store.uploads.remove("three")
    store.deliveries.put_key(KeyRecord(2, 101.0, withdrawn=True))
    before = everything(store)
    for kept in all_pieces(store):
        (store.uploads.blobs.folder / kept.blob).write_bytes(b"123")
    store.close()
    again = DurableStore(database)
    assert everything(again) == before
    again.close()


def test_a_store_takes_blobs_under_other_names(store: Store) -> None:
    other = Store()
    fill(other)
    store.take(other, {"a": "new"})
    assert [piece.blob for piece in all_pieces(store)] == ["new", "b"]
    assert [piece.blob for piece in all_pieces(other)] == ["a", "b"]


def test_bytes_that_are_not_an_image_are_refused() -> None:
    with pytest.raises(BadCopy, match="no sqlite database"):
        read_image(b"SQLite format 3, or so it says")
    with sqlite3.connect(":memory:") as other:
        other.execute("CREATE TABLE jobs (id TEXT)")
        with pytest.raises(BadCopy, match="other tables"):
            read_image(other.serialize())


@pytest.mark.parametrize("options", ["{", "[]", '{"weather": 1}'])
def test_an_image_with_a_job_that_cannot_be_read_is_refused(options: str) -> None:
    store = SqliteStore()
    fill(store)
    with sqlite3.connect(":memory:") as other:
        other.deserialize(store.image())
        other.execute("UPDATE jobs SET options = ?", (options,))
        other.commit()
        with pytest.raises(BadCopy, match="can't be read"):
            read_image(other.serialize())
    store.close()


def test_a_failed_write_changes_nothing() -> None:
    store, other = SqliteStore(), Store()
    fill(store)
    before = everything(store)
    added(other)
    for name in ("one", "two"):
        other.uploads.add(replace(upload(name), path="/the/same"))
    with pytest.raises(BadCopy, match="can't be stored"):
        store.take(other, {})
    assert everything(store) == before
    store.close()
