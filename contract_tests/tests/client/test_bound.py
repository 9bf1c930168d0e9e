"""An endpoint with its options bound calls what the client calls, with keywords."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest
import respx

from falkit_client import AsyncClient, Budget, Cache, Client, Completed, Status, errors

FAST = "fal-ai/ltx-2/image-to-video/fast"
IMAGE = "https://example.com/tram.png"
JOB = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"
VIDEO = {"video": {"url": "https://v3b.fal.media/files/b/0/clip.mp4"}}


@pytest.fixture
def fal(respx_mock: respx.MockRouter) -> respx.MockRouter:
    respx_mock.post(f"https://fal.run/{FAST}").respond(json=VIDEO)
    respx_mock.post(url__startswith=f"https://queue.fal.run/{FAST}").respond(
        json={"request_id": "r1"}
    )
    respx_mock.get(url__startswith=f"{JOB}/status").respond(json={"status": "COMPLETED"})
    respx_mock.get(JOB).respond(json=VIDEO)
    return respx_mock


def test_each_call_takes_keywords(fal: respx.MockRouter) -> None:
    seen: list[Status] = []
    with Client("a:b") as client:
        fast = client.endpoint(FAST, priority="low", headers={"X-A": "1"}, on_update=seen.append)
        assert repr(fast) == f"Bound({FAST!r})"
        assert fast.price(prompt="Rain", image_url=IMAGE, duration=8) == Decimal("0.32")
        url: str = fast.run(prompt="Rain", image_url=IMAGE, duration=8).output["video"]["url"]
        assert url == VIDEO["video"]["url"]
        assert json.loads(fal.calls.last.request.content)["duration"] == 8
        assert "x-fal-queue-priority" not in fal.calls.last.request.headers
        handle = fast.submit(prompt="Rain", image_url=IMAGE)
        assert fal.calls.last.request.headers["x-fal-queue-priority"] == "low"
        assert fal.calls.last.request.headers["x-a"] == "1"
        assert handle.result().output == VIDEO
        assert fast.subscribe(prompt="Rain", image_url=IMAGE).output == VIDEO
    assert seen == [Completed("r1")]


def test_each_call_takes_keywords_and_is_awaited(fal: respx.MockRouter) -> None:
    async def scenario() -> list[object]:
        async with AsyncClient("a:b") as client:
            fast = client.endpoint(FAST, logs=True)
            assert repr(fast) == f"AsyncBound({FAST!r})"
            assert fast.price(prompt="Rain", image_url=IMAGE) == Decimal("0.24")
            handle = await fast.submit(prompt="Rain", image_url=IMAGE)
            return [
                (await fast.run(prompt="Rain", image_url=IMAGE)).output,
                (await handle.result()).output,
                (await fast.subscribe(prompt="Rain", image_url=IMAGE)).output,
            ]

    assert asyncio.run(scenario()) == [VIDEO] * 3


def test_inputs_may_have_the_names_of_options(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post("https://fal.run/some/model").respond(json={})
    with Client("a:b") as client:
        some = client.endpoint("some/model", check=False)
        some.run(self=1, endpoint=2, timeout=3, input=4, headers=5)
    sent = {"self": 1, "endpoint": 2, "timeout": 3, "input": 4, "headers": 5}
    assert json.loads(route.calls.last.request.content) == sent


def test_invalid_inputs_are_refused(fal: respx.MockRouter) -> None:
    with Client("a:b", budget=Budget(0)) as client:
        fast = client.endpoint(FAST)
        with pytest.raises(errors.InvalidInput, match="duration"):
            fast.run(prompt="Rain", image_url=IMAGE, duration=12, fps=50)
        with pytest.raises(errors.BudgetExceeded):
            fast.run(prompt="Rain", image_url=IMAGE)
    assert not fal.calls


def test_without_a_cache_nothing_is_cached() -> None:
    with Client("a:b") as client:
        assert client.cached(FAST, {"prompt": "Rain", "image_url": IMAGE}) is None


def test_cached_results_can_be_listed(fal: respx.MockRouter, tmp_path: object) -> None:
    fal.get(VIDEO["video"]["url"]).respond(200, content=b"clip")
    cache = Cache(str(tmp_path))
    body = {"prompt": "Rain", "image_url": IMAGE}

    async def asked() -> bool:
        async with AsyncClient("a:b", cache=cache) as client:
            found = await client.cached(FAST, body)
            return found is not None and found.cached

    with Client("a:b", cache=cache) as client:
        assert client.cached(FAST, body) is None
        client.run(FAST, body)
        assert client.cached(FAST, body) is not None
    assert asyncio.run(asked())
