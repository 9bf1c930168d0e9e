"""The servers that are measured: the mock, floors, peers; each on the first core."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PYTHON = sys.executable
FALKIT = str(Path(sys.executable).with_name("falkit"))
SERVE = [FALKIT, "serve", "--port", "0", "--timing", "instant", "--quiet"]
FLOOR = [PYTHON, str(HERE / "floor.py")]
ENDPOINT = "fal-ai/ltx-2/image-to-video/fast"
SUBMIT = f"/queue.fal.run/{ENDPOINT}"
RUN = f"/fal.run/{ENDPOINT}"
INPUT = json.dumps({"prompt": "a quiet harbour", "image_url": "https://example.com/photo.png"})
HEADERS = {"authorization": "Key falkit", "content-type": "application/json"}
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
# Seconds within which a peer must listen.
_PATIENCE = 30.0


class Unavailable(Exception):
    """Something that can't be had here; the message says what to do."""


@dataclass
class Server:
    """A server that runs: its URL, its process, and headers that it wants beside the usual."""

    url: str
    pid: int
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def seconds(self) -> float:
        """Return the processor time that its process has taken so far: user and system."""
        # The name, in parentheses, may have spaces.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def start(self) -> float:
        """Return the same of a process that has just begun, where ticks are too coarse (Linux)."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text().split()[0]) for one in threads) / 1e9

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        return resident(self.pid)


def resident(pid: int) -> float:
    """Return a process's memory in MiB, where the system tells (Linux); else NaN."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    kilobytes = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(kilobytes[0]) / 1024 if kilobytes else float("nan")


def pinned(core: int) -> list[str]:
    """Return what runs a command on one core, where that can be said and there are two."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 and os.name == "posix" else []


@contextmanager
def running(command: Sequence[str]) -> Generator[subprocess.Popen[str]]:
    """Run a server on the first core for the length of the block."""
    process = subprocess.Popen(
        [*pinned(0), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def announced(command: Sequence[str]) -> Generator[dict[str, Any]]:
    """Run a server; yield its first line, read as JSON."""
    with running(command) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{command[0]} did not start; run it by hand: {' '.join(command)}")
        # taskset becomes the server, so the id is the server's.
        yield {**json.loads(line), "pid": process.pid}


@contextmanager
def served(command: Sequence[str]) -> Generator[Server]:
    """Run a server that announces itself."""
    with announced(command) as ready:
        yield Server(ready["url"], ready["pid"])


@contextmanager
def _listening(command: Sequence[str], port: int, headers: dict[str, str]) -> Generator[Server]:
    """Run a server that has no line to say it by, and wait until it listens."""
    with running(command) as process:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{' '.join(command)} did not start") from None
                time.sleep(0.05)
        yield Server(f"http://127.0.0.1:{port}", process.pid, headers)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _peer(name: str) -> list[str]:
    path, node = HERE / "peers" / "node_modules" / ".bin" / name, shutil.which("node")
    if node is None or not path.exists():
        raise Unavailable(f"{name} isn't here: `make bench` installs it, with node and npm")
    return [node, str(path)]


@contextmanager
def aimock(folder: Path) -> Generator[Server]:
    """Run aimock with one answer for the endpoint; it validates nothing."""
    match = {"model": ENDPOINT, "endpoint": "fal"}
    answer = {"video": {"url": "https://v3b.fal.media/files/b/0a1b2c3d/x_output.mp4"}}
    fixtures = folder / "aimock"
    fixtures.mkdir()
    table = {"fixtures": [{"match": match, "response": {"json": answer}}]}
    (fixtures / "fal.json").write_text(json.dumps(table))
    port = _free_port()
    options = ["-p", str(port), "-f", str(fixtures), "--log-level", "silent"]
    headers = {"x-fal-target-host": "queue.fal.run"}
    with _listening([*_peer("llmock"), *options], port, headers) as server:
        yield server


@contextmanager
def prism(document: Path) -> Generator[Server]:
    """Run Prism with the endpoint's document."""
    port = _free_port()
    options = ["mock", "-p", str(port), "-v", "silent", str(document)]
    with _listening([*_peer("prism"), *options], port, {}) as server:
        yield server
