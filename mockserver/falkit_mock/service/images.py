"""Pictures: what they are, and whether they load, for no more memory than that is worth."""

from __future__ import annotations

import logging
import re
import struct
import threading
import warnings
from collections.abc import Collection
from io import BytesIO
from typing import TYPE_CHECKING

from falkit_mock.core.limits import DECODED_PIXELS, PIECES, PIXELS, SCANS
from falkit_mock.service.containers import Found, Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

# How each format begins, and what Pillow calls it: it is asked for that one alone.
_BEGINNINGS: dict[bytes, tuple[str, str]] = {
    rb"\x89PNG\r\n\x1a\n": ("png", "PNG"),
    rb"\xff\xd8\xff": ("jpeg", "JPEG"),
    rb"RIFF....WEBP": ("webp", "WEBP"),
    rb"....ftyp(avif|avis)": ("avif", "AVIF"),
    rb"....ftyp(hei[cxms]|hev[cx]|mif1|msf1)": ("heif", "HEIF"),
    rb"GIF8[79]a": ("gif", "GIF"),
    rb"BM": ("bmp", "BMP"),
    rb"II\*\x00|MM\x00\*": ("tiff", "TIFF"),
    rb"\x00\x00\x01\x00": ("ico", "ICO"),
    rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51": ("jp2", "JPEG2000"),
    rb"P[1-6]\s": ("ppm", "PPM"),
    rb"8BPS": ("psd", "PSD"),
}
_SILENT = logging.NullHandler()
# Pillow warns of large pictures, and Python's warning filters are the process's, not a thread's.
_FILTERS = threading.Lock()


class TooManyPixels(Exception):
    """The picture has more than PIXELS."""


# What is decoded where no formats are known; of others only the beginning is looked at.
_DECODED = ("png", "jpeg", "webp", "avif", "heif", "gif", "bmp")


def read_image(data: bytes, allowed: Collection[str]) -> Found:
    """Return a picture's format, such as `png` or `gif`; one that is allowed loads whole.

    Where nothing says what is allowed, all is. Raise Unreadable for bytes that don't load,
    TooManyPixels by what the header says.
    """
    name, plugin = _named(data)
    if name not in (allowed or _DECODED):
        return Found(name)
    # Pillow allocates a WebP's pixels when it opens it.
    size = _webp_size(data)
    if size is not None and _count(size) > DECODED_PIXELS:
        why = _short_webp(data)
    elif _pieces(name, data) > PIECES:
        why = "it is of more pieces than any picture"
    else:
        size, why = _opened(data, name, plugin)
    # Raised here, since an exception that is raised in the place of another keeps that one, and
    # with it the picture as far as it was decoded.
    if size is not None and _count(size) > PIXELS:
        raise TooManyPixels
    if why is not None:
        raise Unreadable(why)
    return Found(name) if size is None else Found(name, width=size[0], height=size[1])


# Sides and colours of an input picture that shows in outputs: kept for each job, so a few KB.
_SMALL, _COLOURS = 160, 64


def small(data: bytes) -> bytes:
    """Return a picture as a small PNG; nothing where it can't be had for little memory."""
    from PIL import Image, ImageOps

    try:
        name, plugin = _named(data)
        size = _webp_size(data)
        if name not in _DECODED or (size is not None and _count(size) > DECODED_PIXELS):
            return b""
        with Image.open(BytesIO(data), formats=(plugin,)) as image:
            if _count(image.size) > DECODED_PIXELS:
                return b""
            # A JPEG is decoded at a fraction of its size.
            image.draft("RGB", (2 * _SMALL, 2 * _SMALL))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((_SMALL, _SMALL))
            file = BytesIO()
            upright.convert("RGB").quantize(_COLOURS).save(file, "PNG")
            return file.getvalue()
    except Exception:  # decoders raise whatever they like
        return b""


def _named(data: bytes) -> tuple[str, str]:
    """Return a picture's format by how it begins, and Pillow's name for it; raise Unreadable."""
    for beginning, names in _BEGINNINGS.items():
        if re.match(beginning, data, re.DOTALL):
            return names
    raise Unreadable("they aren't an image of a known format")


def _pieces(name: str, data: bytes) -> int:
    """Return how many pieces Pillow would read one by one, as far as that matters."""
    if name == "jpeg":
        # Comments and applications' own; a picture's data have no such marks in them.
        return sum(data.count(bytes([0xFF, mark])) for mark in (*range(0xE0, 0xF0), 0xFE))
    if name != "png":
        return 0
    at, count = 8, 0
    while at < len(data) and count <= PIECES:
        at += int.from_bytes(data[at : at + 4]) + 12
        count += 1
    return count


def _opened(data: bytes, name: str, plugin: str) -> tuple[tuple[int, int] | None, str | None]:
    """Return a picture's size, and why it doesn't load, if it doesn't."""
    # Lazy: most requests bring no image, and the import would delay the first answer.
    import pi_heif  # pyright: ignore[reportMissingTypeStubs]
    from PIL import Image, UnidentifiedImageError

    pi_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]  # untyped
    # What Pillow has to say of a broken file is said by its exceptions, too.
    logging.getLogger("PIL").addHandler(_SILENT)
    size = None
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data), formats=(plugin,))
        with image:
            size = image.size
            if _count(size) <= PIXELS:
                return size, _load(image, name, data)
    except Image.DecompressionBombError:
        return (PIXELS, 2), None
    except UnidentifiedImageError:
        return size, f"they begin like a {name} and aren't one"
    except Exception as error:  # decoders raise whatever they like
        return size, str(error) or type(error).__name__
    return size, None


def _load(image: Image, name: str, data: bytes) -> str | None:
    """Load a picture as far as it is decoded here; return why it isn't whole, if it isn't."""
    # A progressive picture is gone through anew for each of its scans, of which ten are usual.
    scans = data.count(b"\xff\xda") if name == "jpeg" else 1
    if _count(image.size) <= DECODED_PIXELS and scans <= SCANS:
        image.load()
    elif name == "png":
        # Its pieces have checksums.
        image.verify()
    elif name == "jpeg":
        return None if b"\xff\xd9" in data[-64:] else "the file breaks off"
    elif name in ("avif", "heif"):
        return _short_boxes(data)
    return None


def _count(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Return a WebP's size in pixels by its first chunk; None for anything else."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    match data[12:16]:
        case b"VP8X":
            sides = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
            return next(sides) + 1, next(sides) + 1
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return None


def _short_webp(data: bytes) -> str | None:
    promised = int.from_bytes(data[4:8], "little") + 8
    return "the file breaks off" if promised > len(data) + 1 else None


def _short_boxes(data: bytes) -> str | None:
    """Return why an ISO file isn't whole, by its outermost boxes."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size == 0:
            return None
        if size < 8:
            return "a box of it is shorter than its head"
        at += size
    return None if at == len(data) else "the file breaks off"
