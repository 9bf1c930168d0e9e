"""What one worker answers after another has done something, both in this process."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from PIL import Image

from falkit import Settings, create_app
from falkit_mock.app import MockApp
from falkit_mock.core.errors import StateAway
from falkit_mock.service import outcomes
from falkit_mock.service.ledger import ledger_of
from falkit_mock.store.keeping import forget
from falkit_mock.store.sharing import turn
from receiver import Receiver
from serving import I2V_FAST, KEY, PROMPT, T2V
from store.items import DONE, added
from store.pairs import ended, synced

if sys.platform == "win32":
    pytest.skip("no process is copied there", allow_module_level=True)


from falkit_mock.store.shared import FileClaims, SharedStore


def test_a_copy_of_a_webhook_gives_up_no_claim(
    pair: tuple[SharedStore, SharedStore], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[str] = []

    def end(claims: FileClaims, request_id: str) -> None:
        given_up.append(request_id)

    monkeypatch.setattr(FileClaims, "end", end)

    async def run() -> None:
        settings = Settings(timing="instant", faults=["webhook_duplicate copies=3 seconds=0"])
        app = create_app(settings, store=pair[0])
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
        )
        app.go_on()
        query = {"fal_webhook": receiver.url}
        job = (await client.post(f"/queue.fal.run/{T2V}", json=PROMPT, params=query)).json()
        while pair[0].deliveries.count(request_id=job["request_id"]) < 3:
            await asyncio.sleep(0.001)
        assert given_up == [job["request_id"]]
        await ended([client], [app], pair)

    asyncio.run(run())


def test_the_ledger_goes_by_what_others_do(pair: tuple[SharedStore, SharedStore]) -> None:
    async def run() -> None:
        settings = Settings(timing="instant")
        apps = [create_app(settings, store=store) for store in pair]
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
            )
            for app in apps
        ]

        async def submit(client: httpx.AsyncClient) -> str:
            reply = await client.post(f"/queue.fal.run/{T2V}", json=PROMPT)
            id: str = reply.json()["request_id"]
            return id

        async def sums(app: MockApp) -> int:
            store = app.service.store
            assert store.sharing is not None
            await store.sharing.sync()
            return sum(jobs for _, jobs in await ledger_of(app.service, app.catalog).sums())

        one, other = apps
        store, late = one.service.store, other.service.store
        for app in apps:
            app.go_on()
            assert await sums(app) == 0
        ids = [await submit(clients[n % 2]) for n in range(4)]
        assert [await sums(app) for app in apps] == [4, 4]
        # The second is behind in the order, and comes after the ledger has the first.
        late.next_seq()
        behind = late.last_seq
        ahead = store.get(await submit(clients[0]))
        assert ahead is not None
        late.last_seq = behind - 64
        assert await sums(one) == 5
        found = added(late, run=0.0, starts=100.0, outcome=DONE)
        assert found.seq == behind
        await pair[1].own.saved()
        assert await sums(one) == 6
        first = late.get(ids[0])
        assert first is not None
        forget(late, Settings(keep="1h").keep, first.created + 9e9)
        await pair[1].own.saved()
        assert [await sums(app) for app in apps] == [0, 0]
        await submit(clients[0])
        await clients[1].post("/__falkit/reset", json={})
        assert [await sums(app) for app in apps] == [0, 0]
        await ended(clients, apps, pair)

    asyncio.run(run())


def test_what_is_too_much_is_forgotten_once(pair: tuple[SharedStore, SharedStore]) -> None:
    async def run() -> None:
        settings = Settings(timing="instant", keep="10KB")
        apps = [create_app(settings, store=store) for store in pair]
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
            )
            for app in apps
        ]
        for app in apps:
            app.go_on()
        for _ in range(20):
            asked = [client.post(f"/queue.fal.run/{T2V}", json=PROMPT) for client in clients * 4]
            assert {reply.status_code for reply in await asyncio.gather(*asked)} == {200}
        for store in pair:
            await store.own.saved()
        synced(*pair)
        for store in pair:
            outcomes = [job.outcome for job in store.jobs()]
            bodies = sum(len(one.body) for one in outcomes if one is not None)
            inputs = sum(len(store.input(job.id)) for job in store.jobs())
            assert store.kept == bodies + inputs
            assert store.kept < 20_000
        await ended(clients, apps, pair)

    asyncio.run(run())


def test_a_file_is_waited_for_until_its_outcome_is_stored(
    pair: tuple[SharedStore, SharedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(picture, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"

    async def run() -> None:
        asked, due = list[object](), asyncio.Event()

        @asynccontextmanager
        async def late(store: SharedStore) -> AsyncGenerator[None]:
            asked.append(store)
            if len(asked) == 1:
                raise StateAway(errno.EAGAIN, "another replica doesn't end its turn")
            await due.wait()
            async with turn(store):
                yield

        monkeypatch.setattr(outcomes, "turn", late)
        monkeypatch.setattr(outcomes, "_AGAIN", 0.0)
        app = create_app(Settings(timing="instant"), store=pair[0])
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
        )
        app.go_on()
        input = {"prompt": "a kite", "image_url": url}
        job = (await client.post(f"/queue.fal.run/{I2V_FAST}", json=input)).json()
        while len(asked) < 2:
            await asyncio.sleep(0)
        result = asyncio.create_task(client.get(job["response_url"]))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not result.done()
        due.set()
        assert (await asyncio.wait_for(result, 10)).status_code == 200
        await ended([client], [app], pair)

    asyncio.run(run())


def test_what_was_spent_and_cannot_be_read_is_told_and_gone_with_a_reset(
    pair: tuple[SharedStore, SharedStore],
) -> None:
    async def run() -> None:
        app = create_app(Settings(timing="instant"), store=pair[0])
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=KEY
        )
        app.go_on()
        for damaged in (
            b"[[1]]",
            b'[["a","b",1,1,0,"x","0"]]',
            b"7",
            b"{",
            b'[["a","b","","","","1","0"]]',
        ):
            await client.post(f"/queue.fal.run/{T2V}", json=PROMPT)
            pair[0].facts["spent"] = damaged
            refused = await client.get("/__falkit/spend")
            assert refused.status_code == 500
            assert "has what was spent in a form that can't be read" in refused.text + str(
                refused.headers
            )
            assert (await client.post("/__falkit/reset")).status_code == 200
            told = (await client.get("/__falkit/spend")).json()
            assert told["cost"] == "0.36", "of the jobs alone that it could count"
        await ended([client], [app], pair)

    asyncio.run(run())
