"""State files: what is refused, what an older version wrote, and commits that many share."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import math
import random
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from falkit_mock.core.jobs import Job, RequestOptions
from falkit_mock.store import BadCopy, all_pieces, durable
from falkit_mock.store.blobs import Piece
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.sqlite import VERSION
from falkit_mock.store.verifying import verify
from falkit_mock.webhooks.pending import undelivered
from nights import NIGHTLY
from processes import started
from store.items import added, everything, fill

STATES = Path(__file__).parent / "states"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state file with something of each kind in it."""
    path = tmp_path / "falkit.state"
    with closing(DurableStore(path)) as store:
        fill(store)
        for piece in all_pieces(store):
            (store.uploads.blobs.folder / piece.blob).write_bytes(b"123")
    return path


def _text(path: Path) -> None:
    path.write_text("a diary")


def _other(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE jobs (id TEXT, door TEXT)")


def _marked_other(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE jobs ADD COLUMN door TEXT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:8192] + b"\xff" * 20_000 + data[28_192:])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20_000])


def _head_alone(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:64])


def _wrong_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE jobs SET options = '{'")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _wrong_type(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE jobs SET starts = 'soon'")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _no_blob(path: Path) -> None:
    (path.with_name("falkit.state.uploads") / "a").unlink()


def _short_blob(path: Path) -> None:
    (path.with_name("falkit.state.uploads") / "a").write_bytes(b"1")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_text, "is no state of falkit; name a file that falkit has written, or a new one"),
        (_other, "is a database, but no state of falkit; name another file"),
        (_marked_other, "has other tables than falkit's"),
        (_newer, r"was written by a newer falkit \(format \d+, not \d+\); use the version"),
        (_torn, "damaged"),
        (_cut, "damaged"),
        (_head_alone, "is no state of falkit"),
        (_wrong_row, "has something in jobs that can't be read"),
        (_wrong_type, "is damaged: jobs has 'soon' where it can't be"),
        (_no_blob, r"lacks falkit\.state\.uploads/a, which was uploaded"),
        (_short_blob, r"has another size of falkit\.state\.uploads/a"),
    ],
)
def test_a_file_that_is_no_state_is_refused_in_one_line_and_left_as_it_is(
    state: Path, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(state)
    before = hashlib.sha256(state.read_bytes()).digest()
    with pytest.raises(BadCopy, match=why) as refused:
        DurableStore(state)
    assert str(refused.value).startswith(str(state))
    assert "\n" not in str(refused.value)
    assert hashlib.sha256(state.read_bytes()).digest() == before
    with pytest.raises(BadCopy, match=why):
        DurableStore(state)


def test_a_damaged_row_of_a_large_file_is_told_of_when_it_is_read(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(DurableStore(state)) as store:
        store.facts["clock"] = b'{"now": 1000, "running": false}'
    with closing(sqlite3.connect(state)) as db:
        db.execute("UPDATE jobs SET starts = 'soon' WHERE id = 'job-1'")
        db.commit()
    monkeypatch.setattr(durable, "READ", 0)
    with closing(DurableStore(state)) as store:
        assert store.count() > 0
        with pytest.raises(BadCopy, match="is damaged: jobs has 'soon' where it can't be"):
            store.get("job-1")
        assert store.input("job-1") == b'{"prompt": "a"}'
    with pytest.raises(BadCopy, match=rf"^{state} is damaged: jobs has 'soon'"):
        verify(state, lambda store: None)


def test_the_pages_of_a_very_large_file_are_not_checked(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "READ", 0)
    monkeypatch.setattr(durable, "CHECKED", 0)
    checked: list[object] = []
    monkeypatch.setattr(durable, "check_pages", checked.append)
    with closing(DurableStore(state)):
        assert checked == []
    with pytest.raises(BadCopy, match="is not what was uploaded"):
        verify(state, lambda store: None)
    assert len(checked) == 1


def _spoiled(data: bytes, dice: random.Random) -> bytes:
    """Return a file with some bytes changed, most of them where something is."""
    spoiled = bytearray(data)
    for _ in range(dice.choice((1, 2, 30))):
        place = dice.randrange(len(data))
        if dice.random() < 0.7:
            place = max(data.find(dice.choice((b"{", b"job-", b"[", b"acl", b"TEXT")), place), 0)
        spoiled[place] = dice.randrange(256)
    return bytes(spoiled[: dice.randrange(len(data)) if dice.random() < 0.1 else len(data)])


def test_whatever_is_changed_in_a_file_it_is_read_or_refused(state: Path) -> None:
    data, dice = state.read_bytes(), random.Random(7)
    for _ in range(5000 if NIGHTLY else 150):
        spoiled = _spoiled(data, dice)
        state.write_bytes(spoiled)
        why = ""
        try:
            with closing(DurableStore(state)) as store:
                everything(store)
        except BadCopy as error:
            why = str(error)
        assert "\n" not in why
        assert not why or state.read_bytes() == spoiled
        for blob in "ab":
            # What belongs to no upload of a file that could be read is gone.
            (state.with_name("falkit.state.uploads") / blob).write_bytes(b"123")


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "falkit.state"):
        with pytest.raises(BadCopy, match=r"can't be opened .*; name another file"):
            DurableStore(place)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_without_room_is_no_reason_to_name_another_file(state: Path) -> None:
    program = """
import resource, sys
from falkit_mock.store.durable import DurableStore
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
DurableStore(sys.argv[1])
"""
    with started([sys.executable, "-c", program, str(state)], stderr=-1) as full:
        _, told = full.communicate()
    assert "can't be opened (disk i/o error); see whether its disk is full" in told.lower()


def test_one_process_has_a_file(state: Path) -> None:
    program = "import sys; from falkit_mock.store.durable import DurableStore as D; D(sys.argv[1])"
    with closing(DurableStore(state)):
        with pytest.raises(BadCopy, match="in use by another mock; stop that one, or name another"):
            DurableStore(state)
        with started([sys.executable, "-c", program, str(state)], stderr=-1) as other:
            assert "is in use by another mock" in other.communicate()[1]
    with closing(DurableStore(state)) as again:
        assert again.jobs() != []


@pytest.mark.parametrize("name", [path.name for path in STATES.glob("state-*.gz")])
def test_a_state_of_each_version_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "falkit.state"
    path.write_bytes(gzip.decompress((STATES / name).read_bytes()))
    blobs = tmp_path / "falkit.state.uploads"
    blobs.mkdir()
    for blob in "ab":
        (blobs / blob).write_bytes(b"123")
    with closing(DurableStore(tmp_path / "new.state")) as expected:
        fill(expected)
        with closing(DurableStore(path)) as store:
            assert everything(store) == everything(expected)
            assert store.facts["tokens"] == b'"00ff"'
            assert store.later == {"job-3": b"[]"}
            added(store)


def test_a_key_or_a_test_called_webhook_asks_for_none(tmp_path: Path) -> None:
    path, options = tmp_path / "falkit.state", RequestOptions(key="webhook", test="webhook")
    with closing(DurableStore(path)) as store:
        added(store, options=options)
        hooked = added(store, options=replace(options, webhook="http://127.0.0.1:9/hook"))
    with closing(DurableStore(path)) as store:
        assert [(job.id, last) for job, last in undelivered(store)] == [(hooked.id, None)]


def test_blobs_of_no_upload_go_and_others_stay(state: Path) -> None:
    blobs = state.with_name("falkit.state.uploads")
    (blobs / "stray").write_bytes(b"half")
    with closing(DurableStore(state)):
        assert sorted(path.name for path in blobs.iterdir()) == ["a", "b"]


def test_nobody_else_reads_a_state(state: Path) -> None:
    if sys.platform != "win32":
        assert state.stat().st_mode & 0o077 == 0
        assert state.with_name("falkit.state.uploads").stat().st_mode & 0o077 == 0


def _in_a_loop(path: Path, act: Callable[[DurableStore], object]) -> None:
    async def run() -> None:
        with closing(DurableStore(path)) as store:
            result = act(store)
            if asyncio.iscoroutine(result):
                await result

    asyncio.run(run())


def test_all_who_wait_share_a_commit(tmp_path: Path) -> None:
    async def submitted(store: DurableStore) -> Job:
        assert store.journal is not None
        job = added(store)
        assert store.journal.unsaved(job.id)
        await store.journal.saved()
        assert not store.journal.unsaved(job.id)
        return job

    async def many(store: DurableStore) -> None:
        assert store.journal is not None
        jobs = await asyncio.gather(*(submitted(store) for _ in range(100)))
        assert store.jobs() == jobs
        assert store.journal.commits <= 3

    _in_a_loop(tmp_path / "falkit.state", many)
    with closing(DurableStore(tmp_path / "falkit.state")) as store:
        assert len(store.jobs()) == 100


def test_jobs_that_are_gone_hide_no_others_before_the_file_knows(tmp_path: Path) -> None:
    async def act(store: DurableStore) -> None:
        assert store.journal is not None
        jobs = [added(store) for _ in range(120)]
        await store.journal.saved()
        store.drop([job.id for job in (*jobs[:55], *jobs[60:])])
        assert store.jobs() == jobs[55:60]
        assert store.after(1, 3) == jobs[55:58]
        assert store.before(math.inf, 3) == [*reversed(jobs[57:60])]

    _in_a_loop(tmp_path / "falkit.state", act)


def test_a_wait_that_is_given_up_keeps_nobody_else_from_theirs(tmp_path: Path) -> None:
    async def act(store: DurableStore) -> None:
        assert store.journal is not None
        added(store)
        waits = [asyncio.ensure_future(store.journal.saved()) for _ in range(3)]
        await asyncio.sleep(0)
        waits[0].cancel()
        await asyncio.gather(*waits[1:])
        assert store.journal.commits == 1

    _in_a_loop(tmp_path / "falkit.state", act)


def test_a_row_that_cannot_be_kept_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(store: DurableStore) -> None:
        assert store.journal is not None
        added(store)
        bad = added(store, path="\ud800")
        with pytest.raises(OSError, match="surrogates"):
            await store.journal.saved()
        store.drop({bad.id})
        added(store)
        await store.journal.saved()

    _in_a_loop(tmp_path / "falkit.state", act)
    assert "a row can't be kept" in caplog.text
    with closing(DurableStore(tmp_path / "falkit.state")) as store:
        assert [job.id for job in store.jobs()] == ["job-1", "job-3"]


def test_a_blob_goes_once_its_row_is_gone(tmp_path: Path) -> None:
    async def act(store: DurableStore) -> None:
        assert store.journal is not None
        fill(store)
        blob = store.uploads.blobs.folder / "a"
        blob.write_bytes(b"123")
        (store.uploads.blobs.folder / "b").write_bytes(b"123")
        await store.journal.saved()
        store.uploads.put_piece("one", 1, Piece("b", 3, ""))
        assert blob.exists()
        await store.journal.saved()
        assert not blob.exists()

    _in_a_loop(tmp_path / "falkit.state", act)


def test_a_store_goes_from_one_event_loop_to_the_next(tmp_path: Path) -> None:
    store = DurableStore(tmp_path / "falkit.state")

    async def act() -> None:
        # And is left with a commit under way.
        added(store)
        await asyncio.sleep(0)

    for _ in range(3):
        asyncio.run(act())
    store.close()
    with closing(DurableStore(tmp_path / "falkit.state")) as again:
        assert len(again.jobs()) == 3
