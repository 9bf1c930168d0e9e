"""What bytes are, by their first few and never by their name or label."""

from __future__ import annotations

from typing import NamedTuple

from falkit_spec.facts import MediaKind


class Sniffed(NamedTuple):
    """A kind of medium, its format as the documents name it, and its MIME type."""

    kind: MediaKind
    format: str
    mime: str


# What an ISO file calls itself in its first box, `ftyp`.
_BRANDS = {
    **dict.fromkeys(("avif", "avis"), Sniffed("image", "avif", "image/avif")),
    **dict.fromkeys(
        ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"),
        Sniffed("image", "heif", "image/heif"),
    ),
    "qt  ": Sniffed("video", "mov", "video/quicktime"),
    **dict.fromkeys(("M4V ", "M4VH", "M4VP"), Sniffed("video", "m4v", "video/x-m4v")),
    **dict.fromkeys(("M4A ", "M4B "), Sniffed("audio", "m4a", "audio/mp4")),
}
_RIFF = {
    b"WEBP": Sniffed("image", "webp", "image/webp"),
    b"AVI ": Sniffed("video", "avi", "video/x-msvideo"),
    b"WAVE": Sniffed("audio", "wav", "audio/wav"),
}
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", Sniffed("image", "png", "image/png")),
    (b"\xff\xd8\xff", Sniffed("image", "jpeg", "image/jpeg")),
    (b"GIF87a", Sniffed("image", "gif", "image/gif")),
    (b"GIF89a", Sniffed("image", "gif", "image/gif")),
    (b"BM", Sniffed("image", "bmp", "image/bmp")),
    (b"II*\0", Sniffed("image", "tiff", "image/tiff")),
    (b"MM\0*", Sniffed("image", "tiff", "image/tiff")),
    (b"fLaC", Sniffed("audio", "flac", "audio/flac")),
    (b"OggS", Sniffed("audio", "ogg", "audio/ogg")),
    (b"ID3", Sniffed("audio", "mp3", "audio/mpeg")),
    (b"\xff\xfb", Sniffed("audio", "mp3", "audio/mpeg")),
    (b"\xff\xf3", Sniffed("audio", "mp3", "audio/mpeg")),
    (b"\xff\xf2", Sniffed("audio", "mp3", "audio/mpeg")),
    (b"\xff\xf1", Sniffed("audio", "aac", "audio/aac")),
    (b"\xff\xf9", Sniffed("audio", "aac", "audio/aac")),
)


def sniff(data: bytes) -> Sniffed | None:
    r"""What the bytes begin as; None for what is no known medium.

    >>> sniff(b"\xff\xd8\xff\xe0").format
    'jpeg'
    >>> sniff(b"%PDF-1.7")
    """
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _branded(data)
    if data[:4] == b"\x1aE\xdf\xa3":
        webm = b"webm" in data[:64]
        return Sniffed("video", *(("webm", "video/webm") if webm else ("mkv", "video/x-matroska")))
    return next((found for start, found in _STARTS if data.startswith(start)), None)


def _branded(data: bytes) -> Sniffed:
    first = data[8:12].decode("latin-1")
    # A picture may lead with the brand of its family and name its own among the others.
    others = data[16 : min(int.from_bytes(data[:4]), 256)]
    if first in ("mif1", "msf1") and b"avif" in others:
        first = "avif"
    return _BRANDS.get(first, Sniffed("video", "mp4", "video/mp4"))
