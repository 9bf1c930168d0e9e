"""Every combination of every endpoint, legal and illegal, by every way; the videos are measured."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import httpx
import pytest

import measuring
from contract.facts import EXTEND, RULE, Asked, every
from falkit import Settings
from falkit_client import AsyncClient, Client, Completed, Status, errors
from falkit_spec import Catalog, Object
from falkit_spec.schema import ordered, resolve
from serving import Mock, running

EVERY = list(every())
combination = pytest.mark.parametrize("asked", EVERY, ids=str)
# A longest clip, a largest picture and the smallest of each rate stand for all: decoding is slow.
DECODED = {
    ("fal-ai/ltx-2/image-to-video/fast", 20, "1080p", 25, True),
    ("fal-ai/ltx-2/image-to-video", 6, "2160p", 50, False),
    ("fal-ai/ltx-2/text-to-video", 6, "1080p", 50, True),
    ("fal-ai/ltx-2/text-to-video/fast", 6, "1440p", 25, False),
}


def fault(asked: Asked) -> dict[str, Any]:
    """What fal says of an illegal combination."""
    return {
        "type": "value_error",
        "loc": ["body", "duration"],
        "msg": RULE,
        "input": asked.seconds,
        "ctx": {"error": {}},
    }


def check_video(mock: Mock, asked: Asked, output: dict[str, Any]) -> bytes:
    """Measure the video of an output."""
    assert set(output) == {"video"}
    assert output["video"]["content_type"] == "video/mp4"
    assert output["video"]["file_name"] == asked.file_name
    reply = mock.http.get(output["video"]["url"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    found = measuring.measure(reply.content)
    sound = found.sound
    seconds = asked.before + asked.seconds
    assert abs(sound - (seconds if asked.audio else 0)) < Fraction(1, 20)
    assert found == measuring.Measured(
        size=(asked.width, asked.height),
        rate=Fraction(asked.fps),
        frames=asked.fps * seconds,
        duration=Fraction(seconds),
        tracks=("h264", "aac") if asked.audio else ("h264",),
        sound=sound,
    )
    return reply.content


def check_outcome(mock: Mock, asked: Asked, reply: httpx.Response) -> bytes:
    """Check the reply that holds what the model made, or why it made nothing."""
    if not asked.legal:
        assert (reply.status_code, reply.json()) == (422, {"detail": [fault(asked)]})
        assert reply.headers["x-fal-billable-units"] == "0"
        return b""
    assert reply.status_code == 200, reply.text
    assert Decimal(reply.headers["x-fal-billable-units"]) == asked.seconds
    return check_video(mock, asked, reply.json())


@combination
def test_through_fal_run(asked: Asked, mock: Mock) -> None:
    clip = check_outcome(mock, asked, mock.run(asked.input, asked.endpoint))
    if (asked.endpoint, *asked.choice.values()) in DECODED:
        assert measuring.decoded(clip) == asked.fps * asked.seconds


def test_the_first_documents_have_the_same_combinations() -> None:
    with running(Settings(timing="instant", as_of="2026-01")) as mock:
        for asked in EVERY:
            reply = mock.run(asked.input, asked.endpoint)
            if asked.endpoint == EXTEND:
                assert reply.status_code == 404
            else:
                check_outcome(mock, asked, reply)


@combination
def test_through_the_queue(asked: Asked, mock: Mock) -> None:
    job = mock.submit(asked.input, asked.endpoint)
    status = mock.status(job)
    assert status["status"] == "COMPLETED"
    assert status.get("error") == (None if asked.legal else "Invalid status code: 422")
    check_outcome(mock, asked, mock.result(job))


def check_client(mock: Mock, asked: Asked, call: Callable[[bool], Any]) -> None:
    """Check a call of the client, which is told whether to look at the input first."""
    if asked.legal:
        result = call(True)
        assert result.billable_units == asked.seconds
        check_video(mock, asked, result.output)
        return
    for check, status in ((True, None), (False, 422)):
        with pytest.raises(errors.InvalidInput) as refused:
            call(check)
        assert refused.value.status == status
        assert list(refused.value.faults) == [fault(asked)]


@combination
def test_through_the_clients_run(asked: Asked, mock: Mock, client: Client) -> None:
    check_client(mock, asked, lambda check: client.run(asked.endpoint, asked.input, check=check))


@combination
def test_through_the_clients_subscribe(asked: Asked, mock: Mock, client: Client) -> None:
    seen: list[Status] = []
    check_client(
        mock,
        asked,
        lambda check: client.subscribe(
            asked.endpoint, asked.input, on_update=seen.append, check=check
        ),
    )
    assert [type(status) for status in seen] == [Completed]


@combination
@pytest.mark.parametrize("method", ["run", "subscribe"])
def test_through_the_asynchronous_client(asked: Asked, method: str, mock: Mock) -> None:
    async def call(check: bool) -> Any:
        async with AsyncClient("id:secret", mock.url) as client:
            return await getattr(client, method)(asked.endpoint, asked.input, check=check)

    check_client(mock, asked, lambda check: asyncio.run(call(check)))


@combination
def test_costs_what_the_price_list_says(asked: Asked, client: Client) -> None:
    assert client.price(asked.endpoint, asked.input) == asked.price


def test_the_documents_have_exactly_these_combinations() -> None:
    listed = {(one.endpoint, one.key, one.legal) for one in EVERY}
    assert len(listed) == len(EVERY)
    documented = {
        (endpoint.id, json.dumps({**one.values, **switches}, sort_keys=True), one.legal)
        for endpoint in Catalog.vendored()
        if endpoint.app == "fal-ai/ltx-2"
        for one in endpoint.combinations()
        for switches in switched(endpoint.input_schema)
    }
    assert documented == listed


def switched(schema: Object) -> list[dict[str, bool]]:
    """Return each way to set an input's switches."""
    fields = ordered(schema).items()
    names = [name for name, node in fields if resolve(node, schema).get("type") == "boolean"]
    ways = itertools.product((True, False), repeat=len(names))
    return [dict(zip(names, values, strict=True)) for values in ways]
