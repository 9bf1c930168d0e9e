"""Several workers over one state are one mock, whichever of them answers."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Callable, Generator
from contextlib import ExitStack
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from receiver import Receiver
from redis_servers import served_redis
from serving import I2V_FAST, T2V
from several import OFTEN, Several, at_once, several

_INITIATE = "/rest.fal.ai/storage/upload/initiate"


@pytest.fixture(scope="module", params=["a file", "Redis"])
def new_state(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Callable[[], str]]:
    """Name states that aren't there yet, of both kinds."""
    folder = tmp_path_factory.mktemp("state")
    if request.param == "a file":
        yield lambda: str(folder / token_hex(4))
        return
    with served_redis(folder) as redis:
        yield lambda: f"{redis.url}?prefix={token_hex(4)}"


@pytest.fixture(scope="module")
def instant(new_state: Callable[[], str]) -> Generator[Several]:
    """A mock of two workers whose jobs take no time."""
    with several(new_state(), "--timing", "instant") as mock:
        yield mock


@pytest.fixture(scope="module")
def slow(new_state: Callable[[], str]) -> Generator[Several]:
    options = ("--timing", "1,10", "--runners", "1", "--concurrency", "0", "--clock", "manual")
    with several(new_state(), *options) as mock:
        yield mock


@pytest.fixture
def timed(slow: Several) -> Several:
    """A mock of two workers whose jobs take 1 and 10 s of a clock that stands, one at a time."""
    slow.control("POST", "/reset", {})
    return slow


def test_a_job_is_known_to_all_as_soon_as_it_is_answered(instant: Several) -> None:
    for _ in range(OFTEN):
        job = instant.submit()
        assert instant.status(job, logs=1)["status"] == "COMPLETED"
        result = instant.ask("GET", job["response_url"])
        assert result.status == 200
        video = result.json["video"]["url"]
        assert instant.ask("GET", video).body == instant.ask("GET", video).body
        assert instant.ask("PUT", job["cancel_url"]).json == {"status": "ALREADY_COMPLETED"}
        stream = instant.ask("GET", f"{job['status_url']}/stream")
        assert b'"COMPLETED"' in stream.body
        id = job["request_id"]
        assert instant.control("GET", f"/jobs/{id}")["request_id"] == id


def test_ids_are_unlike_and_lists_agree(instant: Several) -> None:
    jobs = at_once(8, lambda: [instant.submit() for _ in range(10)])
    ids = [job["request_id"] for each in jobs for job in each]
    assert len({*ids}) == 80
    lists = [instant.control("GET", "/jobs", limit=1000)["jobs"] for _ in range(OFTEN)]
    assert {*ids} <= {job["request_id"] for job in lists[0]}
    assert all(one == lists[0] for one in lists)
    sums = [instant.control("GET", "/billing") for _ in range(OFTEN)]
    assert all(one == sums[0] for one in sums)


def test_what_a_reset_forgets_stays_spent_at_all_of_them(new_state: Callable[[], str]) -> None:
    # A mock of its own: ids of other tests would come again.
    with several(new_state(), "--timing", "instant") as mock:
        for jobs in (4, 8):
            at_once(4, mock.submit)
            mock.control("POST", "/reset", {})
            sums = [mock.control("GET", "/spend") for _ in range(OFTEN)]
            assert all(one == sums[0] for one in sums)
            assert sums[0]["jobs"] == jobs
            assert float(sums[0]["cost"]) == pytest.approx(jobs * 0.36)


def test_an_upload_comes_in_parts_to_any_of_them(instant: Several) -> None:
    asked = {"file_name": "a.bin", "content_type": "application/octet-stream"}
    query = {"storage_type": "fal-cdn-v3"}
    whole = instant.ask("POST", _INITIATE, asked, query).json
    assert instant.ask("PUT", whole["upload_url"], b"whole").status == 200
    opened = instant.ask("POST", f"{_INITIATE}-multipart", asked, query).json
    url, _, token = opened["upload_url"].partition("?")
    numbers = iter(range(1, 9))
    parts = at_once(8, lambda: _put(instant, url, token, next(numbers)))
    done = instant.ask("POST", f"{url}/complete?{token}", {"parts": parts})
    assert done.status == 200, done.body
    for _ in range(OFTEN):
        assert instant.ask("GET", whole["file_url"]).body == b"whole"
        assert instant.ask("GET", opened["file_url"]).body == b"12345678"


def _put(mock: Several, url: str, token: str, number: int) -> dict[str, Any]:
    reply = mock.ask("PUT", f"{url}/{number}?{token}", str(number).encode())
    assert reply.status == 200, reply.body
    return {"partNumber": number, "etag": reply.headers["etag"]}


