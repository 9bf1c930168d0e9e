"""`falkit.Mock`: the server in this process, what it tells and what it takes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

import falkit
from falkit.views import Delivery
from falkit_mock.core.network import listen
from receiver import Receiver
from serving import KEY, PATIENCE, PROMPT, START, T2V, WatchedClock

LTX = f"queue.fal.run/{T2V}"


def submit(mock: falkit.Mock, input: Any = PROMPT, **query: str) -> dict[str, Any]:
    reply = httpx.post(f"{mock.url}/{LTX}", json=input, params=query, headers=KEY, timeout=PATIENCE)
    assert reply.status_code == 200, reply.text
    job: dict[str, Any] = reply.json()
    return job


def result(job: dict[str, Any]) -> httpx.Response:
    return httpx.get(job["response_url"], headers=KEY, timeout=PATIENCE)


def request_ids(mock: falkit.Mock) -> list[str]:
    return [job.request_id for job in mock.jobs]


def gateway_url(mock: falkit.Mock) -> str:
    return mock.gateway_url


class TestLife:
    """Start and end."""

    def test_the_mock_answers_inside_the_block_and_not_after(self) -> None:
        with falkit.Mock() as mock:
            url = mock.url
            assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health")
        with pytest.raises(RuntimeError, match="this mock isn't running; use it inside `with"):
            _ = mock.jobs

    def test_the_mock_cannot_be_used_before_its_start_nor_started_twice(self) -> None:
        mock = falkit.Mock()
        with pytest.raises(RuntimeError, match="isn't running"):
            _ = mock.url
        with mock, pytest.raises(RuntimeError, match="was started before; make another one"):
            mock.start()
        mock.stop()
        with pytest.raises(RuntimeError, match="was started before"):
            mock.start()

    def test_many_mocks_run_side_by_side(self) -> None:
        with falkit.Mock(timing="instant") as one, falkit.Mock(timing="held") as other:
            submit(one)
            submit(other)
            assert one.url != other.url
            assert [job.status for mock in (one, other) for job in mock.jobs] == [
                "COMPLETED",
                "IN_QUEUE",
            ]

    def test_a_failed_start_is_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **options: object) -> None:
            raise RuntimeError("no mock today")

        monkeypatch.setattr("falkit_mock.assembly.create_app", fail)
        with pytest.raises(RuntimeError, match="no mock today"):
            falkit.Mock().start()

    def test_a_port_that_is_taken_is_an_os_error(self) -> None:
        with listen("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            mock = falkit.Mock(port=port)
            told = rf"port: can't listen on 127.0.0.1:{port} \(.*in use\); choose another port"
            with pytest.raises(OSError, match=told):
                mock.start()
        with mock:
            assert mock.url == f"http://127.0.0.1:{port}"

    def test_the_mock_ends_while_a_stream_is_open(self) -> None:
        before = set(threading.enumerate())
        with falkit.Mock(timing="held") as mock:
            job = submit(mock)
            stream = httpx.stream("GET", f"{job['status_url']}/stream", headers=KEY)
            with stream as reply:
                lines = reply.iter_lines()
                assert next(lines).startswith("data:")
                mock.stop()
                assert [line for line in lines if line] == []
        after = set(threading.enumerate()) - before
        assert not [thread for thread in after if thread.name == "falkit mock"]

    def test_settings_can_be_one_object_and_single_ones_beside_it(self) -> None:
        shared = falkit.Settings(timing="instant", seed=7)
        mock = falkit.Mock(shared, timing="held", clock="manual")
        assert mock.settings == falkit.Settings(timing="held", seed=7, clock="manual")


class TestAsync:
    """The same on an event loop, which it doesn't block."""

    def test_the_mock_is_an_async_context_manager(self) -> None:
        async def use() -> str:
            async with falkit.Mock(timing="instant") as mock, httpx.AsyncClient() as client:
                await client.post(f"{mock.url}/{LTX}", json=PROMPT, headers=KEY)
                return mock.jobs[-1].status

        assert asyncio.run(use()) == "COMPLETED"

    def test_other_tasks_run_while_the_mock_starts_and_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def use() -> None:
            mock, turns = falkit.Mock(), threading.Event()
            for name in ("start", "stop"):
                method = getattr(mock, name)

                def later(method: Any = method) -> Any:
                    # Only if the loop goes on meanwhile is this set.
                    assert turns.wait(PATIENCE)
                    turns.clear()
                    return method()

                monkeypatch.setattr(mock, name, later)
            asyncio.get_running_loop().call_soon(turns.set)
            async with mock:
                asyncio.get_running_loop().call_soon(turns.set)

        asyncio.run(use())

    def test_a_start_that_is_cancelled_leaves_nothing_running(self) -> None:
        async def use() -> None:
            mock = falkit.Mock()
            starting = asyncio.ensure_future(mock.__aenter__())
            await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            with pytest.raises(RuntimeError, match="isn't running"):
                _ = mock.url

        asyncio.run(use())


