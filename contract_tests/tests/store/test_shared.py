"""What one worker has of a state file after another has written to it, both in this process."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import json
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from falkit import Settings, create_app
from falkit_mock.app import MockApp
from falkit_mock.core.errors import StateAway
from falkit_mock.service import outcomes
from falkit_mock.service.ledger import ledger_of
from falkit_mock.store import Upload
from falkit_mock.store.blobs import Piece
from falkit_mock.store.keeping import forget
from falkit_mock.store.sharing import turn
from receiver import Receiver
from serving import I2V_FAST, KEY, PROMPT, T2V
from store.items import DONE, added, delivery

if sys.platform == "win32":
    pytest.skip("no process is copied there", allow_module_level=True)

import fcntl

from falkit_mock.store.durable import alone
from falkit_mock.store.link import Link
from falkit_mock.store.shared import FileClaims, SharedStore
from falkit_mock.store.shared_journal import SharedJournal


@pytest.fixture
def pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[tuple[SharedStore, SharedStore]]:
    """The stores of two workers."""
    # A lock of lockf is a process's, and both are in one; that of flock is an open file's.
    monkeypatch.setattr(fcntl, "lockf", fcntl.flock)
    state, memory = tmp_path / "falkit.state", memoryview(bytearray(64)).cast("q")
    ears, mouths = dict[int, int](), dict[int, int]()
    for number in (1, 2):
        ears[number], mouths[number] = os.pipe()
        os.set_blocking(ears[number], False)
        os.set_blocking(mouths[number], False)
    file = tmp_path / "lock"
    with alone(state), file.open("wb") as first, file.open("wb") as second:
        made = [
            SharedStore(
                str(state),
                Link(
                    number=n,
                    workers=2,
                    again=False,
                    lock=lock.fileno(),
                    ear=ears[n],
                    ears=mouths,
                    parent=0,
                    memory=memory,
                    requests=100,
                ),
            )
            for n, lock in ((1, first), (2, second))
        ]
        yield made[0], made[1]
        for store in made:
            store.close()
    for descriptor in (*ears.values(), *mouths.values()):
        os.close(descriptor)


@contextmanager
def commit(store: SharedStore) -> Generator[None]:
    """Have one commit of the block, as the event loop does of a handler."""
    store.own.hold()
    yield
    store.own.release()


def synced(*stores: SharedStore) -> None:
    for store in stores:
        store.own.sync()


async def ended(
    clients: list[httpx.AsyncClient], apps: list[MockApp], stores: tuple[SharedStore, SharedStore]
) -> None:
    for client in clients:
        await client.aclose()
    for app in apps:
        app.service.close()
    for each in stores:
        # Or the loop ends while one has the turn that the other asks for.
        async with each.own.turns.turn():
            pass
        await asyncio.sleep(0)


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


def test_a_copy_of_a_webhook_gives_up_no_claim(
    pair: tuple[SharedStore, SharedStore], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[str] = []

    def end(claims: FileClaims, request_id: str) -> None:
        given_up.append(request_id)

    monkeypatch.setattr(FileClaims, "end", end)

    async def run() -> None:
        settings = Settings(timing="instant", faults=["webhook_duplicate copies=3 seconds=0"])
        app = create_app(settings, store=pair[0])
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
        )
        app.go_on()
        query = {"fal_webhook": receiver.url}
        job = (await client.post(f"/queue.fal.run/{T2V}", json=PROMPT, params=query)).json()
        while pair[0].deliveries.count(request_id=job["request_id"]) < 3:
            await asyncio.sleep(0.001)
        assert given_up == [job["request_id"]]
        await ended([client], [app], pair)

    asyncio.run(run())


def test_the_ledger_goes_by_what_others_do(pair: tuple[SharedStore, SharedStore]) -> None:
    async def run() -> None:
        settings = Settings(timing="instant")
        apps = [create_app(settings, store=store) for store in pair]
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
            )
            for app in apps
        ]

        async def submit(client: httpx.AsyncClient) -> str:
            reply = await client.post(f"/queue.fal.run/{T2V}", json=PROMPT)
            id: str = reply.json()["request_id"]
            return id

        async def sums(app: MockApp) -> int:
            store = app.service.store
            assert store.sharing is not None
            await store.sharing.sync()
            return sum(jobs for _, jobs in await ledger_of(app.service, app.catalog).sums())

        one, other = apps
        store, late = one.service.store, other.service.store
        for app in apps:
            app.go_on()
            assert await sums(app) == 0
        ids = [await submit(clients[n % 2]) for n in range(4)]
        assert [await sums(app) for app in apps] == [4, 4]
        # The second is behind in the order, and comes after the ledger has the first.
        late.next_seq()
        behind = late.last_seq
        ahead = store.get(await submit(clients[0]))
        assert ahead is not None
        late.last_seq = behind - 64
        assert await sums(one) == 5
        found = added(late, run=0.0, starts=100.0, outcome=DONE)
        assert found.seq == behind
        await pair[1].own.saved()
        assert await sums(one) == 6
        first = late.get(ids[0])
        assert first is not None
        forget(late, Settings(keep="1h").keep, first.created + 9e9)
        await pair[1].own.saved()
        assert [await sums(app) for app in apps] == [0, 0]
        await submit(clients[0])
        await clients[1].post("/__falkit/reset", json={})
        assert [await sums(app) for app in apps] == [0, 0]
        await ended(clients, apps, pair)

    asyncio.run(run())


def test_what_is_too_much_is_forgotten_once(pair: tuple[SharedStore, SharedStore]) -> None:
    async def run() -> None:
        settings = Settings(timing="instant", keep="10KB")
        apps = [create_app(settings, store=store) for store in pair]
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
            )
            for app in apps
        ]
        for app in apps:
            app.go_on()
        for _ in range(20):
            asked = [client.post(f"/queue.fal.run/{T2V}", json=PROMPT) for client in clients * 4]
            assert {reply.status_code for reply in await asyncio.gather(*asked)} == {200}
        for store in pair:
            await store.own.saved()
        synced(*pair)
        for store in pair:
            outcomes = [job.outcome for job in store.jobs()]
            bodies = sum(len(one.body) for one in outcomes if one is not None)
            inputs = sum(len(store.input(job.id)) for job in store.jobs())
            assert store.kept == bodies + inputs
            assert store.kept < 20_000
        await ended(clients, apps, pair)

    asyncio.run(run())


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


def test_a_file_is_waited_for_until_its_outcome_is_stored(
    pair: tuple[SharedStore, SharedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(picture, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"

    async def run() -> None:
        asked, due = list[object](), asyncio.Event()

        @asynccontextmanager
        async def late(store: SharedStore) -> AsyncGenerator[None]:
            asked.append(store)
            if len(asked) == 1:
                raise StateAway(errno.EAGAIN, "another replica doesn't end its turn")
            await due.wait()
            async with turn(store):
                yield

        monkeypatch.setattr(outcomes, "turn", late)
        monkeypatch.setattr(outcomes, "_AGAIN", 0.0)
        app = create_app(Settings(timing="instant"), store=pair[0])
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
        )
        app.go_on()
        input = {"prompt": "a kite", "image_url": url}
        job = (await client.post(f"/queue.fal.run/{I2V_FAST}", json=input)).json()
        while len(asked) < 2:
            await asyncio.sleep(0)
        result = asyncio.create_task(client.get(job["response_url"]))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not result.done()
        due.set()
        assert (await asyncio.wait_for(result, 10)).status_code == 200
        await ended([client], [app], pair)

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
