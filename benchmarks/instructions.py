"""Count the instructions that a request takes of a server, which no busy machine changes.

Given names such as `submit`, those alone; needs valgrind. What the system itself does for a socket
isn't counted.
"""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.load import MOCK, POSTED, TARGETS, replies_of
from benchmarks.servers import FLOOR, HEADERS, INPUT, PYTHON, SERVE, Server, announced, served

# The first look at who calls, which imports its rules, is before what is counted.
WARM, COUNTED = 300, 512


def main() -> None:
    names = [name for name in TARGETS if name in sys.argv[1:]] or [*TARGETS]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as place:
        dumps = Path(place)
        with served(SERVE) as mock:
            replies_of(mock, Path(folder))
        valgrind = [
            *("valgrind", "--tool=callgrind", "--instr-atstart=no", "-q"),
            f"--callgrind-out-file={dumps}/callgrind.out",
        ]
        counts: dict[str, dict[str, float]] = {}
        for server, command in (
            (MOCK, [PYTHON, *SERVE]),
            ("starlette", [*FLOOR, "starlette", folder]),
        ):
            with announced([*valgrind, *command]) as ready:
                urls = {name: f"{ready['url']}/{name.replace(', ', '-')}" for name in names}
                if server == MOCK:
                    other = Path(folder, "mock")
                    other.mkdir()
                    urls = replies_of(Server(ready["url"], ready["pid"]), other)
                    for file in other.iterdir():
                        file.unlink()
                    other.rmdir()
                counts[server] = counted(ready["pid"], {name: urls[name] for name in names}, dumps)
    for name in names:
        ours, floor = counts[MOCK][name], counts["starlette"][name]
        print(f"{name:<14} {ours / 1000:8.1f}k instructions, of starlette {floor / ours:.2f}")


def counted(pid: int, urls: Mapping[str, str], dumps: Path) -> dict[str, float]:
    """Return the instructions that one request of each kind takes."""
    found: dict[str, float] = {}
    for name, url in urls.items():
        host, _, path = url.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        ask(connection, name, f"/{path}", WARM)
        control(pid, "-i", "on")
        # It takes effect with the next thing that the server does.
        ask(connection, name, f"/{path}", 5)
        control(pid, "-z")
        ask(connection, name, f"/{path}", COUNTED)
        control(pid, "-d")
        found[name] = total(dumps) / COUNTED
        control(pid, "-i", "off")
        ask(connection, name, f"/{path}", 5)
        connection.close()
    return found


def control(pid: int, *options: str) -> None:
    command = ["callgrind_control", *options, str(pid)]
    subprocess.run(command, capture_output=True, check=True)


def total(dumps: Path) -> float:
    """Return what the newest dump counted."""
    newest = max(dumps.glob("callgrind.out*"), key=lambda file: file.stat().st_mtime_ns)
    found = re.search(r"^(?:summary|totals): (\d+)", newest.read_text(), re.M)
    assert found is not None, newest
    return float(found[1])


def ask(connection: http.client.HTTPConnection, name: str, path: str, times: int) -> None:
    for _ in range(times):
        post = name in POSTED
        connection.request("POST" if post else "GET", path, INPUT if post else None, HEADERS)
        reply = connection.getresponse()
        reply.read()
        assert reply.status in (200, 202), reply.status
    time.sleep(0.1)


if __name__ == "__main__":
    main()
