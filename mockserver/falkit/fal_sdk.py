"""fal_client's own clients, behind `fal_client.run`: they keep what their first call had."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from dataclasses import fields, is_dataclass
from typing import Any

KEY = "FAL_KEY"


def renew_clients(key: str) -> None:
    """Set FAL_KEY, and have fal_client's own functions use it from their next call on.

    `fal_client.run` and its like share two clients, which would keep the key, the proxy, the
    connections and the event loop of their first call.
    """
    os.environ[KEY] = key
    forget_clients()


def forget_clients(*, connected: bool = False) -> None:
    """Have fal_client's own functions begin anew; `connected` also closes what they had opened."""
    # Who hasn't imported it has called nothing.
    module = sys.modules.get("fal_client")
    waiting = False
    for name in ("sync_client", "async_client"):
        client: Any = getattr(module, name, None)
        if isinstance(client, type) or not is_dataclass(client):
            continue
        # All but what it was made with is remembered from its calls.
        state: dict[str, Any] = vars(client)
        for kept in state.keys() - {field.name for field in fields(client)}:
            value = state.pop(kept)
            if connected and kept == "_client":
                close = getattr(value, "close", None)
                waiting = waiting or close is None
                if close is not None:
                    close()
    if waiting:
        # Asynchronous connections are closed by who awaits it on their event loop, which may have
        # ended. Their sockets then are closed with the last that knows them, and warn of it.
        client = value = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
