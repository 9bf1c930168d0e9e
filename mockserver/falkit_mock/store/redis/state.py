"""What is in a Redis: its version, who lives, and all rows, read once or anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from secrets import token_hex
from typing import Any, TypeAlias

from falkit_mock.store import BadCopy
from falkit_mock.store.redis.claims import setup
from falkit_mock.store.redis.commits import flat, table_key
from falkit_mock.store.redis.server import Command, Server
from falkit_mock.store.redis.tables import RedisTable
from falkit_mock.store.sharing import MOST
from falkit_mock.store.sqlite import reading

# The version of keys and rows, whose columns are those of store/sqlite.py. Whoever changes one
# counts on, and adds what makes it of the version before.
VERSION = 1
MIGRATIONS: dict[int, Callable[[Server], None]] = {}
_STATE = re.compile(rb"falkit ([0-9]+) [0-9a-f]{16}")
_FIX = "add ?prefix=NAME to the URL, for a state of its own"
# Milliseconds for which a replica counts as alive without a sign of life.
LEASE = 10_000
# Rows that are read at a time.
_ROWS = 100

# Makes a new state, unless there is one; tells which there is.
_MAKE = """
local state = redis.call('GET', KEYS[1])
if state then return state end
redis.call('SET', KEYS[1], ARGV[1])
local i = 2
while i <= #ARGV do
  local count = tonumber(ARGV[i])
  redis.call(unpack(ARGV, i + 1, i + count))
  i = i + count + 1
end
return ARGV[1]
"""

# Yields commands, is sent what Redis answers: for the event loop and for a thread alike.
Flow: TypeAlias = Generator[Command, Any, Any]


def check_state(server: Server, tables: Iterable[str]) -> bool:
    """Tell whether there is a state, and bring one of an older falkit up to date.

    Raise BadCopy, and change nothing, for keys of another program or a newer falkit, and for an
    older one that is in use.
    """
    keys = [server.key(key) for key in ("at", "changes", "due", "deliveries", "turn")]
    keys += [table_key(server, table) for table in tables]
    kind = server.ask_now("TYPE", server.key("format"))
    state = server.ask_now("GET", server.key("format")) if kind == b"string" else None
    if state is None and (kind != b"none" or server.ask_now("EXISTS", *keys)):
        what = f"has keys that begin with {server.address.prefix!r} and are no state of falkit"
        raise BadCopy(f"{server.address.shown} {what}; {_FIX}")
    if state is None:
        return False
    version = _version(server, state)
    if version < VERSION:
        _migrate(server, version, state.rpartition(b" ")[2])
    return True


def _version(server: Server, state: bytes) -> int:
    """Return the version of a state; raise BadCopy for what is none, or a newer falkit's."""
    name = server.address.shown
    found = _STATE.fullmatch(state)
    if found is None:
        raise BadCopy(f"{name} has a key {server.key('format')} that isn't falkit's; {_FIX}")
    version = int(found[1])
    if version > VERSION:
        why = f"was written by a newer falkit (format {version}, not {VERSION})"
        raise BadCopy(f"{name} {why}; use the version that wrote it, or {_FIX}")
    return version


def _migrate(server: Server, version: int, token: bytes) -> None:
    """Bring a state up to date, with nobody else at it."""
    turn, lasts = server.key("turn"), 60_000
    replicas = [replica_key(server, number) for number in range(1, MOST + 1)]
    if server.ask_now("EXISTS", *replicas) or not server.ask_now(
        "SET", turn, "migration", "NX", "PX", lasts
    ):
        why = f"was written by an older falkit (format {version}, not {VERSION}) and is in use"
        raise BadCopy(f"{server.address.shown} {why}; stop all its mocks, then start this one")
    for step in range(version + 1, VERSION + 1):
        MIGRATIONS[step](server)
    # What reads all anew now, and no older falkit takes, is another state.
    server.ask_now("SET", server.key("format"), f"falkit {VERSION} {token.decode()}")
    server.ask_now("DEL", turn)


def made(server: Server) -> bytes:
    """Return what tells this state from any other there will be, made if there is none; blocks."""
    new = f"falkit {VERSION} {token_hex(8)}"
    state: bytes = server.run_now(_MAKE, (server.key("format"),), new, *flat(setup(server)))
    return state


async def made_again(server: Server) -> bytes:
    """Return what tells this state from others, made if there is none any more.

    Raise BadCopy where there is something else.
    """
    new = f"falkit {VERSION} {token_hex(8)}"
    state: bytes = await server.run(_MAKE, (server.key("format"),), new, *flat(setup(server)))
    _version(server, state)
    return state


def replica_key(server: Server, number: int) -> str:
    """Return the key that is there while a replica of a number lives."""
    return server.key(f"replica:{number}")


def take_number(server: Server, token: str) -> Flow:
    """Return the first number that no living replica has, ours from now on."""
    for number in range(1, MOST + 1):
        if (yield ("SET", replica_key(server, number), token, "NX", "PX", 3 * LEASE)):
            return number
    raise BadCopy(f"has {MOST} replicas already, which are as many as there may be; stop some")


def read_rows(server: Server, tables: Iterable[RedisTable]) -> Flow:
    """Return the number of a commit, and rows by table that are as they were then or newer."""
    at = yield ("GET", server.key("at"))
    with reading():
        number = int(at or 0)
    found: dict[str, dict[Any, Any]] = {}
    for table in tables:
        rows = found[table.name] = {}
        cursor = 0
        while True:
            cursor, some = yield (
                *("HSCAN", table_key(server, table.name), cursor),
                *("COUNT", _ROWS),
            )
            rows.update(table.read(*row) for row in some.items())
            if not int(cursor):
                break
    return number, found


def do_now(server: Server, flow: Flow) -> Any:
    """Have a flow's commands done; blocks."""
    answer: Any = None
    try:
        while True:
            answer = server.ask_now(*flow.send(answer))
    except StopIteration as end:
        return end.value


async def do(server: Server, flow: Flow) -> Any:
    """Have a flow's commands done, on the event loop."""
    answer: Any = None
    try:
        while True:
            answer = await server.ask(*flow.send(answer))
    except StopIteration as end:
        return end.value
