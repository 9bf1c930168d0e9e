"""A mock that is killed under load has, once it is started again, all that it had answered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from nights import NIGHTLY
from processes import started
from receiver import Receiver
from serving import KEY, T2V

_INITIATE = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
ROUNDS = 100 if NIGHTLY else 3


@dataclass
class Accepted:
    """What the mock has answered so far, over all its lives."""

    # Ids that a submit answered, and results by id, as they were told first.
    ids: dict[str, None] = field(default_factory=dict[str, None])
    results: dict[str, bytes] = field(default_factory=dict[str, bytes])
    # Digests of uploads by their paths.
    uploads: dict[str, str] = field(default_factory=dict[str, str])
    # Ids whose webhook has come, and of how many deliveries that is known.
    told: set[str] = field(default_factory=set[str])
    heard: int = 0
    # How many submits this life has answered, and with how many it ends.
    answered: int = 0
    last: int = 0


@contextmanager
def _served(state: Path) -> Generator[tuple[str, subprocess.Popen[Any]]]:
    """Serve a mock with a state file; yield its URL and its process."""
    # As `falkit` does, but of the code that this test was taken from.
    program = "from falkit_mock.cli import main; main()"
    options = ["--timing", "0,0.02", "--runners", "64", "--quiet", "--result-ttl", "forever"]
    command = [
        sys.executable,
        "-c",
        program,
        "serve",
        "--port",
        "0",
        "--state",
        str(state),
        *options,
    ]
    with started(command) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process


async def _load(
    url: str,
    receiver: str,
    accepted: Accepted,
    dice: random.Random,
    kill: Callable[[], object],
) -> None:
    """Submit, fetch and upload until the mock is gone."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=url, headers=KEY, trust_env=False, limits=limits, timeout=30
    ) as http:
        await asyncio.gather(
            *(_submits(http, receiver, accepted, kill) for _ in range(16)),
            _uploads(http, accepted, dice),
        )


async def _submits(
    http: httpx.AsyncClient, receiver: str, accepted: Accepted, kill: Callable[[], object]
) -> None:
    try:
        while True:
            asked = {"prompt": "a kite"}
            reply = await http.post(
                f"/queue.fal.run/{T2V}", json=asked, params={"fal_webhook": receiver}
            )
            assert reply.status_code == 200, reply.text
            id = reply.json()["request_id"]
            accepted.ids[id] = None
            accepted.answered += 1
            if accepted.answered == accepted.last:
                kill()
            result = await http.get(f"/queue.fal.run/fal-ai/ltx-2/requests/{id}")
            if result.status_code == 200:
                accepted.results[id] = _output(result)
    except httpx.TransportError:
        return


async def _uploads(http: httpx.AsyncClient, accepted: Accepted, dice: random.Random) -> None:
    try:
        while True:
            body = {"file_name": "a.bin", "content_type": "application/octet-stream"}
            opened = (await http.post(_INITIATE, json=body)).json()
            data = dice.randbytes(dice.randrange(1, 300_000))
            put = await http.put(opened["upload_url"], content=data)
            assert put.status_code == 200, put.text
            path = opened["file_url"].partition("/v3b.fal.media")[2]
            accepted.uploads[path] = hashlib.sha256(data).hexdigest()
    except httpx.TransportError:
        return


def _output(result: httpx.Response) -> bytes:
    """Return a result without the mock's own address, whose port is another each time."""
    return re.sub(rb"http://127\.0\.0\.1:[0-9]+", b"", result.content)


def test_all_that_was_answered_is_there_after_a_kill(tmp_path: Path, receiver: Receiver) -> None:
    state, accepted, dice = tmp_path / "falkit.state", Accepted(), random.Random(ROUNDS)
    for number in range(ROUNDS):
        with _served(state) as (url, process):
            # In turn by an answer that has just come, and whenever that is.
            accepted.answered, accepted.last = 0, dice.randrange(1, 60) if number % 2 == 0 else 0
            killer = threading.Timer(dice.uniform(0.3, 3.0) if number % 2 else 20, process.kill)
            killer.start()
            asyncio.run(_load(url, receiver.url, accepted, dice, process.kill))
            killer.cancel()
            process.wait()
        with _served(state) as (url, process):
            asyncio.run(_check(url, accepted))
            _all_told(receiver, accepted)
    print(f"{ROUNDS} kills, {len(accepted.ids)} jobs, {len(accepted.uploads)} uploads")
    assert len(accepted.ids) > 10 * ROUNDS, "it was killed before it did anything"


async def _check(url: str, accepted: Accepted) -> None:
    async with httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False, timeout=30) as http:
        lost: list[str] = []
        newest = [*accepted.ids][-400:]
        for id in newest:
            reply = await http.get(f"/queue.fal.run/fal-ai/ltx-2/requests/{id}")
            while reply.status_code == 400:
                # It hasn't ended yet.
                reply = await http.get(f"/queue.fal.run/fal-ai/ltx-2/requests/{id}")
            if reply.status_code == 404:
                lost.append(id)
                continue
            assert _output(reply) == accepted.results.setdefault(id, _output(reply))
        assert lost == [], f"{len(lost)} of {len(newest)} ids are unknown"
        for path, digest in [*accepted.uploads.items()][-50:]:
            reply = await http.get(f"/v3b.fal.media{path}")
            assert reply.status_code == 200, path
            assert hashlib.sha256(reply.content).hexdigest() == digest


def _all_told(receiver: Receiver, accepted: Accepted) -> None:
    """Wait until each job's webhook has come."""

    def told() -> bool:
        while accepted.heard < len(receiver.received):
            accepted.told.add(receiver.received[accepted.heard].json["request_id"])
            accepted.heard += 1
        return accepted.ids.keys() <= accepted.told

    with receiver.came:
        assert receiver.came.wait_for(told, 60), "some webhooks never came"
