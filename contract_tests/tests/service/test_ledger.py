"""Sums and lists by the ledger are those of going through every job, whatever has happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from falkit import Settings, create_app
from falkit_mock.app import MockApp
from falkit_mock.core.clock import ManualClock
from falkit_mock.service.billing import charge, entries
from falkit_mock.service.ledger import Ledger, ledger_of
from falkit_mock.store.keeping import forget
from nights import NIGHTLY
from serving import I2V_FAST, KEY, T2V

DAY = 86_400.0
INPUTS: dict[str, list[dict[str, Any]]] = {
    T2V: [{"prompt": "a"}, {"prompt": "b", "duration": 10}, {}],
    I2V_FAST: [{"prompt": "a", "image_url": "https://example.com/a.png"}],
}
SUBMITS = [(endpoint, body) for endpoint, bodies in INPUTS.items() for body in bodies]
ACTS = st.one_of(
    st.tuples(st.just("submit"), st.integers(0, len(SUBMITS) - 1)),
    st.tuples(st.sampled_from(["cancel", "erase", "fail", "run"]), st.integers(0, 9)),
    st.tuples(st.just("advance"), st.sampled_from([1, 7, 100, 4000])),
    st.tuples(st.sampled_from(["reset", "forget", "look"]), st.just(0)),
    st.tuples(st.just("look"), st.just(0)),
)


async def act(app: MockApp, http: httpx.AsyncClient, ids: list[str], what: str, n: int) -> None:
    service, clock = app.service, app.service.clock
    job = service.store.get(ids[n % len(ids)]) if ids else None
    match what:
        case "submit" | "run":
            endpoint, body = SUBMITS[n % len(SUBMITS)]
            host = "queue.fal.run" if what == "submit" else "fal.run"
            headers = {"authorization": f"Key k{n % 2}:x"}
            asked = http.post(f"/{host}/{endpoint}", json=body, headers=headers)
            if what == "run":
                task = asyncio.ensure_future(asked)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert isinstance(clock, ManualClock)
                clock.advance(100)
                await task
                return
            reply = await asked
            ids.append(reply.json()["request_id"])
        case "advance":
            assert isinstance(clock, ManualClock)
            clock.advance(n)
        case "cancel" if job is not None:
            await http.put(f"/queue.fal.run/{job.app}/requests/{job.id}/cancel")
        case "erase" if job is not None:
            await http.delete(f"/api.fal.ai/v1/models/requests/{job.id}/payloads")
        case "fail" if job is not None:
            await http.post(f"/__falkit/jobs/{job.id}/fail", json={"status_code": 500})
        case "reset":
            await http.post("/__falkit/reset", json={})
            ids.clear()
        case "forget":
            limits = Settings(keep="1h").keep
            forget(service.store, limits, clock.now())
        case "look":
            await is_right(app)
        case _:
            pass


async def is_right(app: MockApp) -> None:
    """Compare the ledger with what going through every job comes to."""
    ledger = ledger_of(app.service, app.catalog)
    sums: Counter[object] = Counter()
    minutes: Counter[object] = Counter()
    ended: list[tuple[float, int]] = []
    took: list[tuple[float, int]] = []
    async for entry in entries(app.service, app.catalog):
        paid = charge(entry, app.catalog)
        cost = None if paid is None else (paid.unit, paid.quantity, paid.cost, paid.unit_price)
        line = (entry.endpoint_id, entry.job.options.key, entry.result, entry.billed, cost)
        sums[line] += 1
        ended.append((entry.ended, entry.job.seq))
        took.append((entry.duration or 0.0, entry.job.seq))
        if entry.outcome is not None:
            minutes[int(entry.ended // 60), line] += 1
    assert counted((shown(kind), n) for kind, n in await ledger.sums()) == sums
    found = await ledger.minutes(lambda kind: True, 0, float("inf"))
    assert counted(((at, shown(kind)), n) for (at, kind), n in found.items()) == minutes
    assert await ledger.newest(lambda kind: True) == ordered(ended)
    assert await ledger.newest(lambda kind: True, by_duration=True) == ordered(took)
    places = [seq for seq, _ in await ledger.rows(lambda kind: True, -1, 100)]
    assert places == sorted(seq for _, seq in ended)
    assert [job.seq async for job in ledger.jobs(places)] == places


def counted(numbers: Iterable[tuple[object, int]]) -> Counter[object]:
    """Add up: kinds that are cancelled look like those that aren't."""
    found: Counter[object] = Counter()
    for key, number in numbers:
        found[key] += number
    return found


def shown(kind: Any) -> object:
    cost = (kind.unit, kind.quantity, kind.cost, kind.unit_price)
    paid = None if kind.unit is None else cost
    return (kind.endpoint_id, kind.key, kind.result, kind.billed, paid)


def ordered(found: list[tuple[float, int]]) -> list[int]:
    return [seq for _, seq in sorted(found, key=lambda one: one[0], reverse=True)]


@pytest.mark.parametrize("kind", ["memory", "file"])
@given(acts=st.lists(ACTS, min_size=5, max_size=30))
@settings(max_examples=300 if NIGHTLY else 20, derandomize=not NIGHTLY, deadline=None)
def test_the_ledger_is_right_whatever_is_done(kind: str, acts: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        state = str(Path(folder, "falkit.state")) if kind == "file" else None
        clock = ManualClock()
        app = create_app(Settings(timing="3,5", runners=2, state=state), clock=clock)
        assert isinstance(app, MockApp)

        async def run() -> None:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1", headers=KEY
            ) as http:
                ids: list[str] = []
                for what, n in acts:
                    await act(app, http, ids, what, n)
                await is_right(app)
                app.service.close()

        asyncio.run(run())
        app.service.store.close()


def test_a_ledger_whose_rows_are_gone_has_no_more_than_it_needs() -> None:
    app = create_app(Settings(timing="instant"))
    assert isinstance(app, MockApp)

    async def run() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=KEY
        ) as http:
            ids: list[str] = []
            for _ in range(3):
                await act(app, http, ids, "submit", 0)
            await is_right(app)
            ledger = ledger_of(app.service, app.catalog)
            app.service.store.drop(ids[:2])
            await is_right(app)
            ledger._compact()  # pyright: ignore[reportPrivateUsage]
            await is_right(app)
            assert isinstance(ledger, Ledger)

    asyncio.run(run())
    app.service.store.close()
