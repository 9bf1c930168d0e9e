"""fal-client's synchronous functions, as its documentation calls them."""

from __future__ import annotations

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
    tell,
)

CLIENT = "fal-client"
# Above 100 MiB it uploads in parts.
LARGE = bytes(101 * 1024 * 1024) + b"end."


def download(url: str) -> dict[str, object]:
    reply = httpx.get(url)
    return file(reply.status_code, reply.headers, reply.content)


def clip(output: dict[str, Any]) -> dict[str, object]:
    return download(output["video"]["url"])


def run() -> object:
    return clip(fal_client.run(ENDPOINT, arguments=INPUT))


def start_timeout() -> object:
    return clip(fal_client.run(ENDPOINT, arguments=INPUT, start_timeout=30))


def submit() -> object:
    handle = fal_client.submit(ENDPOINT, arguments=INPUT)
    names = ("request_id", "response_url", "status_url", "cancel_url")
    return {name: getattr(handle, name) for name in names}


def status() -> object:
    request_id = fal_client.submit(ENDPOINT, arguments=INPUT).request_id
    told = [fal_client.status(ENDPOINT, request_id, with_logs=True) for _ in range(3)]
    return {"statuses": [type(one).__name__ for one in told], "logs": getattr(told[2], "logs", [])}


def result() -> object:
    request_id = fal_client.submit(ENDPOINT, arguments=INPUT).request_id
    return clip(fal_client.result(ENDPOINT, request_id))


def stream() -> object:
    return list(fal_client.stream(ENDPOINT, arguments=INPUT))


def subscribe() -> object:
    updates: list[str] = []
    logs: list[str] = []

    def on_queue_update(update: fal_client.Status) -> None:
        updates.append(type(update).__name__)
        if isinstance(update, fal_client.InProgress):
            logs.extend(log["message"] for log in update.logs or [])

    output = fal_client.subscribe(
        ENDPOINT, arguments=INPUT, with_logs=True, on_queue_update=on_queue_update
    )
    return {"statuses": updates, "logs": logs, "clip": clip(output)}


def cancel() -> object:
    request_id = fal_client.submit(ENDPOINT, arguments=INPUT).request_id
    fal_client.cancel(ENDPOINT, request_id)
    return fal_client.result(ENDPOINT, request_id)


def upload() -> object:
    return download(fal_client.upload(b"hello", "text/plain"))


def upload_file() -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.png")
        Image.new("RGB", (640, 360), "navy").save(path)
        url = fal_client.upload_file(path)  # pyright: ignore[reportUnknownMemberType] # its PathLike
    output = fal_client.run(FROM_IMAGE, arguments={**INPUT, "image_url": url})
    return {"file": download(url), "clip": clip(output)}


def upload_image() -> object:
    return download(fal_client.upload_image(Image.new("RGB", (640, 360), "navy")))


def upload_parts() -> object:
    url = fal_client.upload(LARGE, "video/mp4", file_name="large.mp4")
    reply = httpx.get(url, headers={"Range": "bytes=-4"})
    return {"range": reply.headers["content-range"], "tail": reply.text}


def client_timeout() -> object:
    # The first connection takes its time, which counts.
    fal_client.submit(ENDPOINT, arguments=INPUT)
    try:
        return fal_client.subscribe(ENDPOINT, arguments=INPUT, client_timeout=2)
    except fal_client.FalClientTimeoutError as late:
        status = fal_client.status(ENDPOINT, str(late.request_id))
        return {"message": str(late), "error_type": getattr(status, "error_type", None)}


def stream_text() -> object:
    return list(fal_client.stream(CHAT, arguments={**INPUT, "model": "some/model"}))


def stream_pictures() -> object:
    return list(fal_client.stream(PAINT, arguments=INPUT))


def stream_of_id() -> object:
    return list(fal_client.stream(STREAM, arguments=INPUT, path=""))


def stream_of_stream() -> object:
    return list(fal_client.stream(STREAM, arguments=INPUT))


def workflow() -> object:
    return list(fal_client.stream(WORKFLOW, arguments=INPUT))


def realtime() -> object:
    with fal_client.realtime(SOCKET, max_buffering=60) as connection:
        for seed in range(3):
            connection.send({**INPUT, "seed": seed})
        answers = [connection.recv() for _ in range(3)]
        connection.send({})
        try:
            connection.recv()
        except RealtimeError as error:
            files = [
                content("image", "image/jpeg", one["image"]["content"]) for one in answers if one
            ]
            return {"files": files, "error": str(error)}
    return {}


def main() -> None:
    if sys.argv[1:] == ["streams"]:
        of_id = (stream_of_id, stream_of_stream)
        for work in (stream_text, stream_pictures, *of_id, workflow, realtime):
            tell(CLIENT, work.__name__, work)
        return
    if sys.argv[1:] == ["late"]:
        tell(CLIENT, "client_timeout", client_timeout)
        return
    for work in (run, start_timeout, submit, status, result, subscribe, cancel, stream):
        tell(CLIENT, work.__name__, work)
    for work in (upload, upload_file, upload_image, upload_parts):
        tell(CLIENT, work.__name__, work)


main()
