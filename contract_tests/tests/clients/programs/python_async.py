"""fal-client's asynchronous functions, as its documentation calls them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import fal_client
import httpx
from fal_client.client import RealtimeError
from PIL import Image

from clients.programs.telling import (
    CHAT,
    ENDPOINT,
    FROM_IMAGE,
    INPUT,
    PAINT,
    SOCKET,
    STREAM,
    WORKFLOW,
    content,
    file,
    tell_async,
)

CLIENT = "fal-client, async"
# Above 100 MiB it uploads in parts.
LARGE = bytes(101 * 1024 * 1024) + b"end."


async def download(url: str) -> dict[str, object]:
    async with httpx.AsyncClient() as http:
        reply = await http.get(url)
    return file(reply.status_code, reply.headers, reply.content)


async def clip(output: dict[str, Any]) -> dict[str, object]:
    return await download(output["video"]["url"])


async def run() -> object:
    return await clip(await fal_client.run_async(ENDPOINT, arguments=INPUT))


async def start_timeout() -> object:
    return await clip(await fal_client.run_async(ENDPOINT, arguments=INPUT, start_timeout=30))


async def submit() -> object:
    handle = await fal_client.submit_async(ENDPOINT, arguments=INPUT)
    names = ("request_id", "response_url", "status_url", "cancel_url")
    return {name: getattr(handle, name) for name in names}


async def status() -> object:
    request_id = (await fal_client.submit_async(ENDPOINT, arguments=INPUT)).request_id
    told = [await fal_client.status_async(ENDPOINT, request_id, with_logs=True) for _ in range(3)]
    return {"statuses": [type(one).__name__ for one in told], "logs": getattr(told[2], "logs", [])}


async def result() -> object:
    request_id = (await fal_client.submit_async(ENDPOINT, arguments=INPUT)).request_id
    return await clip(await fal_client.result_async(ENDPOINT, request_id))


async def stream() -> object:
    return [event async for event in fal_client.stream_async(ENDPOINT, arguments=INPUT)]


async def subscribe() -> object:
    updates: list[str] = []
    logs: list[str] = []

    def on_queue_update(update: fal_client.Status) -> None:
        updates.append(type(update).__name__)
        if isinstance(update, fal_client.InProgress):
            logs.extend(log["message"] for log in update.logs or [])

    output = await fal_client.subscribe_async(
        ENDPOINT, arguments=INPUT, with_logs=True, on_queue_update=on_queue_update
    )
    return {"statuses": updates, "logs": logs, "clip": await clip(output)}


async def cancel() -> object:
    request_id = (await fal_client.submit_async(ENDPOINT, arguments=INPUT)).request_id
    await fal_client.cancel_async(ENDPOINT, request_id)
    return await fal_client.result_async(ENDPOINT, request_id)


async def upload() -> object:
    return await download(await fal_client.upload_async(b"hello", "text/plain"))


async def upload_file() -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.png")
        Image.new("RGB", (640, 360), "navy").save(path)
        url = await fal_client.upload_file_async(path)  # pyright: ignore[reportUnknownMemberType] # its PathLike
    output = await fal_client.run_async(FROM_IMAGE, arguments={**INPUT, "image_url": url})
    return {"file": await download(url), "clip": await clip(output)}


async def upload_image() -> object:
    return await download(await fal_client.upload_image_async(Image.new("RGB", (640, 360), "navy")))


async def upload_parts() -> object:
    url = await fal_client.upload_async(LARGE, "video/mp4", file_name="large.mp4")
    async with httpx.AsyncClient() as http:
        reply = await http.get(url, headers={"Range": "bytes=-4"})
    return {"range": reply.headers["content-range"], "tail": reply.text}


async def client_timeout() -> object:
    # The first connection takes its time, which counts.
    await fal_client.submit_async(ENDPOINT, arguments=INPUT)
    try:
        return await fal_client.subscribe_async(ENDPOINT, arguments=INPUT, client_timeout=2)
    except fal_client.FalClientTimeoutError as late:
        status = await fal_client.status_async(ENDPOINT, str(late.request_id))
        return {"message": str(late), "error_type": getattr(status, "error_type", None)}


async def events(endpoint: str, path: str = "/stream", **more: object) -> object:
    arguments = {**INPUT, **more}
    stream = fal_client.stream_async(endpoint, arguments=arguments, path=path)
    return [event async for event in stream]


async def realtime() -> object:
    async with fal_client.realtime_async(SOCKET, max_buffering=60) as connection:
        for seed in range(3):
            await connection.send({**INPUT, "seed": seed})
        answers = [await connection.recv() for _ in range(3)]
        await connection.send({})
        try:
            await connection.recv()
        except RealtimeError as error:
            files = [
                content("image", "image/jpeg", one["image"]["content"]) for one in answers if one
            ]
            return {"files": files, "error": str(error)}
    return {}


async def main() -> None:
    if sys.argv[1:] == ["streams"]:
        await tell_async(CLIENT, "stream_text", events(CHAT, model="some/model"))
        await tell_async(CLIENT, "stream_pictures", events(PAINT))
        await tell_async(CLIENT, "stream_of_id", events(STREAM, path=""))
        await tell_async(CLIENT, "stream_of_stream", events(STREAM))
        await tell_async(CLIENT, "workflow", events(WORKFLOW))
        await tell_async(CLIENT, "realtime", realtime())
        return
    if sys.argv[1:] == ["late"]:
        await tell_async(CLIENT, "client_timeout", client_timeout())
        return
    for work in (run, start_timeout, submit, status, result, subscribe, cancel, stream):
        await tell_async(CLIENT, work.__name__, work())
    for work in (upload, upload_file, upload_image, upload_parts):
        await tell_async(CLIENT, work.__name__, work())


asyncio.run(main())
