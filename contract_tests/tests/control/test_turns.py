"""Whoever lists many jobs lets others have their turn meanwhile."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from falkit import Settings, create_app
from falkit_mock.app import MockApp
from serving import I2V_FAST, KEY, VIDEO

JOBS = 1100


@pytest.fixture(scope="module")
def app() -> MockApp:
    made = create_app(Settings(timing="instant"))
    assert isinstance(made, MockApp)

    async def submit() -> None:
        async with client_of(made) as client:
            # The document of the control API is read in a thread, once.
            await client.get("/__falkit/health")
            for _ in range(JOBS):
                body = {"prompt": "A lighthouse", "image_url": VIDEO.replace("mp4", "png")}
                (await client.post(f"/queue.fal.run/{I2V_FAST}", json=body)).raise_for_status()

    asyncio.run(submit())
    return made


def client_of(app: MockApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=KEY)


async def turns(app: MockApp, path: str) -> tuple[int, httpx.Response]:
    """Return how many turns another task had until the answer came, and the answer."""
    had = 0

    async def other() -> None:
        nonlocal had
        while True:
            had += 1
            await asyncio.sleep(0)

    async with client_of(app) as client:
        task = asyncio.create_task(other())
        reply = await client.get(path)
        task.cancel()
    return had, reply


@pytest.mark.parametrize(
    "path",
    [
        "/__falkit/jobs?limit=1000",
        "/__falkit/billing",
        "/__falkit/spend",
        "/api.fal.ai/v1/models/usage",
        "/api.fal.ai/v1/models/billing-events",
        f"/api.fal.ai/v1/models/requests/by-endpoint?endpoint_id={I2V_FAST}",
    ],
)
def test_a_list_of_many_jobs_gives_others_their_turn(app: MockApp, path: str) -> None:
    few, _ = asyncio.run(turns(app, "/__falkit/health"))
    app.service.hooks.ledger = app.service.hooks.meter = None
    had, reply = asyncio.run(turns(app, path))
    assert reply.status_code == 200, reply.text
    assert had >= few + 3


@pytest.mark.parametrize("query", ["text=zzz", "text=zzz&total=true", "key=zzz&total=true"])
def test_a_list_gives_others_their_turn_at_each_job_that_a_disk_takes_long_for(
    app: MockApp, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    took, read = 0.0, app.service.store.input

    def slow(request_id: str) -> bytes:
        nonlocal took
        took += 0.01
        return read(request_id)

    monkeypatch.setattr("falkit_mock.core.breaks.perf_counter", lambda: took)
    monkeypatch.setattr(app.service.store, "input", slow)
    app.service.hooks.ledger = None
    had, reply = asyncio.run(turns(app, f"/__falkit/jobs?{query}"))
    assert (reply.status_code, reply.json()["jobs"]) == (200, [])
    assert had >= JOBS


def test_sums_of_many_jobs_are_those_of_each(app: MockApp) -> None:
    _, reply = asyncio.run(turns(app, "/__falkit/billing?records=true&limit=2000"))
    body = reply.json()
    assert (body["jobs"], body["billed"]) == (JOBS, JOBS)
    assert body["endpoints"] == [{"endpoint_id": I2V_FAST, **{name: body[name] for name in SUMMED}}]
    assert sum(float(record["cost"]) for record in body["records"]) == pytest.approx(
        float(body["cost"])
    )


SUMMED = ("jobs", "billed", "unpriced", "cost")
