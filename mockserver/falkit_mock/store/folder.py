"""A folder of state files, one for each tenant."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from falkit_mock.core import dumps, loads, reason
from falkit_mock.store import BadCopy, Store

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_ENDING = ".state"
# Among what a file keeps beside its tables: whose it is.
_FACT = "tenant"


def file_of(key: str) -> str:
    """Return the name of a key's file; two keys never have the same, whatever they are."""
    digest = blake2b(key.encode(), digest_size=10).hexdigest()
    return f"{_UNSAFE.sub('_', key)[:32]}-{digest}{_ENDING}"


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder, which is made if need be; raise BadCopy."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return sorted(name for name in os.listdir(folder) if name.endswith(_ENDING))
    except FileExistsError:
        fix = "with --tenants name a folder, which has a file for each key"
        raise BadCopy(f"{folder} is a file; {fix}") from None
    except OSError as error:
        raise BadCopy(f"{folder} can't be read ({reason(error)}); name another folder") from None


def opened(names: list[str], open: Callable[[str], Store]) -> Iterator[tuple[str, Store]]:
    """Yield keys and the stores of their files."""
    for name in names:
        store = open(name)
        key = str(loads(_facts(store).get(_FACT, b'""')))
        if file_of(key) == name:
            yield key, store
        else:
            # Its mock ended before anything was answered; or it is somebody's copy.
            store.close()


def note_key(store: Store, key: str) -> None:
    """Have a file say whose it is, from its first commit on."""
    facts = _facts(store)
    if _FACT not in facts:
        facts[_FACT] = dumps(key)


def _facts(store: Store) -> dict[str, bytes]:
    # A store that doesn't last has none.
    found: dict[str, bytes] = getattr(store, "facts", {})
    return found
