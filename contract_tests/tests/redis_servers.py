"""A redis-server of a test's own: on a free loopback port, in a folder of its own, bounded."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import redis

from processes import end, found

# What it keeps on its disk: nothing, or each commit before it answers.
FORGETS = ("--save", "", "--appendonly", "no")
KEEPS = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


class RedisServer:
    """A redis-server that can be killed, stopped and started again where it was."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Take options of redis-server, in which PORT stands for the port."""
        # Another that speaks the same, such as Valkey's, may be named.
        self._program = os.environ.get("FALKIT_REDIS_SERVER") or found(
            "redis-server", package="redis-server"
        )
        self._folder, self._options = folder, options or FORGETS
        self._process: subprocess.Popen[str] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = [option.replace("PORT", str(self.port)) for option in self._options]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [self._program, *arguments, "--maxmemory", "512mb", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                break
        else:
            self._process.wait()
            self._process.stdout.close()
            raise AssertionError("redis-server did not start")
        # Nobody reads what else it says, and a full pipe would hold it up.
        self._drain = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._drain.start()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._ended(self._process)

    def close(self) -> None:
        if self._process is not None:
            end(self._process)
            self._ended(self._process)

    def _ended(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        self._drain.join()
        assert process.stdout is not None
        process.stdout.close()
        self._process = None

    def ask(self, *command: Any) -> Any:
        """Have a command done."""
        with redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10) as client:
            return cast(Any, client).execute_command(*command)


@contextmanager
def served_redis(folder: Path, *options: str) -> Generator[RedisServer]:
    """Serve a Redis for the length of the block."""
    server = RedisServer(folder, *options)
    try:
        yield server
    finally:
        server.close()
