"""Outputs that rules pin: read from the files that hold them, within bounds."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from falkit_mock.core import NotJson, loads, reason
from falkit_mock.faults import JOBS, Fault, Parameter, RuleError, shortened_json
from falkit_spec import JSON
from falkit_spec.types import is_object

# Bytes of a file of JSON, and such files in a folder or below it.
_MOST_BYTES, _MOST_FILES, _MOST_FOLDERS = 8 << 20, 1000, 10_000
# Stands in a rule in place of a fault: an output is found, counted and kept as faults are.
OUTPUT = Fault(
    "output",
    "output",
    "output",
    "it answers this output",
    JOBS,
    JOBS,
    (
        Parameter(
            "check",
            "boolean",
            True,
            "whether the output has to be valid by the endpoint's document",
        ),
    ),
)
_BEFORE_NUMBERS = re.compile(r"(\d+)")
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Fixture:
    """One output that a rule pins. Its files are named by paths.

    These are relative to the folder `base`, and lie within the folder `within`: both are real
    paths, and empty where no file can be named, and where any can.
    """

    # The file that it was read from, as a person would write it; empty where the rule has it.
    name: str
    value: Mapping[str, JSON]
    base: str = ""
    within: str = ""
    # Whether it has to be valid by the endpoint's document.
    check: bool = True


class Pin(NamedTuple):
    """What a rule has endpoints answer: one output, or several in turn."""

    # As the rule has it: a file's or folder's path, or the output itself.
    source: JSON
    fixtures: tuple[Fixture, ...]
    # The real path of the folder within which its files are; empty where the rule has the output.
    folder: str = ""
    # Path, time and size of each file of JSON, by which changes are noticed.
    stamps: tuple[tuple[str, int, int], ...] = ()

    def turn(self, application: int) -> Fixture:
        """Return the output of one of the rule's applications, the first of which is 1."""
        return self.fixtures[(application - 1) % len(self.fixtures)]


def read_pin(value: JSON, *, check: bool, folders: Collection[str] | None) -> Pin:
    """Read what a rule says of an output; raise RuleError.

    `folders` are the real paths of the folders within which files may be; None for anywhere on this
    machine, and those that an output names within its own folder.
    """
    if is_object(value):
        base = os.path.realpath(".") if folders is None else ""
        return Pin(value, (Fixture("", value, base, check=check),))
    if not isinstance(value, str) or not value.strip():
        raise RuleError("output", value, "is neither a file's or folder's path nor a JSON object")
    try:
        place = os.path.realpath(value)
        found = os.stat(place)
    except (OSError, ValueError) as error:
        raise _unreadable(value, error, folders) from None
    is_folder = stat.S_ISDIR(found.st_mode)
    folder = place if is_folder else os.path.dirname(place)
    if folders is not None:
        known = [each for each in folders if is_within(folder, each)]
        if not known:
            raise _elsewhere(value)
        folder = min(known, key=len)
    if not is_folder:
        fixture, stamp = _fixture(value, place, folder, check=check)
        return Pin(value, (fixture,), folder, (stamp,))
    names = sorted((name for name in os.listdir(place) if _is_json(name)), key=_natural)
    if not names:
        fix = f"is a folder without a file *{_SUFFIX}; each such file in it is one output"
        raise RuleError("output", value, fix)
    if len(names) > _MOST_FILES:
        raise RuleError("output", value, f"has {len(names)} outputs; at most {_MOST_FILES} do")
    read = [
        _fixture(os.path.join(value, name), os.path.join(place, name), folder, check=check)
        for name in names
    ]
    fixtures, stamps = zip(*read, strict=True)
    return Pin(value, fixtures, folder, stamps)


def is_within(path: str, folder: str) -> bool:
    """Tell whether a real path is a folder's, or below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def by_place(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the ids that the places of a folder's files of JSON say, and the files.

    `fal-ai/flux/dev.json` is an output of fal-ai/flux/dev. Raise RuleError where there is none.
    """
    count = 0
    for number, (root, folders, names) in enumerate(os.walk(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(filter(_is_json, names), key=_natural):
            path = os.path.join(root, name)
            id = os.path.relpath(path, folder).removesuffix(_SUFFIX).replace(os.sep, "/")
            if "/" not in id:
                fix = f"stands for no endpoint; its place is to be as fal-ai/flux/dev{_SUFFIX}"
                raise RuleError("output", path, f"{fix}, or write ID={path}")
            count += 1
            yield id, path
        if count > _MOST_FILES or number > _MOST_FOLDERS:
            most = f"{_MOST_FILES} outputs or {_MOST_FOLDERS} folders"
            raise RuleError("output", folder, f"has more than {most} below it")
    if not count:
        fix = f"has no file such as fal-ai/flux/dev{_SUFFIX} below it"
        raise RuleError("output", folder, fix)


def _is_json(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(".")


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts names as people do: 2.json before 10.json."""
    parts = _BEFORE_NUMBERS.split(name)
    return [(int(part) if part.isdecimal() and len(part) < 20 else -1, part) for part in parts]


def _fixture(
    shown: str, path: str, within: str, *, check: bool
) -> tuple[Fixture, tuple[str, int, int]]:
    real = os.path.realpath(path)
    if not is_within(real, within):
        raise RuleError("output", shown, "leads out of its folder; put the file itself there")
    try:
        found = os.stat(real)
        if not stat.S_ISREG(found.st_mode):
            raise RuleError("output", shown, "is neither a file nor a folder")
        if found.st_size > _MOST_BYTES:
            raise RuleError("output", shown, f"has more than {_MOST_BYTES:,} bytes")
        with open(real, "rb") as file:
            value = loads(file.read(_MOST_BYTES + 1).removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise _unreadable(shown, error, None) from None
    except NotJson as error:
        at = "" if error.position is None else f" at character {error.position}"
        fix = f"isn't JSON: {error.message}{at}; an output is a file of JSON"
        raise RuleError("output", shown, fix) from None
    if not is_object(value):
        raise RuleError("output", shown, f"holds {shortened_json(value)}, and no JSON object")
    fixture = Fixture(shown, value, os.path.dirname(real), within, check)
    return fixture, (real, found.st_mtime_ns, found.st_size)


def _unreadable(shown: str, error: Exception, folders: Collection[str] | None) -> RuleError:
    if folders is not None:
        # Whoever may not read files isn't told which there are either.
        return _elsewhere(shown)
    if isinstance(error, FileNotFoundError):
        return RuleError("output", shown, "isn't there; give a file of JSON, or a folder of them")
    return RuleError("output", shown, f"can't be read ({reason(error)})")


def _elsewhere(shown: str) -> RuleError:
    fix = "give the output itself, with URLs or data URIs of its files"
    return RuleError("output", shown, f"is in no folder of an output of the start; {fix}")
