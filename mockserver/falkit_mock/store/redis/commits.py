"""A commit: rows and what follows from them, and an entry in the stream of changes, in one script.

Commits are numbered from 1. The stream's ids are those numbers, so that whoever reads it sees what
is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import orjson

from falkit_mock.core.events import RequestRecord
from falkit_mock.store.journal import Changes
from falkit_mock.store.redis.server import Command, Server
from falkit_mock.store.redis.tables import pack, unpack
from falkit_mock.store.rows import read_record, row_of
from falkit_mock.store.sharing import Told
from falkit_mock.store.sqlite import reading

# The entries of the stream that are kept at least: who is further behind reads all rows anew.
KEPT = 4096
# Bytes of rows that an entry has in it; others are read from the tables.
_INLINE = 16 << 10
# Arguments of a command in a script, of which Lua takes some thousands.
_MOST_ARGS = 1000

# Does what a commit is for, if this Redis is still the one that the replica knows: has its state,
# has not gone back, counts this replica among those alive and, in a turn, among all alone. Gives
# events and requests their numbers. Tells the number of the commit, those of the first event and
# the first request, and the entries that it added to the stream of deliveries.
COMMIT = """
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FALKIT-STATE another state is there')
end
local holder = redis.pcall('GET', KEYS[2])
if holder and holder ~= ARGV[2] then
  return redis.error_reply('FALKIT-NUMBER another replica has the number')
end
if ARGV[4] ~= '' and redis.pcall('GET', KEYS[3]) ~= ARGV[4] then
  return redis.error_reply('FALKIT-TURN the turn is over')
end
local last = tonumber(redis.call('GET', KEYS[4]) or '0')
if last < tonumber(ARGV[5]) then
  return redis.error_reply('FALKIT-STATE an older state is there')
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local added = {}
local i = 14 + tonumber(ARGV[12])
while i <= #ARGV do
  local count = tonumber(ARGV[i])
  local reply = redis.call(unpack(ARGV, i + 1, i + count))
  if ARGV[i + 1] == 'XADD' then added[#added + 1] = reply end
  i = i + count + 1
end
last = redis.call('INCR', KEYS[4])
local event = redis.call('HINCRBY', KEYS[6], 'events', ARGV[9]) - tonumber(ARGV[9]) + 1
local new = tonumber(ARGV[12])
local request = redis.call('HINCRBY', KEYS[6], 'requests', new) - new + 1
for n = 0, new - 1 do
  redis.call('HSET', KEYS[7], request + n, ARGV[14 + n])
  redis.call('HDEL', KEYS[7], request + n - tonumber(ARGV[11]))
end
local entry = {'XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], last .. '-0', 'by', ARGV[2],
  'rows', ARGV[7], 'events', ARGV[8], 'event', event, 'requests', ARGV[10], 'request', request,
  'asks', ARGV[13]}
local told = redis.pcall(unpack(entry))
if type(told) == 'table' and told.err then
  -- It is no stream of ours any more. Whoever finds nothing in a new one reads all rows.
  redis.call('UNLINK', KEYS[5])
  redis.call(unpack(entry))
end
return {last, event, request, added}
"""


class Committed(NamedTuple):
    """What the script tells of a commit."""

    number: int
    event: int
    request: int
    added: list[bytes]


class Ours(NamedTuple):
    """What a commit of this replica's is told of, once all before it is here."""

    events: Sequence[Told] = ()
    requests: Sequence[RequestRecord] = ()
    # The ids of attempts that it stored.
    deliveries: Sequence[str] = ()


class Change(NamedTuple):
    """What a commit did to a table: whether it was emptied first, and rows by their keys.

    A row is None where it is gone, and True where it is to be read from the table.
    """

    table: str
    emptied: bool
    rows: list[tuple[Any, bytes | bool | None]]


class Entry(NamedTuple):
    """One commit, as the stream of changes has it."""

    number: int
    # The token of the replica that made it.
    by: bytes
    changes: list[Change]
    # What happened, and the number of the first of it.
    events: list[Told]
    event: int
    # Requests that came or were answered, by their numbers.
    requests: list[RequestRecord]
    # Whether others are to tell what they keep back.
    asks: bool


def commands_of(server: Server, changed: Iterable[tuple[str, Changes]]) -> list[Command]:
    """Return what writes the changes of tables, by their names."""
    found: list[Command] = []
    for name, changes in changed:
        key = table_key(server, name)
        for what, rows in changes.statements:
            if what == "empty":
                found.append(("UNLINK", key))
            elif what == "drop":
                for some in _parted(rows, _MOST_ARGS):
                    found.append(("HDEL", key, *(field(row[0]) for row in some)))
            else:
                for some in _parted(rows, _MOST_ARGS // 2):
                    pairs = (part for row in some for part in (field(row[0]), row[1]))
                    found.append(("HSET", key, *pairs))
    return found


def entry_of(changed: Iterable[tuple[str, Changes]]) -> bytes:
    """Return what the stream tells of the changes of tables, by their names."""
    room = _INLINE
    told: list[Any] = []
    for name, changes in changed:
        emptied = False
        rows: list[tuple[Any, Any]] = []
        for what, found in changes.statements:
            if what == "empty":
                emptied = True
            elif what == "drop":
                rows += [(row[0], None) for row in found]
            else:
                for row in found:
                    room -= len(row[1])
                    rows.append((row[0], row[1] if room >= 0 else True))
        told.append((name, emptied, rows))
    return pack(told)


def write_requests(records: Iterable[RequestRecord]) -> tuple[bytes, list[bytes]]:
    """Return what the stream tells of requests, and the rows of those that have no number yet."""
    rows = [(record.number, row_of(record.number, record)[1]) for record in records]
    return pack(rows), [cast(bytes, row) for number, row in rows if not number]


def read_entry(id: bytes, fields: dict[bytes, bytes]) -> Entry:
    """Read an entry of the stream of changes; raise BadCopy for what is none."""
    with reading():
        changes = [
            Change(name, emptied, [(key, row) for key, row in rows])
            for name, emptied, rows in unpack(fields[b"rows"])
        ]
        next_number = int(fields[b"request"])
        requests: list[RequestRecord] = []
        for number, row in unpack(fields[b"requests"]):
            requests.append(read_record(number or next_number, row))
            next_number += not number
        return Entry(
            number_of(id),
            fields[b"by"],
            changes,
            [(kind, told) for kind, told in orjson.loads(fields[b"events"])],
            int(fields[b"event"]),
            requests,
            fields[b"asks"] == b"1",
        )


def number_of(id: bytes) -> int:
    """Return the number of a commit by the id of its entry."""
    return int(id.partition(b"-")[0])


def table_key(server: Server, name: str) -> str:
    """Return the key of the hash that has a table's rows."""
    return server.key(f"table:{name}")


def field(key: object) -> str:
    """Return the field of a row with this key."""
    return str(key)


def flat(commands: Iterable[Command]) -> list[Any]:
    """Return commands as the script reads them: the number of their words before each."""
    return [word for command in commands for word in (len(command), *command)]


def _parted(rows: Sequence[Any], most: int) -> Iterable[Sequence[Any]]:
    return (rows[at : at + most] for at in range(0, len(rows), most))
