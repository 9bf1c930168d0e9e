"""Files of outputs: what is said of them, and how they are read (wire.md §7.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from falkit_contract.conform.checks import Table
from falkit_contract.conform.probe import CouldNotLook, NotApplicable, Probe, short
from falkit_contract.conform.target import Exchange
from falkit_spec.types import JSON, Object

TABLE = Table()
# What files of a format have at a place near their beginning.
_MARKS: Mapping[str, tuple[int, bytes]] = {
    "video/mp4": (4, b"ftyp"),
    "video/quicktime": (4, b"ftyp"),
    "video/webm": (0, b"\x1a\x45\xdf\xa3"),
    "image/png": (0, b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": (0, b"\xff\xd8\xff"),
    "image/webp": (8, b"WEBP"),
    "image/gif": (0, b"GIF8"),
    "image/avif": (4, b"ftyp"),
    "audio/wav": (8, b"WAVE"),
    "audio/x-wav": (8, b"WAVE"),
    "audio/flac": (0, b"fLaC"),
    "audio/ogg": (0, b"OggS"),
}
# A player reads this far to see what a file is.
_FIRST, _LAST = 16, 115


@TABLE.add("media.fields", "§7.4", "A file has a url, and what else is said of it has its type", 1)
def _(probe: Probe) -> None:
    for file in _files(probe.output()):
        for name, kind in {"content_type": str, "file_name": str, "file_size": int}.items():
            got = file.get(name)
            right = got is None or (isinstance(got, kind) and not isinstance(got, bool))
            probe.expect(right, f"{name}: {kind.__name__} or null", file)
        return
    raise NotApplicable("the output has no file")


@TABLE.add("media.read", "§1.5", "A file is read without a key", 1)
def _(probe: Probe) -> None:
    reply = probe.ask("GET", _url(probe), key=False)
    probe.code(reply, 200)
    probe.expect(bool(reply.body), "a file that isn't empty", "no bytes")


@TABLE.add("media.size", "§7.4", "A file is as large as file_size says", 1)
def _(probe: Probe) -> None:
    file = _file(probe)
    size = file.get("file_size")
    if size is None:
        raise NotApplicable("the output says no file_size")
    got = len(_read(probe, file).body)
    probe.expect(got == size, f"{short(size)} bytes", f"{got} bytes")


@TABLE.add("media.type", "§7.4", "A file is what content_type says, and so says its reply", 1)
def _(probe: Probe) -> None:
    file = _file(probe)
    said = file.get("content_type")
    if not isinstance(said, str):
        raise NotApplicable("the output says no content_type")
    reply = _read(probe, file)
    label = reply.headers.get("content-type", "").partition(";")[0]
    probe.expect(label == said, f"content-type {said}, as in the output", label)
    if said in _MARKS:
        at, mark = _MARKS[said]
        found = reply.body[at : at + len(mark)]
        probe.expect(found == mark, f"a file that is {said}", f"it begins {reply.body[:16]!r}")


@TABLE.add("media.range", "§7.4", "A range, where it is answered, is of the bytes asked for", 1)
def _(probe: Probe) -> None:
    file = _file(probe)
    whole = _read(probe, file).body
    head = {"range": f"bytes={_FIRST}-{_LAST}"}
    reply = probe.ask("GET", str(file["url"]), headers=head, key=False)
    probe.code(reply, 206, 200)
    probe.note(reply.status == 206, "ranges aren't answered: players can't seek in its files")
    if reply.status == 200:
        probe.expect(reply.body == whole, "the whole file, where no range is answered", "another")
        return
    if len(whole) <= _LAST:
        raise NotApplicable(f"the file has {len(whole)} bytes")
    said = reply.headers.get("content-range", "")
    right = re.fullmatch(rf"bytes {_FIRST}-{_LAST}/({len(whole)}|\*)", said)
    wanted = f"Content-Range: bytes {_FIRST}-{_LAST}/{len(whole)}"
    probe.expect(right is not None, wanted, said)
    same = reply.body == whole[_FIRST : _LAST + 1]
    probe.expect(same, f"bytes {_FIRST} to {_LAST} of the file", f"{len(reply.body)} others")


@TABLE.add("media.head", "§7.4", "HEAD tells of a file what GET does, without its bytes", 1)
def _(probe: Probe) -> None:
    file = _file(probe)
    whole = _read(probe, file)
    reply = probe.ask("HEAD", str(file["url"]), key=False)
    probe.code(reply, 200)
    got = reply.headers.get("content-length")
    probe.expect(got in (None, str(len(whole.body))), f"Content-Length: {len(whole.body)}", got)


def _files(value: JSON) -> Iterator[Object]:
    """Yield the files in an output: objects with a url."""
    if isinstance(value, dict):
        if isinstance(value.get("url"), str):
            yield value
        value = [*value.values()]
    if isinstance(value, list):
        for one in value:
            yield from _files(one)


def _file(probe: Probe) -> Object:
    found = next(_files(probe.output()), None)
    if found is None:
        raise NotApplicable("the output has no file")
    return found


def _url(probe: Probe) -> str:
    return str(_file(probe)["url"])


def _read(probe: Probe, file: Object) -> Exchange:
    reply = probe.ask("GET", str(file["url"]), key=False)
    if reply.status != 200:
        raise CouldNotLook(f"the file can't be read: {short(f'{reply.status} {reply.text}')}")
    return reply
