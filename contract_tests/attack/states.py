"""`python -m attack.states`: damaged, foreign, newer and odd state files and exports, each used.

Whatever a file holds, it is read, or refused in one line with exit code 2 and stays as it was;
nothing else is raised, nothing takes long, and memory is bounded. What is read can be served.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import shutil
import sqlite3
import struct
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from attack.documents import command
from attack.surfaces import mangled
from attack.target import MIB
from falkit_mock.app import MockApp
from falkit_mock.assembly import create_app
from falkit_mock.cli import main as falkit
from falkit_mock.core.settings import SettingsError
from falkit_mock.settings import Settings
from falkit_spec import Catalog

_UNHEEDED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
# What each file is held to: seconds of the processor; bytes of memory in all.
SLOWEST, MEMORY = 3.0, 700 * MIB
_STATES = Path(__file__).parents[1] / "tests" / "store" / "states"
_CATALOG = Catalog.vendored()
_EXPORT = gzip.decompress((_STATES / "export-2.tar.gz").read_bytes())
# Values that a column may hold though it should not.
_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=30),
    st.sampled_from([b"[" * 100_000, b"{}", b"null", b"[]", "\0", "x" * 100_000, b"1e999"]),
)
_STATEMENTS = st.sampled_from(
    [
        "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN DELETE FROM jobs; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more (a)",
        "DROP TABLE uploads",
        "ALTER TABLE jobs ADD COLUMN door TEXT",
        "CREATE INDEX i ON jobs (id)",
        "PRAGMA user_version = 99",
        "PRAGMA user_version = -1",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 1",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE jobs (id)' WHERE name = 'jobs'",
        "INSERT INTO jobs SELECT id || 'x', seq, path, app, entry, progression, created, starts,"
        " ends, run, ready, outcome, cancelled, options, attempts, faults FROM jobs",
        "INSERT INTO uploads VALUES ('u', '/../../etc/passwd', 'a/b', 0, 9e99, NULL, '', '1')",
        """INSERT INTO pieces VALUES ('u', '{"1": {"blob": "../../x", "size": 3, "etag": "a"}}')""",
        "UPDATE pieces SET pieces = replace(pieces, '\"a\"', '\"../falkit.state\"')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO inputs SELECT 'job-' || i, zeroblob(100) FROM n",
    ]
)


_BLOBS: dict[str, bytes] = {}


@contextlib.contextmanager
def closed(app: MockApp) -> Generator[None]:
    """Close an application after the block."""
    try:
        yield
    finally:
        app.service.close()
        app.service.store.close()


def _made() -> bytes:
    """Return a state file with something of each kind; its uploads' bytes are in `_BLOBS`."""

    async def fill() -> None:
        transport = httpx.ASGITransport(app)
        headers = {"authorization": "Key falkit", "x-falkit-client": "attack"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as client:
            await client.post("/__falkit/rules", json={"rule": "generation_timeout times=1"})
            for path in ("queue.fal.run/fal-ai/ltx-2/text-to-video", "fal.run/fal-ai/flux/dev"):
                for input in ({"prompt": "a"}, {"duration": "x"}):
                    hook = {"fal_webhook": "http://10.0.0.1/"}
                    await client.post(f"/{path}", json=input, params=hook)
            path = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
            body = {"file_name": "a.png", "content_type": "image/png"}
            opened = (await client.post(path, json=body)).json()
            (await client.put(opened["upload_url"], content=b"123")).raise_for_status()

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "falkit.state")
        app = create_app(Settings(timing="instant", state=file), catalog=_CATALOG)
        with closed(app):
            asyncio.run(fill())
        for blob in Path(folder, "falkit.state.uploads").iterdir():
            _BLOBS[blob.name] = blob.read_bytes()
        return file.read_bytes()


_GOOD = _made()


def _execute(statement: str, db: sqlite3.Connection) -> None:
    db.execute(statement)


