"""falkit's data folder: where it is, and files in it that are whole or absent."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from falkit_mock.gateway.errors import HomeUnusable


def home() -> Path:
    """Return the data folder, which need not exist: FALKIT_HOME, or the system's usual place."""
    if chosen := os.environ.get("FALKIT_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME", "")
        # The XDG specification has relative paths ignored.
        base = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"
    return base / "falkit"


def keep(path: Path, content: bytes, mode: int, *, replace: bool = True) -> None:
    """Write a file under its final rights, so that at no moment others can read it or half of it.

    With `replace=False` a file that is already there stays, whoever put it there meanwhile.
    Raise HomeUnusable.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            _publish(draft, path, replace)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise HomeUnusable(path.parent, error) from None


def _publish(draft: Path, path: Path, replace: bool) -> None:
    if replace:
        draft.replace(path)
        return
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
