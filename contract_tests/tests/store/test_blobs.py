"""The folder of uploaded bytes by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from falkit_mock.service.state import archive_bytes, archive_size
from falkit_mock.store.blobs import Blobs, sweep
from falkit_mock.store.durable import LastingBlobs


@pytest.fixture
def blobs() -> Iterator[Blobs]:
    made = Blobs()
    yield made
    made.close()


def test_a_stretch_of_a_blob_is_read(blobs: Blobs) -> None:
    sink = blobs.sink()
    sink.write(b"hello")
    assert b"".join(blobs.read([sink.keep()], 1, 4)) == b"ell"


def test_a_killed_mocks_folder_is_removed_and_a_running_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    living = Blobs()
    left, begun, new, other = (
        tmp_path / name
        for name in ("falkit-uploads-a", "falkit-new-uploads-b", "falkit-new-uploads-c", "other")
    )
    for folder in (left, begun, new, other):
        folder.mkdir()
        (folder / "x").write_bytes(b"x")
    for folder in (living.folder, begun, other):
        os.utime(folder, (0, 0))
    sweep()
    assert sorted(tmp_path.iterdir()) == sorted([living.folder, new, other])
    living.close()
    assert sorted(tmp_path.iterdir()) == sorted([new, other])


def test_a_dropped_sink_takes_no_more(blobs: Blobs) -> None:
    sink = blobs.sink()
    sink.drop()
    sink.write(b"late")
    sink.drop()
    assert list(blobs.folder.iterdir()) == []


def test_a_truncated_blob_is_an_error(blobs: Blobs) -> None:
    sink = blobs.sink()
    sink.write(b"hello")
    piece = sink.keep()
    (blobs.folder / piece.blob).write_bytes(b"he")
    with pytest.raises(EOFError, match=piece.blob):
        list(blobs.read([piece], 0, 5))


def test_an_export_has_what_another_process_removes_meanwhile(tmp_path: Path) -> None:
    one, other = (LastingBlobs(tmp_path / "blobs", lambda act: act()) for _ in range(2))
    sink = one.sink()
    sink.write(b"an upload")
    piece = sink.keep()

    async def exported() -> bytes:
        chunks = archive_bytes(b"{}", b"", [piece], one)
        assert await anext(chunks) == b""
        other.remove([piece])
        return b"".join([chunk async for chunk in chunks])

    data = asyncio.run(exported())
    assert len(data) == archive_size(b"{}", b"", [piece])
    assert b"an upload" in data
    assert [*one.folder.iterdir()] == []
