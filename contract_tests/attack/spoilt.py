"""`python -m attack.spoilt`: another program writes into a Redis that two mocks share.

Whatever it leaves there, keys cut, of another kind, huge or gone, both mocks go on answering what
only reads, refuse what they can't keep, say why in lines, and write none of it anywhere else. Once
the keys are as they were both take jobs again, and have those that there were. A mock that is
started on such keys is refused in one line, or takes what can be read.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, cast

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from redis import Redis

from attack.documents import command
from attack.target import MIB
from falkit_mock.app import MockApp
from falkit_mock.assembly import create_app
from falkit_mock.core import dumps
from falkit_mock.settings import Settings
from falkit_mock.store import BadCopy
from falkit_mock.store.redis import feed, sharing
from falkit_mock.store.redis.store import RedisStore
from falkit_mock.store.redis.tables import pack, unpack
from falkit_spec import Catalog
from redis_servers import RedisServer, served_redis

_UNHEEDED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# What each case is held to: seconds of the processor; bytes of memory in all. And seconds in which
# mocks take jobs again once the keys are as they were.
SLOWEST, MEMORY, BACK = 4.0, 900 * MIB, 10.0
_CATALOG = Catalog.vendored()
_SUBMIT = "/queue.fal.run/fal-ai/ltx-2/text-to-video"
_INITIATE = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
_HEADERS = {"authorization": "Key falkit", "x-falkit-client": "attack"}
# What garbage has in it, so that it is found where it should not be.
_MARK = b"another-program"
_GARBAGE = st.one_of(
    st.binary(max_size=20).map(lambda some: some + _MARK),
    st.sampled_from([_MARK, b"[" * 10_000 + _MARK, b"\xc1" + _MARK, _MARK * 400_000]),
)
# Values that say something and are wrong.
_WORDS = st.sampled_from(
    [
        *(b"", b"0", b"-1", b"1", b"1e300", b"9" * 400, b"nan", b"{}", b"[]", b"\x90", b"\xff"),
        *(b"falkit 1 0123456789abcdef", b"falkit 99 0123456789abcdef", b"falkit x"),
    ]
)
_VALUES = _GARBAGE | _GARBAGE | _WORDS
# What a column of a row may have, and a field of an entry.
_COLUMNS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | _VALUES
Keys = dict[bytes, bytes]
# Which key, what is done to it, which field of it, a value, and another of any kind.
Act = tuple[int, str, int, bytes, object]
_ACTS = ("set", "field", "cut", "odd", "odd", "gone", "field gone", "new field", "entry", "kind")
_NUMBERS = st.integers(0, 1000)
SPOILT = st.lists(
    st.tuples(_NUMBERS, st.sampled_from(_ACTS), _NUMBERS, _VALUES, _COLUMNS),
    min_size=1,
    max_size=3,
)
# Those that need not be there.
_OTHERS = [f"falkit:{name}" for name in ("turn", "due", "replica:1", "replica:2", "table:more")]


class Other:
    """The other program."""

    def __init__(self, server: RedisServer) -> None:
        self.url = server.url
        self._client = Redis(port=server.port, socket_timeout=10)

    def ask(self, *command: Any) -> Any:
        """Have a command done."""
        return cast(Any, self._client).execute_command(*command)

    def close(self) -> None:
        self._client.close()


class Lines(logging.Handler):
    """What mocks say, and what of it is no line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.lines.append(text)
        if record.exc_info or "\n" in text or len(text) > 1000 or _MARK.decode() * 9 in text:
            error = record.exc_info[1] if record.exc_info else ""
            self.wrong.append(f"{text[:300]} {error!r}")


def spoil(redis: Other, keys: Sequence[bytes], how: Sequence[Act]) -> set[bytes]:
    """Write what another program would; return the keys that are no longer as they were."""
    names = [*sorted(keys), *(name.encode() for name in _OTHERS)]
    touched: set[bytes] = set()
    for which, act, number, value, column in how:
        key = names[which % len(names)]
        touched.add(key)
        kind = redis.ask("TYPE", key)
        fields = sorted(redis.ask("HKEYS", key)) if kind == b"hash" else []
        if fields and act in ("field", "cut", "odd", "field gone"):
            name = fields[number % len(fields)]
            if act == "field gone":
                redis.ask("HDEL", key, name)
            else:
                redis.ask(
                    "HSET", key, name, _as(act, redis.ask("HGET", key, name), number, value, column)
                )
        elif kind == b"string" and act == "cut":
            redis.ask("SET", key, _as(act, redis.ask("GET", key), number, value, column))
        elif kind == b"hash" and act == "new field":
            redis.ask("HSET", key, value[:100], value)
        elif kind == b"stream" and act in ("odd", "entry"):
            redis.ask("XADD", key, "*", *_entry(act, number, value, column))
        elif act == "gone":
            redis.ask("DEL", key)
        elif act == "kind":
            redis.ask("DEL", key)
            made = (("SADD", key, value), ("RPUSH", key, value), ("HSET", key, "a", value))
            redis.ask(*made[number % 3])
        else:
            redis.ask("SET", key, value)
    return touched


