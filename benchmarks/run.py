"""Measure the mock beside a bare Starlette application under the same server, in one run.

Needs wrk. Server and load get a core each; each figure is the median of three rounds, and the
ratio is to the floor measured in the same round, since machines are noisy.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
PYTHON = sys.executable
FALKIT = str(Path(sys.executable).with_name("falkit"))
SERVE = [FALKIT, "serve", "--port", "0", "--timing", "instant", "--quiet"]
FLOOR = [PYTHON, str(HERE / "floor.py")]
INPUT = json.dumps({"prompt": "a quiet harbour", "image_url": "https://example.com/photo.png"})
HEADERS = {"authorization": "Key falkit", "content-type": "application/json"}
SUBMIT = "/queue.fal.run/fal-ai/ltx-2/image-to-video/fast"
ROUNDS, SECONDS, CONNECTIONS = 3, 4, 32


@dataclass(frozen=True)
class Load:
    """One kind of request, at the mock and at the floor."""

    name: str
    url: str
    floor_url: str
    post: bool = False


def main() -> None:
    print(f"cold start to the first answered submit: {cold_start() * 1000:.0f} ms (median of 5)")
    with served(SERVE) as mock, served(FLOOR) as floor:
        made = httpx.post(mock + SUBMIT, content=INPUT, headers=HEADERS).json()
        result = httpx.get(made["response_url"], headers=HEADERS).json()
        loads = [
            Load("submit", mock + SUBMIT, f"{floor}/submit", post=True),
            Load("status", made["status_url"], f"{floor}/status"),
            Load("result", made["response_url"], f"{floor}/status"),
            Load("media", result["video"]["url"], f"{floor}/media"),
        ]
        print(f"\n{CONNECTIONS} connections   mock/s   floor/s   ratio")
        for load in loads:
            report(load)


def report(load: Load) -> None:
    """Measure mock and floor in turn and print the medians."""
    rounds = [(wrk(load.url, load.post), wrk(load.floor_url, load.post)) for _ in range(ROUNDS)]
    mock = statistics.median(ours for ours, _ in rounds)
    floor = statistics.median(theirs for _, theirs in rounds)
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    print(f"{load.name:<16} {mock:>8,.0f}  {floor:>8,.0f}   {ratio:.2f}x", flush=True)


def wrk(url: str, post: bool) -> float:
    """Return requests per second; fail if a reply was not a success."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in HEADERS.items()]
    if post:
        lines += ['wrk.method = "POST"', f"wrk.body = {json.dumps(INPUT)}"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", script.name, url]
        output = subprocess.check_output([*pinned(1), *command], text=True)
    assert "Non-2xx" not in output, output
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found is not None, output
    return float(found[1])


def cold_start() -> float:
    """Return seconds from starting the process to the reply of its first submit."""
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        with served(SERVE) as url:
            httpx_free_submit(url)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def httpx_free_submit(url: str) -> None:
    """Submit over a plain socket: a client's own set-up is not the server's start."""
    import http.client

    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", SUBMIT, INPUT, HEADERS)
    assert connection.getresponse().status == 200
    connection.close()


@contextmanager
def served(command: list[str]) -> Generator[str]:
    """Run a server on the first core for the length of the block; yield its URL."""
    with announced(command) as ready:
        yield ready["url"]


@contextmanager
def announced(command: list[str]) -> Generator[dict[str, Any]]:
    """Run a server as `served` does; yield its first line, read as JSON."""
    process = subprocess.Popen(
        [*pinned(0), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def pinned(core: int) -> list[str]:
    """Return what runs a command on one core, where that can be said and there are two."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 and os.name == "posix" else []


if __name__ == "__main__":
    main()
