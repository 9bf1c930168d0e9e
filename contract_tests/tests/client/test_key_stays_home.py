"""The key goes to the queue's own origin only, whatever URLs an answer names."""

from __future__ import annotations

import pytest
import respx

from falkit_client import Client

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}
REAL = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"


def test_urls_of_the_answer_are_followed(respx_mock: respx.MockRouter) -> None:
    answer = {
        "request_id": "r1",
        "status_url": "https://queue.fal.run/elsewhere/r1/status",
        "response_url": "https://queue.fal.run/elsewhere/r1/response/",
        "cancel_url": "https://queue.fal.run:443/elsewhere/r1/cancel",
    }
    respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json=answer)
    with Client("id:secret") as client:
        ticket = client.submit(FAST, INPUT).ticket
    assert ticket.status_url == answer["status_url"]
    assert ticket.response_url == "https://queue.fal.run/elsewhere/r1/response"
    assert ticket.cancel_url == answer["cancel_url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "http://queue.fal.run/x",
        "https://queue.fal.run:8443/x",
        "https://queue.fal.run@evil.example/x",
        "https://user:pass@queue.fal.run/x",
        "https://queue.fal.run.evil.example/x",
        "https://queue.fal.run\\@evil.example/x",
        "//queue.fal.run/x",
        "/fal-ai/ltx-2/requests/r1",
        "https://queue.fal.run/x?y=1",
        "https://[",
        "https://queue.fal.run:port/x",
        "",
        None,
        7,
    ],
)
def test_foreign_or_broken_urls_are_replaced(
    respx_mock: respx.MockRouter, url: str | int | None
) -> None:
    answer = {"request_id": "r1", "status_url": url, "response_url": url, "cancel_url": url}
    respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json=answer)
    with Client("id:secret") as client:
        ticket = client.submit(FAST, INPUT).ticket
    assert ticket.status_url == f"{REAL}/status"
    assert ticket.response_url == REAL
    assert ticket.cancel_url == f"{REAL}/cancel"


def test_a_stand_in_that_names_the_real_host_does_not_send_us_there(
    respx_mock: respx.MockRouter,
) -> None:
    answer = {"request_id": "r1", "status_url": f"{REAL}/status"}
    respx_mock.post(f"http://127.0.0.1:4325/queue.fal.run/{FAST}").respond(json=answer)
    with Client("id:secret", "http://127.0.0.1:4325") as client:
        ticket = client.submit(FAST, INPUT).ticket
    made = "http://127.0.0.1:4325/queue.fal.run/fal-ai/ltx-2/requests/r1/status"
    assert ticket.status_url == made


def test_a_rebuilt_handle_equals_the_submitted_one(respx_mock: respx.MockRouter) -> None:
    answer = {
        "request_id": "r1",
        "status_url": f"{REAL}/status",
        "response_url": REAL,
        "cancel_url": f"{REAL}/cancel",
    }
    respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json=answer)
    with Client("id:secret") as client:
        assert client.submit(FAST, INPUT).ticket == client.handle(FAST, "r1").ticket


def test_redirects_are_not_followed(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(REAL).respond(307, headers={"location": "https://evil.example/"})
    with Client("id:secret") as client, pytest.raises(Exception, match="307"):
        client.result(FAST, "r1")
    assert len(respx_mock.calls) == 1


def test_the_key_shows_in_no_repr(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json={"request_id": "r1"})
    with Client("id:secret") as client:
        handle = client.submit(FAST, INPUT)
        assert "secret" not in repr(client) + repr(vars(client)) + repr(handle) + repr(vars(handle))
