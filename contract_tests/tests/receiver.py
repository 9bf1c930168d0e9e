"""A receiver of webhooks on a real socket, that answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from serving import PATIENCE


@dataclass(frozen=True)
class Received:
    """One request as it came; header names in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, read."""
        read: dict[str, Any] = json.loads(self.body)
        return read


@dataclass(frozen=True)
class Reply:
    """What to answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Answer = Callable[[Received], Reply]


class Receiver:
    """Where it is, and what has come so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self.came = threading.Condition()

    def wait(self, count: int = 1) -> list[Received]:
        """Return what has come, once there are so many."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.received) >= count, PATIENCE), (
                f"{len(self.received)} of {count} came"
            )
            return list(self.received)


@contextmanager
def receiving(answer: Answer = lambda _: Reply(), port: int = 0) -> Generator[Receiver]:
    """Serve a receiver for the length of the block, on a free port unless one is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body)
            reply = answer(request)
            with receiver.came:
                receiver.received.append(request)
                receiver.came.notify_all()
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", port), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
