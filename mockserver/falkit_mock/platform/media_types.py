"""What bytes are, by their content and never by their label."""

from __future__ import annotations

import threading
import warnings
from io import BytesIO
from typing import Literal, TypeAlias

MediaKind: TypeAlias = Literal["image", "video", "audio"]

# Pillow's names, where they are not the documents' own in capitals.
_PILLOW_NAMES = {"MPO": "jpeg", "JPEG2000": "jp2"}
# Pillow's bomb warning is turned into an error for the length of one look, and
# Python's warning filters are the process's, not a thread's.
_FILTERS = threading.Lock()


class Unreadable(Exception):
    """The bytes are no medium that can be loaded; `why` is the decoder's word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class TooManyPixels(Exception):
    """The image decodes to more pixels than anybody should load; `most` is the limit."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


def image_format(data: bytes) -> str:
    """Return the format of an image that loads whole, such as `png`, `jpeg` or `gif`.

    Raises Unreadable for bytes that don't load, TooManyPixels for a decompression bomb.
    """
    # Lazy: most requests bring no image, and the import would delay the first answer.
    import pi_heif  # pyright: ignore[reportMissingTypeStubs]
    from PIL import Image, UnidentifiedImageError

    pi_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]  # untyped
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data)) as image:
                image.load()
                name = image.format or ""
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise TooManyPixels(Image.MAX_IMAGE_PIXELS or 0) from None
        except UnidentifiedImageError:
            raise Unreadable("they are no image of a known format") from None
        except Exception as error:  # decoders raise whatever they like
            raise Unreadable(str(error) or type(error).__name__) from None
    return _PILLOW_NAMES.get(name, name.lower())


def video_format(data: bytes) -> str:
    """Return the container's name by its first bytes; raise Unreadable if none is known."""
    if data[4:8] == b"ftyp":
        return "mov" if data[8:12] == b"qt  " else "mp4"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "webm" if b"webm" in data[:64] else "mkv"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return "mov"
    raise Unreadable("no known video container")


def audio_format(data: bytes) -> str:
    """Return the audio format's name by its first bytes; raise Unreadable if none is known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:3] == b"ID3" or data[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "mp3"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[4:8] == b"ftyp":
        return "m4a"
    if data[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "aac"
    raise Unreadable("no known audio format")
