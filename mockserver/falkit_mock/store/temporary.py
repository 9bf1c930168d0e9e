"""A temporary folder that goes with its process, at the latest when the next one is made."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

_PREFIX = "falkit-uploads-"
# Seconds in which a folder that is just being made has not been locked yet.
_YOUNG = 60.0


class Temporary:
    """A folder, locked for as long as its process lives; killed processes leave theirs unlocked."""

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self.folder)

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(root: Path) -> None:
    """Delete the folders that killed processes of this user left behind."""
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            young = time.time() - folder.stat().st_mtime < _YOUNG
        except OSError:
            continue
        if not young and (lock := _locked(folder)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """Return a descriptor that locks a folder; None if another process does, or nobody can."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
