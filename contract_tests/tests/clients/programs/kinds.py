"""Models of every kind by fal-client: run, submit and subscribe, and the same asynchronously.

    python kinds.py FILE WAY...

The file has inputs by kind; `{sound}` and `{picture}` in them are files that are uploaded first.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fal_client
import httpx
from PIL import Image

from clients.programs.telling import error_of, kept, show, sound, urls_in

CLIENTS = {"sync": "fal-client", "async": "fal-client, async"}
Input = dict[str, Any]


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 360), "navy").save(file, "PNG")
    return file.getvalue()


def submit(endpoint: str, input: Input) -> Any:
    handle = fal_client.submit(endpoint, arguments=input)
    for _ in handle.iter_events(with_logs=True):
        pass
    return handle.get()


def subscribe(endpoint: str, input: Input) -> Any:
    seen: list[str] = []

    def update(status: fal_client.Status) -> None:
        seen.append(type(status).__name__)

    output = fal_client.subscribe(endpoint, arguments=input, with_logs=True, on_queue_update=update)
    assert seen[-1] == "Completed", seen
    return output


async def submit_async(endpoint: str, input: Input) -> Any:
    handle = await fal_client.submit_async(endpoint, arguments=input)
    async for _ in handle.iter_events(with_logs=True):
        pass
    return await handle.get()


def run(endpoint: str, input: Input) -> Any:
    return fal_client.run(endpoint, arguments=input)


async def run_async(endpoint: str, input: Input) -> Any:
    return await fal_client.run_async(endpoint, arguments=input)


async def subscribe_async(endpoint: str, input: Input) -> Any:
    return await fal_client.subscribe_async(endpoint, arguments=input, with_logs=True)


WAYS: dict[str, Callable[[str, Input], Any]] = {
    one.__name__: one for one in (run, submit, subscribe)
}
ASYNC = {one.__name__: one for one in (run_async, submit_async, subscribe_async)}


def told_of(call: Callable[[str, Input], Any], endpoint: str, input: Input) -> dict[str, Any]:
    """Return an output and its files, or the error."""
    try:
        output = call(endpoint, input)
        files = [kept(url, httpx.get(url)) for url in urls_in(output)]
    except Exception as error:
        return {"error": error_of(error)}
    return {"output": output, "files": files}


def by_way(way: str, runner: asyncio.Runner) -> Callable[[str, Input], Any]:
    def call(endpoint: str, input: Input) -> Any:
        return runner.run(ASYNC[way](endpoint, input))

    return WAYS.get(way, call)


def main(path: str, *ways: str) -> None:
    text = Path(path).read_text()
    if "{sound}" in text:
        text = text.replace("{sound}", fal_client.upload(sound(), "audio/x-wav"))
        text = text.replace("{picture}", fal_client.upload(picture(), "image/png"))
    # One loop for all calls, since the client keeps its connections.
    with asyncio.Runner() as runner:
        for way in ways:
            client = CLIENTS["async" if way.endswith("_async") else "sync"]
            call = by_way(way, runner)
            came = {kind: told_of(call, *asked) for kind, asked in json.loads(text).items()}
            show(client, f"{way.removesuffix('_async')}_kinds", value=came)


main(*sys.argv[1:])