def test_metrics_name_the_worker_whose_they_are(instant: Several) -> None:
    instant.submit()
    kept: dict[str, float] = {}
    for _ in range(OFTEN):
        text = instant.ask("GET", "/metrics").body.decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                assert sample.labels["worker"] in ("1", "2"), sample
                if sample.name == "falkit_jobs_kept":
                    kept[sample.labels["worker"]] = sample.value
    assert kept["1"] == kept["2"] > 0


def test_a_report_says_that_each_has_seen_its_own_requests_alone(instant: Several) -> None:
    (problem,) = instant.ask("GET", "/__falkit/report").json["problems"]
    assert "each has seen its own requests alone" in problem


def test_the_request_log_has_all_requests_once_whoever_lists_it(instant: Several) -> None:
    instant.control("DELETE", "/requests")
    jobs = [instant.submit() for _ in range(OFTEN)]
    for job in jobs:
        instant.status(job)
    lists = [instant.control("GET", "/requests", limit=1000)["requests"] for _ in range(OFTEN)]
    listed = [(one["method"], one["request_id"]) for one in lists[0]]
    assert sorted(listed) == sorted((m, job["request_id"]) for job in jobs for m in ("POST", "GET"))
    assert all(one == lists[0] for one in lists)
    numbers = [one["number"] for one in lists[0]]
    assert numbers == sorted({*numbers})
    assert instant.control("DELETE", "/requests") == {"cleared": len(listed)}
    assert instant.control("GET", "/requests")["requests"] == []


def test_events_are_told_once_with_the_same_numbers_by_all(instant: Several) -> None:
    followers = [_Follower(instant, "?since=0") for _ in range(8)]
    ids = [instant.submit()["request_id"] for _ in range(OFTEN)]
    told = [follower.until(ids) for follower in followers]
    for follower in followers:
        follower.close()
    changes = [(e["request_id"], e["change"]) for _, k, e in told[0] if k == "job_changed"]
    for id in ids:
        assert [one for of, one in changes if of == id] == ["accepted", "started", "ended"]
    shortest = min(map(len, told))
    assert all(one[:shortest] == told[0][:shortest] for one in told)
    numbers = [number for number, _, _ in told[0]]
    assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]


class _Follower:
    """A reader of the stream of events."""

    def __init__(self, mock: Several, query: str) -> None:
        address = urlsplit(mock.url)
        assert address.hostname is not None
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        self._connection.request("GET", f"/__falkit/events{query}")
        self._reply = self._connection.getresponse()

    def until(self, ids: list[str]) -> list[tuple[int, str, dict[str, Any]]]:
        """Return the events up to the end of the last of some jobs."""
        found: list[tuple[int, str, dict[str, Any]]] = []
        left = {*ids}
        frame: dict[str, str] = {}
        while left:
            line = self._reply.readline().decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                frame[name] = value
            elif "data" in frame:
                event = json.loads(frame["data"])
                found.append((int(frame["id"]), frame["event"], event))
                if event.get("change") == "ended":
                    left.discard(event["request_id"])
                frame = {}
            else:
                frame = {}
        return found

    def close(self) -> None:
        self._connection.close()


def test_timelines_and_positions_agree(timed: Several) -> None:
    jobs = at_once(6, timed.submit)
    for elapsed in range(7):
        seen = [[timed.status(job) for job in jobs] for _ in range(OFTEN)]
        assert all(one == seen[0] for one in seen)
        waits = [body["queue_position"] for body in seen[0] if body["status"] == "IN_QUEUE"]
        first = elapsed == 0
        assert sorted(waits) == [*range(6 if first else 6 - elapsed)], "one runs at a time"
        running = [body for body in seen[0] if body["status"] == "IN_PROGRESS"]
        assert len(running) == (0 if first or elapsed > 6 else 1)
        timed.control("POST", "/clock/advance", {"seconds": 1.5 if first else 10})
    assert {timed.status(job)["status"] for job in jobs} == {"COMPLETED"}


def test_a_cancelled_job_gives_its_place_to_the_next_everywhere(timed: Several) -> None:
    jobs = [timed.submit() for _ in range(4)]
    timed.control("POST", "/clock/advance", {"seconds": 2})
    assert timed.ask("PUT", jobs[0]["cancel_url"]).status == 202
    for _ in range(OFTEN):
        found = [timed.status(job)["status"] for job in jobs]
        assert found == ["COMPLETED", "IN_PROGRESS", "IN_QUEUE", "IN_QUEUE"]


def test_a_stream_goes_on_where_another_worker_moves_the_job(timed: Several) -> None:
    job = timed.submit()
    streams = 8
    address = urlsplit(timed.url)
    with ExitStack() as stack:

        def open_stream() -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection(
                address.hostname or "", address.port, timeout=30
            )
            stack.callback(connection.close)
            path = job["status_url"].removeprefix(timed.url)
            connection.request("GET", f"{path}/stream", headers={"authorization": "Key id:secret"})
            return stack.enter_context(connection.getresponse())

        opened: list[http.client.HTTPResponse] = []
        for _ in range(streams):
            stream = open_stream()
            if not (first := stream.readline()):
                # Where Redis is away for a moment, as on a busy machine, a stream is cut; clients
                # open it again.
                stream = open_stream()
                first = stream.readline()
            assert b"IN_QUEUE" in first
            opened.append(stream)
        timed.control("POST", "/clock/advance", {"seconds": 60})
        for stream in opened:
            assert b'"COMPLETED"' in stream.read()


