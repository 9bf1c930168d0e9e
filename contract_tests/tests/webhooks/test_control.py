"""The control API's operations on webhooks, held to its document."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from client.webhooks.published import Verifier, as_the_sample
from falkit_mock.control import document
from falkit_mock.webhooks import SendFailed
from falkit_mock.webhooks.sender import Answer
from falkit_mock.webhooks.signing import SAMPLES
from falkit_mock.webhooks.targets import Target
from following import deliveries, go, settled, submit
from receiver import Received, Receiver, Reply, receiving
from serving import PATIENCE, PROMPT, T2V, Mock, Serve

JWKS = "/rest.fal.ai/.well-known/jwks.json"


def fits(schema: str, value: Any) -> bool:
    components = document()["components"]
    whole = {"$ref": f"#/components/schemas/{schema}", "components": components}
    return Draft202012Validator(whole).is_valid(value)


def post(mock: Mock, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    reply = mock.http.post(f"/__falkit{path}", json=body)
    assert reply.status_code == status, reply.text
    read: dict[str, Any] = reply.json()
    return read


def test_a_delivery_lists_its_request_and_its_response(mock: Mock) -> None:
    reply = Reply(202, {"x-mine": "yes"}, b"thanks")
    with receiving(lambda _: reply) as receiver:
        job = submit(mock, receiver.url)
        (log,) = settled(mock)
        (came,) = receiver.received
    assert fits("Delivery", log)
    assert log["request_id"] == job["request_id"]
    assert (log["endpoint_id"], log["prompt"]) == (T2V, PROMPT["prompt"])
    assert log["request"]["body"].encode() == came.body
    assert {name.lower(): text for name, text in log["request"]["headers"].items()}.items() <= (
        came.headers.items()
    )
    assert log["response"]["status_code"] == 202
    assert log["response"]["headers"]["x-mine"] == "yes"
    assert log["response"]["body"] == "thanks"
    assert 0 <= log["seconds"] < 5
    assert mock.http.get(f"/__falkit/deliveries/{log['id']}").json() == log


def test_a_delivery_takes_real_seconds_while_the_clock_is_paused(standing: Serve) -> None:
    mock, pause = standing(), 0.2

    def answer(_: Received) -> Reply:
        time.sleep(pause)
        return Reply()

    with receiving(answer) as receiver:
        submit(mock, receiver.url)
        (log,) = settled(mock)
    assert pause <= log["seconds"] < PATIENCE


def test_deliveries_are_filtered_by_job_url_and_status(mock: Mock, receiver: Receiver) -> None:
    jobs = [submit(mock, f"{receiver.url}/{turn}") for turn in range(3)]
    submit(mock, "http://example.com/")
    settled(mock, 4)
    assert len(deliveries(mock, request_id=jobs[1]["request_id"])) == 1
    assert deliveries(mock, url=f"{receiver.url}/2")[0]["request_id"] == jobs[2]["request_id"]
    assert len(deliveries(mock, status="acknowledged")) == 3
    assert len(deliveries(mock, status="refused")) == 1
    assert deliveries(mock, limit=2) == deliveries(mock)[-2:]


def test_deliveries_come_page_by_page_the_newest_first(mock: Mock, receiver: Receiver) -> None:
    for _ in range(5):
        submit(mock, receiver.url)
    log, query, pages = settled(mock, 5), {"limit": 2}, list[list[dict[str, Any]]]()
    while True:
        page = mock.http.get("/__falkit/deliveries", params=query).json()
        pages.insert(0, page["deliveries"])
        assert page["total"] == 5
        if page["next_cursor"] is None:
            break
        query = {"limit": 2, "cursor": page["next_cursor"]}
    assert [len(page) for page in pages] == [1, 2, 2]
    assert [one for page in pages for one in page] == log


def test_a_call_waits_until_a_webhook_is_acknowledged(mock: Mock) -> None:
    goes_on = threading.Event()

    def answer(request: Received) -> Reply:
        goes_on.wait(PATIENCE)
        return Reply()

    with receiving(answer) as receiver, ThreadPoolExecutor() as pool:
        job = submit(mock, receiver.url)
        query = {"request_id": job["request_id"], "status": "acknowledged"}
        assert deliveries(mock, **query, wait=0.01) == []
        waiting = pool.submit(deliveries, mock, **query, wait=30)
        goes_on.set()
        (found,) = waiting.result(PATIENCE)
    assert found["status"] == "acknowledged"


def test_a_wait_for_deliveries_ends_when_the_mock_stops(mock: Mock) -> None:
    notifier, waits = mock.service.webhooks.recorded, threading.Event()
    waiter = notifier.waiter

    def noted() -> asyncio.Event:
        waits.set()
        return waiter()

    notifier.waiter = noted  # type: ignore[method-assign]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(deliveries, mock, wait=30)
        assert waits.wait(PATIENCE)
        mock.stop()
        assert waiting.result(PATIENCE) == []


def test_a_receivers_credentials_are_shown_nowhere(standing: Serve) -> None:
    mock, codes = standing("0,1"), iter([500, 200])
    with receiving(lambda _: Reply(next(codes))) as receiver:
        job = submit(mock, receiver.url.replace("://", "://me:secret@"))
        told = [mock.http.get("/__falkit/webhooks").text]
        go(mock, 10)
        log = deliveries(mock)
        told.append(mock.http.get("/__falkit/deliveries").text)
        told.append(mock.http.get(f"/__falkit/jobs/{job['request_id']}").text)
    assert all("secret" not in text and "me:***@" in text for text in told)
    assert [one["request"]["headers"]["Authorization"] for one in log] == ["Basic ***"] * 2
    assert receiver.received[1].headers["authorization"] == "Basic bWU6c2VjcmV0"


def test_an_unknown_cursor_is_refused(mock: Mock) -> None:
    reply = mock.http.get("/__falkit/deliveries", params={"cursor": "x"})
    assert (reply.status_code, "cursor" in reply.json()["detail"]) == (422, True)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_webhook_without_a_job_verifies_and_is_logged(
    mock: Mock, receiver: Receiver, kind: str
) -> None:
    body = {"kind": kind, "url": receiver.url, "request_id": "my-own"}
    made = post(mock, "/webhooks/trigger", body)
    (request,) = receiver.wait()
    assert fits("Delivery", made)
    assert (made["cause"], made["status"]) == ("trigger", "acknowledged")
    assert request.json["request_id"] == "my-own"
    now = mock.clock.now()
    assert Verifier(as_the_sample).accepts(mock.url + JWKS, request.headers, request.body, now)
    assert deliveries(mock) == [made]


def test_the_file_of_a_triggered_output_can_be_fetched(mock: Mock, receiver: Receiver) -> None:
    post(mock, "/webhooks/trigger", {"kind": "completed", "url": receiver.url})
    (request,) = receiver.wait()
    file = mock.http.get(request.json["payload"]["video"]["url"])
    assert (file.status_code, file.headers["content-type"]) == (200, "video/mp4")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "completed"}, "url"),
        ({"kind": "failed", "url": "http://example.com"}, "url"),
        ({"kind": "failed", "url": "localhost"}, "url"),
        ({"kind": "failed", "url": "http://localhost", "endpoint_id": "x/y"}, "endpoint_id"),
    ],
    ids=str,
)
def test_a_trigger_that_cant_work_is_refused_with_the_field(
    mock: Mock, body: dict[str, str], field: str
) -> None:
    assert field in post(mock, "/webhooks/trigger", body, 422)["detail"]


def test_a_jobs_webhook_is_sent_again(mock: Mock, receiver: Receiver) -> None:
    job = submit(mock, receiver.url)
    settled(mock)
    again = post(mock, f"/jobs/{job['request_id']}/resend")
    first, second = receiver.wait(2)
    assert first.body == second.body
    assert (again["cause"], again["number"], again["status"]) == ("resend", 2, "acknowledged")


def test_a_jobs_webhook_is_sent_elsewhere(mock: Mock, receiver: Receiver) -> None:
    job = mock.submit()
    post(mock, f"/jobs/{job['request_id']}/resend", {"url": receiver.url})
    assert receiver.wait()[0].json["request_id"] == job["request_id"]


def test_a_delivery_is_sent_again(mock: Mock, receiver: Receiver) -> None:
    submit(mock, receiver.url)
    (log,) = settled(mock)
    post(mock, f"/deliveries/{log['id']}/resend")
    first, second = receiver.wait(2)
    assert first.body == second.body


def test_an_acknowledged_repetition_ends_the_retries(standing: Serve) -> None:
    mock = standing()
    codes = iter([500, 200])
    with receiving(lambda _: Reply(next(codes))) as receiver:
        job = submit(mock, receiver.url)
        receiver.wait()
        settled(mock)
        post(mock, f"/jobs/{job['request_id']}/resend")
        go(mock, 8000)
        assert len(receiver.received) == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/none/resend", 404),
        ("/deliveries/none/resend", 404),
        ("/jobs/{held}/resend", 409),
        ("/deliveries/{refused}/resend", 409),
    ],
)
def test_an_impossible_resend_is_refused(serve: Serve, path: str, status: int) -> None:
    mock = serve("held")
    held = submit(mock, "http://example.com/")["request_id"]
    refused = deliveries(mock)[0]["id"]
    post(mock, path.format(held=held, refused=refused), status=status)


def test_without_a_url_there_is_nothing_to_send_again(mock: Mock) -> None:
    job = mock.submit()
    detail = post(mock, f"/jobs/{job['request_id']}/resend", status=409)["detail"]
    assert "give a URL (--to URL of falkit resend)" in detail


def test_a_refused_url_is_refused_again(mock: Mock) -> None:
    job = submit(mock, "http://example.com/")
    detail = post(mock, f"/jobs/{job['request_id']}/resend", status=422)["detail"]
    assert "--webhook-allow" in detail


def test_the_overview_lists_pending_webhooks(standing: Serve, receiver: Receiver) -> None:
    mock = standing("1,10", webhook_allow=("example.com",), webhook_schedule="until-expiry")
    job = submit(mock, receiver.url)
    found = mock.http.get("/__falkit/webhooks").json()
    assert fits("Webhooks", found)
    assert found["allowed"] == ["example.com"]
    assert found["schedule"]["name"] == "until-expiry"
    assert found["waiting"] == 1
    (pending,) = found["pending"]
    assert pending == {
        "request_id": job["request_id"],
        "url": receiver.url,
        "attempts": 0,
        "next": pytest.approx(1_800_000_011.0),
    }


def test_a_reset_drops_pending_webhooks(standing: Serve, receiver: Receiver) -> None:
    mock = standing("1,10")
    submit(mock, receiver.url)
    post(mock, "/reset")
    go(mock, 60)
    assert receiver.received == []
    assert deliveries(mock) == []
    submit(mock, receiver.url)
    go(mock, 60)
    assert len(receiver.received) == 1


def test_an_import_resumes_pending_webhooks(standing: Serve) -> None:
    old, new = standing("0,100"), standing("0,100")
    down = True
    with receiving(lambda _: Reply(503 if down else 200)) as receiver:
        failing, waiting = submit(old, receiver.url), submit(old, receiver.url)
        go(old, 100)
        settled(old, 2)
        third = submit(old, receiver.url)
        state = old.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content
        reply = new.http.put("/__falkit/state", content=state)
        assert reply.status_code == 200, reply.text
        down = False
        before = len(receiver.received)
        go(new, 7201)
        after = receiver.wait(before + 3)[before:]
    # The first two are due at the same moment, in whichever order their receivers answered.
    retried = {request.json["request_id"] for request in after[:2]}
    assert retried == {failing["request_id"], waiting["request_id"]}
    assert after[2].json["request_id"] == third["request_id"]
    assert new.http.get("/__falkit/webhooks").json()["waiting"] == 0
    assert [one["number"] for one in deliveries(new, request_id=failing["request_id"])] == [1, 2]


def test_an_import_resumes_a_webhook_whose_copy_came_last(standing: Serve) -> None:
    old, new = standing(), standing()
    codes = iter([500, 200, 200])
    with receiving(lambda _: Reply(next(codes))) as receiver:
        submit(old, receiver.url, headers={"x-falkit-fault": "webhook_duplicate seconds=5"})
        go(old, 6)
        assert [one["status"] for one in deliveries(old)] == ["retry", "acknowledged"]
        new.http.put(
            "/__falkit/state",
            content=old.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content,
        )
        go(new, 7201)
        receiver.wait(3)
    assert [one["number"] for one in deliveries(new)] == [1, 1, 2]


def test_an_import_does_not_resume_a_webhook_that_was_taken_by_hand(standing: Serve) -> None:
    old, new = standing(), standing()
    codes = chain([500], repeat(200))
    with receiving(lambda _: Reply(next(codes))) as receiver:
        job = submit(old, receiver.url)
        settled(old)
        post(old, f"/jobs/{job['request_id']}/resend")
        new.http.put(
            "/__falkit/state",
            content=old.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content,
        )
        go(new, 7201)
        assert len(receiver.received) == 2
    assert new.http.get("/__falkit/webhooks").json()["waiting"] == 0


def test_a_delivery_by_hand_ends_with_a_reset(standing: Serve) -> None:
    mock, came, goes_on = standing(), threading.Event(), threading.Event()

    def answer(request: Received) -> Reply:
        came.set()
        goes_on.wait(PATIENCE)
        return Reply()

    with receiving(answer) as receiver, ThreadPoolExecutor() as pool:
        body = {"kind": "completed", "url": receiver.url}
        triggered = pool.submit(mock.http.post, "/__falkit/webhooks/trigger", json=body)
        assert came.wait(PATIENCE)
        post(mock, "/reset")
        reply = triggered.result(PATIENCE)
        goes_on.set()
    assert reply.status_code == 409
    assert "emptied" in reply.json()["detail"]


def test_an_import_drops_webhooks_that_are_not_allowed(standing: Serve) -> None:
    old, new = standing(webhook_allow=("10.255.255.*",)), standing()
    old.service.webhooks.receivers.sender = Failing()
    submit(old, "http://10.255.255.1/")
    settled(old)
    new.http.put(
        "/__falkit/state",
        content=old.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content,
    )
    assert [one["status"] for one in deliveries(new)] == ["retry", "refused"]


class Failing:
    """Reaches nobody."""

    async def send(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        raise SendFailed(f"can't connect to {target.origin}")
