"""The mock in a thread around a program: ready late, broken, or ended early."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from falkit_mock.core.network import listen, reached
from falkit_mock.gateway import Egress
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.environment import Child
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.mock import ServerThread
from gated import INSTANT
from serving import PATIENCE


async def _answer() -> str:
    return "on the loop"


def test_a_connection_before_the_mock_is_ready_is_answered(authority_folder: Path) -> None:
    with listen("127.0.0.1", 0) as mock, listen("127.0.0.1", 0) as gate:
        authority = Authority.open(authority_folder)
        gateway = Gateway(gate, reached(mock), Egress("allow"), authority)
        with ServerThread(INSTANT, mock, gateway, lambda app: None) as server:
            reply = httpx.get(f"{gateway.url}/health", timeout=PATIENCE, trust_env=False)
            assert reply.json() == {"status": "ok"}
            assert server.call(_answer) == "on the loop"


def test_a_mock_that_cannot_be_made_ends_the_program_and_says_why(
    authority_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("no mock today")

    monkeypatch.setattr("falkit_mock.assembly.create_app", fail)
    child = Child(["sleep", "60"], {"PATH": "/usr/bin:/bin"})
    with listen("127.0.0.1", 0) as mock, listen("127.0.0.1", 0) as gate:
        authority = Authority.open(authority_folder)
        gateway = Gateway(gate, reached(mock), Egress("allow"), authority)
        server = ServerThread(INSTANT, mock, gateway, lambda app: None)
        server.broken = child.stop
        with server:
            assert child.run(lambda: None) == 128 + 15
            with pytest.raises(RuntimeError, match="no mock today"):
                server.call(_answer)
