"""The mock and its gateway in a thread, with an authority of the test's own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from falkit import Settings
from falkit_mock.core.network import listen, reached
from falkit_mock.gateway import Egress, Policy
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.mock import ServerThread
from serving import KEY, PATIENCE

INSTANT = Settings(timing="instant")


@dataclass(frozen=True)
class Gated:
    """A running gateway: `mock` is the URL of the mock beside it."""

    mock: str
    gateway: Gateway
    tls: ssl.SSLContext
    # Comes by way of the proxy and trusts the authority.
    http: httpx.Client

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        parts = urlsplit(self.gateway.url)
        return str(parts.hostname), parts.port or 0

    def dial(self) -> socket.socket:
        """Connect to the gateway and send nothing yet."""
        return socket.create_connection(self.place, PATIENCE)

    def said(self, request: bytes) -> bytes:
        """Return everything that the gateway answers to some bytes, up to its end."""
        with self.dial() as caller:
            caller.sendall(request)
            return heard(caller)


def heard(caller: socket.socket) -> bytes:
    """Return all that comes until the other side ends."""
    parts: list[bytes] = []
    while part := caller.recv(65536):
        parts.append(part)
    return b"".join(parts)


@contextmanager
def gated(folder: Path, settings: Settings = INSTANT, egress: Policy = "allow") -> Generator[Gated]:
    """Serve mock and gateway on free ports for the length of the block."""
    with listen("127.0.0.1", 0) as mock, listen("127.0.0.1", 0) as gate:
        gateway = Gateway(gate, reached(mock), Egress(egress), Authority.open(folder))
        with ServerThread(settings, mock, gateway) as server:
            server.wait()
            tls = ssl.create_default_context(cafile=str(gateway.authority.certificate))
            client = httpx.Client(
                proxy=gateway.url, verify=tls, headers=KEY, timeout=PATIENCE, trust_env=False
            )
            with client:
                yield Gated(reached(mock), gateway, tls, client)
