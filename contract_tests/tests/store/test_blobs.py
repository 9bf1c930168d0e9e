"""The folder of uploaded bytes by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falkit_mock.store.blobs import Blobs


def test_a_named_folder_is_made_and_stays(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "deep" / "files")
    sink = blobs.sink()
    sink.write(b"hello")
    piece = sink.keep()
    blobs.close()
    assert b"".join(Blobs(tmp_path / "deep" / "files").read([piece], 1, 4)) == b"ell"


def test_a_killed_mocks_folder_is_removed_and_a_running_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    living = Blobs()
    old, young, other = (
        tmp_path / name for name in ("falkit-uploads-old", "falkit-uploads-young", "other")
    )
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "x").write_bytes(b"x")
    for folder in (living.folder, old, other):
        os.utime(folder, (0, 0))
    next_one = Blobs()
    made = next_one.folder
    assert sorted(tmp_path.iterdir()) == sorted([living.folder, made, young, other])
    for blobs in (living, next_one):
        blobs.close()
    assert sorted(tmp_path.iterdir()) == sorted([young, other])


def test_a_dropped_sink_takes_no_more(tmp_path: Path) -> None:
    sink = Blobs(tmp_path).sink()
    sink.drop()
    sink.write(b"late")
    sink.drop()
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_blob_is_an_error(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    sink = blobs.sink()
    sink.write(b"hello")
    piece = sink.keep()
    (tmp_path / piece.blob).write_bytes(b"he")
    with pytest.raises(EOFError, match=piece.blob):
        list(blobs.read([piece], 0, 5))
