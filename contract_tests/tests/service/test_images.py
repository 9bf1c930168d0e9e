"""Pictures are judged by their headers before anything is decoded, and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from typing import Any

import pillow_heif  # pyright: ignore[reportMissingTypeStubs]
import pytest
from PIL import Image

from attack.zoo import ANIMALS, lossless_webp
from falkit_mock.service.containers import Unreadable
from falkit_mock.service.images import TooManyPixels, read_image

ALLOWED = ("png", "jpeg", "webp", "avif", "heif")
SIZES = {"decoded": (640, 480), "not decoded": (2600, 1700)}


def saved(form: str, size: tuple[int, int], **options: Any) -> bytes:
    pillow_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]
    out = BytesIO()
    Image.new("RGB", size, (9, 80, 7)).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "AVIF", "HEIF"])
def test_a_whole_picture_loads_and_a_cut_one_does_not(form: str, size: tuple[int, int]) -> None:
    data = saved(form, size)
    assert read_image(data, ALLOWED).format == form.lower()
    with pytest.raises(Unreadable):
        read_image(data[: len(data) // 2], ALLOWED)


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_what_is_not_allowed_is_named_and_not_decoded(form: str) -> None:
    data = saved(form, (640, 480))
    head = data if form in ("TIFF", "ICO") else data[:200]
    assert read_image(head, ALLOWED).format == form.lower()


def progressive(scans: int) -> bytes:
    data = saved("JPEG", (2000, 2000), progressive=True)
    # An empty scan: the end of a run of blocks, over and over.
    scan = b"\xff\xda\0\x08\1\1\0\1\x3f\0"
    return data[:-2] + scan * scans + data[-2:]


@pytest.mark.parametrize(
    "data",
    [
        progressive(200_000),
        saved("JPEG", (8, 8))[:2] + b"\xff\xfe\0\2" * 500_000 + saved("JPEG", (8, 8))[2:],
        saved("PNG", (8, 8))[:33] + b"\0\0\0\0teSt\0\0\0\0" * 200_000 + saved("PNG", (8, 8))[33:],
    ],
    ids=["scans", "comments", "chunks"],
)
def test_a_picture_of_very_many_pieces_is_not_gone_through(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object) -> None:
        pytest.fail("it is decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", loaded)
    with suppress(Unreadable):
        read_image(data, ALLOWED)


@pytest.mark.parametrize(
    "data", [b"P6 9500 9500 255\n", b"P6 30000 30000 255\n", lossless_webp(12_000)]
)
def test_a_header_with_too_many_pixels_is_enough(data: bytes) -> None:
    with pytest.raises(TooManyPixels):
        read_image(data, (*ALLOWED, "ppm"))


# Run by itself, for the memory is the process's.
LOOK = """
import gc, resource, sys
from io import BytesIO
from PIL import Image
from attack.zoo import ANIMALS
from falkit_mock.service.images import read_image

started = []
sys.addaudithook(lambda name, args: started.append(name) if name in
    {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"} else None)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

def highest():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024

def look(data):
    try:
        return read_image(data, ("png", "jpeg", "webp", "avif", "heif", "ppm"))
    except Exception as error:
        return type(error).__name__

out = BytesIO()
Image.new("RGB", (2000, 1900)).save(out, "PNG")
look(out.getvalue())
gc.collect()
gc.disable()
before = resident()
for number in range(3):
    for animal in ANIMALS:
        look(animal)
print(highest() - before, resident() - before)
print(started)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")
def test_no_small_file_takes_much_memory_or_starts_a_program() -> None:
    told = subprocess.check_output([sys.executable, "-c", LOOK], text=True, timeout=60)
    figures, started = told.splitlines()
    peak, kept = map(int, figures.split())
    assert (peak < 100, kept < 30, started) == (True, True, "[]"), (peak, kept, started)


def test_every_animal_is_judged() -> None:
    for animal in ANIMALS:
        try:
            assert read_image(animal, ALLOWED)
        except (Unreadable, TooManyPixels):
            continue
