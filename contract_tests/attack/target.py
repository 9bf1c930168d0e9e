"""The mock that is attacked: a process of its own, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MIB = 1024 * 1024
# Documents of a model with a socket and of a workflow.
_DOCUMENTS = Path(__file__).parents[1] / "tests" / "clients" / "documents"
# Bytes of address space: an attack that finds a leak must not take the machine with it.
CEILING = 4 * 1024 * MIB
# Seconds for an answer to begin, and for the process to start and to end.
PATIENCE = 20.0
_GATEWAY = ("--gateway", "--gateway-port", "0", "--egress", "block")
SERVE = (
    *("serve", "--port", "0"),
    *("--timing", "0,0.05", "--seed", "1", "--runners", "50", "--concurrency", "0"),
    *("--request-log", "200", "--result-ttl", "5s", "--log-format", "json"),
    *("--documents", str(_DOCUMENTS)),
)
_FALKIT = "import sys; from falkit_mock.cli import main; main(sys.argv[1:])"

Address = tuple[str, int]


@dataclass(frozen=True)
class Target:
    """A running mock."""

    process: subprocess.Popen[bytes]
    http: Address
    gateway: Address
    folder: Path

    def memory(self) -> int:
        """Return the bytes that the process and its workers have in memory."""
        return sum(_status(pid, "VmRSS:") for pid in self.pids())

    def forget_peak(self) -> None:
        """Have `peak_memory` begin anew."""
        for pid in self.pids():
            with suppress(FileNotFoundError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_memory(self) -> int:
        """Return the most bytes that the process and its workers had in memory."""
        return sum(_status(pid, "VmHWM:") for pid in self.pids())

    def files(self) -> int:
        """Return how many descriptors the process and its workers have open."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def pids(self) -> list[str]:
        """Return the ids of the process and of what it has started."""
        return [str(self.process.pid), *self.children()]

    def children(self) -> list[str]:
        """Return the ids of the programs that the process has started and that run."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return text.split()

    def tracebacks(self) -> list[str]:
        """Return what the process has printed that isn't its log, and tracebacks in that."""
        lines = (self.folder / "stderr").read_text("utf-8", "replace").splitlines()
        return [line for line in lines if line and (line[0] != "{" or "Traceback (most" in line)]

    def leftovers(self) -> list[str]:
        """Return the temporary files that are there; call it once the process has ended."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    def end(self) -> float:
        """End the process as its user would, and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def attacked(
    plant: str = "", options: Sequence[str] = (), documents: Mapping[str, bytes] | None = None
) -> Generator[Target]:
    """Serve a mock for the length of the block.

    `plant` is Python that runs in the process first, such as to plant a fault; `documents` are
    further ones, by file name.
    """
    folder = Path(tempfile.mkdtemp(prefix="falkit-attack-"))
    # Workers have none.
    gateway = () if "--workers" in options else _GATEWAY
    (folder / "tmp").mkdir()
    (folder / "documents").mkdir()
    for name, data in (documents or {}).items():
        (folder / "documents" / name).write_bytes(data)
    options = [*options, "--documents", str(folder / "documents")]
    environ = {**os.environ, "TMPDIR": str(folder / "tmp"), "FALKIT_HOME": str(folder / "home")}
    command = [sys.executable, "-c", f"{plant}\n{_FALKIT}", *SERVE, *gateway, *options]
    with open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environ,
            cwd=folder,
            preexec_fn=_be_bounded,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError((folder / "stderr").read_text())
        ready = json.loads(line)
        gate = ready.get("gateway", ready["url"])
        yield Target(process, _address(ready["url"]), _address(gate), folder)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def _status(pid: str, name: str) -> int:
    """Return a number of bytes that the system tells of a process; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return int(text.partition(name)[2].split()[0]) * 1024


def _be_bounded() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or 80


def exchange(
    address: Address,
    data: bytes,
    patience: float = PATIENCE,
    opening: bytes = b"",
    least: int = 0,
) -> bytes:
    """Send bytes and return the first of what is answered; nothing if the other side hangs up.

    `least` bytes are read where there are as many. Where there is an `opening`, its answer is
    read first and let go. Raise TimeoutError if nothing comes.
    """
    with socket.create_connection(address, PATIENCE) as connection:
        try:
            if opening:
                connection.sendall(opening)
                connection.recv(65_536)
            connection.settimeout(patience)
            connection.sendall(data)
            answer = bytearray(connection.recv(65_536))
            while b"\r\n\r\n" not in answer and (more := connection.recv(65_536)):
                answer += more
            while len(answer) < least and (more := connection.recv(65_536)):
                answer += more
        except (ConnectionResetError, BrokenPipeError):
            return b""
    return bytes(answer)
