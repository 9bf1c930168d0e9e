"""What one worker's store has after another has written to the file, both in this process."""

from __future__ import annotations

import asyncio
import errno
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from falkit_mock.store import Upload
from falkit_mock.store.blobs import Piece
from store.items import DONE, added, delivery
from store.pairs import commit, synced

if sys.platform == "win32":
    pytest.skip("no process is copied there", allow_module_level=True)


from falkit_mock.store.shared import SharedStore
from falkit_mock.store.shared_journal import SharedJournal


def test_what_is_kept_and_counted_is_what_all_have(pair: tuple[SharedStore, SharedStore]) -> None:
    one, other = pair
    with commit(one):
        first = added(one, b"12345", run=0.0, outcome=DONE)
    with commit(other):
        added(other, b"123", run=0.0, outcome=DONE)
    synced(one, other)
    kept = 8 + 2 * len(DONE.body)
    assert (one.kept, one.count()) == (other.kept, other.count()) == (kept, 2)
    with commit(other):
        other.drop([first.id])
    synced(one)
    assert (one.kept, one.count()) == (other.kept, other.count()) == (kept - 5 - len(DONE.body), 1)


def test_pieces_of_uploads_are_counted_by_all(pair: tuple[SharedStore, SharedStore]) -> None:
    one, other = pair
    one.uploads.add(Upload("u", "/files/b/u", "text/plain", 1.0, 9.0, None, "", done=False))
    one.uploads.put_piece("u", 1, Piece("a", 5, "e"))
    synced(other)
    assert other.uploads.kept == 5
    one.uploads.put_piece("u", 2, Piece("b", 7, "e"))
    synced(other)
    assert other.uploads.kept == 12
    other.uploads.remove("u")
    synced(one)
    assert one.uploads.kept == other.uploads.kept == 0


def test_what_was_taken_during_a_reset_elsewhere_keeps_place_and_size(
    pair: tuple[SharedStore, SharedStore],
) -> None:
    one, other = pair
    with commit(other):
        old = added(other, run=0.0, outcome=DONE)
    synced(one)
    with commit(one):
        mine = added(one, b"12345", run=0.0, outcome=DONE)
        other.clear()
    synced(other)
    for store in pair:
        assert store.get(old.id) is None
        assert [job.id for job in store.jobs()] == [mine.id]
        assert store.kept == 5 + len(DONE.body)
    assert one.next_seq() > mine.seq


def test_where_all_is_read_anew_no_row_is_named(pair: tuple[SharedStore, SharedStore]) -> None:
    one, other = pair
    added(one)
    with commit(one):
        one.clear()
        kept = added(one)
    with closing(sqlite3.connect(one.path)) as db:
        newest = "SELECT change FROM changes ORDER BY number DESC LIMIT 1"
        (told,) = db.execute(newest).fetchone()
    assert (json.loads(told)["anew"], json.loads(told)["rows"]) == (True, {})
    synced(other)
    assert [job.id for job in other.jobs()] == [kept.id]


def test_a_disk_that_takes_it_again_makes_a_worker_ready(
    pair: tuple[SharedStore, SharedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        store, journal = pair[0], pair[0].own
        added(store)
        await journal.saved()
        assert journal.trouble is None
        assert journal.commits == 1
        assert journal.seconds > 0
        monkeypatch.setattr("falkit_mock.store.journal._AGAIN", 0.0)

        def full(file: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("falkit_mock.store.shared_journal._to_disk", full)
            added(store)
            with pytest.raises(OSError, match="No space"):
                await journal.saved()
            assert journal.trouble is not None
        journal.noted()
        await journal.saved()
        assert journal.trouble is None

    asyncio.run(run())


def test_whoever_waits_is_told_what_keeps_a_commit_from_being_made(
    pair: tuple[SharedStore, SharedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    monkeypatch.setattr("falkit_mock.store.journal._AGAIN", 0.0)

    def wrong(journal: SharedJournal, batch: object) -> None:
        raise RuntimeError("something else")

    async def run() -> None:
        with closing(sqlite3.connect(one.path)) as db:
            db.execute("ALTER TABLE changes RENAME TO gone")
            added(one)
            with pytest.raises(OSError, match="no such table"):
                await one.own.saved()
            db.execute("ALTER TABLE gone RENAME TO changes")
        with monkeypatch.context() as patch:
            patch.setattr(SharedJournal, "_commit_rows", wrong)
            added(one)
            with pytest.raises(OSError, match="something else"):
                await one.own.saved()
        one.own.noted()
        await one.own.saved()
        assert one.own.trouble is None
        other.own.sync()
        assert len(other.jobs()) == 2

    asyncio.run(asyncio.wait_for(run(), 10))


def test_what_was_written_without_a_loop_is_no_obstacle(
    pair: tuple[SharedStore, SharedStore],
) -> None:
    async def run() -> None:
        store = pair[0]
        await asyncio.to_thread(added, store)
        added(store)
        await asyncio.wait_for(store.own.saved(), 10)

    asyncio.run(run())


def test_attempts_are_listed_in_one_order(pair: tuple[SharedStore, SharedStore]) -> None:
    one, other = pair
    with commit(other):
        job = added(other, run=0.0, outcome=DONE)
    synced(one)
    with commit(one):
        one.deliveries.add(delivery("first", job.id))
        # It isn't committed yet, so what is by now comes before it.
        with commit(other):
            other.deliveries.add(delivery("second", job.id))
        synced(one)
        for asked in (None, job.id):
            listed = one.deliveries.select(request_id=asked, placed=True)
            assert [each.id for each in listed] == ["second"]
            assert one.deliveries.count(request_id=asked, placed=True) == 1
            known = [each.id for each in one.deliveries.select(request_id=asked)]
            assert known == ["second", "first"]
    synced(other)
    for store in pair:
        for asked in (None, job.id):
            listed = store.deliveries.select(request_id=asked, placed=True)
            assert [each.id for each in listed] == ["second", "first"]


def test_what_cannot_be_done_after_a_commit_holds_nobody_up(
    pair: tuple[SharedStore, SharedStore],
) -> None:
    async def run() -> None:
        store, done = pair[0], list[str]()

        def fails() -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        added(store)
        store.own.after(fails)
        store.own.after(lambda: done.append("next"))
        await asyncio.wait_for(store.own.saved(), 10)
        assert done == ["next"]

    asyncio.run(run())


@pytest.mark.parametrize("instead", [None, b"another"])
def test_nothing_is_accepted_into_a_file_that_is_gone(
    pair: tuple[SharedStore, SharedStore], tmp_path: Path, instead: bytes | None
) -> None:
    async def run() -> None:
        store, state, aside = pair[0], tmp_path / "falkit.state", tmp_path / "aside"
        added(store)
        await store.own.saved()
        state.rename(aside)
        if instead is not None:
            state.write_bytes(instead)
        added(store)
        with pytest.raises(OSError, match=r"No such file|another file"):
            await store.own.saved()
        assert store.own.trouble is not None
        aside.replace(state)
        store.own.noted()
        await store.own.saved()

    asyncio.run(run())
