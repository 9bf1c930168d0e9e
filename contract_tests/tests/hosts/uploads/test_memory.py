"""Large files go through the server without staying in it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from processes import FALKIT, started

COMMAND = [FALKIT, "serve"]
MiB = 1024 * 1024
# In MiB; FALKIT_LARGE_UPLOAD=1024 tries a gigabyte.
SIZE = int(os.environ.get("FALKIT_LARGE_UPLOAD", "256"))
LIMIT = 150
CHUNK = os.urandom(MiB)


@pytest.fixture
def server() -> Generator[tuple[str, int]]:
    """A `falkit serve` of its own: its URL and its process id."""
    command = [*COMMAND, "--port", "0", "--quiet", "--timing", "instant"]
    with started(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield ready["url"], ready["pid"]


def peak(pid: int) -> float:
    """Return the most memory that a process ever had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def generated() -> Generator[bytes]:
    for _ in range(SIZE):
        yield CHUNK


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_large_file_goes_in_and_out_in_little_memory(server: tuple[str, int]) -> None:
    url, pid = server
    key = {"authorization": "Key id:secret"}
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        token = client.post("/rest.fal.ai/storage/auth/token", json={}, headers=key).json()
        headers = {"authorization": f"Bearer {token['token']}", "content-type": "video/mp4"}
        began = time.perf_counter()
        reply = client.post("/v3.fal.media/files/upload", content=generated(), headers=headers)
        assert reply.status_code == 200, reply.text
        sent = time.perf_counter() - began
        received = 0
        began = time.perf_counter()
        with client.stream("GET", reply.json()["access_url"]) as read:
            for chunk in read.iter_bytes(MiB):
                received += len(chunk)
        took = time.perf_counter() - began
        assert received == SIZE * MiB
    print(f"{SIZE} MiB: in {SIZE / sent:.0f} MiB/s, out {SIZE / took:.0f} MiB/s, ", end="")
    print(f"at most {peak(pid):.0f} MiB")
    assert peak(pid) < LIMIT
