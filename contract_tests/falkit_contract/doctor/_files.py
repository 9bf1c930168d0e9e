"""The files of a project that may have mocks of fal, found within bounds."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = (".py",)
JAVASCRIPT = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
# Folders that hold others' code, or what was built.
_SKIPPED = ("node_modules", "venv", "site-packages", "__pycache__", "dist", "build", "coverage")
_LARGEST = 1_000_000
_MOST_FILES = 50_000
_DEEPEST = 40
# Seconds for git.
_PATIENCE = 20
# What a file must have in it to be worth a look.
_FAL = re.compile(
    rb"fal\.run|fal\.media|falrun\.com|fal\.ai|fal_client|@fal-ai/|fal-webhook|FAL_KEY"
)
_OTHERS = re.compile(rb"""["']msw(/|["'])|onUnhandledRequest|disableNetConnect|enableNetConnect""")


@dataclass
class Found:
    """Files with what is in them, how many were looked at, and what couldn't be."""

    files: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    looked_at: int = 0
    problems: list[str] = field(default_factory=list[str])


def find_files(paths: Iterable[Path]) -> Found:
    """Return the files in folders that have to do with fal, and files that are named."""
    found = Found()
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            chosen = [
                (one, text)
                for one in _walk(path, found, 0)
                if (text := _read(one, found)) is not None
            ]
            ignored = _ignored(path, [one for one, _ in chosen])
            chosen = [(one, text) for one, text in chosen if one not in ignored]
        else:
            found.looked_at += 1
            known = path.suffix in (*PYTHON, *JAVASCRIPT)
            text = _read(path, found) if known else None
            chosen = [] if text is None else [(path, text)]
            if not known:
                found.problems.append(f"{path}: isn't Python, JavaScript or TypeScript by its name")
        for one, text in chosen:
            real = one.resolve()
            if real not in seen:
                seen.add(real)
                found.files.append((one, text))
    return found


def names_fal(text: str) -> bool:
    """Tell whether a file names fal, and not only what mocks any host."""
    return _FAL.search(text.encode(errors="replace")) is not None


def _walk(folder: Path, found: Found, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        found.problems.append(f"{folder}: {error.strerror or error}")
        return
    for entry in listed:
        name = entry.name
        # A link may lead out of the project, or round in a circle.
        if name.startswith(".") or entry.is_symlink():
            continue
        path = folder / name
        if entry.is_dir(follow_symlinks=False):
            if name in _SKIPPED or (path / "pyvenv.cfg").exists():
                continue
            if depth >= _DEEPEST:
                found.problems.append(f"{path}: more than {_DEEPEST} folders deep")
                continue
            yield from _walk(path, found, depth + 1)
        elif name.endswith((*PYTHON, *JAVASCRIPT)):
            if found.looked_at >= _MOST_FILES:
                if found.looked_at == _MOST_FILES:
                    found.problems.append(f"{path}: more than {_MOST_FILES:,} files; give folders")
                    found.looked_at += 1
                return
            found.looked_at += 1
            yield path


def _read(path: Path, found: Found) -> str | None:
    """Return a file's text if it has to do with fal."""
    try:
        # Not open() at once: a pipe would keep it waiting.
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        found.problems.append(f"{path}: {error.strerror or error}")
        return None
    if not _FAL.search(content) and not _OTHERS.search(content):
        return None
    if len(content) > _LARGEST:
        found.problems.append(f"{path}: larger than {_LARGEST // 1_000_000} MB")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found.problems.append(f"{path}: isn't UTF-8")
        return None


def _ignored(folder: Path, files: list[Path]) -> set[Path]:
    """Return those of the files that git ignores; none where there is no git."""
    if not files:
        return set()
    names = {os.path.relpath(one, folder): one for one in files}
    # A folder that is ignored as a whole, and named all the same, is meant.
    whole = "."
    # Nothing of the project's own settings is run.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += ["-C", str(folder), "check-ignore", "-z", "--stdin"]
    try:
        answer = subprocess.run(
            command,
            input="\0".join([whole, *names]).encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    told = answer.stdout.decode("utf-8", "surrogateescape").split("\0")
    return set() if whole in told else {names[name] for name in told if name in names}
