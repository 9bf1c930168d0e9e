"""`falkit.InProcess` beside respx routes of the test's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator

import fal_client
import httpx
import pytest
import respx

import falkit
from clients.in_process import calls_of
from serving import I2V_FAST, PROMPT, T2V

RUN, QUEUE = f"https://fal.run/{T2V}", f"https://queue.fal.run/{T2V}"


@pytest.fixture
def mock() -> Generator[falkit.InProcess]:
    """A mock whose jobs move with each look at them."""
    with falkit.InProcess(timing="polls", seed=1) as started:
        yield started


def key() -> dict[str, str]:
    return {"authorization": f"Key {os.environ['FAL_KEY']}"}


def test_calls_elsewhere_are_respxs_error(mock: falkit.InProcess) -> None:
    with pytest.raises(respx.models.AllMockedAssertionError, match="not mocked"):
        httpx.get("https://example.com")


def test_the_tests_own_routes_stay_and_count_first() -> None:
    with respx.mock(base_url="https://example.com") as router:
        first = router.post(RUN).respond(418)
        with falkit.InProcess(timing="instant", router=router) as mock:
            later = router.get("https://api.fal.ai/v1/models").respond(419)
            router.get("/").respond(201)
            assert httpx.get("https://example.com/").status_code == 201
            assert httpx.post(RUN, json=PROMPT).status_code == 418
            assert httpx.get("https://api.fal.ai/v1/models").status_code == 419
            assert httpx.post(QUEUE, json=PROMPT, headers=key()).status_code == 200
            assert (first.call_count, later.call_count, len(mock.jobs)) == (1, 1, 1)
        assert {route.name for route in router.routes} == {None}
        with pytest.raises(respx.models.AllMockedAssertionError):
            httpx.post(QUEUE, json=PROMPT)


def test_routes_of_a_router_that_it_does_not_know_count_first(mock: falkit.InProcess) -> None:
    with respx.mock() as router:
        router.post(RUN).respond(418)
        assert httpx.post(RUN, json=PROMPT).status_code == 418
        assert httpx.post(QUEUE, json=PROMPT, headers=key()).status_code == 200


@pytest.mark.parametrize("using", ["httpx", "httpcore"])
def test_either_way_of_respx_to_step_in(using: str) -> None:
    with (
        respx.mock(using=using, assert_all_called=False) as router,
        falkit.InProcess(timing="instant", router=router),
    ):
        assert fal_client.run(T2V, PROMPT)["video"]
        assert asyncio.run(fal_client.run_async(T2V, PROMPT))["video"]


def test_a_router_has_the_calls_and_what_was_answered() -> None:
    with respx.mock() as router, falkit.InProcess(timing="instant", router=router) as mock:
        fal_client.run(T2V, PROMPT)
        asyncio.run(fal_client.run_async(T2V, PROMPT))
        assert [call.response.json() for call in calls_of(router)] == [
            job.output for job in mock.jobs
        ]


def test_a_router_must_be_started() -> None:
    mock = falkit.InProcess(router=respx.mock())
    with pytest.raises(RuntimeError, match="isn't started; start it first"):
        mock.start()


def test_what_the_mock_itself_downloads_is_where_it_is_or_a_route_of_the_tests() -> None:
    with falkit.Mock(timing="instant") as served:
        run = f"{served.url}/fal.run/fal-ai/flux/dev"
        made = httpx.post(run, json=PROMPT, headers={"authorization": "Key a:b"}).json()
        input = {**PROMPT, "image_url": made["images"][0]["url"]}
        with (
            respx.mock() as router,
            falkit.InProcess(timing="instant", allow_private_inputs=True, router=router),
        ):
            assert fal_client.run(I2V_FAST, input)["video"]
            router.get(input["image_url"]).respond(404)
            with pytest.raises(fal_client.FalClientHTTPError, match="Failed to download"):
                fal_client.run(I2V_FAST, input)


def test_the_last_of_several_answers(mock: falkit.InProcess) -> None:
    with falkit.InProcess(timing="instant") as inner:
        fal_client.run(T2V, PROMPT)
        assert (len(mock.jobs), len(inner.jobs)) == (0, 1)
    assert os.environ["FAL_KEY"] == mock.key
    fal_client.run(T2V, PROMPT)
    assert len(mock.jobs) == 1


def test_several_may_share_a_router() -> None:
    with (
        respx.mock() as router,
        falkit.InProcess(timing="instant", seed=1, router=router) as outer,
    ):
        with falkit.InProcess(timing="instant", seed=1, router=router) as inner:
            fal_client.run(T2V, PROMPT)
        fal_client.run(T2V, PROMPT)
        assert len(outer.jobs) == 1
        assert inner.key == outer.key


def test_hugging_faces_router(mock: falkit.InProcess) -> None:
    url = f"https://router.huggingface.co/fal-ai/{T2V}"
    reply = httpx.post(url, json=PROMPT, headers={"authorization": "Bearer hf_abc"})
    assert reply.status_code == 200
    with pytest.raises(respx.models.AllMockedAssertionError):
        httpx.get("https://router.huggingface.co/v1/models")
