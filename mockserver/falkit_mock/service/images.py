"""Pictures: what they are, and whether they load, for no more memory than that is worth."""

from __future__ import annotations

import logging
import struct
import threading
import warnings
from collections.abc import Collection
from io import BytesIO
from typing import TYPE_CHECKING

from falkit_mock.core.limits import DECODED_PIXELS, PIXELS
from falkit_mock.service.containers import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

# What Pillow is asked to identify: formats that it reads by itself, never by another program.
_FORMATS = (
    *("PNG", "JPEG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "ICO", "JPEG2000"),
    *("PPM", "PSD"),
)
# Pillow's names, where they are not the documents' own in capitals.
_NAMES = {"MPO": "jpeg", "JPEG2000": "jp2"}
_SILENT = logging.NullHandler()
# Pillow warns of large pictures, and Python's warning filters are the process's, not a thread's.
_FILTERS = threading.Lock()


class TooManyPixels(Exception):
    """The picture has more than PIXELS."""


def image_format(data: bytes, allowed: Collection[str]) -> str:
    """Return a picture's format, such as `png` or `gif`; one that is allowed loads whole.

    Raise Unreadable for bytes that don't load, TooManyPixels by what the header says.
    """
    # Pillow allocates a WebP's pixels when it opens it.
    size = _webp_size(data)
    if size is not None and _count(size) > DECODED_PIXELS:
        name, why = "webp", _short_webp(data)
    else:
        name, size, why = _opened(data, allowed)
    # Raised here, since an exception that is raised in the place of another keeps that one, and
    # with it the picture as far as it was decoded.
    if size is not None and _count(size) > PIXELS:
        raise TooManyPixels
    if why is not None:
        raise Unreadable(why)
    return name


def _opened(
    data: bytes, allowed: Collection[str]
) -> tuple[str, tuple[int, int] | None, str | None]:
    """Return a picture's format and size, and why it doesn't load, if it doesn't."""
    # Lazy: most requests bring no image, and the import would delay the first answer.
    import pi_heif  # pyright: ignore[reportMissingTypeStubs]
    from PIL import Image, UnidentifiedImageError

    pi_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]  # untyped
    # What Pillow has to say of a broken file is said by its exceptions, too.
    logging.getLogger("PIL").addHandler(_SILENT)
    name, size = "", None
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data), formats=_FORMATS)
        with image:
            size = image.size
            name = _NAMES.get(image.format or "", (image.format or "").lower())
            if name in allowed and _count(size) <= PIXELS:
                return name, size, _load(image, name, data)
    except Image.DecompressionBombError:
        return name, (PIXELS, 2), None
    except UnidentifiedImageError:
        return name, size, "they aren't an image of a known format"
    except Exception as error:  # decoders raise whatever they like
        return name, size, str(error) or type(error).__name__
    return name, size, None


def _load(image: Image, name: str, data: bytes) -> str | None:
    """Load a picture as far as it is decoded here; return why it isn't whole, if it isn't."""
    if _count(image.size) <= DECODED_PIXELS:
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
