"""The main job, start to end: serve, submit the LTX-2 Fast example, follow it, save the clip."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from falkit_client import Client, Completed, InProgress, Queued, Status
from falkit_fixtures import mp4
from falkit_spec import Catalog

ENDPOINT = "fal-ai/ltx-2/image-to-video/fast"
CLIP = Path("out") / "ltx-2-fast.mp4"


def main() -> None:
    endpoint = Catalog.vendored().get(ENDPOINT)
    example = endpoint.example_input()
    show = Narrator()
    with served() as url, Client(key="falkit", base_url=url, poll_interval=0.2) as client:
        print(f"falkit serves fal's queue at {url}/queue.fal.run\n")
        print(f"{ENDPOINT}\n{json.dumps(example, indent=2)}\n")
        result = client.subscribe(ENDPOINT, example, on_update=show, logs=True)
        CLIP.parent.mkdir(exist_ok=True)
        CLIP.write_bytes(httpx.get(result.output["video"]["url"]).raise_for_status().content)
    print(f"\nsaved {CLIP}: {probed(CLIP)}")
    print(f"at fal this would have cost ${client.price(ENDPOINT, example)}")


class Narrator:
    """Prints a job's statuses as they change, and its log lines as they come."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last: type[Status] | None = None

    def __call__(self, status: Status) -> None:
        # The lines that come with the end were printed before it.
        ended = isinstance(status, Completed)
        if not ended:
            self._head(status)
        for line in status.logs:
            print(f"          | {line.message}")
        if ended:
            self._head(status)

    def _head(self, status: Status) -> None:
        if type(status) is not self._last:
            print(f"  {time.monotonic() - self._began:4.1f} s  {_words(status)}")
            self._last = type(status)


def _words(status: Status) -> str:
    match status:
        case Queued():
            return f"IN_QUEUE     {status.position} ahead"
        case InProgress():
            return "IN_PROGRESS"
        case Completed():
            return f"COMPLETED    {status.metrics['inference_time']} s on a runner"


@contextmanager
def served() -> Generator[str]:
    """Run `falkit serve` for the length of the block; yield its URL."""
    falkit = Path(sys.executable).with_name("falkit")
    command = [str(falkit), "serve", "--port", "0", "--quiet"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


def probed(path: Path) -> str:
    """Say what is in the file."""
    data = path.read_bytes()
    facts = mp4.read(data)
    return (
        f"{facts.width}x{facts.height}, {facts.fps:g} fps, {facts.frames} frames, "
        f"{facts.duration:.3f} s,\n  {'with' if facts.audio else 'no'} sound, {len(data):,} bytes"
    )


if __name__ == "__main__":
    main()
