"""Two replicas of a state in Redis, each without a mock around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from falkit_mock.core.errors import StateAway
from falkit_mock.store.redis.address import Address
from falkit_mock.store.redis.store import RedisStore
from falkit_mock.store.redis.tables import pack
from redis_servers import RedisServer
from store.items import DONE, OPTIONS, added, delivery, upload

Pair = Callable[[RedisStore, RedisStore], Awaitable[None]]


@asynccontextmanager
async def _opened(url: str) -> AsyncGenerator[RedisStore]:
    store = RedisStore(url)
    try:
        yield store
    finally:
        await store.replicas.stop()
        store.close()


def _with_two(url: str, check: Pair) -> None:
    async def both() -> None:
        async with _opened(url) as one, _opened(url) as other:
            await check(one, other)

    asyncio.run(both())


def test_what_one_commits_the_other_has(redis_url: str) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        # Larger than what the stream of changes has in it, too.
        small, large = added(one, b"{}"), added(one, b"x" * 100_000)
        one.uploads.add(upload("an-upload"))
        one.deliveries.add(delivery("a-delivery", small.id))
        one.later[large.id] = b"later"
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert [other.get(small.id), other.get(large.id)] == [small, large]
        assert other.input(large.id) == b"x" * 100_000
        assert (other.kept, other.last_seq) == (one.kept, large.seq)
        assert other.uploads.get("an-upload") == one.uploads.get("an-upload")
        assert other.deliveries.last(small.id) == one.deliveries.last(small.id)
        large.ends = large.starts = 1.0
        one.update(large)
        one.drop({small.id})
        one.uploads.remove("an-upload")
        del one.later[large.id]
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert other.get(small.id) is None
        assert other.uploads.get("an-upload") is None
        assert other.get(large.id) == large
        assert (other.deliveries.select(), other.later, other.kept) == ([], {}, one.kept)
        assert other.redis_journal.commits == 0, "it has nothing of its own to write"
        one.clear()
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert (other.jobs(), other.kept) == ([], 0)

    _with_two(redis_url, check)


def test_places_in_the_order_of_submission_are_dealt_out(redis_url: str) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        assert [one.number, other.number] == [1, 2]
        jobs = [added(store) for store in (one, other, one, other)]
        assert [job.seq for job in jobs] == [1, 2, 65, 66]

    _with_two(redis_url, check)


def test_whoever_missed_too_much_reads_all_anew(redis_server: RedisServer, redis_url: str) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        theirs, ours = added(one), added(other)
        await one.redis_journal.saved()
        redis_server.ask("XTRIM", f"{Address.read(redis_url).prefix}:changes", "MAXLEN", 0)
        other.redis_journal.hold()
        unsaved = added(other)
        await other.replicas.sync()
        known = [other.get(job.id) for job in (theirs, ours, unsaved)]
        assert known == [theirs, ours, unsaved]
        other.redis_journal.release()
        await other.redis_journal.saved()
        await one.replicas.sync()
        assert {job.id for job in one.jobs()} == {theirs.id, ours.id, unsaved.id}

    _with_two(redis_url, check)


def test_a_turn_is_had_by_one_at_a_time(redis_url: str) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        told: list[str] = []

        async def counted(store: RedisStore) -> None:
            async with store.replicas.turn():
                before = int(store.facts.get("count", b"0"))
                told.append("in")
                await asyncio.sleep(0)
                store.facts["count"] = b"%d" % (before + 1)
                told.append("out")

        await asyncio.gather(*(counted(store) for store in (one, other) for _ in range(1)))
        assert told == ["in", "out", "in", "out"]
        await asyncio.gather(*(counted(store) for store in (one, other)))
        await one.replicas.sync()
        await other.replicas.sync()
        assert one.facts["count"] == other.facts["count"] == b"4"

    _with_two(redis_url, check)


def test_what_is_done_in_a_turn_that_is_over_is_undone(
    redis_server: RedisServer, redis_url: str
) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        one.facts["count"] = b"1"
        await one.redis_journal.saved()
        await other.replicas.sync()

        async def too_long() -> None:
            async with one.replicas.turn():
                one.facts["count"] = b"2"
                # As where it took too long.
                redis_server.ask("DEL", f"{Address.read(redis_url).prefix}:turn")

        with pytest.raises(StateAway, match="the turn is over"):
            await too_long()
        async with other.replicas.turn():
            other.facts["count"] = b"3"
        await one.replicas.settle()
        await one.replicas.sync()
        assert one.facts["count"] == b"3"

    _with_two(redis_url, check)


def test_a_replica_whose_number_is_anothers_takes_the_next(
    redis_server: RedisServer, redis_url: str
) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        redis_server.ask("SET", f"{Address.read(redis_url).prefix}:replica:1", "somebody")
        added(one)
        with pytest.raises(StateAway, match="another replica has the number"):
            await one.redis_journal.saved()
        while one.number == 1:
            await asyncio.sleep(0)
        assert one.number == one.replicas.number == 3
        job = added(one)
        await one.redis_journal.saved()
        assert job.seq % 64 == 3

    _with_two(redis_url, check)


def _change(**fields: object) -> list[Any]:
    """Return the fields of an entry in the stream of changes, a good one but for these."""
    known = {"by": "x", "rows": pack([]), "events": "[]", "event": 1, "requests": pack([])}
    return [part for pair in {**known, "request": 1, "asks": 0, **fields}.items() for part in pair]


@pytest.mark.parametrize("ahead", [1, 1_000_000])
@pytest.mark.parametrize(
    "fields",
    [
        ["a", "b"],
        _change(rows=b"\xc1\xff"),
        _change(rows=pack([("jobs", False, [("a", b"no row")])])),
        _change(rows=pack([("nothing", False, [("a", b"b")])])),
        _change(events="{"),
    ],
    ids=["no fields", "no rows", "no job", "no table", "no events"],
)
def test_what_nobody_committed_keeps_none_from_following(
    redis_server: RedisServer, redis_url: str, fields: list[Any], ahead: int
) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        prefix = Address.read(redis_url).prefix
        added(one)
        await one.redis_journal.saved()
        at = int(redis_server.ask("GET", f"{prefix}:at"))
        redis_server.ask("XADD", f"{prefix}:changes", f"{at + ahead}-0", *fields)
        if ahead == 1:
            redis_server.ask("INCR", f"{prefix}:at")
        job = added(one)
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert other.get(job.id) == job
        mine = added(other)
        await other.redis_journal.saved()
        await one.replicas.sync()
        assert one.get(mine.id) == mine

    _with_two(redis_url, check)


def test_a_state_that_cannot_be_read_is_away_until_it_can(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_mock.store.redis.feed._AGAIN", 0.01)

    async def check(one: RedisStore, other: RedisStore) -> None:
        key = f"{Address.read(redis_url).prefix}:at"
        added(one)
        await one.redis_journal.saved()
        at = redis_server.ask("GET", key)
        other.replicas.feed.start()
        redis_server.ask("SET", key, "x")
        with pytest.raises(StateAway, match="can't be read"):
            await other.replicas.sync()
        redis_server.ask("SET", key, at)
        while other.replicas.away is not None:
            await asyncio.sleep(0.01)
        job = added(one)
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert other.get(job.id) == job

    _with_two(redis_url, check)


@pytest.mark.parametrize(
    "left",
    [["SET", "a diary"], ["SET", "falkit 99 0123456789abcdef"], ["RPUSH", "x"]],
    ids=["another program's", "a newer falkit's", "of another kind"],
)
def test_a_state_that_is_anothers_by_now_is_not_taken_for_ours(
    redis_server: RedisServer, redis_url: str, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_mock.store.redis.feed._AGAIN", 0.01)

    async def check(one: RedisStore, other: RedisStore) -> None:
        key = f"{Address.read(redis_url).prefix}:format"
        job = added(one)
        await one.redis_journal.saved()
        await other.replicas.sync()
        for store in (one, other):
            store.replicas.feed.start()
        ours = redis_server.ask("GETDEL", key)
        redis_server.ask(left[0], key, left[1])
        for store in (one, other):
            added(store)
            with pytest.raises(StateAway):
                await store.redis_journal.saved()
            with pytest.raises(StateAway, match=r"falkit's|newer|WRONGTYPE"):
                await store.replicas.sync()
            assert store.get(job.id) == job
        redis_server.ask("SET", key, ours)
        for store in (one, other):
            while store.replicas.away is not None:
                await asyncio.sleep(0.01)
            added(store)
            await store.redis_journal.saved()
        await one.replicas.sync()
        ids = [{job.id for job in store.jobs()} for store in (one, other)]
        assert ids[0] == ids[1] > {job.id}

    _with_two(redis_url, check)


def test_a_stream_of_changes_that_is_none_is_made_anew(
    redis_server: RedisServer, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        key = f"{Address.read(redis_url).prefix}:changes"
        added(one)
        await one.redis_journal.saved()
        await other.replicas.sync()
        redis_server.ask("SET", key, "a diary")
        other.replicas.feed.start()
        while redis_server.ask("EXISTS", key):
            await asyncio.sleep(0)
        job = added(one)
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert other.get(job.id) == job
        (line,) = [record.getMessage() for record in caplog.records]
        assert f"refused XREAD {key} (WRONGTYPE" in line
        assert line.endswith("; making it anew")

    _with_two(redis_url, check)


def test_a_replica_whose_number_is_no_number_takes_the_next(
    redis_server: RedisServer, redis_url: str
) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        key = f"{Address.read(redis_url).prefix}:replica:1"
        redis_server.ask("DEL", key)
        redis_server.ask("HSET", key, "a", "b")
        added(one)
        with pytest.raises(StateAway, match="another replica has the number"):
            await one.redis_journal.saved()
        while one.number == 1:
            await asyncio.sleep(0)
        one.redis_journal.noted()
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert other.count() == 1

    _with_two(redis_url, check)


def test_claims_go_on_without_their_stream_and_with_what_is_none(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_mock.store.redis.claims.LEFT", 0.0)

    async def check(one: RedisStore, other: RedisStore) -> None:
        stream = f"{Address.read(redis_url).prefix}:deliveries"
        redis_server.ask("DEL", stream)
        await one.replicas.claims.beat()
        for name in ("attempt", "other"):
            redis_server.ask("XADD", stream, "*", name, "no number")
        redis_server.ask("XREADGROUP", "GROUP", "falkit", "x", "STREAMS", stream, ">")
        await other.replicas.claims.beat()
        await other.redis_journal.saved()
        assert redis_server.ask("XLEN", stream) == 0

    _with_two(redis_url, check)


def test_keys_of_another_kind_are_no_state(redis_server: RedisServer, redis_url: str) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        table = f"{Address.read(redis_url).prefix}:table:jobs"
        redis_server.ask("SET", table, "x")
        added(one)
        with pytest.raises(StateAway, match="WRONGTYPE"):
            await one.redis_journal.saved()
        # It is tried again, and taken once it can be.
        redis_server.ask("DEL", table)
        one.redis_journal.noted()
        await one.redis_journal.saved()
        await other.replicas.sync()
        assert other.count() == 1

    _with_two(redis_url, check)


def test_attempts_are_listed_in_one_order(redis_url: str) -> None:
    async def check(one: RedisStore, other: RedisStore) -> None:
        job = added(one)
        await one.redis_journal.saved()
        await other.replicas.sync()
        one.redis_journal.hold()
        one.deliveries.add(delivery("first", job.id))
        other.deliveries.add(delivery("second", job.id))
        await other.redis_journal.saved()
        await one.replicas.sync()
        for asked in (None, job.id):
            listed = one.deliveries.select(request_id=asked, placed=True)
            assert [each.id for each in listed] == ["second"]
        one.redis_journal.release()
        await one.redis_journal.saved()
        await other.replicas.sync()
        for store in (one, other):
            for asked in (None, job.id):
                listed = store.deliveries.select(request_id=asked, placed=True)
                assert [each.id for each in listed] == ["second", "first"]

    _with_two(redis_url, check)


def test_who_makes_an_attempt_keeps_it(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_mock.store.redis.claims.LEFT", 0.2)

    async def check(one: RedisStore, other: RedisStore) -> None:
        stream = f"{Address.read(redis_url).prefix}:deliveries"
        job = added(one, run=0.0, outcome=DONE, options=OPTIONS)
        one.replicas.claims.reserve(job.id)
        await one.redis_journal.saved()
        await other.replicas.sync()
        await one.replicas.claims.take(job.id, 1)

        def holder() -> Any:
            return redis_server.ask("XPENDING", stream, "falkit")["consumers"]

        first = holder()
        for _ in range(4):
            await asyncio.sleep(0.1)
            await one.replicas.claims.beat()
            await other.replicas.claims.beat()
            assert holder() == first
        await asyncio.sleep(0.3)
        await other.replicas.claims.beat()
        assert holder() != first, "it gave no sign of life"

    _with_two(redis_url, check)