class TestJobs:
    """`mock.jobs`."""

    def test_a_finished_job_has_its_input_output_and_cost(self, mock: falkit.Mock) -> None:
        first, second = submit(mock), submit(mock, {"prompt": "Rain", "duration": 8})
        assert [job.request_id for job in mock.jobs] == [first["request_id"], second["request_id"]]
        job = mock.jobs[-1]
        assert job.endpoint_id == T2V
        assert (job.status, job.status_code, job.error) == ("COMPLETED", 200, None)
        assert job.input == {"prompt": "Rain", "duration": 8}
        assert job.output == result(second).json()
        assert job.key == "id"
        assert job.cost == Decimal("0.48")
        assert job.starts is not None
        assert job.ends is not None
        assert job.created <= job.starts <= job.ends
        assert (job.webhook, job.faults, job.cancelled) == (None, (), False)
        with pytest.raises(FrozenInstanceError):
            job.status = "IN_QUEUE"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]

    def test_a_failed_job_has_its_error_and_the_fault_that_made_it(self, mock: falkit.Mock) -> None:
        submit(mock, {"prompt": "Rain [falkit:content_policy_violation]"})
        (job,) = mock.jobs
        assert (job.status, job.status_code, job.output, job.cost) == (
            "COMPLETED",
            422,
            None,
            Decimal("0.36"),
        )
        assert job.error["detail"][0]["type"] == "content_policy_violation"
        assert job.faults == ("content_policy_violation",)

    def test_a_job_that_waits_has_neither(self) -> None:
        with falkit.Mock(timing="held") as mock:
            submit(mock)
            (job,) = mock.jobs
            assert (job.status, job.status_code, job.starts) == ("IN_QUEUE", None, None)
            assert (job.output, job.error, job.error_type) == (None, None, None)

    def test_a_cancelled_job_says_so(self) -> None:
        with falkit.Mock(timing="held") as mock:
            httpx.put(submit(mock)["cancel_url"], headers=KEY)
            assert [(job.cancelled, job.status_code) for job in mock.jobs] == [(True, 499)]

    def test_threads_see_the_same(self, mock: falkit.Mock) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(submit, [mock] * 16))
            found = list(pool.map(request_ids, [mock] * 8))
        assert len(found[0]) == 16
        assert all(ids == found[0] for ids in found)


class TestRequests:
    """`mock.requests`, and waiting."""

    def test_each_request_is_listed_once_it_came(self, mock: falkit.Mock) -> None:
        job = submit(mock)
        result(job)
        found = [(one.method, one.host, one.status) for one in mock.requests]
        assert found == [("POST", "queue.fal.run", 200), ("GET", "queue.fal.run", 200)]
        before = mock.requests[-1]
        before.status = 999
        assert mock.requests[-1].status == 200

    def test_a_condition_can_be_waited_for(self, mock: falkit.Mock) -> None:
        later = threading.Timer(0.05, submit, (mock,))
        later.start()
        mock.wait_for(lambda: len(mock.jobs) == 1)
        later.join()

    def test_waiting_without_success_is_a_timeout(self, mock: falkit.Mock) -> None:
        with pytest.raises(TimeoutError, match=r"the condition did not hold after 0.02 s"):
            mock.wait_for(lambda: mock.jobs, timeout=0.02)