def _as(act: str, old: bytes, number: int, value: bytes, column: object) -> bytes:
    """Return what was there cut, with another column, or another value in its place."""
    if act == "cut":
        return old[: number % (len(old) + 1)]
    if act == "odd":
        with suppress(ValueError, BadCopy):
            row = [*unpack(old)]
            row[number % len(row)] = column
            return pack(row)
    return value


def _entry(act: str, number: int, value: bytes, column: object) -> list[Any]:
    """Return the fields of an entry that nobody committed: odd ones, or a good one but for one."""
    if act == "entry":
        return ["rows", value]
    fields: dict[str, Any] = {"by": "x", "rows": pack([]), "events": "[]", "event": 1}
    fields |= {"requests": pack([]), "request": 1, "asks": 0}
    odd = [("jobs", False, [("a", column)]), ("facts", True, [(column, value)]), column]
    rows, events = pack([odd[number % 3]]), dumps([["job_ended", repr(column)], [1, 2]])
    changed = [("rows", rows), ("events", events), ("event", repr(column)), ("request", value)]
    name, other = changed[number % len(changed)]
    return [part for pair in {**fields, name: other}.items() for part in pair]


def snapshot(redis: Other) -> Keys:
    """Return all keys there are, as they can be restored."""
    return {key: redis.ask("DUMP", key) for key in redis.ask("KEYS", "*")}


def restore(redis: Other, keys: Keys) -> None:
    redis.ask("FLUSHALL")
    for key, dump in keys.items():
        redis.ask("RESTORE", key, 30_000 if b":replica:" in key else 0, dump)
    # Beyond all that anybody has seen, or it would be taken for what has gone on since.
    redis.ask("INCRBY", "falkit:at", 1_000_000)


def spread(redis: Other, spoilt: set[bytes]) -> list[str]:
    """Return the keys that have garbage in them and were none of those that it was written to."""
    found: list[str] = []
    for key in {*redis.ask("KEYS", "*")} - spoilt:
        match redis.ask("TYPE", key):
            case b"string":
                held = redis.ask("GET", key)
            case b"hash":
                held = b"".join([*redis.ask("HKEYS", key), *redis.ask("HVALS", key)])
            case b"zset":
                held = b"".join(redis.ask("ZRANGE", key, 0, -1))
            case _:
                held = repr(redis.ask("XRANGE", key, "-", "+")).encode()
        found += [key.decode(errors="replace")] if _MARK in held else []
    return found


@asynccontextmanager
async def _mock(url: str) -> AsyncGenerator[tuple[MockApp, httpx.AsyncClient]]:
    app = create_app(Settings(timing="instant", state=url, seed=1), catalog=_CATALOG)
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=_HEADERS
        ) as client:
            yield app, client
    finally:
        sharing = app.service.store.sharing
        assert sharing is not None
        await sharing.stop()
        app.close()


