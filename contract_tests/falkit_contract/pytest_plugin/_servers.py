"""The servers of a run: processes of their own, one for each set of settings.

With pytest-xdist the controller starts them, and workers ask it by a socket: so none ends with a
worker, and all end with the run, killed or not, since their stdin does.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, cast

import pytest

from falkit.remote import Control

# One for each test of a run, and as many as there may be.
_MOST_TENANTS = 1_000_000
# Real seconds for a server to be there, and for one to end.
_PATIENCE, _GRACE = 60.0, 10.0
# What the command line spells otherwise than Settings.
_SPELLED = {"api_keys": "api-key", "faults": "fault", "outputs": "output", "assumptions": "assume"}


class Ready(NamedTuple):
    """A server that answers: its URL, its gateway's, and the file of the gateway's certificate."""

    url: str
    gateway: str
    ca: str


class Servers(Protocol):
    """Where a test asks for a server by its settings."""

    # What tells apart tests of one name that run at the same time, if any do.
    apart: str

    def get(self, settings: Mapping[str, Any], *, again: bool = False) -> tuple[Ready, Control]:
        """Return the server of these settings, started if need be; raise RuntimeError.

        `again` says that the one that was returned before answers no longer.
        """
        ...

    def close(self) -> None:
        """End what was started here."""
        ...


def servers_of(config: pytest.Config) -> Servers:
    """Return where the tests of this process ask for servers."""
    given = cast("dict[str, Any]", getattr(config, "workerinput", {})).get("falkit")
    return _Own() if given is None else _Asked(given["port"], given["token"], given["apart"])


class _Connected:
    """The control APIs of the servers that this process uses, by their URLs."""

    def __init__(self) -> None:
        self._controls: dict[str, Control] = {}

    def to(self, ready: Ready) -> tuple[Ready, Control]:
        if ready.url not in self._controls:
            self._controls[ready.url] = Control(ready.url)
        return ready, self._controls[ready.url]

    def close(self) -> None:
        for control in self._controls.values():
            control.close()


class _Own:
    """Servers that this process starts."""

    apart = ""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._running: dict[str, _Server] = {}
        self._connected = _Connected()

    def ready(self, settings: Mapping[str, Any]) -> Ready:
        """Return the server of these settings, started if need be; raise RuntimeError."""
        name = _text(settings)
        with self._turn:
            server = self._running.get(name)
            if server is not None and server.gone:
                server.stop()
                server = None
            if server is None:
                server = self._running[name] = _Server(settings)
            return server.ready

    def get(self, settings: Mapping[str, Any], *, again: bool = False) -> tuple[Ready, Control]:
        return self._connected.to(self.ready(settings))

    def close(self) -> None:
        self._connected.close()
        with self._turn:
            for server in self._running.values():
                server.stop()
            self._running.clear()


class _Asked:
    """Servers that the controller of pytest-xdist starts."""

    def __init__(self, port: int, token: str, apart: str) -> None:
        self._port = port
        self._token = token
        self.apart = apart
        self._known: dict[str, Ready] = {}
        self._connected = _Connected()

    def get(self, settings: Mapping[str, Any], *, again: bool = False) -> tuple[Ready, Control]:
        name = _text(settings)
        if again or name not in self._known:
            self._known[name] = self._ask(name)
        return self._connected.to(self._known[name])

    def close(self) -> None:
        self._connected.close()

    def _ask(self, name: str) -> Ready:
        try:
            with socket.create_connection(("127.0.0.1", self._port), _PATIENCE) as door:
                door.sendall(json.dumps([self._token, json.loads(name)]).encode() + b"\n")
                with door.makefile("rb") as answer:
                    told = json.loads(answer.readline())
        except (OSError, ValueError) as error:
            why = "a worker on another machine has none" if isinstance(error, OSError) else error
            raise RuntimeError(f"pytest's controller doesn't answer ({why})") from None
        if isinstance(told, str):
            raise RuntimeError(told)
        return Ready(*told)


class Door:
    """Where workers of pytest-xdist ask their controller for servers: a line each way."""

    def __init__(self, config: pytest.Config) -> None:
        self._own = _Own()
        self._token = secrets.token_hex(16)
        # Every worker runs every test there.
        self._each = config.getoption("dist", "no") == "each"
        self._open = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._answer, name="falkit door", daemon=True)
        self._thread.start()

    def way(self, worker: str) -> dict[str, str | int]:
        """Return what leads a worker here."""
        apart = worker if self._each else ""
        return {"port": self._port, "token": self._token, "apart": apart}

    def close(self) -> None:
        """End the servers."""
        self._open = False
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), _GRACE):
            # Wakes who waits for a worker.
            pass
        self._thread.join(_GRACE)
        self._listener.close()
        self._own.close()

    def _answer(self) -> None:
        while self._open:
            worker, _ = self._listener.accept()
            with worker, suppress(OSError, ValueError):
                worker.settimeout(_GRACE)
                with worker.makefile("rb") as asked:
                    token, settings = json.loads(asked.readline(1 << 20) or b"[0, 0]")
                if self._open and secrets.compare_digest(str(token), self._token):
                    try:
                        told: object = self._own.ready(settings)
                    except RuntimeError as error:
                        told = str(error)
                    worker.sendall(json.dumps(told).encode() + b"\n")


class _Server:
    """One process: `falkit serve`, which ends when its stdin does."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Start it, and return once it answers; raise RuntimeError with its own words."""
        command = [sys.executable, "-m", "falkit_mock", "serve", "--config", os.devnull]
        command += ["--port=0", "--gateway", "--gateway-port=0", "--stop-with-stdin", "--quiet"]
        command += ["--tenants", f"--max-tenants={_MOST_TENANTS}", *flags(settings)]
        with tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=_environ(),
            )
            assert self._process.stdout is not None
            late = threading.Timer(_PATIENCE, self._process.kill)
            late.start()
            line = self._process.stdout.readline()
            late.cancel()
            try:
                told = json.loads(line)
            except ValueError:
                self.stop()
                said.seek(0)
                words = said.read().decode("utf-8", "replace").strip().splitlines()
                why = words[-1].removeprefix("Error: ") if words else "it said nothing"
                raise RuntimeError(f"falkit serve did not start: {why}") from None
        self.ready = Ready(told["url"], told["gateway"], told["ca"])

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """Have it end, and return once it has."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environ() -> dict[str, str]:
    """Return this process's variables without those that falkit's commands read as options."""
    kept = "FALKIT_HOME"
    return {
        name: text
        for name, text in os.environ.items()
        if name == kept or not name.startswith("FALKIT_")
    }


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as options of `falkit serve`."""
    found: list[str] = []
    for name, value in settings.items():
        option = _SPELLED.get(name, name.replace("_", "-"))
        if isinstance(value, bool):
            found += [f"--{option}"] if value else []
        elif value is not None:
            found += [f"--{option}={each}" for each in _values(value)]
    return found


def _values(value: object) -> list[object]:
    if isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return [f"{name}={each}" for name, each in table.items()]
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value]
    return [*cast("Iterable[object]", value)]


def _text(settings: Mapping[str, Any]) -> str:
    """Return settings as text that is the same for the same ones."""
    return json.dumps(settings, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    found = _values(value)
    return str(value) if found == [value] else found