def test_the_clock_is_one(timed: Several) -> None:
    before = timed.control("GET", "/clock")["now"]
    for step in range(1, OFTEN):
        timed.control("POST", "/clock/advance", {"seconds": 5})
        shown = {timed.control("GET", "/clock")["now"] for _ in range(4)}
        assert shown == {before + 5 * step}


def test_a_rule_for_one_request_applies_once(timed: Several) -> None:
    for _ in range(5):
        rule = timed.control("POST", "/rules", {"rule": "generation_timeout times=1"})
        ids = [job["request_id"] for job in at_once(12, timed.submit)]
        details = [timed.control("GET", f"/jobs/{id}") for id in ids]
        assert sum(bool(one["faults"]) for one in details) == 1
        for _ in range(OFTEN):
            kept = timed.control("GET", f"/rules/{rule['id']}")
            assert (kept["matched"], kept["applied"]) == (12, 1)
        timed.control("DELETE", "/rules")
        assert all(timed.control("GET", "/rules") == {"rules": []} for _ in range(OFTEN))


def test_a_reset_forgets_all_everywhere(timed: Several) -> None:
    first = timed.submit()
    timed.submit()
    timed.control("POST", "/rules", {"rule": "generation_timeout"})
    timed.control("POST", "/reset", {})
    for _ in range(OFTEN):
        assert timed.control("GET", "/jobs")["jobs"] == []
        assert timed.control("GET", "/rules") == {"rules": []}
        assert timed.ask("GET", first["status_url"]).status == 404
    again = [timed.submit()["request_id"] for _ in range(OFTEN)]
    assert len({*again}) == OFTEN
    # Whichever worker takes it, the first job has an id of the first ones.
    assert again[0][:13] in ("019b76da-a801", "019b76da-a802")


def test_a_direct_call_is_answered_once_another_worker_moves_the_clock(timed: Several) -> None:
    def call() -> int:
        return timed.ask("POST", f"/fal.run/{T2V}", {"prompt": "a kite"}).status

    def go() -> int:
        while not timed.control("GET", "/jobs", status="IN_PROGRESS")["jobs"]:
            pass
        timed.control("POST", "/clock/advance", {"seconds": 30})
        return 200

    calls = iter([call, go] * 4)
    for _ in range(4):
        assert at_once(2, lambda: next(calls)()) == [200, 200]


def test_each_webhook_comes_once(instant: Several, receiver: Receiver) -> None:
    jobs = at_once(8, lambda: [instant.submit(fal_webhook=receiver.url) for _ in range(25)])
    ids = sorted(job["request_id"] for each in jobs for job in each)
    receiver.wait(200)
    listed = instant.control("GET", "/deliveries", count=200, wait=30, limit=1000)["deliveries"]
    assert sorted(one["request_id"] for one in listed) == ids
    assert all(one["status"] == "acknowledged" for one in listed)
    lists = [instant.control("GET", "/deliveries", limit=1000)["deliveries"] for _ in range(OFTEN)]
    assert all(one == listed for one in lists)
    assert sorted(one.json["request_id"] for one in receiver.received) == ids


def test_webhooks_of_all_workers_are_met_by_a_jump(timed: Several, receiver: Receiver) -> None:
    jobs = [timed.submit(fal_webhook=receiver.url) for _ in range(OFTEN)]
    met = timed.control("POST", "/clock/advance", {"seconds": 1000})
    assert met["events"] >= OFTEN
    sent = [one.json["request_id"] for one in receiver.received]
    assert sent == [job["request_id"] for job in jobs], "each once, in order, before the reply"


def test_each_look_moves_a_job_on_whichever_worker_is_asked(
    new_state: Callable[[], str],
) -> None:
    with several(new_state(), "--timing", "polls") as mock:
        for _ in range(OFTEN):
            job = mock.submit()
            seen = [mock.status(job)["status"] for _ in range(3)]
            assert seen == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
            assert mock.ask("GET", job["response_url"]).status == 200


def test_a_file_that_one_worker_looks_at_is_waited_for_by_all(instant: Several) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(picture, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
    for _ in range(OFTEN):
        asked = {"prompt": "a kite", "image_url": url}
        job = instant.ask("POST", f"/queue.fal.run/{I2V_FAST}", asked).json
        results = at_once(4, lambda: instant.ask("GET", job["response_url"]))  # noqa: B023
        assert [one.status for one in results] == [200] * 4
        assert len({one.body for one in results}) == 1
