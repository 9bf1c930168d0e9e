"""docs/client.md: its snippets run, and its terminal looks as it says."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import shlex
import socket
import struct
import sys
import termios
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from falkit import Settings
from falkit_client import errors
from falkit_fixtures.images import sample
from processes import FALKIT, started
from serving import running
from terminal import left_on_screen

PAGE = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
FILE = b"GET /v3b.fal.media/"
# What differs from run to run; of the log, how much is seen depends on the moment.
CHANGING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"http://127\.0\.0\.1:\d+", "MOCK"),
    (r"files/b/\S+_ltxv", "files/b/…_ltxv"),
    (r"in \d+\.\d s", "in N s"),
    (r"\d[\d,]+( of \d[\d,]+)? bytes", "N bytes"),
)


class Relay:
    """A network that goes: passes bytes on to a host until a file has half come."""

    def __init__(self, target: str, most: int) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._most = most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections; no new ones are made."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                host = socket.create_connection(self._target)
                self._open += [caller, host]
                threading.Thread(target=self._pass, args=(caller, host), daemon=True).start()

    def _pass(self, caller: socket.socket, host: socket.socket) -> None:
        asked = threading.Event()

        def back() -> None:
            passed = 0
            with contextlib.suppress(OSError):
                while data := host.recv(1024):
                    caller.sendall(data)
                    passed += len(data) if asked.is_set() else 0
                    if passed > self._most:
                        self.cut()

        threading.Thread(target=back, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := caller.recv(65536):
                if FILE in data:
                    asked.set()
                host.sendall(data)


@contextmanager
def relayed(target: str, most: int = 9000) -> Generator[str]:
    """The URL of a relay that goes after so many bytes of a file."""
    relay = Relay(target, most)
    try:
        yield relay.url
    finally:
        relay.cut()


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with running(Settings(timing="0.1,0.4")) as mock:
        yield mock.url


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "photo.jpg").write_bytes(sample("jpeg"))
    monkeypatch.chdir(tmp_path)


def at_terminal(command: list[str], environment: dict[str, str]) -> str:
    """What a terminal of 80 columns shows at the end, its lines not broken."""
    if sys.platform == "win32":
        pytest.skip("a pseudo-terminal is POSIX's")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with started(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        seen = b""
        # Linux says EIO when the last writer has gone.
        with contextlib.suppress(OSError):
            while data := os.read(ours, 65536):
                seen += data
    os.close(ours)
    return "\n".join(left_on_screen(seen.decode())).strip("\n")


def steady(text: str) -> list[str]:
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return [line for line in text.splitlines() if not line.startswith("  | ")]


def test_the_snippets_print_what_they_say(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALKIT_BASE_URL", url)
    monkeypatch.setenv("FAL_KEY", "any:key")
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        said = re.findall(r"print\(.*\)  # (.*)", snippet)
        expected = [part for line in said for part in line.split(" # ")]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(snippet, "docs/client.md", "exec"), names)
        shown = [re.sub(r"\b(\d+\.\d\d)0+\b", r"\1", line) for line in _lines(printed)]
        assert shown == expected, snippet
    for name in ("client", "careful", "thrifty"):
        names[name].close()


def _lines(printed: io.StringIO) -> list[str]:
    return printed.getvalue().splitlines()


TRANSCRIPTS = re.findall(r"<!-- at: (.*?) -->\n```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("place", "transcript"), TRANSCRIPTS)
def test_the_terminal_looks_as_the_page_says(url: str, place: str, transcript: str) -> None:
    environment = {**os.environ, "TERM": "xterm"}
    with contextlib.ExitStack() as opened:
        if place.startswith("mock"):
            there = opened.enter_context(relayed(url)) if "network" in place else url
            environment["FALKIT_BASE_URL"] = there
        elif place == "fal":
            # Nothing that is shown there gets as far as being sent.
            environment |= {"FAL_KEY": "id:secret", "HTTPS_PROXY": "http://127.0.0.1:9"}
        for shown in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]:
            command, _, expected = shown.partition("\n")
            words = shlex.split(command)
            assert words[0] == "falkit"
            seen = at_terminal([FALKIT, *words[1:]], environment)
            assert steady(seen) == steady(expected), command


def test_the_page_has_a_transcript_of_each_kind() -> None:
    assert len(TRANSCRIPTS) == 6


def test_the_errors_that_the_page_names_exist() -> None:
    for name in re.findall(r"errors\.([A-Z]\w+)", PAGE):
        assert issubclass(getattr(errors, name), errors.FalkitError)


def test_the_options_that_the_page_names_exist() -> None:
    from falkit_client.cli import call

    known = {option for one in call.params for option in one.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= {*known, "--help"}