class Pair:
    """Two mocks over one Redis, with something of each kind in it."""

    def __init__(self, redis: Other, clients: Sequence[httpx.AsyncClient]) -> None:
        self._redis, self._clients = redis, clients
        self._read: list[str] = []
        self.keys: Keys = {}

    async def fill(self) -> None:
        one, other = self._clients
        rule = {"rule": "generation_timeout times=1 endpoint=fal-ai/none"}
        await one.post("/__falkit/rules", json=rule)
        for number, client in enumerate((one, other, one)):
            # The last is more than the stream of changes has in it.
            prompt = {"prompt": "a", "x": "a" * (1, 10, 40_000)[number]}
            hook = {"fal_webhook": "http://10.0.0.1/"} if number else {}
            job = (await client.post(_SUBMIT, json=prompt, params=hook)).json()
            self._read += [job["status_url"], job["response_url"]]
        opened = (
            await one.post(_INITIATE, json={"file_name": "a.png", "content_type": "image/png"})
        ).json()
        (await other.put(opened["upload_url"], content=b"123")).raise_for_status()
        self._read.append(opened["file_url"])
        for client in self._clients:
            codes = [(await client.get(path)).status_code for path in self._read]
            assert {*codes} == {200}, codes
        self.keys = snapshot(self._redis)

    async def case(self, how: Sequence[Act]) -> str:
        """Have keys spoilt and as they were again; return what became of a mock started on them."""
        touched = spoil(self._redis, [*self.keys], how)
        for client in self._clients:
            assert (await client.get("/health")).status_code == 200
            for path in ["/ready", "/metrics", *self._read, "/__falkit/jobs", "/__falkit/rules"]:
                code = (await client.get(path)).status_code
                # Uploads are in Redis alone.
                assert code in (200, 404, 500, 503), (path, code)
                assert code != 500 or "/files/" in path, path
            for path, body in (
                (_SUBMIT, {"prompt": "b"}),
                (_INITIATE, {"file_name": "b", "content_type": "a/b"}),
            ):
                code = (await client.post(path, json=body)).status_code
                assert code in (200, 503, 507), (path, code)
        became = self._started()
        found = spread(self._redis, touched)
        assert not found, f"it was spread to {found}"
        restore(self._redis, self.keys)
        await self._back()
        return became

    def _started(self) -> str:
        """Open what there is as a mock that starts does."""
        before = snapshot(self._redis)
        why = ""
        try:
            RedisStore(self._redis.url, new=False).close()
        except BadCopy as error:
            why = str(error)
        if not why:
            return "opened"
        assert "\n" not in why, why
        assert len(why) < 1000, why[:1000]
        after = {key for key, dump in snapshot(self._redis).items() if before.get(key) != dump}
        # But for its number, which goes by itself.
        assert not {key for key in after if b":replica:" not in key}, after
        return "refused"

    async def _back(self) -> None:
        """Return once both take jobs; all that there was is there."""
        until = time.monotonic() + BACK
        for client in self._clients:
            while (reply := await client.post(_SUBMIT, json={"prompt": "c"})).status_code != 200:
                assert time.monotonic() < until, f"it does not come back: {reply.text}"
                await asyncio.sleep(0.005)
        for client in self._clients:
            for path in self._read:
                reply = await client.get(path)
                assert reply.status_code == 200, (path, reply.status_code, reply.headers)
        one, other = [await _jobs(client) for client in self._clients]
        assert one == other, f"they have other jobs: {one} {other}"
        RedisStore(self._redis.url, new=False).close()


async def _jobs(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    listed = (await client.get("/__falkit/jobs?limit=1000")).json()["jobs"]
    return [(job["request_id"], job["status"]) for job in listed]


async def _attack(
    redis: Other, cases: Sequence[Sequence[Act]], found: Counter[str], broken: list[str]
) -> None:
    lines = Lines()
    log = logging.getLogger("falkit_mock")
    log.addHandler(lines)
    try:
        for how in cases:
            found["cases"] += 1
            redis.ask("FLUSHALL")
            begun, lines.lines, lines.wrong = time.process_time(), [], []
            pair: Pair | None = None
            try:
                async with AsyncExitStack() as stack:
                    mocks = [await stack.enter_async_context(_mock(redis.url)) for _ in range(2)]
                    pair = Pair(redis, [client for _, client in mocks])
                    await pair.fill()
                    found[await pair.case(how)] += 1
                assert not lines.wrong, lines.wrong[0]
                took = time.process_time() - begun
                assert took < SLOWEST, f"took {took:.1f} s"
            except Exception as error:
                names = [*sorted(pair.keys), *_OTHERS] if pair else []
                short = [
                    (names and names[which % len(names)], act, number, value[:40], str(column)[:40])
                    for which, act, number, value, column in how
                ]
                why = f"{type(error).__name__}: {lines.wrong[0] if lines.wrong else error}"
                broken.append(f"{short}: {why}"[:900])
    finally:
        log.removeHandler(lines)


def _drawn(number: int, count: int) -> list[Sequence[Act]]:
    """Return so many cases that follow from a number."""
    cases: list[Sequence[Act]] = []

    def each(how: list[Act]) -> None:
        cases.append(how)

    run = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=_UNHEEDED,
    )
    seed(number)(run(given(SPOILT)(each)))()
    return cases


def attack(seconds: float, number: int, least: int) -> tuple[Counter[str], list[str]]:
    """Spoil keys until the time is up and there were enough; return counts and what broke."""
    found, broken = Counter[str](), list[str]()
    ends = time.monotonic() + seconds
    patient = feed._AGAIN, sharing._WAITS  # pyright: ignore[reportPrivateUsage]
    feed._AGAIN, sharing._WAITS = 0.01, 0.1  # pyright: ignore[reportPrivateUsage]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="falkit-attack-") as folder,
            served_redis(Path(folder)) as server,
            closing(Other(server)) as redis,
        ):
            while time.monotonic() < ends or found["cases"] < least:
                number += 1
                cases = _drawn(number, min(50, least))
                asyncio.run(_attack(redis, cases, found, broken))
    finally:
        feed._AGAIN, sharing._WAITS = patient  # pyright: ignore[reportPrivateUsage]
    return found, broken


if __name__ == "__main__":
    command("spoilt", __doc__, attack, "cases", MEMORY)
