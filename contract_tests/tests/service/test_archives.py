"""Archives and models as inputs: what opens is taken, and nothing is unpacked (wire.md §6.1)."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from time import perf_counter

import pytest

from falkit_fixtures import images
from falkit_mock.core.jobs import MediaValue
from falkit_mock.service.checks import Rejected, check_bytes
from falkit_spec import MediaInput
from falkit_spec.media import MediaKind


def judged(kind: MediaKind, data: bytes, *formats: str) -> str:
    """Return `taken`, or the type of the error."""
    try:
        check_bytes(
            MediaValue(MediaInput("a_url", kind, ("a_url",), formats), ("a_url",), ""), data
        )
    except Rejected as error:
        return str(error.item["type"])
    return "taken"


ZIPPED = io.BytesIO()
with zipfile.ZipFile(ZIPPED, "w") as made:
    made.writestr("a.png", images.sample("png"))
    made.writestr("a.txt", "a picture", zipfile.ZIP_DEFLATED)
ZIP = ZIPPED.getvalue()
TARRED = io.BytesIO()
with tarfile.open(fileobj=TARRED, mode="w") as packed:
    for name in ("a.txt", "b.txt"):
        packed.addfile(entry := tarfile.TarInfo(name))
        entry.size = 3
        packed.addfile(entry, io.BytesIO(b"abc"))
TAR = TARRED.getvalue()
EMPTY_ZIP = b"PK\5\6" + bytes(18)


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        pytest.param(ZIP, True, id="zip"),
        pytest.param(b"self-extracting" + ZIP, False, id="zip behind something"),
        pytest.param(ZIP[:-22] + b"PK\5\6" + ZIP[-18:-2] + b"\3\0abc", True, id="with a comment"),
        pytest.param(EMPTY_ZIP, True, id="empty zip"),
        pytest.param(ZIP[:-1], False, id="cut zip"),
        pytest.param(ZIP[: len(ZIP) // 2], False, id="half a zip"),
        pytest.param(ZIP.replace(b"PK\1\2", b"PK\1\3"), False, id="damaged directory"),
        pytest.param(EMPTY_ZIP[:8] + b"\xff\xff" * 2 + EMPTY_ZIP[12:], False, id="lying zip"),
        pytest.param(TAR, True, id="tar"),
        pytest.param(TAR[:1500], False, id="cut tar"),
        pytest.param(b"x" + TAR[1:], False, id="damaged tar"),
        pytest.param(gzip.compress(TAR), True, id="tar.gz"),
        pytest.param(gzip.compress(b"a" * 1000), False, id="gz of something else"),
        pytest.param(b"\x1f\x8b\x08" + bytes(40), False, id="broken gz"),
        pytest.param(b"Rar!\x1a\x07", False, id="rar"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_an_archive_has_to_open(data: bytes, taken: bool) -> None:
    assert judged("archive", data) == ("taken" if taken else "invalid_archive")


def test_what_is_packed_into_an_archive_is_not_unpacked() -> None:
    whole = bytes(20_000_000)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", whole)
    gz = gzip.compress(whole)
    started = perf_counter()
    for data in (bomb.getvalue(), gz):
        judged("archive", data)
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for n in range(12_000):
            archive.writestr(str(n), b"")
    assert judged("archive", many.getvalue()) == "taken"
    assert perf_counter() - started < 3


GLB = b"glTF" + struct.pack("<IIII", 2, 24, 4, 0x4E4F534A) + b"{}  "
TENSORS = struct.pack("<Q", 2) + b"{}"


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (GLB, True),
        (GLB[:-1], False),
        (TENSORS, True),
        (TENSORS[:-1], False),
        (b"# made by hand\r\n\r\nv 1.0 1.0 1.0\n", True),
        (b"\n" * 4000 + b"x", False),
        (b"Kaydara FBX Binary  \0", True),
        (b"ply\nformat ascii 1.0\n", True),
        (bytes(80) + struct.pack("<I", 2) + bytes(100), True),
        (b'{"asset": {"version": "2.0"}}', True),
        (ZIP, True),
        (images.sample("png"), False),
        (b"<html></html>", False),
        (b"", False),
    ],
)
def test_a_model_begins_like_one(data: bytes, taken: bool) -> None:
    assert judged("model", data) == ("taken" if taken else "input_value_error")


def test_where_formats_are_known_no_others_are_taken() -> None:
    assert judged("archive", ZIP, "zip") == "taken"
    assert judged("archive", TAR, "zip") == "invalid_archive"
    assert judged("model", GLB, "obj") == "input_value_error"
