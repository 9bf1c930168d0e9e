"""Files of this machine in an input: paths, bytes and open files become data URIs.

Strings are never taken for paths, `file://` included: an application that hands on its users' URLs
must not be made to read its own files.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, TypeGuard, cast, runtime_checkable

from falkit_client._sniff import sniff
from falkit_spec.facts import MediaInput
from falkit_spec.types import Fault, Object


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


class _Unusable(Exception):
    def __init__(self, kind: str, message: str, ctx: Object | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.ctx = ctx


@dataclass(slots=True)
class Embedding:
    """Puts the files of an input into it; `faults` names each that cannot be."""

    media: Sequence[MediaInput] = ()
    judge: bool = True
    """Whether formats and sizes are held against `media`."""
    others: Collection[str] = ()
    """Input fields that take no file."""
    faults: list[Fault] = field(default_factory=list[Fault])

    def of(self, body: Mapping[str, object]) -> dict[str, object]:
        """A copy of the input with data URIs for files; reads them, so it may take a while."""
        known = {medium.field: medium for medium in self.media}
        for name in body:
            if self.judge and name in self.others and has_local(body[name]):
                fault = _Unusable("string_type", f"{name} takes no file")
                self.faults.append(_fault(fault, body[name], ["body", name]))
        return {
            name: self._walked(value, ["body", name], known.get(name))
            for name, value in body.items()
        }

    def _walked(self, value: object, loc: list[str | int], medium: MediaInput | None) -> object:
        if isinstance(value, Mapping):
            pairs = cast("Mapping[object, object]", value).items()
            return {name: self._walked(item, [*loc, str(name)], medium) for name, item in pairs}
        if isinstance(value, list | tuple):
            items = cast("Sequence[object]", value)
            return [self._walked(item, [*loc, at], medium) for at, item in enumerate(items)]
        try:
            if is_local(value):
                return self._embedded(value, medium)
            if medium and isinstance(value, str) and value[:5].lower() == "file:":
                mend = "give pathlib.Path(…): strings are never read as files"
                raise _Unusable("file_url", f"fal cannot reach a file of this machine; {mend}")
        except _Unusable as fault:
            self.faults.append(_fault(fault, value, loc))
            return EMPTY
        return value

    def _embedded(self, value: Local, medium: MediaInput | None) -> str:
        judged = medium if self.judge else None
        data = _read(value, judged.max_bytes if judged else None)
        found = sniff(data)
        if judged:
            if found is None or (found.kind != judged.kind and found.format not in judged.formats):
                what = f"the bytes are no {judged.kind}" if data else "the file is empty"
                raise _unsupported(judged, what)
            if found.format not in judged.formats:
                raise _unsupported(judged, f"the bytes are {found.format}")
        mime = found.mime if found else "application/octet-stream"
        return f"data:{mime};base64,{base64.b64encode(data).decode()}"


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


def without_files(value: object) -> object:
    """A copy in which no file is left to read."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {name: without_files(item) for name, item in pairs}
    if isinstance(value, list | tuple):
        return [without_files(item) for item in cast("Sequence[object]", value)]
    return EMPTY if is_local(value) else value


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
            raise _Unusable("file_unreadable", f"{path} is no ordinary file")
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


def _unsupported(medium: MediaInput, what: str) -> _Unusable:
    *most, last = medium.formats
    listed = f"{', '.join(most)} or {last}" if most else last
    ctx: Object = {"supported_formats": list(medium.formats)}
    return _Unusable(f"unsupported_{medium.kind}_format", f"{what}; give {listed}", ctx)


def _fault(fault: _Unusable, value: object, loc: list[str | int]) -> Fault:
    given = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, os.PathLike):
        given = str(Path(cast("os.PathLike[str]", value)))
    found: Fault = {"type": fault.kind, "loc": loc, "msg": fault.message, "input": given}
    if fault.ctx is not None:
        found["ctx"] = fault.ctx
    return found
