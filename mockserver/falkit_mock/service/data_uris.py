"""Data URIs, read as fal's SDK reads them (wire.md §7.4)."""

from __future__ import annotations

import base64
from functools import lru_cache
from urllib.parse import unquote_to_bytes

# What the SDK's reader takes for white space before a scheme.
_BEFORE_SCHEME = "".join(map(chr, range(33)))


def is_data_uri(url: str) -> bool:
    """Tell whether a URL holds its file itself."""
    # Most are addresses, which need no closer look.
    return not url.startswith("http") and url.lstrip(_BEFORE_SCHEME)[:5].lower() == "data:"


# Labels that a model of fal's has refused, though they are common (wire.md §7.4).
_REFUSED_LABELS = ("audio/wav", "audio/wave", "audio/webm", "audio/mp4", "audio/ogg")


@lru_cache(maxsize=256)
def _extension(label: str) -> str | None:
    from mimetypes import MimeTypes

    # Without the machine's own list, so that all machines know the same.
    return MimeTypes(filenames=()).guess_extension(label, strict=False)


def unknown_label(url: str) -> str | None:
    """Return a data URI's media type if it leads to no file extension; None where it does."""
    head = url.lstrip(_BEFORE_SCHEME)[5:300].partition(",")[0]
    label = head.partition(";")[0].strip().lower()
    known = not label or (label not in _REFUSED_LABELS and _extension(label))
    return None if known else label


def read_data_uri(url: str) -> bytes:
    """Return the bytes of a data URI, as urllib reads it for fal's SDK (wire.md §7.4).

    Raise ValueError for one that can't be read.
    """
    # Lazy, as are all imports that cost and that most requests do without.
    from urllib.request import Request

    request = Request(url)
    if request.type != "data":
        raise ValueError(f"its scheme is {request.type!r}")
    head, comma, data = request.full_url.partition(":")[2].partition(",")
    if not comma:
        raise ValueError("there is no comma between its type and its data")
    octets = _unquoted(data)
    return base64.decodebytes(octets) if head.endswith(";base64") else octets


# Characters that are percent-decoded at a time: decoding makes an object of each escape, while all
# other threads wait.
_AT_ONCE = 1 << 18


def _unquoted(text: str) -> bytes:
    pieces: list[bytes] = []
    start = 0
    while start < len(text):
        end = start + _AT_ONCE
        if (escape := text.rfind("%", end - 2, end)) >= 0:
            end = escape
        pieces.append(unquote_to_bytes(text[start:end]))
        start = end
    return b"".join(pieces)
