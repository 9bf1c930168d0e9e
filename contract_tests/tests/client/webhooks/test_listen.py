"""`falkit listen` as its users start it: a process with two streams and a signal to stop."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import httpx
import pytest

from client.webhooks.signing import REQUEST, KeyHost, Sent, Signer
from processes import FALKIT
from serving import PATIENCE

COMMAND = [FALKIT, "listen"]


@dataclass
class Listening:
    """A running `falkit listen`, and what it announced."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    lines: queue.Queue[str]

    def deliver(self, sent: Sent) -> httpx.Response:
        """Send it a delivery."""
        return httpx.post(
            self.ready["url"],
            headers=dict(sent.headers),
            content=sent.body,
            timeout=PATIENCE,
            trust_env=False,
        )

    def line(self) -> str:
        """Return the next line of its stdout."""
        return self.lines.get(timeout=PATIENCE)

    def end(self) -> tuple[list[str], str]:
        """Tell it to stop; return what is left of its stdout, and its stderr."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.wait(PATIENCE)
        return list(iter(self.line, "")), said


@pytest.fixture
def listen() -> Generator[Callable[..., Listening]]:
    with ExitStack() as stack:

        def start(*options: str, environment: dict[str, str] | None = None) -> Listening:
            clean = {name: value for name, value in os.environ.items() if "FAL" not in name}
            process = subprocess.Popen(
                [*COMMAND, "--port", "0", *options],
                env={**clean, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            lines: queue.Queue[str] = queue.Queue()
            reader = threading.Thread(target=read, args=(process.stdout, lines))
            reader.start()
            stack.callback(ended, process, reader)
            return Listening(process, json.loads(lines.get(timeout=PATIENCE)), lines)

        yield start


def read(stdout: IO[str], lines: queue.Queue[str]) -> None:
    """Put each line there, and at the end an empty one."""
    for line in stdout:
        lines.put(line)
    lines.put("")


def ended(process: subprocess.Popen[str], reader: threading.Thread) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(PATIENCE)
    reader.join(PATIENCE)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def now() -> int:
    return int(time.time())


def test_listen_verifies_prints_and_ends_on_a_signal(
    listen: Callable[..., Listening], keys: KeyHost
) -> None:
    listening = listen("--base-url", keys.base)
    assert listening.ready["jwks"] == keys.url
    assert listening.deliver(Signer().sign(at=now())).status_code == 200
    assert f"OK      {REQUEST}  verified" in listening.line()
    assert listening.deliver(Signer(2).sign(at=now())).status_code == 401
    out, err = listening.end()
    assert listening.process.returncode == 0
    assert "not verified: WrongSignature" in "".join(out)
    assert "Traceback" not in err
    assert f"falkit listens for webhooks at {listening.ready['url']}" in err


def test_listen_ends_at_once_while_a_receiver_is_slow(
    listen: Callable[..., Listening], keys: KeyHost
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as slow:
        target = f"http://127.0.0.1:{slow.getsockname()[1]}"
        listening = listen("--jwks", keys.url, "--forward-to", target)
        host, port = listening.ready["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as sender:
            sender.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            slow.settimeout(PATIENCE)
            passed, _ = slow.accept()
            with passed:
                # What is passed on is waited for twelve times as long.
                listening.process.send_signal(signal.SIGINT)
                assert listening.process.wait(PATIENCE) == 0


def test_json_is_a_line_a_delivery(listen: Callable[..., Listening], keys: KeyHost) -> None:
    environment = {"FALKIT_BASE_URL": keys.base}
    listening = listen("--json", environment=environment)
    listening.deliver(Signer().sign(at=now()))
    told = json.loads(listening.line())
    assert (told["verified"], told["request_id"], told["answered"]) == (True, REQUEST, 200)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ([], "http://127.0.0.1:4325/rest.fal.ai/.well-known/jwks.json"),
        (["--real"], "https://rest.fal.ai/.well-known/jwks.json"),
    ],
)
def test_keys_are_the_mocks_unless_fal_is_meant(
    listen: Callable[..., Listening], options: list[str], where: str
) -> None:
    assert listen(*options).ready["jwks"] == where


def test_new_keys_are_believed_soon(listen: Callable[..., Listening], keys: KeyHost) -> None:
    listening = listen("--jwks", keys.url)
    listening.deliver(Signer().sign(at=now()))
    asked = len(keys.asked)
    until = time.monotonic() + PATIENCE
    while len(keys.asked) == asked:
        assert time.monotonic() < until
        listening.deliver(Signer(2).sign(at=now()))
    assert asked == 1


def refused(*options: str) -> str:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_a_taken_port_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"can't listen on 127.0.0.1:{port}" in refused("--port", str(port))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--real", "--jwks", "http://x"], "--real and --jwks exclude each other"),
        (["--jwks", "keys"], "--jwks: url is 'keys'"),
        (["--base-url", "here"], "--base-url: base_url is 'here'"),
        (["--forward-to", "localhost:8000"], "--forward-to is 'localhost:8000'"),
        (["--forward-to", "http://localhost:4398", "--port", "4398"], "this receiver itself"),
    ],
)
def test_options_that_cannot_work_are_named(options: list[str], said: str) -> None:
    assert said in refused(*options)
