"""The parts of a state in Redis, on a redis-server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from falkit_mock.core.errors import StateAway
from falkit_mock.core.settings import SettingsError, is_url
from falkit_mock.settings import Settings
from falkit_mock.store import BadCopy
from falkit_mock.store.redis import state
from falkit_mock.store.redis.address import Address
from falkit_mock.store.redis.claims import RedisClaims
from falkit_mock.store.redis.server import Command, Server
from falkit_mock.store.redis.state import made
from falkit_mock.store.redis.store import RedisStore
from falkit_mock.store.redis.tables import pack
from redis_servers import FORGETS, RedisServer, served_redis


@pytest.fixture
def server(redis_url: str) -> Generator[Server]:
    server = Server(Address.read(redis_url))
    yield server
    server.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("valkey://h/0", "begins with valkey://; write redis://HOST:PORT/DB"),
        ("redis:///0", "names no host"),
        ("redis://h:port/0", "can't be read (Port could not be cast"),
        ("redis://h:99999/0", "can't be read (Port out of range"),
        ("redis://h/first", "'first' is no number of a database"),
        ("redis://h/0?prefx=a", "'prefx' isn't known in the query; those there are: prefix, upl"),
        ("redis://h/0?prefix=a%20b", "the prefix 'a b' must be 1 to 64 letters"),
        ("redis://h/0?uploads=", "uploads must name a folder that all replicas see"),
        ("redis://h/0?prefix", "can't be read (bad query field"),
    ],
)
def test_a_url_that_is_wrong_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BadCopy) as refused:
        Address.read(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_url_says_which_keys_are_ours_and_never_shows_its_password() -> None:
    address = Address.read("rediss://me:s%40cret@h:1/2?prefix=team&ssl_ca_certs=/ca.pem")
    assert address.url == "rediss://me:s%40cret@h:1/2?ssl_ca_certs=%2Fca.pem"
    assert (address.prefix, address.shown) == ("team", "rediss://me:***@h:1/2")
    assert Address.read("redis://h").prefix == "falkit"
    # Where the colon before a password was forgotten.
    assert Address.read("redis://s3cret@h").shown == "redis://***@h"
    assert Address.read("unix:///run/redis.sock?db=1").url == "unix:///run/redis.sock?db=1"
    assert is_url("redis://h")
    assert not is_url("redis.state")


def test_a_url_that_lacks_its_slashes_or_its_scheme_makes_no_file() -> None:
    for where in ("redis:h:6379", "redis:/h", "rediss:h", "127.0.0.1:6379", "redis.local:6379/0"):
        with pytest.raises(SettingsError, match=r"state: .*write redis://HOST:PORT/DB, or \./"):
            Settings(state=where)
    for where in ("./127.0.0.1:6379", "C:6379", "a:b", "redis.state", "unix:///run/redis.sock"):
        assert Settings(state=where).state == where


def test_a_redis_may_be_at_a_socket_of_this_machine() -> None:
    # Such a path may have 107 bytes.
    with TemporaryDirectory(prefix="falkit-", dir="/tmp") as folder:
        socket = f"{folder}/socket"
        with served_redis(Path(folder), *FORGETS, "--unixsocket", socket):
            server = Server(Address.read(f"unix://{socket}?db=1"))
            assert server.ask_now("PING")
            server.close()


def test_where_in_a_script_redis_refused_is_nobodys_business(server: Server) -> None:
    with pytest.raises(OSError, match="refused") as refused:
        server.run_now("return redis.call('DEL')", ())
    assert str(refused.value.strerror).endswith(
        "(Wrong number of args calling Redis command from script)"
    )


def test_a_redis_that_is_not_there_is_away(tmp_path: Path) -> None:
    with served_redis(tmp_path) as gone:
        gone.kill()
        server = Server(Address.read(gone.url))
        with pytest.raises(StateAway, match=r"127\.0\.0\.1.* can't be asked \(.*refused"):
            server.ask_now("PING")
        server.close()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format", "sidekiq", "that isn't falkit's; add ?prefix=NAME"),
        ("format", "falkit 999 0123456789abcdef", "written by a newer falkit (format 999"),
        ("at", "7", "are no state of falkit; add ?prefix=NAME"),
    ],
)
def test_keys_of_others_are_left_as_they_are(
    redis_server: RedisServer, redis_url: str, key: str, value: str, says: str
) -> None:
    prefix = Address.read(redis_url).prefix
    redis_server.ask("SET", f"{prefix}:{key}", value)
    with pytest.raises(BadCopy) as refused:
        RedisStore(redis_url)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert redis_server.ask("KEYS", f"{prefix}:*") == [f"{prefix}:{key}".encode()]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("pieces", ["an-upload", 7]),
        ("uploads", ["an-upload", "/x", "a/b", 0.0, 0.0, None, "", 1]),
        ("facts", ["seed", "a text"]),
        ("facts", 7),
    ],
    ids=["a number for pieces", "a number for a flag", "a text for bytes", "no row"],
)
def test_a_row_that_another_program_wrote_is_refused_in_one_line(
    redis_server: RedisServer, redis_url: str, table: str, row: object
) -> None:
    RedisStore(redis_url).close()
    redis_server.ask("HSET", f"{Address.read(redis_url).prefix}:table:{table}", "x", pack(row))
    with pytest.raises(BadCopy) as refused:
        RedisStore(redis_url)
    assert "\n" not in str(refused.value)


def test_an_older_state_is_brought_up_to_date_while_nobody_has_it(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = Address.read(redis_url).prefix

    def rewrite(server: Server) -> None:
        server.ask_now("SET", server.key("rewritten"), "yes")

    with closing(RedisStore(redis_url)) as store:
        store.facts["seed"] = b"7"
        before = redis_server.ask("GET", f"{prefix}:format")
        monkeypatch.setattr(state, "VERSION", 2)
        monkeypatch.setitem(state.MIGRATIONS, 2, rewrite)
        with pytest.raises(BadCopy, match=r"older falkit .* in use; stop all its mocks"):
            RedisStore(redis_url)
        assert redis_server.ask("GET", f"{prefix}:format") == before
    with closing(RedisStore(redis_url)) as store:
        assert store.facts == {"seed": b"7"}
    assert redis_server.ask("GET", f"{prefix}:rewritten") == b"yes"
    assert redis_server.ask("GET", f"{prefix}:format") == before.replace(b" 1 ", b" 2 ")
    monkeypatch.undo()
    with pytest.raises(BadCopy, match=r"newer falkit \(format 2, not 1\)"):
        RedisStore(redis_url)


def _claims(server: Server, also: list[Command]) -> tuple[RedisClaims, RedisClaims]:
    """Return the claims of two replicas, which put into `also` what a commit would do."""
    one, other = (
        RedisClaims(server, name, also.append, lambda id: False, lambda id, number: False)
        for name in ("one", "other")
    )
    return one, other


def test_an_attempt_is_taken_once_and_what_a_dead_replica_left_is_taken_over(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(server)

    async def attempts() -> None:
        also: list[Command] = []
        one, other = _claims(server, also)
        await server.ask("ZADD", server.key("due"), 100.5, "job#1")
        await one.take("job", 1)
        waits = asyncio.ensure_future(other.take("job", 1))
        await other.beat()
        assert not waits.done()
        # It is as if the first had not been heard of for a while.
        monkeypatch.setattr("falkit_mock.store.redis.claims.LEFT", 0.0)
        await other.beat()
        await asyncio.sleep(0)
        assert waits.done()
        other.end("job")
        for command in also:
            assert await server.ask(*command) == 1
        assert await server.ask("XLEN", server.key("deliveries")) == 0
        await server.aclose()

    asyncio.run(attempts())


def test_a_replica_that_ends_gives_its_attempts_back(server: Server) -> None:
    made(server)

    async def attempts() -> None:
        also: list[Command] = []
        one, other = _claims(server, also)
        await server.ask("ZADD", server.key("due"), 100.5, "job#1")
        await one.take("job", 1)
        one.give_back()
        for command in also:
            assert await server.ask(*command) == 1
        await other.take("job", 1)
        await server.aclose()

    asyncio.run(attempts())
