"""`falkit uninstall`: removes what falkit made in its data folder, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from falkit_mock.cli import main
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.environment import ca_bundle

PACKAGE = "left: the package itself, which `pip uninstall falkit` removes\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with all that falkit keeps in one."""
    found = tmp_path / "falkit"
    monkeypatch.setenv("FALKIT_HOME", str(found))
    ca_bundle(Authority.open(found), {}, "allow")
    # What is left of a write that was cut short.
    (found / ".ca.pem.0123456789ab").touch()
    return found


def test_all_that_falkit_made_is_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(folder.iterdir())
    assert len(files) == 4
    main(["uninstall"])
    told = "".join(f"removed: {path}\n" for path in (*files, folder))
    assert capsys.readouterr().out == told + PACKAGE
    assert not folder.exists()
    main(["uninstall"])
    assert capsys.readouterr().out == f"nothing is kept in {folder}\n{PACKAGE}"


def test_a_dry_run_removes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(folder.iterdir())
    main(["uninstall", "--dry-run"])
    told = "".join(f"would be removed: {path}\n" for path in (*files, folder))
    assert capsys.readouterr().out == told + PACKAGE
    assert sorted(folder.iterdir()) == files


def test_foreign_files_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority.open(folder)
    others = {
        "notes.txt": b"mine",
        "roots-0123456789abcdef.pem": b"not what its name says",
        "ca.pem": b"somebody's",
        ".ca.pem.0123456789ab.bak": b"",
    }
    for name, content in others.items():
        (folder / name).write_bytes(content)
    (folder / "kept").mkdir()
    (folder / "ca-key.pem").rename(folder.parent / "elsewhere.pem")
    (folder / "ca-key.pem").symlink_to(folder.parent / "elsewhere.pem")
    main(["uninstall"])
    assert {path.name for path in folder.iterdir()} == {*others, "kept", "ca-key.pem"}
    assert (folder / "ca.pem").read_bytes() == b"somebody's"
    assert authority.public() in (folder.parent / "elsewhere.pem").read_bytes()
    out = capsys.readouterr().out
    assert f"left, as it is not known to be falkit's: {folder / 'notes.txt'}\n" in out
    assert f"removed: {folder}\n" not in out


def test_files_that_cannot_be_removed_are_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(SystemExit):
        main(["uninstall"])
    err = capsys.readouterr().err
    assert err.startswith("falkit: can't remove ")
    assert err.endswith(" (permission denied)\n")