class TestClock:
    """`mock.clock`."""

    def test_the_clock_is_paused_where_settings_say_until_it_is_moved(self) -> None:
        with falkit.Mock(clock="manual", clock_start="2027-01-15T08:00:00Z") as mock:
            assert (mock.clock.now(), mock.clock.running) == (1_800_000_000.0, False)
            mock.clock.advance(90)
            mock.clock.advance("2h")
            assert mock.clock.now() == 1_800_007_290.0
            mock.clock.set("2027-01-16T08:00:00Z")
            assert mock.clock.now() == 1_800_086_400.0
            mock.clock.set(datetime(2027, 1, 17, 8, tzinfo=UTC))
            assert mock.clock.now() == 1_800_172_800.0

    def test_a_job_runs_its_course_as_time_is_moved(self) -> None:
        with falkit.Mock(timing="10,20", clock="manual") as mock:
            submit(mock)
            seen: list[str] = []
            for seconds in (9, 2, 20):
                mock.clock.advance(seconds)
                seen.append(mock.jobs[0].status)
            assert seen == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]

    def test_the_clock_can_be_paused_and_run_on(self) -> None:
        with falkit.Mock() as mock:
            assert mock.clock.running
            mock.clock.pause()
            assert mock.clock.now() == mock.clock.now()
            mock.clock.run()
            assert mock.clock.running

    @pytest.mark.parametrize("time", ["soon", "-1h", -1, float("inf"), float("nan")])
    def test_a_malformed_duration_is_refused(self, mock: falkit.Mock, time: Any) -> None:
        with pytest.raises(ValueError, match=r"soon|-1|inf|nan"):
            mock.clock.advance(time)

    def test_the_clock_never_goes_back(self) -> None:
        with falkit.Mock(clock="manual") as mock:
            with pytest.raises(ValueError, match="time goes on, never back"):
                mock.clock.set(mock.clock.now() - 1)
            with pytest.raises(ValueError, match="moment: 'soon' isn't a moment"):
                mock.clock.set("soon")

    def test_a_clock_of_the_programs_own_is_taken(self) -> None:
        own = WatchedClock()
        with falkit.Mock(clock=own) as mock:
            assert mock.clock.now() == START


class TestFaults:
    """`mock.faults`."""

    def test_rules_are_added_counted_and_removed(self, mock: falkit.Mock) -> None:
        added = mock.faults.add("content_policy_violation times=1")
        other = mock.faults.add({"fault": "latency", "seconds": 0})
        assert [rule.text for rule in mock.faults] == [added.text, other.text]
        assert [result(submit(mock)).status_code for _ in range(2)] == [422, 200]
        assert (mock.faults[0].matched, mock.faults[0].applied) == (2, 1)
        mock.faults.remove(added.id)
        assert [rule.id for rule in mock.faults] == [other.id]
        mock.faults.clear()
        assert len(mock.faults) == 0
        with pytest.raises(KeyError, match=rf"{added.id}. isn.t a rule.s id; those there are"):
            mock.faults.remove(added.id)

    def test_a_rule_that_cannot_work_is_refused_by_name(self, mock: falkit.Mock) -> None:
        with pytest.raises(ValueError, match="'image_lod_error' isn't a fault; did you mean"):
            mock.faults.add("image_lod_error")
        assert not mock.faults

    def test_faults_of_the_settings_apply_from_the_start(self) -> None:
        with falkit.Mock(timing="instant", faults=["content_policy_violation times=1"]) as mock:
            assert [result(submit(mock)).status_code for _ in range(2)] == [422, 200]


