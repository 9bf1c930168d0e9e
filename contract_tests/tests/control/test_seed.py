"""The seed by the control API, and ids that never come twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from falkit import Settings, create_app
from falkit_mock.core.identity import Identity
from falkit_mock.store.durable import DurableStore
from serving import KEY, PROMPT, T2V, Mock


def test_a_new_seed_changes_later_ids_and_existing_jobs_keep_their_logs(manual: Mock) -> None:
    old = manual.submit()
    manual.advance(25)
    logs = manual.status(old, logs=1)["logs"]
    assert manual.http.put("/__falkit/seed", json={"seed": 7}).json() == {"seed": 7}
    assert manual.http.get("/__falkit/seed").json() == {"seed": 7}
    assert manual.status(old, logs=1)["logs"] == logs
    new = manual.submit()
    fresh = Identity(7)
    fresh.skip(1)
    assert new["request_id"] == fresh.request_id()


def test_ids_are_never_repeated_by_an_earlier_seed(manual: Mock) -> None:
    ids: list[str] = []
    for seed in (1, 2, 1, 2, 1):
        manual.http.put("/__falkit/seed", json={"seed": seed})
        ids += [manual.submit()["request_id"] for _ in range(3)]
    assert len(set(ids)) == len(ids)


def test_a_random_seed_is_returned(manual: Mock) -> None:
    told = manual.http.put("/__falkit/seed").json()["seed"]
    assert told == manual.service.identity.seed != 1


def test_a_store_that_was_kept_and_the_same_seed_make_new_ids(tmp_path: Path) -> None:
    async def submitted() -> str:
        store = DurableStore(str(tmp_path / "jobs.sqlite"))
        transport = httpx.ASGITransport(create_app(Settings(seed=1), store=store))
        async with httpx.AsyncClient(transport=transport, base_url="http://mock") as client:
            reply = await client.post(f"/queue.fal.run/{T2V}", json=PROMPT, headers=KEY)
        store.close()
        request_id: str = reply.json()["request_id"]
        return request_id

    ids = [asyncio.run(submitted()) for _ in range(2)]
    assert len(set(ids)) == 2
