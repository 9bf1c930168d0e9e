"""A mock of several workers, as `falkit serve --workers` starts it, and calls of it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from processes import started
from serving import KEY, PROMPT, T2V

# As `falkit` does, but of the code that this test was taken from.
PROGRAM = [sys.executable, "-c", "from falkit_mock.cli import main; main()"]
T = TypeVar("T")
# How often something is asked, each time over a connection of its own, so that both of two workers
# have answered: they are told apart once in 2^16 times at most.
OFTEN = 16


@dataclass(frozen=True)
class Answer:
    """A reply, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Several:
    """A mock of several workers; each call has a connection of its own, so any may answer."""

    url: str
    process: subprocess.Popen[Any]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        address = urlsplit(self.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        kind = (
            {} if body is None or isinstance(body, bytes) else {"content-type": "application/json"}
        )
        path = path.removeprefix(self.url)
        path += f"?{urlencode(query)}" if query else ""
        try:
            connection.request(method, path, data, {**KEY, **kind, **(headers or {})})
            reply = connection.getresponse()
            told = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, told, reply.read())
        finally:
            connection.close()

    def control(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call the control API; return the JSON of its reply."""
        answer = self.ask(method, f"/__falkit{path}", body, query)
        assert answer.status < 300, answer.body
        return answer.json

    def submit(self, input: Any = PROMPT, **query: Any) -> dict[str, Any]:
        """Put a request into the queue; return the reply's body."""
        answer = self.ask("POST", f"/queue.fal.run/{T2V}", input, query)
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def status(self, job: dict[str, Any], **query: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", job["status_url"], query=query).json
        return found

    def workers(self) -> list[int]:
        """Return the workers' process ids."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(each) for each in listed.split()]


@contextmanager
def several(state: Path | str, *options: str, workers: int = 2, **popen: Any) -> Generator[Several]:
    """Serve a mock of several workers for the length of the block."""
    command = [*PROGRAM, "serve", "--port", "0", "--state", str(state), "--quiet"]
    with started([*command, "--workers", str(workers), *options], **popen) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "it did not start"
        yield Several(json.loads(line)["url"], process)


def at_once(count: int, call: Callable[[], T]) -> list[T]:
    """Return what so many calls at once return."""
    with ThreadPoolExecutor(count) as pool:
        return [made.result() for made in [pool.submit(call) for _ in range(count)]]
