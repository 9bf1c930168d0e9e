"""Workers that are killed under load lose nothing that was answered; their webhooks are sent."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from nights import NIGHTLY
from receiver import Receiver
from serving import KEY, T2V
from several import Several, several

KILLS = 20 if NIGHTLY else 2
if sys.platform == "win32":
    pytest.skip("there are no workers", allow_module_level=True)
# Callers at once, and how many jobs each has after each kill.
_CALLERS, _JOBS = 12, 15


@dataclass
class Known:
    """What was answered: results by id, nothing where it wasn't asked for."""

    results: dict[str, bytes] = field(default_factory=dict[str, bytes])
    broken: int = 0


@pytest.mark.timeout(60 + 15 * KILLS)
def test_nothing_that_was_answered_is_lost_with_a_worker(
    tmp_path: Path, receiver: Receiver
) -> None:
    dice, known = random.Random(KILLS), Known()
    options = ("--timing", "0,0.02", "--runners", "64", "--result-ttl", "forever")
    with several(tmp_path / "falkit.state", *options) as mock:
        for _ in range(KILLS):
            asyncio.run(_load(mock, receiver.url, known, dice))
            _check(mock, known)
        with receiver.came:
            assert receiver.came.wait_for(lambda: _told(receiver) >= known.results.keys(), 60)
    assert len(known.results) > KILLS * _CALLERS
    print(f"{KILLS} kills, {len(known.results)} jobs, {known.broken} calls cut off")


async def _load(mock: Several, receiver: str, known: Known, dice: random.Random) -> None:
    """Have jobs done, and kill a worker meanwhile."""
    at = len(known.results) + dice.randrange(1, _CALLERS * _JOBS // 2)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=mock.url, headers=KEY, trust_env=False, limits=limits, timeout=60
    ) as http:

        async def call() -> None:
            for _ in range(_JOBS):
                try:
                    await _one(http, receiver, known)
                except httpx.TransportError:
                    known.broken += 1
                if len(known.results) >= at and not killed:
                    killed.append(dice.choice(mock.workers()))
                    os.kill(killed[0], signal.SIGKILL)

        killed: list[int] = []
        await asyncio.gather(*(call() for _ in range(_CALLERS)))
        assert killed, "nothing was killed"


async def _one(http: httpx.AsyncClient, receiver: str, known: Known) -> None:
    query = {"fal_webhook": receiver}
    reply = await http.post(f"/queue.fal.run/{T2V}", json={"prompt": "a kite"}, params=query)
    assert reply.status_code == 200, reply.text
    id = reply.json()["request_id"]
    known.results[id] = b""
    result = await http.get(f"/queue.fal.run/fal-ai/ltx-2/requests/{id}")
    if result.status_code == 200:
        known.results[id] = result.content


def _check(mock: Several, known: Known) -> None:
    """See that all is known, with the same results."""
    for id, before in [*known.results.items()]:
        path = f"/queue.fal.run/fal-ai/ltx-2/requests/{id}"
        while (reply := mock.ask("GET", path)).status == 400:
            # It hasn't ended yet.
            pass
        assert reply.status == 200, f"{id} is unknown"
        assert before in (b"", reply.body)
        known.results[id] = reply.body


def _told(receiver: Receiver) -> set[str]:
    return {one.json["request_id"] for one in receiver.received}
