"""A receiver of webhooks on this machine, with a place for each check."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

_MOST_BYTES = 16 * 1024 * 1024
# Seconds for who has connected to send a delivery.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Delivery:
    """A delivery as it came; names of headers in small letters."""

    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Listens on loopback from its start; `reached` is what its URL is for the target."""

    def __init__(self, port: int = 0, reached: str | None = None) -> None:
        self._came = threading.Condition()
        self._deliveries: dict[str, list[Delivery]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        own = f"http://127.0.0.1:{self._server.server_port}"
        self.url = (reached or own).rstrip("/")
        # `poll_interval` bounds how long its end takes.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="falkit conform", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End, and let go of the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def open(self) -> tuple[str, str]:
        """Return a new place, and the query with which a submit asks for a webhook there."""
        # Nobody else knows it.
        place = f"/{secrets.token_hex(8)}"
        self._deliveries[place] = []
        return place, f"?fal_webhook={quote(self.url + place, safe='')}"

    def wait(self, place: str, timeout: float) -> Delivery | None:
        """Return what came to a place first; None if nothing comes in time."""
        with self._came:
            self._came.wait_for(lambda: bool(self._deliveries[place]), timeout)
            return next(iter(self._deliveries[place]), None)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE

            def do_POST(self) -> None:
                length = self.headers.get("content-length", "")
                known = self.path in receiver._deliveries
                if not known or not length.isdecimal() or int(length) > _MOST_BYTES:
                    self.send_error(404 if not known else 413)
                    return
                body = self.rfile.read(int(length))
                heads = {name.lower(): text for name, text in self.headers.items()}
                # Answered first, so that who has the delivery may end.
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                with receiver._came:
                    receiver._deliveries[self.path].append(Delivery(heads, body))
                    receiver._came.notify_all()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: what matters is in the verdicts."""

        return Handler
