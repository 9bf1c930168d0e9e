"""fal.run: the answer is the reply (wire.md §4)."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from serving import PATIENCE, PROMPT, T2V, Mock, Serve, WatchedClock


def test_the_reply_is_the_models_output(mock: Mock) -> None:
    reply = mock.run(PROMPT)
    assert (reply.status_code, list(reply.json())) == (200, ["video"])
    assert reply.headers["x-fal-request-id"]
    assert reply.headers["x-fal-billable-units"] == "6"


def test_bad_input_is_refused_at_once_whatever_the_timing(held: Mock) -> None:
    reply = held.run({"duration": 5, "resolution": "4k"})
    assert (reply.status_code, reply.reason_phrase) == (422, "Unprocessable Entity")
    assert [fault["type"] for fault in reply.json()["detail"]] == [
        "missing",
        "literal_error",
        "literal_error",
    ]
    assert reply.headers["x-fal-billable-units"] == "0"
    assert reply.headers["x-fal-request-id"]


def test_all_faults_are_reported_in_pydantics_form(mock: Mock) -> None:
    assert mock.run({"duration": "6"}).json() == {
        "detail": [
            {
                "type": "missing",
                "loc": ["body", "prompt"],
                "msg": "Field required",
                "input": {"duration": "6"},
            },
            {
                "type": "literal_error",
                "loc": ["body", "duration"],
                "msg": "Input should be 6, 8 or 10",
                "input": "6",
                "ctx": {"expected": "6, 8 or 10"},
            },
        ]
    }


def test_a_direct_call_waits_for_its_run_by_the_clock_and_skips_the_queue(
    slow: Mock, clock: WatchedClock
) -> None:
    with ThreadPoolExecutor() as pool:
        call = pool.submit(slow.run, PROMPT)
        clock.until_waited_for()
        slow.advance(9.9)
        clock.until_waited_for()
        assert not call.done()
        slow.advance(0.1)
        assert call.result(PATIENCE).status_code == 200


def test_a_direct_call_does_not_wait_for_queued_jobs(slow: Mock, clock: WatchedClock) -> None:
    for _ in range(5):
        slow.submit()
    with ThreadPoolExecutor() as pool:
        call = pool.submit(slow.run, PROMPT)
        clock.until_waited_for()
        slow.advance(10)
        assert call.result(PATIENCE).status_code == 200


def test_a_caller_who_hangs_up_ends_the_job(slow: Mock, clock: WatchedClock) -> None:
    where = urlsplit(slow.url)
    assert where.hostname is not None
    body = b'{"prompt": "x"}'
    with socket.create_connection((where.hostname, where.port or 0), PATIENCE) as wire:
        wire.sendall(
            f"POST /fal.run/{T2V} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Key a:b\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        clock.until_waited_for()
    with slow.http.stream("GET", "/__falkit/events?kind=job_changed&since=0") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        changes = (json.loads(line.removeprefix("data: ")) for line in lines)
        ended = next(change for change in changes if change["change"] == "ended")
    error = ended["error"]
    assert (error["status_code"], error["error_type"]) == (499, "client_disconnected")


def test_a_call_still_waiting_when_the_mock_stops_is_503(held: Mock, clock: WatchedClock) -> None:
    with ThreadPoolExecutor() as pool:
        call = pool.submit(held.run, PROMPT)
        clock.until_waited_for()
        held.stop()
        reply = call.result(PATIENCE)
    assert (reply.status_code, reply.json()) == (503, {"detail": "Service Unavailable"})


def test_a_direct_calls_request_is_not_in_the_queue(mock: Mock) -> None:
    request_id = mock.run(PROMPT).headers["x-fal-request-id"]
    reply = mock.http.get(f"/queue.fal.run/fal-ai/ltx-2/requests/{request_id}/status")
    assert reply.status_code == 404


def test_a_path_that_the_app_lacks_is_404_at_once(mock: Mock) -> None:
    reply = mock.run(PROMPT, "fal-ai/ltx-2/no/such")
    assert (reply.status_code, reply.json()) == (404, {"detail": "Path /no/such not found"})
    assert reply.headers["x-fal-billable-units"] == "0"
    assert mock.run(PROMPT, "fal-ai/ltx-2").json() == {"detail": "Path / not found"}
    assert mock.run(PROMPT, f"{T2V}/fast/stream").status_code == 404


def test_polls_timing_answers_a_direct_call_at_once(serve: Serve) -> None:
    mock = serve("polls")
    assert mock.run(PROMPT).status_code == 200
