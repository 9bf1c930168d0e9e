"""Outputs kept on this machine, so that identical work is paid for once.

    <folder>/<first 2 digits of the key>/<key>/entry.json    the output and what is known of it
                                              0-clip.mp4     its files, in order
    <folder>/tmp/<name>/                                     entries being written or removed

An entry appears and disappears by one rename of its folder, so processes may share a cache without
locks. A damaged entry counts as absent and is replaced.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast
from urllib.parse import unquote_to_bytes

from falkit_client.results import JsonObject, Result
from falkit_spec.types import JSON, Object

GiB = 1024**3
_VERSION = 1
_ENTRY = "entry.json"
_ABANDONED = 24 * 60 * 60.0


class Cache:
    """A folder of outputs, at most `max_bytes` in all; the least recently used is removed first.

    An output is found by endpoint, address, input with defaults, and the *bytes* of files in the
    input. A URL in the input counts as text: the cache does not notice if the file there changes.
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = 10 * GiB) -> None:
        """Use a folder; it is created when the first output is kept."""
        if max_bytes < 1:
            raise ValueError(f"max_bytes is {max_bytes}: give at least 1")
        self.folder = Path(folder).expanduser()
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        """Folder and size."""
        return f"Cache({str(self.folder)!r}, max_bytes={self.max_bytes})"

    @staticmethod
    def key(address: str, endpoint: str, full: Object) -> str:
        """The name of an output: 64 hexadecimal digits."""
        parts: JSON = [_VERSION, address, endpoint, _by_bytes(full)]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def find(self, key: str) -> Result[JsonObject] | None:
        """The output of this key, its `cost` 0; None if it is absent or damaged."""
        place = self._place(key)
        try:
            entry: JsonObject = json.loads((place / _ENTRY).read_bytes())
            if entry["version"] != _VERSION or not isinstance(entry["output"], dict):
                return None
            units = entry["billable_units"]
            result = Result(
                cast("JsonObject", entry["output"]),
                entry["endpoint"],
                entry["request_id"],
                billable_units=None if units is None else Decimal(units),
                cost=Decimal(0),
                cached=True,
                files={file["url"]: _intact(place, file) for file in entry["files"]},
            )
            os.utime(place / _ENTRY)
        except (OSError, ValueError, KeyError, TypeError, InvalidOperation):
            return None
        return result

    def room(self) -> Path:
        """A new folder's path, for the files of an output; `keep` or `drop` ends it."""
        return self.folder / "tmp" / uuid.uuid4().hex

    def drop(self, room: Path) -> None:
        """Remove a room."""
        shutil.rmtree(room, ignore_errors=True)

    def keep(
        self, key: str, result: Result[JsonObject], room: Path, files: Mapping[str, Path]
    ) -> Result[JsonObject]:
        """Make an entry of a room; the result with its files, or unchanged if it is too large."""
        units = result.billable_units
        entry = {
            "version": _VERSION,
            "endpoint": result.endpoint,
            "request_id": result.request_id,
            "billable_units": None if units is None else str(units),
            "output": result.output,
            "files": [_file(url, path) for url, path in files.items()],
        }
        (room / _ENTRY).write_text(json.dumps(entry), encoding="utf-8")
        if _size(room) > self.max_bytes:
            self.drop(room)
            return result
        place = self._place(key)
        self._move(room, place)
        self._make_room()
        return replace(result, files={url: place / path.name for url, path in files.items()})

    def clear(self) -> None:
        """Remove all entries."""
        for place in list(self._places()):
            self._remove(place)

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _move(self, room: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(10):
            try:
                room.rename(place)
            except OSError:
                # Another process was quicker, or the entry there is damaged: the newest one stays.
                self._remove(place)
            else:
                return
        raise OSError(f"{place} cannot be replaced")

    def _remove(self, place: Path) -> None:
        trash = self.room()
        trash.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            place.rename(trash)
            _delete(trash)

    def _make_room(self) -> None:
        entries = sorted((_last_used(place), _size(place), place) for place in self._places())
        total = sum(size for _, size, _ in entries)
        while entries and total > self.max_bytes:
            _, size, place = entries.pop(0)
            self._remove(place)
            total -= size
        for room in (self.folder / "tmp").iterdir():
            with contextlib.suppress(OSError):
                if time.time() - room.stat().st_mtime > _ABANDONED:
                    _delete(room)

    def _places(self) -> Iterator[Path]:
        yield from self.folder.glob("[0-9a-f][0-9a-f]/" + "[0-9a-f]" * 64)


def file_name(number: int, name: str) -> str:
    """A name for the copy of an output's file that is safe on any machine."""
    bare = re.sub(r"[^\w.-]", "_", Path(name.replace("\\", "/")).name)[-100:]
    return f"{number}-{bare or 'file'}"


def decoded(uri: str) -> bytes | None:
    """The bytes of a data URI; None for other text."""
    head, comma, data = uri.partition(",")
    if not comma or head[:5].lower() != "data:":
        return None
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def _by_bytes(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {name: _by_bytes(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_by_bytes(item) for item in value]
    data = decoded(value) if isinstance(value, str) else None
    return value if data is None else {"bytes": hashlib.sha256(data).hexdigest()}


def _file(url: str, path: Path) -> JsonObject:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"url": url, "name": path.name, "size": file.tell(), "sha256": digest}


def _intact(place: Path, file: JsonObject) -> Path:
    path = place / str(file["name"])
    if _file(file["url"], path) != file:
        raise ValueError(f"{path} is damaged")
    return path


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def _last_used(place: Path) -> float:
    try:
        return (place / _ENTRY).stat().st_mtime
    except OSError:
        return 0.0


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()
