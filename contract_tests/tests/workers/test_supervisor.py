"""The process that starts workers: what it refuses, replaces and leaves behind."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from control.test_events import Follower
from nights import at_night
from receiver import Receiver
from serving import PATIENCE, T2V
from several import OFTEN, PROGRAM, Several, several

if sys.platform != "linux":
    pytest.skip("processes are looked at as Linux shows them", allow_module_level=True)


def _gone(pids: list[int]) -> bool:
    """Return once processes that aren't ours have ended; False if they don't."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([descriptor], [], [], PATIENCE)[0]:
                return False
        finally:
            os.close(descriptor)
    return True


def _refused(*options: str, cwd: Path | None = None) -> str:
    command = [*PROGRAM, "serve", "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
    assert done.returncode == 2, done
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("falkit: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "workers: they need a state that they share; add --state FILE"),
        (["--state", "a", "--tenants"], "tenants: they are of one process"),
        (["--state", "a", "--gateway"], "gateway: it is of one process"),
        (["--state", "a", "--export-on-exit", "b"], "export-on-exit: the state file has all"),
        (["--state", "/nowhere/a"], "state: /nowhere/a can't be opened"),
    ],
)
def test_what_workers_cannot_do_is_refused_in_one_line(
    tmp_path: Path, options: list[str], why: str
) -> None:
    assert why in _refused("--workers", "2", *options, cwd=tmp_path)


def test_a_file_can_say_how_many(tmp_path: Path) -> None:
    (tmp_path / "falkit.toml").write_text("workers = 2\n")
    assert "falkit.toml: workers: they need a state" in _refused(cwd=tmp_path)


def test_it_ends_with_all_its_workers_when_told_to(tmp_path: Path) -> None:
    for how in (signal.SIGTERM, signal.SIGINT):
        with several(tmp_path / "falkit.state") as mock:
            workers = mock.workers()
            assert len(workers) == 2
            mock.submit()
            mock.process.send_signal(how)
            assert mock.process.wait(PATIENCE) == 0
            assert _gone(workers)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["falkit.state"]


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    with several(tmp_path / "falkit.state") as mock:
        workers = mock.workers()
        mock.submit()
        mock.process.kill()
        assert mock.process.wait(PATIENCE) == -signal.SIGKILL
        assert _gone(workers)


def test_another_takes_the_place_of_a_worker_that_is_killed(tmp_path: Path) -> None:
    state = tmp_path / "falkit.state"
    with several(state, "--timing", "0,1000", stderr=subprocess.PIPE) as mock:
        jobs = [mock.submit() for _ in range(OFTEN)]
        before = mock.workers()
        os.kill(before[0], signal.SIGKILL)
        assert mock.process.stderr is not None
        line = mock.process.stderr.readline()
        assert re.search(r"worker 1 was ended by SIGKILL; another takes its place", line), line
        for job in jobs:
            assert mock.status(job)["status"] in ("IN_QUEUE", "IN_PROGRESS")
        for job in jobs:
            assert mock.ask("PUT", job["cancel_url"]).status == 202
        more = [mock.submit()["request_id"] for _ in range(OFTEN)]
        assert len({*more, *(job["request_id"] for job in jobs)}) == 2 * OFTEN
        assert len(mock.workers()) == 2
        assert before[1] in mock.workers()


def _reached(mock: Several, kind: str) -> str:
    """Return what jobs had cost by the first event of a kind."""
    with httpx.stream("GET", f"{mock.url}/__falkit/events?since=0&kind={kind}") as stream:
        told = next(one for one in Follower(stream) if one.kind == kind)
    cost: str = told.data["cost"]
    return cost


def test_the_budget_is_that_of_all_workers_also_of_one_that_died(tmp_path: Path) -> None:
    options = ("--timing", "instant", "--budget", "11.52", "--alert-at", "5.76")
    with several(tmp_path / "falkit.state", *options, stderr=subprocess.PIPE) as mock:
        for _ in range(OFTEN):
            mock.submit()
        assert _reached(mock, "cost_alert") == "5.76"
        assert mock.process.stderr is not None
        os.kill(mock.workers()[0], signal.SIGKILL)
        assert "another takes its place" in mock.process.stderr.readline()
        for _ in range(OFTEN):
            mock.submit()
        mock.control("POST", "/reset")
        for _ in range(OFTEN):
            assert mock.control("GET", "/spend")["cost"] == "11.52"
        mock.submit()
        assert _reached(mock, "budget_exceeded") == "11.88"
        mock.process.send_signal(signal.SIGTERM)
        line = "falkit: over the budget of $11.52 by $0.36\n"
        assert mock.process.communicate(timeout=PATIENCE)[1] == line
        assert mock.process.returncode == 1


