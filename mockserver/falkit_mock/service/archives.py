"""Archives and models by how they begin and end: nothing in them is decompressed but one header."""

from __future__ import annotations

import re
import struct
import zlib

from falkit_mock.service.containers import HEAD, Found, Source, Unreadable

# The longest end of a ZIP: its record and a comment.
_ZIP_END = 22 + 65_535
# Files of an archive that are looked at.
_MEMBERS = 10_000


def archive(source: Source) -> Found:
    """Return which archive a file is: `zip`, `tar` or `tar.gz`; raise Unreadable for any other."""
    head = source.read(0, HEAD)
    if head[:2] == b"PK":
        return _zip(source)
    if head[:3] == b"\x1f\x8b\x08":
        try:
            # However large it is unpacked, no more than a header is.
            first = zlib.decompressobj(31).decompress(head, 512)
        except zlib.error as error:
            raise Unreadable(str(error)) from None
        _member(first)
        return Found("tar.gz")
    return _tar(source)


def _zip(source: Source) -> Found:
    start = max(source.size - _ZIP_END, 0)
    tail = source.read(start, source.size)
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise Unreadable("the ZIP has no directory at its end: it is cut short")
    count, length = struct.unpack_from("<HI", tail, end + 10)
    end += start
    if (count == 0xFFFF or length == 0xFFFFFFFF) and end >= 76:
        wide = source.read(end - 76, end - 20)
        if wide[:4] == b"PK\6\6":
            end -= 76
            count, length = struct.unpack_from("<QQ", wide, 32)
    at = end - length
    for _ in range(min(count, _MEMBERS)):
        entry = source.read(at, at + 46) if at >= 0 else b""
        if entry[:4] != b"PK\1\2" or len(entry) < 46:
            raise Unreadable("the ZIP's directory is damaged")
        at += 46 + sum(struct.unpack_from("<HHH", entry, 28))
    if at > end:
        raise Unreadable("the ZIP's directory is damaged")
    return Found("zip")


def _tar(source: Source) -> Found:
    at = 0
    for _ in range(_MEMBERS):
        header = source.read(at, at + 512)
        if at and (not header or not header.strip(b"\0")):
            break
        at += 512 + (_member(header) + 511) // 512 * 512
        if at > source.size:
            raise Unreadable("the TAR is cut short")
    return Found("tar")


def _member(header: bytes) -> int:
    """Return how many bytes a TAR's header says that follow it; raise Unreadable for none."""
    if len(header) == 512:
        plain = sum(header) - sum(header[148:156]) + 8 * 0x20
        said = re.fullmatch(rb" *([0-7]{1,7})[ \0]*", header[148:156])
        if said and int(said[1], 8) == plain:
            if header[124] == 0x80:
                return int.from_bytes(header[125:136])
            size = re.fullmatch(rb" *([0-7]*)[ \0]*", header[124:136])
            if size:
                return int(size[1] or b"0", 8)
    raise Unreadable("it is neither a ZIP nor a TAR")


# By how a file begins, what it is.
_MODELS = {
    rb"Kaydara FBX Binary|; FBX ": "fbx",
    rb"ply\r?\n": "ply",
    rb"solid[ \r\n]": "stl",
    rb"PXR-USDC|#usda": "usd",
    rb"BLENDER": "blend",
    rb"GGUF": "gguf",
    rb"\x80[\x02-\x05]": "ckpt",
    rb"\s*<(\?xml[^>]*>\s*<)?COLLADA": "dae",
    rb'\s*\{[^\x00]*"asset"': "gltf",
    # Behind comments and empty lines.
    rb"([ \t]*(#[^\r\n]*)?\r?\n)*(v|o|g|mtllib) [^\s]": "obj",
}


def model(source: Source) -> Found:
    """Return which 3D model, or which weights of a model, a file is; raise Unreadable for none."""
    head = source.read(0, HEAD)
    if head[:4] == b"glTF" and len(head) >= 20:
        (length,) = struct.unpack_from("<I", head, 8)
        return Found("glb", cut=length > source.size)
    if head[:2] == b"PK":
        # USDZ, 3MF and PyTorch's files are ZIPs.
        return _zip(source)
    if len(head) > 8 and head[8:9] == b"{":
        (length,) = struct.unpack_from("<Q", head)
        return Found("safetensors", cut=length + 8 > source.size)
    if len(head) >= 84 and struct.unpack_from("<I", head, 80)[0] * 50 + 84 == source.size:
        return Found("stl")
    for beginning, name in _MODELS.items():
        if re.match(beginning, head):
            return Found(name)
    raise Unreadable("no known format of models begins like this")
