"""Sounds by their frames and headers: what they are, and how long."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from falkit_mock.service.containers import HEAD, Found, Source, Unreadable, chunks

# More than two of the largest pages.
_OGG_TAIL = 2 * 66_000


def _wav(source: Source) -> Found:
    rate = 0
    for kind, start, end in chunks(source):
        if kind == b"fmt ":
            (rate,) = struct.unpack("<I", source.read(start + 8, start + 12))
        elif kind == b"data" and rate:
            size = min(end, source.size) - start
            return Found("wav", audio=True, seconds=size / rate)
    raise Unreadable("the file has no sound in it")


def _flac(source: Source) -> Found:
    # 20 bits of rate, 3 of channels, 5 of sample size, 36 of samples.
    (bits,) = struct.unpack(">Q", source.read(18, 26))
    rate, samples = bits >> 44, bits & (1 << 36) - 1
    return Found("flac", audio=True, seconds=samples / rate if rate and samples else None)


def _ogg_rate(packet: bytes) -> int:
    """Return the samples per second that a codec's header names; 0 if it is no sound's."""
    if named := re.match(rb"\x01vorbis.{5}(....)|Speex   .{28}(....)", packet, re.DOTALL):
        return int.from_bytes(named[1] or named[2], "little")
    if named := re.match(rb"\x7fFLAC.{22}(...)", packet, re.DOTALL):
        return int.from_bytes(named[1]) >> 4
    return 48_000 if packet[:8] == b"OpusHead" else 0


def _ogg(source: Source) -> Found:
    at, video, rate = 0, False, 0
    for _ in range(16):
        page = source.read(at, at + HEAD)
        # Each stream's first page, which has its codec's header, comes before all else.
        if page[:4] != b"OggS" or not page[5] & 2:
            break
        lengths = page[27 : 27 + page[26]]
        packet = page[27 + page[26] :]
        video = video or packet[1:7] == b"theora"
        rate = rate or _ogg_rate(packet)
        at += 27 + page[26] + sum(lengths)
    if not (video or rate):
        raise Unreadable("the file has no sound or picture of a known kind in it")
    tail = source.read(max(source.size - _OGG_TAIL, at), source.size)
    granule = 0
    for found in re.finditer(b"OggS", tail[:-26]):
        start = found.start() + 27
        lengths = tail[start : start + tail[start - 1]]
        if start + len(lengths) + sum(lengths) <= len(tail):
            granule = max(granule, *struct.unpack_from("<q", tail, start - 21))
    if granule <= 0:
        raise Unreadable("nothing follows its headers: the file is cut short")
    seconds = granule / rate if rate and not video else None
    return Found("ogv" if video else "ogg", video, rate > 0, seconds)


_MP3_BITRATES = {
    # By version (1, or 2 and 2.5) and layer, in kbit/s.
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3(source: Source) -> Found:
    at = 0
    while (tag := source.read(at, at + 10))[:3] == b"ID3" and len(tag) == 10:
        size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
        at += 10 + size + (10 if tag[5] & 0x10 else 0)
    # Some writers leave a gap behind the tag.
    gap = source.read(at, at + HEAD)
    for match in re.finditer(rb"\xff[\xe0-\xff]", gap):
        first = at + match.start()
        length, samples, rate, bits = _mp3_frame(source.read(first, first + 4))
        if length and (_mp3_frame(source.read(first + length, first + length + 4))[0]):
            break
    else:
        raise Unreadable("there are no frames of MP3 in it")
    counted = re.search(
        rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)",
        source.read(first, first + 200),
        re.DOTALL,
    )
    seconds = (source.size - first) * 8 / bits
    if counted:
        seconds = int.from_bytes(counted[1]) * samples / rate
    return Found("mp3", audio=True, seconds=seconds)


def _mp3_frame(header: bytes) -> tuple[int, int, int, int]:
    """Return a frame's length in bytes, its samples, their rate, and bits per second; else 0s."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0, 0, 0, 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    index, rate_index = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or index in (0, 15) or rate_index == 3:
        return 0, 0, 0, 0
    family = 1 if version == 3 else 2
    rate = (44_100, 48_000, 32_000)[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    bits = _MP3_BITRATES[family, layer][index - 1] * 1000
    samples = 384 if layer == 1 else 576 if layer == 3 and family == 2 else 1152
    slot, padding = (4 if layer == 1 else 1), header[2] >> 1 & 1
    return (samples // 8 * bits // rate // slot + padding) * slot, samples, rate, bits


_AAC_RATES = (96, 88.2, 64, 48, 44.1, 32, 24, 22.05, 16, 12, 11.025, 8, 7.35)


def _aac(source: Source) -> Found:
    data, at, frames = source.read(0, 65_536), 0, 0
    rate = _AAC_RATES[data[2] >> 2 & 15] * 1000
    while at + 7 <= len(data):
        if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
            raise Unreadable("its frames of AAC don't follow one another")
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        at, frames = at + max(length, 7), frames + 1
    # From the beginning's mean to the whole.
    return Found("aac", audio=True, seconds=source.size / at * frames * 1024 / rate)


READERS: dict[bytes, Callable[[Source], Found]] = {
    b"(RIFF|RF64)....WAVE": _wav,
    b"fLaC": _flac,
    b"OggS": _ogg,
    rb"\xff[\xf0\xf1\xf8\xf9]": _aac,
    rb"ID3|\xff[\xe0-\xff]": _mp3,
    b"FORM....AIF[FC]": lambda _: Found("aiff", audio=True),
}
"""By how a file begins, what reads it."""
