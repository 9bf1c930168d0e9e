"""Replicas and their Redis are killed under load, and nothing that was answered is lost."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from nights import NIGHTLY
from processes import started
from receiver import Receiver
from redis_servers import KEEPS, RedisServer, served_redis
from serving import KEY, T2V

_INITIATE = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
# How often something is killed, and how many answers come in between.
KILLS, BETWEEN = (60, 200) if NIGHTLY else (2, 60)


@dataclass
class Answered:
    """What clients were told."""

    ids: dict[str, None] = field(default_factory=dict[str, None])
    results: dict[str, bytes] = field(default_factory=dict[str, bytes])
    # Digests of uploads by their paths.
    uploads: dict[str, str] = field(default_factory=dict[str, str])
    # Replies by their codes, and calls that got none.
    codes: Counter[int] = field(default_factory=Counter[int])
    over: bool = False


class Replicas:
    """Two mocks that share a Redis."""

    def __init__(self, stack: ExitStack, redis: RedisServer) -> None:
        self._stack = stack
        options = ["--timing", "0,0.02", "--runners", "64", "--quiet", "--result-ttl", "forever"]
        program = [sys.executable, "-c", "from falkit_mock.cli import main; main()", "serve"]
        self._command = [*program, "--port", "0", "--state", redis.url, *options]
        self._running = [self._started(), self._started()]

    @property
    def urls(self) -> list[str]:
        return [url for url, _ in self._running]

    def kill(self, which: int) -> None:
        """Kill a replica, and start another in its place."""
        self._running[which][1].kill()
        self._running[which] = self._started()

    def _started(self) -> tuple[str, subprocess.Popen[Any]]:
        process = self._stack.enter_context(started(self._command))
        assert process.stdout is not None
        return json.loads(process.stdout.readline())["url"], process


async def _submits(
    http: httpx.AsyncClient, mocks: Replicas, dice: random.Random, hook: str, told: Answered
) -> None:
    while not told.over:
        url, other = dice.sample(mocks.urls, 2)
        try:
            reply = await http.post(
                f"{url}/queue.fal.run/{T2V}",
                json={"prompt": "a kite"},
                params={"fal_webhook": hook},
            )
            told.codes[reply.status_code] += 1
            if reply.status_code != 200:
                continue
            id = reply.json()["request_id"]
            told.ids[id] = None
            result = await http.get(f"{other}/queue.fal.run/fal-ai/ltx-2/requests/{id}")
            if result.status_code == 200:
                told.results[id] = _output(result)
        except httpx.TransportError:
            told.codes[0] += 1


async def _uploads(
    http: httpx.AsyncClient, mocks: Replicas, dice: random.Random, told: Answered
) -> None:
    asked = {"file_name": "a.bin", "content_type": "application/octet-stream"}
    while not told.over:
        url, other = dice.sample(mocks.urls, 2)
        data = dice.randbytes(dice.randrange(1, 300_000))
        try:
            opened = await http.post(f"{url}{_INITIATE}", json=asked)
            if opened.status_code == 200:
                place = re.sub(r"^http://[^/]+", other, opened.json()["upload_url"])
                put = await http.put(place, content=data)
                if put.status_code == 200:
                    path = opened.json()["file_url"].partition("/v3b.fal.media")[2]
                    told.uploads[path] = hashlib.sha256(data).hexdigest()
        except httpx.TransportError:
            pass


async def _kills(mocks: Replicas, redis: RedisServer, dice: random.Random, told: Answered) -> None:
    """Kill one after the other, each once some calls were answered."""

    def restart() -> None:
        redis.kill()
        redis.start()

    for kill in range(KILLS):
        enough = len(told.ids) + dice.randrange(1, BETWEEN)
        while len(told.ids) < enough:
            await asyncio.sleep(0)
        if kill % 2:
            await asyncio.to_thread(restart)
        else:
            await asyncio.to_thread(mocks.kill, dice.randrange(2))
    enough = len(told.ids) + BETWEEN
    while len(told.ids) < enough:
        await asyncio.sleep(0)
    told.over = True


def _output(result: httpx.Response) -> bytes:
    """Return a result without the address of the replica that took the job."""
    return re.sub(rb"http://127\.0\.0\.1:[0-9]+", b"", result.content)


async def _run(mocks: Replicas, redis: RedisServer, hook: str, told: Answered) -> None:
    dice = random.Random(KILLS)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(headers=KEY, trust_env=False, limits=limits, timeout=60) as http:
        await asyncio.gather(
            *(_submits(http, mocks, dice, hook, told) for _ in range(8)),
            _uploads(http, mocks, dice, told),
            _kills(mocks, redis, dice, told),
        )
        for url in mocks.urls:
            await _check(http, url, told)


async def _check(http: httpx.AsyncClient, url: str, told: Answered) -> None:
    lost: list[str] = []
    for id in told.ids:
        reply = await http.get(f"{url}/queue.fal.run/fal-ai/ltx-2/requests/{id}")
        while reply.status_code == 400:
            # It hasn't ended yet.
            reply = await http.get(f"{url}/queue.fal.run/fal-ai/ltx-2/requests/{id}")
        if reply.status_code != 200:
            lost.append(id)
            continue
        assert _output(reply) == told.results.setdefault(id, _output(reply))
    assert lost == [], f"{len(lost)} of {len(told.ids)} ids are unknown"
    for path, digest in told.uploads.items():
        reply = await http.get(f"{url}/v3b.fal.media{path}")
        assert reply.status_code == 200, path
        assert hashlib.sha256(reply.content).hexdigest() == digest


def test_nothing_that_was_answered_is_lost(tmp_path: Path, receiver: Receiver) -> None:
    told = Answered()
    with served_redis(tmp_path, *KEEPS) as redis, ExitStack() as stack:
        mocks = Replicas(stack, redis)
        asyncio.run(_run(mocks, redis, receiver.url, told))

        def heard() -> bool:
            came = {each.json["request_id"] for each in receiver.received}
            return told.ids.keys() <= came

        with receiver.came:
            assert receiver.came.wait_for(heard, 60), "some webhooks never came"
        came = Counter(each.json["request_id"] for each in receiver.received)
        print(
            f"{KILLS} kills, {len(told.ids)} jobs, {len(told.uploads)} uploads; "
            f"{sum(came.values()) - len(came)} webhooks came again; replies {dict(told.codes)}"
        )
