"""HTTP libraries that know nothing of fal: a call, a job in the queue, the clip."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import requests

from clients.programs.telling import ENDPOINT, INPUT, file, tell

HEADERS = {"Authorization": f"Key {os.environ['FAL_KEY']}"}
# Sends GET where there is no input, POST otherwise; returns status, headers and content.
Reply = tuple[int, dict[str, str], bytes]
Send = Callable[[str, dict[str, Any] | None], Reply]


def by_requests(url: str, input: dict[str, Any] | None) -> Reply:
    method = "GET" if input is None else "POST"
    reply = requests.request(method, url, headers=HEADERS, json=input, timeout=60)
    return reply.status_code, _lower(reply.headers.items()), reply.content


def by_httpx(url: str, input: dict[str, Any] | None) -> Reply:
    method = "GET" if input is None else "POST"
    reply = httpx.request(method, url, headers=HEADERS, json=input, timeout=60)
    return reply.status_code, dict(reply.headers), reply.content


def by_urllib(url: str, input: dict[str, Any] | None) -> Reply:
    data = None if input is None else json.dumps(input).encode()
    headers = {**HEADERS, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as reply:
        return reply.status, _lower(reply.headers.items()), reply.read()


def by_aiohttp(url: str, input: dict[str, Any] | None) -> Reply:
    async def send() -> Reply:
        method = "GET" if input is None else "POST"
        async with (
            aiohttp.ClientSession(trust_env=True) as session,
            session.request(method, url, headers=HEADERS, json=input) as reply,
        ):
            return reply.status, _lower(reply.headers.items()), await reply.read()

    return asyncio.run(send())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def clip(send: Send, output: dict[str, Any]) -> dict[str, object]:
    return file(*send(output["video"]["url"], None))


def run(send: Send) -> object:
    status, _, body = send(f"https://fal.run/{ENDPOINT}", INPUT)
    return {"code": status, "clip": clip(send, json.loads(body))}


def queue(send: Send) -> object:
    job = json.loads(send(f"https://queue.fal.run/{ENDPOINT}", INPUT)[2])
    seen: list[dict[str, Any]] = []
    codes: list[int] = []
    while not seen or seen[-1]["status"] != "COMPLETED":
        code, _, body = send(f"{job['status_url']}?logs=1", None)
        seen.append(json.loads(body))
        codes.append(code)
    output = json.loads(send(job["response_url"], None)[2])
    statuses = [status["status"] for status in seen]
    told = {"statuses": statuses, "codes": codes, "logs": seen[-1]["logs"]}
    return {**told, "clip": clip(send, output)}


for client, send in {
    "requests": by_requests,
    "httpx": by_httpx,
    "urllib": by_urllib,
    "aiohttp": by_aiohttp,
}.items():
    tell(client, "run", lambda: run(send))  # noqa: B023 # called before the next one
    tell(client, "queue", lambda: queue(send))  # noqa: B023
