"""Files of this machine in an input: paths, bytes and open files become data URIs.

Strings are never read as paths, `file://` included: an application that passes on URLs of its users
must not be made to read its own files.
"""

from __future__ import annotations

import base64
import math
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, TypeGuard, cast, runtime_checkable

from falkit_spec.media import MediaInput, MediaKind, Step
from falkit_spec.types import JSON, Fault, Object


@runtime_checkable
class Readable(Protocol):
    """An open file, or anything else that `read()` empties."""

    def read(self) -> bytes:
        """Give the bytes from here to the end."""
        ...


Local: TypeAlias = os.PathLike[str] | bytes | bytearray | memoryview | Readable
Medium: TypeAlias = str | Local
"""A URL or data URI, or a file here: its path, its bytes, or the file opened for reading bytes."""

# What stands for a file that is not read: valid wherever a URL is.
EMPTY = "data:,"


Place: TypeAlias = list[str | int]
_Path: TypeAlias = tuple[Step, ...]


@dataclass
class _Unusable(Exception):
    """A file that can't be sent: the type, message and context of the fault it makes."""

    kind: str
    message: str
    ctx: Object | None = None


@dataclass(slots=True)
class Normalizer:
    """Copies inputs as plain JSON, files as data URIs: what is checked is exactly what is sent.

    `faults` gathers a fault for each value that can't be sent.
    """

    media: Sequence[MediaInput] = ()
    check: bool = True
    """Whether formats and sizes are checked against `media`."""
    others: Collection[str] = ()
    """Input fields that take no file."""
    reads: bool = True
    """Whether files are read; else `data:,` stands for each."""
    faults: list[Fault] = field(default_factory=list[Fault])

    def normalize(self, body: Mapping[str, object]) -> Object:
        """A copy of the input; it may take a while where the input has files."""
        for name in body:
            if self.check and name in self.others and has_local(body[name]):
                fault = _Unusable("string_type", f"{name} takes no file")
                self.faults.append(_fault(fault, body[name], ["body", name]))
        known = {medium.path: medium for medium in self.media}
        return {
            str(name): self._value(value, ["body", name], (str(name),), known)
            for name, value in body.items()
        }

    def _value(
        self, value: object, place: Place, path: _Path, known: Mapping[_Path, MediaInput]
    ) -> JSON:
        match value:
            case None | bool() | int():
                return value
            case float() if math.isfinite(value):
                return value
            case str() if _is_unicode(value) and not (
                value[:5].lower() == "file:" and path in known
            ):
                return value
            case Mapping():
                pairs = cast("Mapping[object, object]", value).items()
                return {
                    str(key): self._value(v, [*place, str(key)], (*path, str(key)), known)
                    for key, v in pairs
                }
            case list() | tuple():
                items = cast("Sequence[object]", value)
                inner = (*path, None)
                return [self._value(v, [*place, at], inner, known) for at, v in enumerate(items)]
            case _:
                return self._file(value, place, known.get(path))

    def _file(self, value: object, place: Place, medium: MediaInput | None) -> str | None:
        try:
            if is_local(value):
                return self._embedded(value, medium) if self.reads else EMPTY
            if isinstance(value, str) and _is_unicode(value):
                advice = "give pathlib.Path(…): strings are never read as files"
                raise _Unusable("file_url", f"fal cannot reach a file of this machine; {advice}")
        except _Unusable as fault:
            self.faults.append(_fault(fault, value, place))
            return EMPTY
        message = (
            f"Value of type {type(value).__name__} cannot be sent: "
            "give Unicode text, a finite number, true, false, null, a list or an object"
        )
        self.faults.append({"type": "not_json", "loc": place, "msg": message, "input": repr(value)})
        return None

    def _embedded(self, value: Local, medium: MediaInput | None) -> str:
        limits = medium if self.check else None
        data = _read(value, limits.max_bytes if limits else None)
        found = sniff(data)
        if limits and not (_fits(limits, found) and data):
            if found is not None and found.kind == limits.kind:
                raise _unsupported(limits, f"the bytes are {found.format}")
            what = f"the bytes are not {limits.kind} data" if data else "the file is empty"
            raise _unsupported(limits, what)
        mime = found.mime if found else "application/octet-stream"
        return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def without_files(body: Mapping[str, object]) -> Object:
    """The input as plain JSON with `data:,` for each file; none is read."""
    return Normalizer(reads=False).normalize(body)


