"""Submit: what the queue answers to a POST (wire.md §3.1)."""

from __future__ import annotations

import uuid

import pytest

from serving import I2V_FAST, PROMPT, T2V, Mock


def test_reply_has_exactly_these_fields_in_fals_order(mock: Mock) -> None:
    job = mock.submit()
    base = f"{mock.url}/queue.fal.run/fal-ai/ltx-2/requests/{job['request_id']}"
    assert list(job.items()) == [
        ("status", "IN_QUEUE"),
        ("request_id", job["request_id"]),
        ("response_url", base),
        ("status_url", f"{base}/status"),
        ("cancel_url", f"{base}/cancel"),
        ("logs", None),
        ("metrics", {}),
        ("queue_position", 0),
    ]


def test_the_request_id_is_a_uuid_of_version_7_and_in_the_header(mock: Mock) -> None:
    reply = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT)
    request_id = reply.json()["request_id"]
    assert reply.headers["x-fal-request-id"] == request_id
    assert str(uuid.UUID(request_id)) == request_id
    assert (uuid.UUID(request_id).version, uuid.UUID(request_id).variant) == (7, uuid.RFC_4122)


def test_the_same_post_twice_makes_two_requests(mock: Mock) -> None:
    assert mock.submit()["request_id"] != mock.submit()["request_id"]


@pytest.mark.parametrize("input", [{}, {"prompt": ""}, [], None, "text", {"prompt": 5}])
def test_bad_input_is_accepted(mock: Mock, input: object) -> None:
    assert mock.submit(input)["status"] == "IN_QUEUE"


def test_bad_input_is_explained_in_a_hint_already(mock: Mock) -> None:
    body = {**PROMPT, "duration": "6"}
    reply = mock.http.post(f"/queue.fal.run/{T2V}", json=body)
    assert "send 6 without quotes" in reply.headers["x-falkit-hint"]


def test_webhook_is_accepted_with_a_hint_that_none_is_sent(mock: Mock) -> None:
    reply = mock.http.post(
        f"/queue.fal.run/{T2V}", params={"fal_webhook": "https://example.com/hook?a=1"}, json=PROMPT
    )
    assert reply.status_code == 200
    assert "webhook" in reply.headers["x-falkit-hint"]


def test_a_path_that_the_app_lacks_is_accepted_and_fails_at_the_result(mock: Mock) -> None:
    job = mock.submit(endpoint="fal-ai/ltx-2/image-to-video/faster")
    result = mock.result(job)
    assert result.status_code == 404
    assert result.json() == {"detail": "Path /image-to-video/faster not found"}
    assert result.headers["x-fal-billable-units"] == "0"


def test_known_headers_of_the_clients_change_nothing(mock: Mock) -> None:
    headers = {
        "X-Fal-Queue-Priority": "low",
        "X-Fal-Request-Timeout": "30.0",
        "X-Fal-Runner-Hint": "session",
        "X-Fal-Store-IO": "0",
        "X-Fal-No-Retry": "1",
    }
    assert mock.submit(endpoint=I2V_FAST, headers=headers)["status"] == "IN_QUEUE"
