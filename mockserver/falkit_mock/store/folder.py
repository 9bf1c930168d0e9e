"""A folder of state files, one for each tenant."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from falkit_mock.core import NotJson, dumps, loads, reason
from falkit_mock.core.settings import SettingsError
from falkit_mock.store import BadCopy, Store

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_ENDING = ".state"
# Among what a file keeps beside its tables: whose it is.
_FACT = "tenant"


def state_of(folder: str, key: str) -> str:
    """Return the path of a key's file; two keys never have the same, whatever they are."""
    digest = blake2b(key.encode(), digest_size=10).hexdigest()
    return os.path.join(folder, f"{_UNSAFE.sub('_', key)[:32]}-{digest}{_ENDING}")


def states_in(folder: str) -> list[str]:
    """Return the paths of the files in a folder, which is made if need be; raise BadCopy."""
    fix = "with --tenants name a folder, which has a file for each key"
    if "://" in folder:
        raise BadCopy(f"{folder} is a URL; {fix}")
    try:
        Path(folder).mkdir(mode=0o700, exist_ok=True)
        names = sorted(name for name in os.listdir(folder) if name.endswith(_ENDING))
        return [os.path.join(folder, name) for name in names]
    except FileExistsError:
        raise BadCopy(f"{folder} is a file; {fix}") from None
    except OSError as error:
        raise BadCopy(f"{folder} can't be read ({reason(error)}); name another folder") from None


def opened(
    folder: str, states: list[str], open: Callable[[str], Store]
) -> Iterator[tuple[str, Store]]:
    """Yield keys and their stores; raise SettingsError for a file that can't say whose it is."""
    for state in states:
        store = open(state)
        try:
            key = str(loads(_facts(store).get(_FACT, b'""')))
        except NotJson as error:
            store.close()
            why = f"{state}: whose it is can't be read ({error.message}); restore a copy of it"
            raise SettingsError("state", why) from None
        if state_of(folder, key) == state:
            yield key, store
        else:
            # Its mock ended before anything was answered; or it is somebody's copy.
            store.close()


def note_key(store: Store, key: str) -> None:
    """Have a state say whose it is, from its first commit on."""
    facts = _facts(store)
    if _FACT not in facts:
        facts[_FACT] = dumps(key)


def _facts(store: Store) -> dict[str, bytes]:
    # A store that doesn't last has none.
    found: dict[str, bytes] = getattr(store, "facts", {})
    return found
