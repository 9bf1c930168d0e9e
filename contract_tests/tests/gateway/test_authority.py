"""The local authority on disk: whose it is, how long it lasts, what is wrong with it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from falkit_mock.gateway import GatewayError
from falkit_mock.gateway.authority import Authority, data_dir
from falkit_mock.gateway.certificates import make_authority

DAY = 24 * 3600.0
Falkit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def falkit(tmp_path: Path) -> Falkit:
    """Run a command of falkit's with a data folder of its own."""

    def run(*words: str, folder: Path = tmp_path / "home") -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("falkit")), *words]
        environ = {**os.environ, "FALKIT_HOME": str(folder)}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    return run


def test_the_key_is_its_owners_alone_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    original = os.open

    def watched(path: str, flags: int, mode: int = 0o777) -> int:
        if "ca-key" in str(path):
            opened.append(mode)
        return original(path, flags, mode)

    monkeypatch.setattr(os, "open", watched)
    authority = Authority.open(tmp_path / "made" / "here")
    assert opened == [0o600]
    assert authority.key.stat().st_mode & 0o777 == 0o600
    assert authority.key.parent.stat().st_mode & 0o777 == 0o700
    assert authority.certificate.read_bytes() == authority.public()
    assert b"PRIVATE" not in authority.public()


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    key = Authority.open(tmp_path).key
    key.chmod(0o644)
    Authority.open(tmp_path)
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_second_start_finds_the_first_authority(tmp_path: Path) -> None:
    first, second = (Authority.open(tmp_path) for _ in range(2))
    assert first.key.read_bytes() == second.key.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca-key.pem", "ca.pem"]


def test_processes_that_start_together_agree_on_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(Authority.open, [tmp_path / "home"] * 8))
    assert len({authority.public() for authority in made}) == 1
    assert made[0].certificate.read_bytes() == made[0].public()


def test_an_authority_lasts_two_years_and_is_renewed_a_month_before_its_end(
    tmp_path: Path,
) -> None:
    assert 729 * DAY < Authority.open(tmp_path).ends - time.time() < 731 * DAY
    key = tmp_path / "ca-key.pem"
    key.write_bytes(make_authority(timedelta(days=40)))
    assert 39 * DAY < Authority.open(tmp_path).ends - time.time() < 41 * DAY
    key.write_bytes(make_authority(timedelta(days=29)))
    assert 729 * DAY < Authority.open(tmp_path).ends - time.time() < 731 * DAY


def test_an_authority_of_older_names_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "ca-key.pem"
    monkeypatch.setattr("falkit_mock.gateway.certificates.CERTIFIED", ["fal.run", "fal.ai"])
    key.write_bytes(old := make_authority())
    monkeypatch.undo()
    assert Authority.open(tmp_path).key.read_bytes() != old
    made = key.read_bytes()
    assert Authority.open(tmp_path).key.read_bytes() == made


def test_a_server_certificate_ends_no_later_than_its_authority(tmp_path: Path) -> None:
    (tmp_path / "ca-key.pem").write_bytes(make_authority(timedelta(days=40)))
    authority = Authority.open(tmp_path)
    client = ssl.create_default_context(cafile=str(authority.certificate))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname="fal.run")
    host = authority.context().wrap_bio(to_server, to_client, server_side=True)
    for side in (caller, host):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    caller.do_handshake()
    found = caller.getpeercert()
    assert found is not None
    assert ssl.cert_time_to_seconds(str(found["notAfter"])) <= authority.ends


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
        b"\xff\xfe",
    ],
)
def test_a_damaged_authority_is_named_with_the_fix(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca-key.pem").write_bytes(content)
    with pytest.raises(GatewayError, match="falkit cert renew") as caught:
        Authority.open(tmp_path)
    assert caught.value.path == tmp_path / "ca-key.pem"
    Authority.renew(tmp_path)
    Authority.open(tmp_path).context()


def test_a_key_without_its_own_certificate_is_noticed(tmp_path: Path) -> None:
    one, other = make_authority(), make_authority()
    mark = b"-----BEGIN CERTIFICATE-----"
    mixed = one.partition(mark)[0] + mark + other.partition(mark)[2]
    (tmp_path / "ca-key.pem").write_bytes(mixed)
    with pytest.raises(GatewayError, match="falkit cert renew"):
        Authority.open(tmp_path).context()


def test_a_folder_that_cannot_be_written_to_is_named_with_the_fix(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(GatewayError, match="FALKIT_HOME") as caught:
        Authority.open(blocked / "falkit")
    assert caught.value.path == blocked / "falkit"


@pytest.mark.parametrize(
    ("system", "environ", "expected"),
    [
        ("linux", {}, "/home/me/.local/share/falkit"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/falkit"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "/home/me/.local/share/falkit"),
        ("darwin", {}, "/home/me/Library/Application Support/falkit"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/falkit"),
        ("win32", {}, "/home/me/AppData/Local/falkit"),
        ("linux", {"FALKIT_HOME": "~/mine", "XDG_DATA_HOME": "/data"}, "/home/me/mine"),
    ],
)
def test_the_data_folder_is_where_the_system_has_such(
    monkeypatch: pytest.MonkeyPatch, system: str, environ: dict[str, str], expected: str
) -> None:
    for name in ("FALKIT_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert data_dir() == Path(expected)


def test_cert_path_and_export_agree(falkit: Falkit, tmp_path: Path) -> None:
    path = falkit("cert", "path")
    assert path.returncode == 0
    certificate = Path(path.stdout.strip()).read_text()
    assert falkit("cert", "export").stdout == certificate
    copy = falkit("cert", "export", str(tmp_path / "copy.pem"))
    assert (copy.returncode, copy.stdout) == (0, "")
    assert (tmp_path / "copy.pem").read_text() == certificate
    failed = falkit("cert", "export", str(tmp_path / "none" / "copy.pem"))
    assert failed.returncode == 2
    assert "no such file or directory" in failed.stderr


def test_cert_renew_makes_another(falkit: Falkit) -> None:
    before = falkit("cert", "export").stdout
    assert "good until 20" in falkit("cert", "renew").stderr
    assert falkit("cert", "export").stdout != before


@pytest.mark.parametrize(
    "words", [("cert", "path"), ("cert", "renew"), ("run", "--", "true"), ("serve", "--gateway")]
)
def test_an_unwritable_data_folder_is_one_line(
    falkit: Falkit, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "home"
    if words[0] == "serve":
        words = (*words, "--port", "0", "--gateway-port", "0")
    failed = falkit(*words, folder=folder)
    assert failed.returncode == 2
    assert failed.stderr.splitlines() == [
        f"falkit: can't keep the local authority in {folder} (not a directory); "
        "set FALKIT_HOME to a folder that falkit may write to"
    ]
