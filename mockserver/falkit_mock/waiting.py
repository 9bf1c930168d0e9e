"""Answers the probes while a mock is made, which takes its time where there is much to read."""

from __future__ import annotations

import json
import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType

# Connections that wait at most; further ones do so in the system's backlog.
_MOST = 512
# Bytes of a request that tell it from others, and of one that are read at all.
_SEEN, _READ = 16, 65_536
_HEAD = "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n"
_CLOSE = "connection: close\r\n\r\n"


class WaitingRoom:
    """Accepts connections from the block's beginning until `close`, in a thread of its own.

    `/health` is answered 200 and `/ready` 503, with `why`. All other connections wait, unread, for
    who serves them afterwards.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.why = "it is starting"
        self._listener = listener
        self._waiting: list[socket.socket] = []
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="falkit waiting", daemon=True)

    def __enter__(self) -> WaitingRoom:
        self._listener.setblocking(False)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self.close():
            connection.close()

    def close(self) -> list[socket.socket]:
        """Accept no more; return the connections that wait, once."""
        if self._wake.fileno() >= 0:
            self._wake.close()
            self._thread.join()
        waiting, self._waiting = self._waiting, []
        return waiting

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector, self._woken:
            selector.register(self._woken, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            # Those that have said nothing yet.
            silent: set[socket.socket] = set()
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        self._waiting += silent
                        return
                    if key.fileobj is not self._listener:
                        assert isinstance(key.fileobj, socket.socket), "no other is registered"
                        selector.unregister(key.fileobj)
                        silent.discard(key.fileobj)
                        self._look(key.fileobj)
                        continue
                    with suppress(OSError):
                        connection, _ = self._listener.accept()
                        connection.setblocking(False)
                        selector.register(connection, selectors.EVENT_READ)
                        silent.add(connection)
                    if len(silent) + len(self._waiting) >= _MOST:
                        selector.unregister(self._listener)

    def _look(self, connection: socket.socket) -> None:
        """Answer a probe, and have all else wait."""
        try:
            words = connection.recv(_SEEN, socket.MSG_PEEK).split(b" ")
            if words[0] != b"GET" or words[1:2] not in ([b"/health"], [b"/ready"]):
                self._waiting.append(connection)
                return
            # What is left unread would have the system reset the connection.
            connection.recv(_READ)
            connection.sendall(self._answer(ready=words[1] == b"/ready"))
        except OSError:
            pass
        connection.close()

    def _answer(self, *, ready: bool) -> bytes:
        body = {"status": "not ready", "reason": self.why} if ready else {"status": "ok"}
        content = json.dumps(body)
        code, phrase = (503, "Service Unavailable") if ready else (200, "OK")
        return (_HEAD.format(code, phrase, len(content)) + _CLOSE + content).encode()
