"""Reading all of a state file without changing anything about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from falkit_mock.core import reason
from falkit_mock.store.blobs import locked
from falkit_mock.store.durable import ALONE, IN_USE, DurableStore, uploads_of
from falkit_mock.store.tables import BadCopy


def verify(path: Path, also: Callable[[DurableStore], object]) -> tuple[int, int]:
    """Read all of a state file and its uploads; return how many jobs and uploads it has.

    Raise BadCopy where something is wrong, as `also` does for what only a service can tell. A copy
    is what is opened, since that migrates it.
    """
    path = copy = Path(os.path.realpath(path))
    folder = uploads_of(path)
    lock = locked(folder) if folder.exists() and not ALONE else None
    try:
        if lock is None and folder.exists() and not ALONE:
            raise BadCopy(f"{path} {IN_USE}")
        with TemporaryDirectory() as place:
            copy = Path(place, path.name)
            for name in (path.name, f"{path.name}-wal"):
                if path.with_name(name).exists():
                    shutil.copyfile(path.with_name(name), copy.with_name(name))
            return _read(copy, folder, also)
    except BadCopy as error:
        raise BadCopy(str(error).replace(os.path.realpath(copy), str(path))) from None
    except OSError as error:
        raise BadCopy(f"{path} can't be copied to be read ({reason(error)})") from None
    finally:
        if lock is not None:
            os.close(lock)


def _read(copy: Path, uploads: Path, also: Callable[[DurableStore], object]) -> tuple[int, int]:
    with closing(DurableStore(copy, uploads=uploads)) as store:
        also(store)
        try:
            store.check_all()
            store.check_blobs()
        except BadCopy as error:
            raise BadCopy(f"{copy} {error}") from None
        return store.count(), len(store.uploads.all())
