"""`make attack` finds what it is for, and finds nothing where there is nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from attack import documents, spoilt, states
from attack.__main__ import EVERY, run
from falkit_mock.store import durable
from falkit_mock.store.redis.store import RedisStore
from falkit_mock.store.redis.tables import pack
from falkit_spec import Endpoint
from nights import NIGHTLY, at_night

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")

_EACH = """
from falkit_mock.hosts.queue import Queue
as_it_was, count, kept = Queue.__call__, 0, []
async def planted(self, context):
    global count
    count += 1
    {fault}
    return await as_it_was(self, context)
Queue.__call__ = planted
"""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("import time; time.sleep(0.6 if count == 20 else 0)", "stalled for"),
        ("assert count != 20", "500: "),
        ("kept.append(bytearray(b'x' * 2_000_000))", "MiB of memory"),
        ("kept.append(open('/dev/null'))", "files left open"),
        ("if count == 20: print('Traceback', file=__import__('sys').stderr)", "printed: "),
    ],
    ids=["a stall", "a server error", "a leak", "open files", "a traceback"],
)
def test_a_planted_fault_is_found(fault: str, words: str) -> None:
    _, broken = run(0, 1, 120, ["webhooks"], _EACH.format(fault=fault))
    assert any(words in each for each in broken), broken


# One that misses some of what others have committed, and writes where it has no business.
_MISSES = """
from falkit_mock.store.redis.server import Server
from falkit_mock.store.redis.sharing import RedisSharing
as_it_was, count, key = RedisSharing._took, 0, Server.key
def planted(self, changes):
    global count
    count += 1
    if count % 4:
        as_it_was(self, changes)
RedisSharing._took = planted
Server.key = lambda self, name: name if name == "numbers" else key(self, name)
"""
# Each worker for itself.
_LEAKS = _EACH.format(fault="kept.append(b'x' * 40_000_000)")
_DIES = _EACH.format(fault="if count == 5: __import__('os')._exit(3)")


@pytest.mark.parametrize(
    ("surface", "fault", "words"),
    [
        ("replicas", _MISSES, ("they don't agree on jobs", "404: ", "a stray key in Redis")),
        pytest.param("workers", _LEAKS, ("MiB of memory",), marks=at_night),
        pytest.param("workers", _DIES, ("children left",), marks=at_night),
    ],
    ids=["replicas", "a worker that leaks", "a worker that dies"],
)
def test_a_fault_of_mocks_that_share_a_state_is_found(
    surface: str, fault: str, words: tuple[str, ...]
) -> None:
    _, broken = run(0, 1, 50, [surface], fault)
    for word in words:
        assert any(word in each for each in broken), (word, broken)


@at_night
def test_every_surface_is_reached() -> None:
    reports, _ = run(0, 1, 20, [])
    assert [*reports] == [surface.name for surface in EVERY]
    for name, report in reports.items():
        assert report.cases - report.unanswered >= 5, name


def fail(_endpoint: Endpoint) -> None:
    raise LookupError("planted")


IN_FOLDERS: list[tuple[str, object, str]] = [
    ("use", fail, "LookupError: planted"),
    ("SLOWEST", 0.0, "AssertionError: took "),
    ("use", documents.use, ""),
]


@pytest.mark.parametrize(("name", "planted", "words"), IN_FOLDERS)
def test_a_fault_in_what_is_read_of_a_folder_is_found(
    name: str, planted: object, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = sorted(documents.OWN.rglob("*.json"))[0].read_bytes()
    monkeypatch.setattr(documents, "FOLDERS", st.just([("a.json", good), ("b.json", b"{")]))
    monkeypatch.setattr(documents, name, planted)
    found, broken = documents.attack(0, 1, 1)
    assert (found["folders"], found["notes"] > 0) == (1, True) or words
    assert [one.startswith(words) for one in broken] == [True] * bool(words)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (LookupError("planted"), "use_state: LookupError: planted"),
        (None, "AssertionError: it was changed"),
    ],
    ids=["an error", "a changed file"],
)
def test_a_fault_in_what_is_read_of_a_state_is_found(
    fault: Exception | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(path: Path) -> None:
        if fault is not None:
            raise fault
        path.write_bytes(b"emptied")

    monkeypatch.setattr(states, "STATES", st.just(b"a diary, which is long enough to be a head"))
    monkeypatch.setattr(states, "exports", lambda: st.just(b"no export"))
    monkeypatch.setattr(durable, "_check_head", planted)
    found, broken = states.attack(0, 1, 20)
    assert found["files"] >= 20
    assert any(words in one for one in broken), broken


def test_states_and_exports_are_read_and_refused() -> None:
    found, broken = states.attack(0, 1, 40)
    assert broken == []
    assert found["served"] > 5
    assert found["refused"] > 20


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        (True, "following others failed LookupError('planted')"),
        (False, "AssertionError: it was spread to ['falkit:elsewhere']"),
    ],
    ids=["a traceback", "what is read is written"],
)
def test_a_fault_in_what_another_program_left_in_redis_is_found(
    fails: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_was, errors = RedisStore.replace, [LookupError("planted")] if fails else []

    def spoil(redis: spoilt.Other, keys: object, how: object) -> set[bytes]:
        def replace(store: RedisStore, rows: dict[str, dict[Any, Any]]) -> None:
            if errors:
                raise errors.pop()
            if not fails:
                redis.ask("SET", "falkit:elsewhere", rows["inputs"].get("x", b""))
            as_it_was(store, rows)

        redis.ask("HSET", "falkit:table:inputs", "x", pack(["x", b"another-program"]))
        # So that all is read anew.
        redis.ask("SET", "falkit:at", 0)
        monkeypatch.setattr(RedisStore, "replace", replace)
        return {b"falkit:table:inputs", b"falkit:at"}

    monkeypatch.setattr(spoilt, "spoil", spoil)
    found, broken = spoilt.attack(0, 1, 1)
    assert found["cases"] == 1
    assert [words in one for one in broken] == [True], broken


def test_what_another_program_leaves_in_redis_is_told_of_and_goes_no_further() -> None:
    # Which of the two a case comes to depends on when its mock looks: on a busy machine a few
    # do alike.
    found, broken = spoilt.attack(0, 1, 16 if NIGHTLY else 4)
    assert broken == []
    assert found["refused"] + found["opened"] > 0
    assert not NIGHTLY or min(found["refused"], found["opened"]) > 0