class TestWebhooks:
    """`mock.webhooks`."""

    def test_a_delivery_is_waited_for_and_sent_again(
        self, mock: falkit.Mock, receiver: Receiver
    ) -> None:
        job = submit(mock, fal_webhook=receiver.url)
        (delivery,) = mock.webhooks.wait()
        assert isinstance(delivery, Delivery)
        assert (delivery.status, delivery.status_code, delivery.number) == ("acknowledged", 200, 1)
        assert delivery.payload["request_id"] == job["request_id"] == delivery.request_id
        assert delivery.payload == receiver.wait()[0].json
        again = mock.webhooks.resend(job["request_id"])
        assert again.number == 2
        assert [one.id for one in mock.webhooks] == [delivery.id, again.id]
        assert mock.jobs[0].webhook == receiver.url

    def test_a_sent_webhook_is_one_that_falkit_verifies(
        self, mock: falkit.Mock, receiver: Receiver
    ) -> None:
        submit(mock, fal_webhook=receiver.url)
        (received,) = receiver.wait()
        verified = falkit.webhooks.verify(received.headers, received.body, base_url=mock.url)
        assert verified.request_id == mock.jobs[0].request_id

    def test_waiting_without_success_says_how_many_came(self, mock: falkit.Mock) -> None:
        with pytest.raises(TimeoutError, match=r"^0 of 2 webhooks after 0.02 s$"):
            mock.webhooks.wait(2, timeout=0.02)

    def test_a_job_without_a_webhook_is_not_sent_again(self, mock: falkit.Mock) -> None:
        with pytest.raises(Exception, match="it was submitted without fal_webhook"):
            mock.webhooks.resend(submit(mock)["request_id"])


class TestReset:
    """`mock.reset()`."""

    def test_a_reset_forgets_all_and_begins_the_ids_again(self, mock: falkit.Mock) -> None:
        first = submit(mock)
        mock.faults.add("hang")
        mock.reset()
        assert (mock.jobs, mock.requests, list(mock.faults)) == ([], [], [])
        assert submit(mock)["request_id"] == first["request_id"]

    def test_rules_can_be_kept(self, mock: falkit.Mock) -> None:
        mock.faults.add("hang")
        mock.reset(keep_faults=True)
        assert [rule.text for rule in mock.faults] == ["hang"]


@pytest.mark.usefixtures("authority")
class TestGateway:
    """`mock.gateway_url` and `mock.environ`: for programs that know only fal's names."""

    def test_the_gateway_is_opened_when_it_is_first_asked_for(self, mock: falkit.Mock) -> None:
        control = f"{mock.url}/__falkit/gateway"
        assert httpx.get(control).status_code == 404
        with ThreadPoolExecutor(4) as pool:
            (url,) = set(pool.map(gateway_url, [mock] * 4))
        assert httpx.get(control).json()["url"] == url
        with httpx.Client(proxy=url, trust_env=False) as client:
            assert client.get("http://queue.fal.run/health").json() == {"status": "ok"}

    def test_a_program_started_with_the_variables_calls_the_mock(self, mock: falkit.Mock) -> None:
        code = "import fal_client; fal_client.subscribe('fal-ai/ltx-2/text-to-video', "
        code += "{'prompt': 'Rain'})"
        subprocess.run([sys.executable, "-c", code], env=mock.environ, check=True, timeout=60)
        assert [job.input for job in mock.jobs] == [{"prompt": "Rain"}]

    def test_no_real_key_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAL_KEY", "real:key")
        with falkit.Mock(api_keys=["a:b"], control_token="s3cret") as mock:
            environ = mock.environ
            assert environ["FAL_KEY"] == "a:b"
            assert environ["FALKIT_CONTROL_TOKEN"] == "s3cret"
            assert environ["FALKIT_BASE_URL"] == mock.url
            assert environ["HTTPS_PROXY"] == mock.gateway_url

    def test_other_hosts_can_be_kept_off(self) -> None:
        with falkit.Mock(egress="block") as mock:
            assert mock.environ["FALKIT_EGRESS"] == "block"
            with httpx.Client(proxy=mock.gateway_url, trust_env=False) as client:
                reply = client.get("http://example.com/")
            assert (reply.status_code, "let nothing out" in reply.text) == (403, True)
