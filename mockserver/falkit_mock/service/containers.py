"""Videos by their containers: which tracks are in them, how long they are, whether they are whole.

Only headers are read, wherever in the file they are, and a bounded number of them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple


class Unreadable(Exception):
    """The bytes aren't a medium that can be loaded; the message says why."""


# Reads of a file at most, which bounds the time that any file takes, and bytes of its headers.
_READS = 50_000
HEADERS = 64 * 1024 * 1024
HEAD = 4096
_AVI_HEAD = 1024 * 1024
# Elements of a recording that are looked at.
_LIVE = 10_000


class Source:
    """A file's bytes, wherever they are; `read` returns those there are of [start, end)."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._read = read
        self._reads = 0

    @classmethod
    def of(cls, data: bytes) -> Source:
        """Return bytes in memory as a source."""
        return cls(len(data), lambda start, end: data[start:end])

    def read(self, start: int, end: int) -> bytes:
        """Return bytes; raise Unreadable for a file in which there is no end of headers."""
        self._reads += 1
        if self._reads > _READS:
            raise Unreadable("it has more headers than any player would read")
        return self._read(start, end)


@dataclass(frozen=True, slots=True)
class Found:
    """What a file is: its format, as documents call it, and the tracks in it."""

    format: str
    video: bool = False
    audio: bool = False
    # None where the container doesn't say.
    seconds: float | None = None
    # Whether it ends before the container says that it does.
    cut: bool = False
    # Of a picture, or of a video's frames, in pixels; None where the container doesn't say.
    width: int | None = None
    height: int | None = None
    # Frames per second, as a mean; None where the container doesn't say.
    fps: float | None = None


# By the brand in the first box of an ISO file.
_BRANDS = {
    "qt  ": "mov",
    **dict.fromkeys(("M4V ", "M4VH", "M4VP"), "m4v"),
    **dict.fromkeys(("M4A ", "M4B ", "M4P "), "m4a"),
    **dict.fromkeys(("avif", "avis"), "avif"),
    **dict.fromkeys(("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"), "heif"),
}
PICTURES = ("avif", "heif")


def _iso(source: Source) -> Found:
    """Read an MP4 or one of its relatives; pictures such as HEIC and AVIF are among them."""
    boxes = dict[bytes, tuple[int, int]]()
    cut = False
    for kind, start, end in _boxes(source):
        boxes.setdefault(kind, (start, min(end, source.size)))
        cut = cut or end > source.size
    start, end = boxes.get(b"ftyp", (0, 0))
    ftyp = source.read(start, min(end, start + HEAD))
    # A file from before there were brands is QuickTime's.
    brand = ftyp[8:12].decode("latin-1") if ftyp else "qt  "
    format = "3gp" if brand[:2] == "3g" else _BRANDS.get(brand, "mp4")
    if format in PICTURES:
        # A sequence of pictures may have tracks, and is no video all the same.
        return Found(format)
    if b"moov" not in boxes:
        raise Unreadable(f"there is no 'moov' box in the {format}: the file is cut short")
    start, end = boxes[b"moov"]
    if end - start > HEADERS:
        raise Unreadable(f"the 'moov' box is larger than {HEADERS} bytes")
    # Lazy: with its reader comes all that writes clips.
    from falkit_fixtures import mp4

    try:
        facts = mp4.read(source.read(start, end))
    except mp4.UnreadableVideo as error:
        raise Unreadable(str(error)) from None
    video = facts.video and facts.width is not None
    if format == "mp4" and not video:
        format = "m4a"
    return Found(
        format,
        video,
        facts.audio,
        facts.duration,
        cut,
        facts.width,
        facts.height,
        facts.fps,
    )


def _boxes(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """Walk a file's own boxes: the kind, where it starts, where it says that it ends."""
    at, seen = 0, set[bytes]()
    while len(header := source.read(at, at + 16)) >= 8:
        length, kind = struct.unpack_from(">I4s", header)
        if length == 1:
            (length,) = struct.unpack_from(">Q", header, 8)
        if 0 < length < 8 or not re.fullmatch(b"[ -~]{4}", kind):
            if {b"moov", b"mdat"} <= seen:
                # What follows a whole file is nobody's concern.
                return
            raise Unreadable(f"the box {kind!r} of {length} bytes is none that there is")
        end = at + length if length else source.size
        yield kind, at, end
        seen.add(kind)
        at = end


_EBML, _SEGMENT, _INFO, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B
_CLUSTER = 0x1F43B675
_DOC_TYPE, _SCALE, _DURATION, _TRACK, _TRACK_TYPE = 0x4282, 0x2AD7B1, 0x4489, 0xAE, 0x83
_VIDEO, _WIDTH, _HEIGHT, _FRAME_TIME = 0xE0, 0xB0, 0xBA, 0x23E383