def _changed(data: bytes, act: Callable[[sqlite3.Connection], object]) -> bytes:
    """Return a database with something done to it; as it is where that can't be done."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.deserialize(data)
        db.execute("PRAGMA writable_schema = ON")
        with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeEncodeError):
            act(db)
        return db.serialize()


@st.composite
def odd(draw: st.DrawFn) -> bytes:
    """A whole database with a few values, or its tables, as they can't be."""
    data = _GOOD
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            statement = draw(_STATEMENTS)
            data = _changed(data, partial(_execute, statement))
            continue
        value, dice = draw(_VALUES), draw(st.integers(0, 10**6))

        def put(db: sqlite3.Connection, value: object = value, dice: int = dice) -> None:
            names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            (name,) = names[dice % len(names)]
            columns = db.execute(f"PRAGMA table_info({name})").fetchall()
            column = columns[dice // 7 % len(columns)][1]
            db.execute(f"UPDATE {name} SET {column} = ?", (value,))

        data = _changed(data, put)
    return data


@st.composite
def cut(draw: st.DrawFn) -> bytes:
    """The beginning of a database, or one with pages of something else."""
    data, at = _GOOD, draw(st.integers(0, len(_GOOD)))
    if draw(st.booleans()):
        return data[:at]
    other = draw(st.sampled_from([0, 255, 13]))
    return data[:at] + bytes([other]) * min(4096, len(data) - at) + data[at + 4096 :]


@st.composite
def headed(draw: st.DrawFn) -> bytes:
    """A database whose head says something else: page sizes, counts, versions, encodings."""
    data = bytearray(_GOOD)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(16, 96))
        data[at : at + 4] = struct.pack(">I", draw(st.integers(0, 2**32 - 1)))
    return bytes(data)


_FOREIGN = st.sampled_from(
    [
        b"",
        b"a diary",
        b"SQLite format 3\0",
        b"SQLite format 3\0" + bytes(84),
        bytes(100_000),
        b"\x1f\x8b" + bytes(50),
        _EXPORT,
        gzip.compress(_GOOD),
        _changed(_GOOD, lambda db: db.execute("DROP TABLE jobs")),
    ]
)
STATES = mangled(st.just(_GOOD)) | odd() | odd() | cut() | headed() | _FOREIGN


@st.composite
def exports(draw: st.DrawFn) -> bytes:
    """An archive with other members, other facts, or another database in it."""
    if draw(st.integers(0, 3)) == 0:
        return draw(mangled(st.just(_EXPORT)) | _FOREIGN)
    with tarfile.open(fileobj=io.BytesIO(_EXPORT)) as tar:
        files = [(one.name, tar.extractfile(one)) for one in tar]
        parts = [(name, file.read()) for name, file in files if file is not None]
    if draw(st.booleans()):
        store = draw(STATES)
        parts = [(name, store if name == "store.sqlite" else data) for name, data in parts]
    facts = json.loads(dict(parts)["meta.json"])
    facts["store"] = sha256(dict(parts)["store.sqlite"]).hexdigest()
    if draw(st.booleans()):
        facts[draw(st.sampled_from([*facts, "x"]))] = draw(st.sampled_from(_FACTS))
    parts = [
        (name, json.dumps(facts).encode() if name == "meta.json" else data) for name, data in parts
    ]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in parts:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


_FACTS: list[object] = [None, -1, 3, 2**70, 1e308, "", "x", [], {}, True, {"rules": [1]}, [[[[]]]]]


