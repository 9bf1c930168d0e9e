"""falkit state verify and prune, and a state file that `falkit serve` is given."""

from __future__ import annotations

import gzip
import io
import json
import signal
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from falkit_mock.cli import main
from falkit_mock.core.settings import shown_state
from falkit_mock.store.durable import DurableStore
from processes import FALKIT, started
from serving import KEY, PROMPT, T2V
from store.items import DONE, added, delivery, file, upload

EXPORT = Path(__file__).parents[1] / "store" / "states" / "export-2.tar.gz"
OLD_STATE = EXPORT.with_name("state-1.sqlite.gz")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state with a job and an upload from an hour ago, and a job and an upload of today."""
    path, now = tmp_path / "falkit.state", time.time()
    with closing(DurableStore(path)) as store:
        for number, ago in enumerate((100_000.0, 3600.0), 1):
            at = now - ago
            job = added(store, b"x" * 1000, at=at, starts=at, outcome=DONE)
            store.add_file(file(f"/{number}.mp4", job.id))
            store.deliveries.add(delivery(f"d{number}", job.id))
            sink = store.uploads.blobs.sink()
            piece = sink.keep(b"y" * 10_000)
            made = replace(upload(f"u{number}"), created=at, done=True)
            store.uploads.add(made)
            store.uploads.put_piece(made.id, 1, piece)
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as exit:
        main([*words])
    line = capsys.readouterr().err
    assert (exit.value.code, line.count("\n")) == (2, 1)
    return line.removeprefix("falkit: ").rstrip()


def test_a_whole_state_is_told_of(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["state", "verify", str(state)])
    assert capsys.readouterr().out == f"{state}: a whole state, 2 jobs and 2 uploads\n"


def test_what_is_verified_stays_as_it_is(tmp_path: Path) -> None:
    """A state of an older version, with a blob of no upload beside it."""
    path, blobs = tmp_path / "falkit.state", tmp_path / "falkit.state.uploads"
    path.write_bytes(gzip.decompress(OLD_STATE.read_bytes()))
    blobs.mkdir()
    for name in ("a", "b", "stray"):
        (blobs / name).write_bytes(b"123")
    before = contents(tmp_path)
    with pytest.raises(SystemExit):
        # Its uploads are none that were ever sent.
        main(["state", "verify", str(path)])
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_mock_has_is_not_verified(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(DurableStore(state)):
        assert "is in use by another mock" in refused(capsys, "state", "verify", str(state))


def test_an_upload_that_is_not_what_was_sent_is_found(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blobs = state.with_name("falkit.state.uploads")
    next(blobs.iterdir()).write_bytes(b"z" * 10_000)
    line = refused(capsys, "state", "verify", str(state))
    assert line.startswith(f"{state} is damaged: falkit.state.uploads/")
    assert "is not what was uploaded" in line


def test_an_export_is_verified_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state.tar"
    path.write_bytes(gzip.decompress(EXPORT.read_bytes()))
    main(["state", "verify", str(path)])
    assert capsys.readouterr().out == f"{path}: a whole export, 3 jobs and 1 upload\n"
    path.write_bytes(path.read_bytes()[:20_000])
    assert refused(capsys, "state", "verify", str(path)).startswith(f"{path}: ")
    assert "can't be read" in refused(capsys, "state", "verify", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("keep", "jobs", "uploads"),
    [("1d", ["job-2"], ["u2"]), ("7d,13KB", ["job-2"], ["u2"]), ("2h", ["job-2"], ["u2"])],
)
def test_what_is_old_or_too_much_is_forgotten(
    state: Path, keep: str, jobs: list[str], uploads: list[str]
) -> None:
    main(["state", "prune", str(state), "--keep", keep])
    with closing(DurableStore(state)) as store:
        assert [job.id for job in store.jobs()] == jobs
        assert [one.id for one in store.uploads.all()] == uploads
        assert [one.path for one in store.files()] == ["/2.mp4"]
        assert [one.id for one in store.deliveries.select()] == ["d2"]
        assert len([*store.uploads.blobs.folder.iterdir()]) == 1


@pytest.mark.parametrize("keep", ["", "soon", "0d", "0", "7d,7d", "5XB", "-1GB", "7d,"])
def test_what_is_to_be_kept_is_said_in_words_that_can_be_read(
    state: Path, keep: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, "state", "prune", str(state), f"--keep={keep}")
    fix = "give an age, a number of bytes or both, such as 7d,500MB"
    assert line == f"keep: {keep!r} isn't what to keep; {fix}"


@pytest.mark.parametrize("keep", ["7", "1.5", "500MB, 7"])
def test_an_age_without_a_unit_is_refused(
    state: Path, keep: str, capsys: pytest.CaptureFixture[str]
) -> None:
    age = keep.rpartition(" ")[2]
    why = f"keep: {age!r} has no unit; write {age}d for days, or {age}s for seconds"
    for command in (["state", "prune", str(state)], ["serve", "--port", "0"]):
        assert refused(capsys, *command, "--keep", keep) == why
    with closing(DurableStore(state)) as store:
        assert store.count() == 2


def test_a_folder_of_tenants_is_told_from_a_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("verify", "prune"):
        line = refused(capsys, "state", command, str(tmp_path))
        assert line.startswith(f"{tmp_path} is a folder; name a file in it: with --tenants each")


def test_there_is_nothing_to_prune_where_there_is_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "none.state"
    line = refused(capsys, "state", "prune", str(place))
    assert (line, place.exists()) == (
        f"{place}: there is no such file; name a state file",
        False,
    )


def test_a_mock_that_is_told_to_end_leaves_a_state_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "falkit.toml").write_text('state = "kept.state"\ntiming = "instant"\n')
    ids: list[str] = []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [FALKIT, "serve", "--port", "0", "--config", str(tmp_path / "falkit.toml")]
    for end in (signal.SIGTERM, signal.SIGINT):
        with started(command, cwd=elsewhere, stderr=-1) as process:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            reply = httpx.post(f"{url}/queue.fal.run/{T2V}", json=PROMPT, headers=KEY)
            ids.append(reply.json()["request_id"])
            jobs = httpx.get(f"{url}/__falkit/jobs").json()["jobs"]
            assert [job["request_id"] for job in jobs][::-1] == ids
            process.send_signal(end)
            assert process.wait() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "elsewhere",
        "falkit.toml",
        "kept.state",
    ]


def test_a_state_goes_on_with_its_own_seed_and_time_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    for seed in ("5", "6"):
        clock = ["--clock=manual", "--clock-start=2030-01-01"] if seed == "5" else []
        command = [FALKIT, "serve", "--port=0", f"--state={tmp_path / 'a'}", f"--seed={seed}"]
        with started([*command, *clock], stderr=-1) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert (ready["seed"], ready["state"]) == (5, str(tmp_path / "a"))
            process.send_signal(signal.SIGTERM)
            told.append(process.communicate()[1])
    assert "falkit: seed:" not in told[0]
    assert "falkit: seed: the state goes on with 5, not 6; `falkit reset` begins with 6" in told[1]
    assert all("falkit: time is paused at 2030-01-01T00:00:00" in each for each in told)
    assert all(f"\n    state                       {tmp_path / 'a'}\n" in each for each in told)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("redis://me:s3cret@10.0.0.5:6379/0?prefix=a", "redis://me:***@10.0.0.5:6379/0?prefix=a"),
        ("rediss://:s3cret@10.0.0.5/0", "rediss://:***@10.0.0.5/0"),
        ("redis://s3cret@10.0.0.5/0?password=s3cret", "redis://***@10.0.0.5/0?password=***"),
        ("C:/falkit:1@x.state", "C:/falkit:1@x.state"),
    ],
)
def test_a_state_is_named_without_its_password(state: str, shown: str) -> None:
    assert shown_state(state) == shown


def test_a_bad_state_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("notes")
    why = f"{bad} is no state of falkit; name a file that falkit has written, or a new one"
    for words in (["serve", "--port", "0"], ["run"]):
        end = ["--", sys.executable, "-c", "1"] if words == ["run"] else []
        line = refused(capsys, *words, "--state", str(bad), "--quiet", *end)
        assert line == f"state: {why}"
    assert bad.read_text() == "notes"


def test_a_mock_begins_with_an_export_and_leaves_one(tmp_path: Path) -> None:
    first, last = tmp_path / "first.tar", tmp_path / "last.tar"
    first.write_bytes(gzip.decompress(EXPORT.read_bytes()))
    for options, jobs in (
        ([f"--import={first}", f"--export-on-exit={last}"], 3),
        # The same file, which the second start begins with.
        ([f"--import={last}", "--export-on-exit"], 4),
        ([f"--import={last}"], 5),
        # One that is still to be made.
        ([f"--import={tmp_path / 'new.tar'}", "--export-on-exit"], 0),
        ([f"--import={tmp_path / 'new.tar'}", f"--state={tmp_path / 'falkit.state'}"], 1),
    ):
        with started([FALKIT, "serve", "--port=0", *options], stderr=-1) as process:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert len(httpx.get(f"{url}/__falkit/jobs").json()["jobs"]) == jobs
            httpx.post(f"{url}/queue.fal.run/{T2V}", json=PROMPT, headers=KEY)
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0
    if sys.platform != "win32":
        assert last.stat().st_mode & 0o077 == 0
    with closing(DurableStore(tmp_path / "falkit.state")) as store:
        assert len(store.jobs()) == 2


def test_a_program_is_run_with_an_export(tmp_path: Path) -> None:
    first, last = tmp_path / "first.tar", tmp_path / "last.tar"
    first.write_bytes(gzip.decompress(EXPORT.read_bytes()))
    program = (
        "import httpx, os; u = os.environ['FALKIT_BASE_URL'];"
        "print(len(httpx.get(u + '/__falkit/jobs').json()['jobs']))"
    )
    options = [f"--import={first}", f"--export-on-exit={last}", "--quiet"]
    command = [FALKIT, "run", *options, "--", sys.executable, "-c", program]
    with started(command) as process:
        assert process.communicate()[0] == "3\n"
    main(["state", "verify", str(last)])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--import=none.tar"], "import: none.tar: there is no such file; name an export"),
        (["--import=bad.tar"], "import: bad.tar: isn't an export of falkit: "),
        (
            ["--import=falkit.state"],
            "import: falkit.state: isn't an export of falkit: it is a state file; begin with it by",
        ),
        (["--export-on-exit"], "export-on-exit: give a file, or name one with --import"),
        (["--export-on-exit=no/a.tar"], "export-on-exit: no/a.tar: there is no folder no; make"),
        (["--import=bad.tar", "--state=falkit.state"], "import: falkit.state has a state; leave"),
    ],
)
def test_what_cannot_be_imported_or_exported_is_one_line(
    state: Path,
    options: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(state.parent)
    Path("bad.tar").write_text("bad")
    assert refused(capsys, "serve", "--port=0", "--quiet", *options).startswith(line)


IDENTITY = b'{"seeds": [[0, 1]], "counts": {}}'
FACTS = {
    "not JSON": b"{",
    "deep": b"[" * 100_000,
    "another shape": b'{"now": 1, "running": 7}',
    "no moment": b'{"now": "soon", "running": true}',
    "nothing else": None,
}


@pytest.mark.parametrize("value", FACTS.values(), ids=FACTS)
def test_facts_that_cannot_be_had_are_refused_and_stay(
    state: Path, capsys: pytest.CaptureFixture[str], value: bytes | None
) -> None:
    with closing(DurableStore(state)) as store:
        store.facts["clock"] = value or b'{"now": 1, "running": true}'
        for name in ("tokens", "identity", "uploads", "parts") if value else ():
            store.facts[name] = {"tokens": b'"00"', "identity": IDENTITY}.get(name, b"{}")
    before = state.read_bytes()
    for words in (
        ["state", "verify"],
        ["state", "prune", "--keep", "1d"],
        ["serve", "--port", "0", "--state"],
    ):
        assert "can't be" in refused(capsys, *words, str(state))
        assert state.read_bytes() == before


def test_a_damaged_file_of_another_mode_stays_as_it_is(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(state.read_bytes())
    # A rollback journal in place of WAL, and a free page that isn't there.
    data[18:20], data[32:36] = b"\1\1", b"\0\2\xb9\0"
    state.write_bytes(data)
    assert "damaged" in refused(capsys, "state", "verify", str(state))
    assert state.read_bytes() == data


def changed(archive: bytes, act: Callable[[dict[str, bytes]], object]) -> bytes:
    """Return an export with something done to its members."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {one.name: tar.extractfile(one) for one in tar}
        parts = {name: file.read() for name, file in files.items() if file is not None}
    act(parts)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def no_store(parts: dict[str, bytes]) -> None:
    meta = json.loads(parts["meta.json"])
    parts["meta.json"] = json.dumps(meta | {"store": sha256(b"").hexdigest()}).encode()
    parts["store.sqlite"] = b""


def no_identity(parts: dict[str, bytes]) -> None:
    meta = json.loads(parts["meta.json"])
    del meta["identity"]
    parts["meta.json"] = json.dumps(meta).encode()


@pytest.mark.parametrize(
    ("act", "why"), [(no_store, "store.sqlite is empty"), (no_identity, "'identity' is a required")]
)
def test_an_export_that_a_mock_would_refuse_is_found(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    act: Callable[[dict[str, bytes]], object],
    why: str,
) -> None:
    path = tmp_path / "state.tar"
    path.write_bytes(changed(gzip.decompress(EXPORT.read_bytes()), act))
    assert why in refused(capsys, "state", "verify", str(path))


def test_what_an_export_announces_is_not_allocated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.tar"
    for name, kind in (("store.sqlite", tarfile.REGTYPE), ("x", tarfile.XHDTYPE)):
        info = tarfile.TarInfo(name)
        info.size, info.type = 2**62, kind
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        assert "isn't an export of falkit: " in refused(capsys, "state", "verify", str(path))