def is_local(value: object) -> TypeGuard[Local]:
    """Whether a value is a file of this machine."""
    return isinstance(value, os.PathLike | bytes | bytearray | memoryview | Readable)


def has_local(value: object) -> bool:
    """Whether a file of this machine is anywhere in a value."""
    if isinstance(value, Mapping):
        return any(map(has_local, cast("Mapping[object, object]", value).values()))
    if isinstance(value, list | tuple):
        return any(map(has_local, cast("Sequence[object]", value)))
    return is_local(value)


def _is_unicode(text: str) -> bool:
    """Whether the text can be sent: half of a surrogate pair cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _read(value: Local, most: int | None) -> bytes:
    if isinstance(value, os.PathLike):
        data = _read_path(Path(value), most)
    elif isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
    else:
        data = _read_file(value)
    _check_size(len(data), most)
    return data


def _read_path(path: Path, most: int | None) -> bytes:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise _Unusable("file_is_directory", f"{path} is a folder; give a file in it")
        if not stat.S_ISREG(about.st_mode):
            raise _Unusable("file_unreadable", f"{path} is not a regular file")
        # Before reading: what is too large may be larger than the memory.
        _check_size(about.st_size, most)
        return path.read_bytes()
    except FileNotFoundError:
        raise _Unusable("file_not_found", f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise _Unusable("file_unreadable", f"{path} cannot be read ({error})") from None


def _read_file(file: Readable) -> bytes:
    try:
        data = cast("object", file.read())
    except (OSError, ValueError) as error:
        raise _Unusable("file_unreadable", f"the open file cannot be read ({error})") from None
    if not isinstance(data, bytes):
        raise _Unusable("file_unreadable", "the file was opened as text; open it with mode 'rb'")
    return data


def _check_size(size: int, most: int | None) -> None:
    if most is not None and size > most:
        message = f"{size:,} bytes are more than the {most:,} that the endpoint takes"
        raise _Unusable("file_too_large", message, {"max_size": most})


def _fits(medium: MediaInput, found: Sniffed | None) -> bool:
    """Whether a field may take what the bytes begin as: one of its formats, else of its kind.

    Bytes that begin like nothing known are left to the model where no formats are known.
    """
    if medium.formats:
        return found is not None and found.format in medium.formats
    if found is None or medium.kind not in ("image", "video", "audio"):
        return True
    # The sound of a video is a sound, and a moving GIF a video.
    also = {"audio": found.kind == "video", "video": found.format == "gif"}
    return found.kind == medium.kind or also.get(medium.kind, False)


def _unsupported(medium: MediaInput, what: str) -> _Unusable:
    kind = f"unsupported_{medium.kind}_format"
    if not medium.formats:
        return _Unusable(kind, f"{what}; {medium.field} takes another kind of file")
    *most, last = medium.formats
    listed = f"{', '.join(most)} or {last}" if most else last
    ctx: Object = {"supported_formats": [f".{name}" for name in medium.formats]}
    return _Unusable(kind, f"{what}; give {listed}", ctx)


def _fault(fault: _Unusable, value: object, loc: list[str | int]) -> Fault:
    given = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, os.PathLike):
        given = str(Path(cast("os.PathLike[str]", value)))
    found: Fault = {"type": fault.kind, "loc": loc, "msg": fault.message, "input": given}
    if fault.ctx is not None:
        found["ctx"] = fault.ctx
    return found


class Sniffed(NamedTuple):
    """A kind of medium, its format as the documents call it, and its MIME type."""

    kind: MediaKind
    format: str
    mime: str


# The brand in an ISO file's first box, `ftyp`.
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
    r"""What the bytes begin as; None for unknown ones.

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
    # An image may begin with its family's brand and have its own among the others.
    others = data[16 : min(int.from_bytes(data[:4]), 256)]
    if first in ("mif1", "msf1") and b"avif" in others:
        first = "avif"
    return _BRANDS.get(first, Sniffed("video", "mp4", "video/mp4"))
