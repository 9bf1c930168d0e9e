"""A listening socket, made before anything that takes time to import."""

from __future__ import annotations

import os
import socket


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; OSError says why there is none.

    Its protocol is named because asyncio switches Nagle's delay off only where it is.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # On Windows it would let two servers have the same port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
