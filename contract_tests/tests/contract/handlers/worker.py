"""A worker that makes one clip. It notes how far it is, and goes on from there."""

from __future__ import annotations

import json
import os
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

MODEL = "fal-ai/ltx-2/text-to-video"
INPUT = {"prompt": "Rain on a tin roof"}
NOTE, CLIP = Path("order.json"), Path("clip.mp4")


def call(url: str, body: object = None) -> Any:
    """Ask fal, and return its JSON."""
    head = {"authorization": f"Key {os.environ['FAL_KEY']}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, head)) as reply:
        return json.load(reply)


def write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def looked_for() -> str | None:
    """Return the request id of a submit whose reply was lost; None if fal has no such request."""
    query = urllib.parse.urlencode({"endpoint_id": MODEL, "expand": "payloads"})
    found = call(f"https://api.fal.ai/v1/models/requests/by-endpoint?{query}")
    ids = (item["request_id"] for item in found["items"] if item["json_input"] == INPUT)
    return next(ids, None)


def main() -> None:
    """Make the clip, unless it is there."""
    if CLIP.exists():
        return
    noted = json.loads(NOTE.read_text()) if NOTE.exists() else None
    if noted is None:
        write(NOTE, json.dumps({}).encode())
        request_id = None
    else:
        request_id = noted.get("request_id") or looked_for()
    if request_id is None:
        request_id = call(f"https://queue.fal.run/{MODEL}", INPUT)["request_id"]
    write(NOTE, json.dumps({"request_id": request_id}).encode())
    job = f"https://queue.fal.run/fal-ai/ltx-2/requests/{request_id}"
    while call(f"{job}/status")["status"] != "COMPLETED":
        time.sleep(0.05)
    with urllib.request.urlopen(call(job)["video"]["url"]) as reply:
        write(CLIP, reply.read())


if __name__ == "__main__":
    main()