@pytest.mark.timeout(200)
# Thirty starts take long.
@at_night
def test_it_gives_up_where_workers_keep_dying(tmp_path: Path) -> None:
    with several(tmp_path / "falkit.state", stderr=subprocess.PIPE) as mock:
        assert mock.process.stderr is not None
        for _ in range(29):
            os.kill(mock.workers()[0], signal.SIGKILL)
            assert "another takes its place" in mock.process.stderr.readline()
            while len(mock.workers()) < 2:
                pass
        os.kill(mock.workers()[0], signal.SIGKILL)
        assert "giving up" in mock.process.stderr.readline()
        assert mock.process.wait(PATIENCE) == 1


def test_one_mock_at_a_time_has_a_file_and_a_port(tmp_path: Path) -> None:
    state = str(tmp_path / "falkit.state")
    with several(Path(state)) as mock:
        port = mock.url.rpartition(":")[2]
        for workers in ("1", "2"):
            assert "is in use by another mock" in _refused("--state", state, "--workers", workers)
            other = str(tmp_path / "other")
            why = _refused("--port", port, "--state", other, "--workers", workers)
            assert "choose another --port" in why
        assert mock.submit()


def test_what_several_left_one_goes_on_with_and_again_several(tmp_path: Path) -> None:
    state = tmp_path / "falkit.state"
    ids: list[str] = []
    for workers in (2, 1, 3, 2):
        with several(state, "--timing", "instant", workers=workers) as mock:
            ids += [mock.submit()["request_id"] for _ in range(OFTEN)]
            assert len({*ids}) == len(ids)
            listed = mock.control("GET", "/jobs", limit=1000)["jobs"]
            assert sorted(job["request_id"] for job in listed) == sorted(ids)
            assert mock.control("GET", "/requests", limit=1)["requests"][-1]["number"] == len(ids)


def test_what_a_file_puts_into_a_mock_is_there_once(tmp_path: Path) -> None:
    asked = f'[[jobs]]\nendpoint = "{T2V}"\ninput = {{ prompt = "A cat" }}\n'
    (tmp_path / "falkit.toml").write_text(asked)
    with several(tmp_path / "falkit.state", "--timing", "instant", cwd=tmp_path) as mock:
        _once(mock)
        mock.control("POST", "/reset", {})
        _once(mock)


def _once(mock: Several) -> None:
    for _ in range(OFTEN):
        assert len(mock.control("GET", "/jobs")["jobs"]) == 1


def test_ids_go_on_behind_those_of_all_workers_where_an_export_is_imported(
    tmp_path: Path, receiver: Receiver
) -> None:
    instant = ("--timing", "instant")
    with several(tmp_path / "a.state", *instant, workers=3) as mock:
        for _ in range(2 * OFTEN):
            mock.submit(fal_webhook=receiver.url)
        mock.control("GET", "/deliveries", count=2 * OFTEN, wait=30)
        exported = mock.ask("GET", "/__falkit/state", headers={"x-falkit-client": "test"})
        (tmp_path / "a.tar").write_bytes(exported.body)
    options = (*instant, "--import", str(tmp_path / "a.tar"))
    with several(tmp_path / "b.state", *options, workers=1) as mock:
        for _ in range(20 * OFTEN):
            mock.submit(fal_webhook=receiver.url)
        listed = mock.control("GET", "/deliveries", count=22 * OFTEN, wait=30, limit=1000)
        assert listed["total"] == 22 * OFTEN, "none took the place of another"


def test_an_export_is_imported_once(tmp_path: Path) -> None:
    with several(tmp_path / "a.state", "--timing", "instant") as mock:
        job = mock.submit()
        exported = mock.ask("GET", "/__falkit/state", headers={"x-falkit-client": "test"})
        (tmp_path / "a.tar").write_bytes(exported.body)
    options = ("--timing", "instant", "--import", str(tmp_path / "a.tar"))
    with several(tmp_path / "b.state", *options) as mock:
        _once(mock)
        path = f"/queue.fal.run/fal-ai/ltx-2/requests/{job['request_id']}"
        for _ in range(OFTEN):
            assert mock.ask("GET", path).status == 200
        # The worker that has imported it is replaced, and does so no more.
        first = mock.workers()[0]
        os.kill(first, signal.SIGKILL)
        while first in mock.workers() or len(mock.workers()) < 2:
            pass
        _once(mock)