def commanded(*words: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it printed."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            falkit([*words])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return code, out.getvalue(), err.getvalue()


def refused(code: int, printed: str, complained: str, file: Path, data: bytes) -> bool:
    """Tell whether a command refused a file, properly: in one line, and left it as it was."""
    if code == 0:
        assert complained == "", complained
        return False
    assert code == 2, f"exit code {code}: {complained}"
    assert printed == "", printed
    assert complained.count("\n") == 1, complained
    assert len(complained) < 1000, complained[:1000]
    assert file.read_bytes() == data, f"it was changed: {complained}"
    return True


def use_state(file: Path, data: bytes) -> str:
    """Verify, serve and prune a state file; return what became of it."""
    refusal = refused(*commanded("state", "verify", str(file)), file, data)
    before = file.read_bytes()
    app, why = _app_of(file)
    if app is None:
        assert "\n" not in why, why
        assert file.read_bytes() == before, "it was changed"
        became = "refused"
    else:
        # Of uploads `verify` reads every byte, and a mock that starts their sizes alone.
        became = "served, though verify refused it" if refusal else "served"
        with closed(app):
            asyncio.run(_serve(app))
    before = file.read_bytes()
    refused(*commanded("state", "prune", str(file), "--keep", "1d"), file, before)
    return became


def _app_of(file: Path | None) -> tuple[MockApp | None, str]:
    """Return an application with a state file, or why there is none."""
    settings = Settings(timing="instant", state=None if file is None else str(file))
    try:
        return create_app(settings, catalog=_CATALOG), ""
    except SettingsError as error:
        return None, str(error)


async def _serve(app: MockApp) -> None:
    """Ask for all that a state has, and change something."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        paths = [
            "jobs?limit=1000",
            "deliveries?limit=1000",
            "billing",
            "rules",
            "requests",
            "clock",
        ]
        for path in ["/__falkit/" + one for one in paths] + ["/metrics", "/ready"]:
            reply = await client.get(path)
            assert reply.status_code == 200, (path, reply.text)
        headers = {"authorization": "Key falkit"}
        for job in (await client.get("/__falkit/jobs?limit=20")).json()["jobs"]:
            reply = await client.get(f"/__falkit/jobs/{job['request_id']}")
            assert reply.status_code < 500, reply.text
        path = "/queue.fal.run/fal-ai/ltx-2/text-to-video"
        reply = await client.post(path, json={"prompt": "a"}, headers=headers)
        assert reply.status_code == 200, reply.text


def use_export(file: Path, data: bytes) -> str:
    """Verify an export, and have a mock take it; return what became of it."""
    refusal = refused(*commanded("state", "verify", str(file)), file, data)
    app, _ = _app_of(None)
    assert app is not None, "nothing is wrong with it"
    with closed(app):
        code = asyncio.run(_import(app, data))
    assert code in (200, 422), code
    # A state file is one to `verify`, whatever its name, and no export to a mock.
    same = (code == 422) == refusal or data.startswith(b"SQLite")
    assert same, "verify and a mock don't agree"
    return "refused" if code == 422 else "served"


async def _import(app: MockApp, data: bytes) -> int:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        headers = {"x-falkit-client": "attack", "content-type": "application/x-tar"}
        reply = await client.put("/__falkit/state", content=data, headers=headers)
    if reply.status_code == 200:
        await _serve(app)
    return reply.status_code


def judge(data: bytes, use: Callable[[Path, bytes], str], found: Counter[str]) -> None:
    """Write a file and use it; AssertionError, or whatever was raised, where something is wrong."""
    with tempfile.TemporaryDirectory(prefix="falkit-attack-") as folder:
        file = Path(folder, "falkit.state")
        file.write_bytes(data)
        blobs = Path(folder, "falkit.state.uploads")
        blobs.mkdir()
        for name, blob in _BLOBS.items():
            (blobs / name).write_bytes(blob)
        begun = time.process_time()
        became = use(file, data)
        took = time.process_time() - begun
        strays = [
            path.name for path in Path(folder).iterdir() if not path.name.startswith("falkit.state")
        ]
        assert strays == [], strays
        shutil.rmtree(blobs, ignore_errors=True)
    found[became] += 1
    assert took < SLOWEST, f"took {took:.1f} s"


def attack(seconds: float, number: int, least: int) -> tuple[Counter[str], list[str]]:
    """Use files until the time is up and there were enough; return counts and what broke."""
    found, broken = Counter[str](), list[str]()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends or found["files"] < least:
        number += 1

        def each(case: tuple[bytes, Callable[[Path, bytes], str]]) -> None:
            found["files"] += 1
            try:
                judge(*case, found)
            except Exception as error:
                broken.append(f"{case[1].__name__}: {type(error).__name__}: {error}"[:300])

        cases = st.tuples(STATES, st.just(use_state)) | st.tuples(exports(), st.just(use_export))
        run = settings(
            max_examples=min(50, least),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=_UNHEEDED,
        )
        seed(number)(run(given(cases)(each)))()
    return found, broken


if __name__ == "__main__":
    command("states", __doc__, attack, "files", MEMORY)
