"""What is delivered, when, and to whom."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import ExitStack
from uuid import UUID

import pytest

from following import Seen, deliveries, go, settled, submit
from receiver import Received, Receiver, Reply, receiving
from serving import PATIENCE, PROMPT, T2V, Mock, Serve
from work import Calls

BAD = {"prompt": 7}


def test_a_finished_job_sends_its_output(mock: Mock, receiver: Receiver) -> None:
    job = submit(mock, f"{receiver.url}/fal?order=7&x=%20%2F")
    (request,) = receiver.wait()
    assert request.path == "/hook/fal?order=7&x=%20%2F"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "error": None,
        "gateway_request_id": job["request_id"],
        "payload": mock.result(job).json(),
        "request_id": job["request_id"],
        "status": "OK",
    }


def test_a_webhooks_headers_have_fals_form(mock: Mock, receiver: Receiver) -> None:
    """wire.md §5.2."""
    submit(mock, receiver.url)
    (request,) = receiver.wait()
    head = {name: request.headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id")}
    assert head["request-id"] == request.json["request_id"]
    assert UUID(head["request-id"]).version == 7
    assert re.fullmatch(r"github\|[0-9]+", head["user-id"])
    assert re.fullmatch(r"[0-9]{10}", request.headers["x-fal-webhook-timestamp"])
    assert re.fullmatch(r"[0-9a-f]{128}", request.headers["x-fal-webhook-signature"])


def test_a_refused_input_sends_the_error(mock: Mock, receiver: Receiver) -> None:
    job = submit(mock, receiver.url, BAD)
    (request,) = receiver.wait()
    assert request.json["status"] == "ERROR"
    assert request.json["error"] == "Invalid status code: 422"
    assert request.json["payload"] == mock.result(job).json()


def test_a_job_without_a_url_sends_no_webhook(mock: Mock, receiver: Receiver) -> None:
    mock.submit()
    submit(mock, receiver.url)
    assert len(settled(mock)) == 1


def test_a_direct_call_sends_no_webhook(mock: Mock, receiver: Receiver) -> None:
    mock.run(PROMPT, params={"fal_webhook": receiver.url})
    submit(mock, receiver.url)
    assert len(settled(mock)) == 1


def test_a_webhook_comes_at_the_jobs_end(standing: Serve, receiver: Receiver) -> None:
    mock = standing("1,10")
    submit(mock, receiver.url)
    go(mock, 10.9)
    assert receiver.received == []
    go(mock, 0.2)
    (log,) = deliveries(mock)
    assert log["sent"] == pytest.approx(1_800_000_011.0)


def test_webhooks_of_queued_jobs_come_in_the_order_of_their_ends(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("0,10", runners=1)
    jobs = [submit(mock, receiver.url)["request_id"] for _ in range(4)]
    go(mock, 60)
    log = deliveries(mock)
    assert [one["request_id"] for one in log] == jobs
    assert [round(one["sent"] - 1_800_000_000.0) for one in log] == [10, 20, 30, 40]


def test_a_held_job_sends_its_webhook_when_it_is_released(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("held")
    job = submit(mock, receiver.url)
    go(mock, 3600)
    assert receiver.received == []
    mock.release(job)
    (request,) = receiver.wait()
    assert request.json["status"] == "OK"


def test_a_polls_job_sends_its_webhook_after_the_last_status(
    serve: Serve, receiver: Receiver
) -> None:
    mock = serve("polls")
    job = submit(mock, receiver.url)
    while mock.status(job)["status"] != "COMPLETED":
        pass
    assert receiver.wait()[0].json["request_id"] == job["request_id"]


def test_a_cancelled_job_sends_the_cancellation(standing: Serve, receiver: Receiver) -> None:
    mock = standing("1,10")
    job = submit(mock, receiver.url)
    mock.cancel(job)
    (request,) = receiver.wait()
    assert request.json["error"] == "Invalid status code: 499"
    assert request.json["payload"] == mock.result(job).json()
    go(mock, 60)
    assert len(deliveries(mock)) == 1


def test_a_cancelled_job_sends_no_webhook_where_that_is_assumed(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("1,10", assumptions={"cancelled_webhook": "none"})
    mock.cancel(submit(mock, receiver.url))
    go(mock, 60)
    assert deliveries(mock) == []
    assert mock.http.get("/__falkit/webhooks").json()["waiting"] == 0


def test_a_job_that_moves_up_in_the_queue_sends_its_webhook_earlier(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("0,10", runners=1)
    first, second = submit(mock, receiver.url), submit(mock, receiver.url)
    mock.cancel(first)
    receiver.wait(1)
    go(mock, 10.5)
    log = deliveries(mock)
    assert [one["request_id"] for one in log] == [first["request_id"], second["request_id"]]
    assert log[1]["sent"] == pytest.approx(1_800_000_010.0)


def test_a_job_failed_by_hand_sends_that_failure(standing: Serve, receiver: Receiver) -> None:
    mock = standing("held")
    job = submit(mock, receiver.url)
    failure = {"status_code": 418, "body": {"detail": "teapot"}}
    mock.http.post(f"/__falkit/jobs/{job['request_id']}/fail", json=failure)
    (request,) = receiver.wait()
    assert request.json["error"] == "Invalid status code: 418"
    assert request.json["payload"] == {"detail": "teapot"}


def test_a_key_has_always_the_same_user_id(mock: Mock, receiver: Receiver) -> None:
    for key in ("me:1", "me:2", "you:1"):
        submit(mock, receiver.url, headers={"authorization": f"Key {key}"})
    users = {one["request"]["headers"]["X-Fal-Webhook-User-Id"] for one in settled(mock, 3)}
    assert len(users) == 2


def test_a_job_that_was_tried_twice_has_another_gateway_id(mock: Mock, receiver: Receiver) -> None:
    job = submit(mock, receiver.url, headers={"x-falkit-fault": "runner_disconnected times=1"})
    body = receiver.wait()[0].json
    assert body["request_id"] == job["request_id"]
    assert body["gateway_request_id"] != job["request_id"]
    assert UUID(body["gateway_request_id"]).version == 7


def test_a_connection_that_nobody_takes_is_tried_again(
    standing: Serve,
) -> None:
    mock = standing()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    submit(mock, f"http://127.0.0.1:{port}/hook")
    go(mock, 10)
    log = deliveries(mock)
    assert [one["status"] for one in log] == ["retry", "retry"]
    assert "can't connect" in log[0]["error"]
    assert log[0]["response"] is None


def test_a_hundred_slow_receivers_dont_delay_a_fast_one(
    mock: Mock, receiver: Receiver, silent: str
) -> None:
    def ended_at_others() -> list[Seen]:
        return [one for one in deliveries(mock) if one["url"] != receiver.url]

    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(100)]
        for listener in slow:
            submit(mock, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        submit(mock, receiver.url)
        receiver.wait()
        assert ended_at_others() == []
    for _ in range(100):
        submit(mock, silent)
    submit(mock, receiver.url)
    receiver.wait(2)
    assert not any(one["url"] == silent for one in ended_at_others())


def test_a_receiver_that_is_slow_with_some_webhooks_gets_the_others(mock: Mock) -> None:
    over = threading.Event()

    def answer(request: Received) -> Reply:
        if "slow" in request.path:
            over.wait(PATIENCE)
        return Reply()

    with receiving(answer) as receiver:
        for _ in range(100):
            submit(mock, f"{receiver.url}/slow")
        submit(mock, f"{receiver.url}/fast")
        (request,) = receiver.wait()
        assert request.path == "/hook/fast"
        over.set()
        receiver.wait(101)


def test_each_webhook_goes_to_its_own_receiver_only(mock: Mock) -> None:
    with ExitStack() as stack:
        receivers = [stack.enter_context(receiving()) for _ in range(5)]
        jobs: dict[str, str] = {}
        for turn in range(50):
            url = receivers[turn % 5].url
            jobs[submit(mock, url)["request_id"]] = url
        for receiver in receivers:
            came = receiver.wait(10)
            assert len(came) == 10
            assert all(jobs[request.json["request_id"]] == receiver.url for request in came)


def test_proxies_of_the_environment_are_not_asked(
    serve: Serve, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, silent)
    submit(serve(), receiver.url)
    assert receiver.wait()[0].headers["host"] in receiver.url


def test_the_end_of_the_mock_waits_for_no_receiver(serve: Serve, silent: str) -> None:
    mock = serve("0,30", concurrency=0, runners=100)
    for _ in range(20):
        submit(mock, silent, headers={"authorization": "Key waiting:1"})
    for _ in range(20):
        mock.http.put(submit(mock, silent)["cancel_url"])
    webhooks = mock.http.get("/__falkit/webhooks").json()
    assert webhooks["waiting"] == 40
    mock.stop()
    assert mock.service.webhooks.pending() == []


def test_ten_thousand_pending_webhooks_cost_a_clock_jump_little(
    standing: Serve, receiver: Receiver
) -> None:
    mock = standing("held")
    webhooks = mock.service.webhooks

    def wait_all() -> None:
        job = mock.service.store.jobs()[0]
        for number in range(10_000):
            job.id = f"job-{number}"
            webhooks.expect(job)

    submit(mock, receiver.url, endpoint=T2V)
    mock.inside(wait_all)
    calls = Calls()
    mock.inside(calls.begin)
    go(mock, 3600)
    mock.inside(calls.end)
    assert calls.number < 10 * 10_000
