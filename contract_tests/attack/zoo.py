"""Pictures and other files that have made decoders fall: small, and large once decoded."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def _saved(form: str, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, form)
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, packed: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", packed)
        + _chunk(b"IEND", b"")
    )


def lossless_webp(side: int) -> bytes:
    bits = struct.pack("<I", (side - 1) | (side - 1) << 14)
    body = b"VP8L" + struct.pack("<I", 15) + b"\x2f" + bits + b"\x88\x88\x08" + bytes(7) + b"\0"
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _progressive() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    # Empty scans: each has the whole picture gone through.
    return data[:-2] + b"\xff\xda\0\x08\1\1\0\1\x3f\0" * 2000 + data[-2:]


_EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(attack) print\nshowpage\n"
)
ANIMALS = [
    *(_saved(form) for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA")),
    _progressive(),
    _EPS,
    b"P6 9400 9400 255\n",
    b"P5 65000 65000 65535\n\0",
    lossless_webp(9000),
    _png(60_000, 60_000, zlib.compress(bytes(200_000))),
    _png(4000, 4000, zlib.compress(bytes(4000 * 12_001))),
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + b"\0\0\0\x08meta" * 3,
    b"\0\0\0\x01moov" + b"\xff" * 8,
    b"\x1aE\xdf\xa3" + b"\xff" * 30,
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    b"",
]