def _matroska(source: Source) -> Found:
    """Read a Matroska or WebM file."""
    top = _elements(source, 0, source.size)
    doc_type, end = b"matroska", 0
    for id, start, end in top:
        if id == _EBML:
            doc_type = _child(source, start, end, _DOC_TYPE) or doc_type
        elif id == _SEGMENT:
            break
    else:
        raise Unreadable("the file has no segment")
    kinds, seconds, frame = set[bytes](), None, _Frame()
    for id, inner, stop in _elements(source, start, min(end, source.size)):
        if id == _INFO:
            scale = int.from_bytes(_child(source, inner, stop, _SCALE) or b"\x0f\x42\x40")
            ticks = _child(source, inner, stop, _DURATION)
            if ticks and len(ticks) in (4, 8):
                length = struct.unpack(">f" if len(ticks) == 4 else ">d", ticks)[0] * scale / 1e9
                seconds = length if 0 < length < 1e9 else None
        elif id == _TRACKS:
            for entry, first, last in _elements(source, inner, min(stop, source.size)):
                if entry == _TRACK:
                    kind = _child(source, first, last, _TRACK_TYPE) or b""
                    if kind == b"\x01" and kind not in kinds:
                        frame = _frame(source, first, last)
                    kinds.add(kind)
        elif id == _CLUSTER and end == source.size:
            # A recording that doesn't know its length: it is whole if its last cluster is.
            live = islice(_elements(source, inner, source.size), _LIVE)
            end = max((last for _, _, last in live), default=end)
            break
    if not kinds:
        raise Unreadable("the file names no tracks: it is cut short")
    format = "webm" if doc_type.rstrip(b"\0") == b"webm" else "mkv"
    return Found(format, b"\x01" in kinds, b"\x02" in kinds, seconds, end > source.size, *frame)


class _Frame(NamedTuple):
    """What a video track's header says: pixels, and frames per second."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None


def _frame(source: Source, start: int, end: int) -> _Frame:
    pause = int.from_bytes((_child(source, start, end, _FRAME_TIME) or b"")[:8])
    sides = list[int]()
    for id, first, last in _elements(source, start, min(end, source.size)):
        if id == _VIDEO:
            named = (_child(source, first, last, side) or b"" for side in (_WIDTH, _HEIGHT))
            sides = [int.from_bytes(side[:8]) for side in named]
            break
    width, height = sides or (0, 0)
    return _Frame(width or None, height or None, 1e9 / pause if pause else None)


def _elements(source: Source, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Walk the elements of a stretch: the id, where the payload starts and ends.

    An element that doesn't know its length is stepped into, since what is in it follows.
    """
    while header := source.read(at, min(at + 12, stop)):
        id_length = 9 - header[0].bit_length()
        size_length = 9 - header[id_length].bit_length() if id_length < len(header) else 9
        if id_length > 4 or size_length > 8 or len(header) < id_length + size_length:
            return
        id = int.from_bytes(header[:id_length])
        bits = int.from_bytes(header[id_length : id_length + size_length])
        length, unknown = bits & ~(1 << 7 * size_length), (1 << 7 * size_length) - 1
        start = at + id_length + size_length
        yield id, start, stop if length == unknown else start + length
        at = start if length == unknown else start + length


def _child(source: Source, start: int, end: int, wanted: int) -> bytes | None:
    for id, first, last in _elements(source, start, min(end, source.size)):
        if id == wanted:
            return source.read(first, min(last, first + 64))
    return None


def chunks(source: Source) -> Iterator[tuple[bytes, int, int]]:
    """Walk the chunks of a RIFF file: the kind, where the payload starts and ends."""
    at = 12
    while len(header := source.read(at, at + 8)) == 8:
        kind, length = struct.unpack("<4sI", header)
        yield kind, at + 8, at + 8 + length
        at += 8 + length + length % 2


def _avi(source: Source) -> Found:
    (length,) = struct.unpack("<I", source.read(4, 8))
    kinds, seconds, frame = set[bytes](), None, _Frame()
    for kind, start, end in chunks(source):
        if kind != b"LIST" or source.read(start, start + 4) != b"hdrl":
            continue
        header = source.read(start, min(end, start + _AVI_HEAD))
        at = header.index(b"avih") + 8
        pause, frames, width, height = struct.unpack_from("<I12xI12xII", header, at)
        seconds = pause * frames / 1e6 or None
        frame = _Frame(width or None, height or None, 1e6 / pause if pause else None)
        kinds = {match[1] for match in re.finditer(rb"strh.{4}(vids|auds)", header, re.DOTALL)}
        break
    if not kinds:
        raise Unreadable("the file names no streams: it is cut short")
    short = length + 8 > source.size
    return Found("avi", b"vids" in kinds, b"auds" in kinds, seconds, short, *frame)


def _gif(source: Source) -> Found:
    """Walk the blocks of a GIF; one that ends within a block is cut."""
    data = source.read(0, min(source.size, HEADERS))

    def after(at: int) -> int:
        while length := data[at]:
            at += 1 + length
        return at + 1

    at, pause, frames = 13 + _gif_colours(data[10]), 0, 0
    try:
        while at < len(data) and data[at] != 0x3B:
            if data[at] == 0x21:
                if data[at + 1] == 0xF9:
                    pause += data[at + 4] | data[at + 5] << 8
                at = after(at + 2)
            elif data[at] == 0x2C:
                frames += 1
                at = after(at + 11 + _gif_colours(data[at + 9]))
            else:
                break
        cut = False
    except IndexError:
        cut = len(data) == source.size
    width, height = struct.unpack_from("<HH", data, 6)
    fps = frames * 100 / pause if pause else None
    return Found("gif", frames > 0, False, pause / 100 or None, cut, width, height, fps)


def _gif_colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


READERS: dict[bytes, Callable[[Source], Found]] = {
    b"....(ftyp|moov|mdat|wide|free|skip)": _iso,
    rb"\x1aE\xdf\xa3": _matroska,
    b"RIFF....AVI ": _avi,
    b"GIF8[79]a": _gif,
}
"""By how a file begins, what reads it."""
