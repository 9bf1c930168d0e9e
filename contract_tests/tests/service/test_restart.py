"""A mock with a state file goes on, once it is started again, where it was."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from control.test_state import CLIENT, upload
from falkit import Mock as PythonMock, Settings
from falkit_mock.core.clock import SimulatedClock
from falkit_mock.core.settings import SettingsError
from falkit_mock.store import journal
from falkit_mock.store.durable import DurableStore
from falkit_mock.store.file_journal import FileJournal
from receiver import Receiver, Reply, receiving
from serving import I2V_FAST, PROMPT, START, T2V, Mock, running

STATES = Path(__file__).parents[1] / "store" / "states"
# A pixel, which has to be decoded before the outcome is there.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "falkit.state")


@contextmanager
def kept(state: str, **options: Any) -> Generator[Mock]:
    """Serve a mock with a state file and paused time."""
    settings = Settings(state=state, timing="10,20", **options)
    with running(settings, SimulatedClock(START, running=False)) as mock:
        yield mock


def pass_time(mock: Mock, seconds: float) -> None:
    mock.http.post("/__falkit/clock/advance", json={"seconds": seconds})


def same(url: str, mock: Mock) -> str:
    """Return a URL of an earlier life as one of this."""
    return mock.url + url.partition("/queue.fal.run")[1] + url.partition("/queue.fal.run")[2]


def result(mock: Mock, job: dict[str, Any]) -> dict[str, Any]:
    reply = mock.http.get(same(job["response_url"], mock))
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_jobs_files_time_and_seed_go_on(state: str) -> None:
    with kept(state, seed=7, runners=1) as mock:
        path = upload(mock)
        jobs = [mock.submit() for _ in range(3)]
        pass_time(mock, 35)
        before = [mock.http.get(same(job["status_url"], mock)).json() for job in jobs]
        done = result(mock, jobs[0])
        clip = mock.http.get(done["video"]["url"]).content
        balance = mock.http.get("/rest.fal.ai/billing/user_balance").json()
        spent = mock.http.get("/__falkit/clock").json()
        log = mock.http.get("/__falkit/requests").json()["requests"]
        events = [job["status"] for job in mock.jobs()]
    with kept(state, runners=1) as mock:
        assert mock.http.get("/__falkit/clock").json() == spent
        told = [mock.http.get(same(job["status_url"], mock)).json() for job in jobs]
        assert [(one["status"], one.get("queue_position")) for one in told] == [
            ("COMPLETED", None),
            ("IN_PROGRESS", None),
            ("IN_QUEUE", 0),
        ]
        assert [one["status"] for one in told] == [one["status"] for one in before]
        assert [job["status"] for job in mock.jobs()] == events
        assert result(mock, jobs[0]) == done
        file = done["video"]["url"].partition("/v3b.fal.media")[2]
        assert mock.http.get(f"/v3b.fal.media{file}").content == clip
        assert mock.http.get(f"/v3b.fal.media{path}").status_code == 200
        assert mock.http.get("/rest.fal.ai/billing/user_balance").json() == balance
        again = mock.http.get("/__falkit/requests").json()["requests"]
        assert [one["number"] for one in again][: len(log)] == [one["number"] for one in log]
        pass_time(mock, 60)
        assert "video" in result(mock, jobs[2])
        new = mock.submit()["request_id"]
    with running(Settings(seed=7)) as fresh:
        assert [fresh.submit()["request_id"] for _ in range(4)] == [
            *(job["request_id"] for job in jobs),
            new,
        ]


def test_rules_and_what_they_were_used_for_go_on(state: str) -> None:
    with kept(state, faults=["image_load_error endpoint=none times=9"]) as mock:
        mock.http.post("/__falkit/rules", json={"rule": "generation_timeout times=2"})
        failed = mock.submit()
        rules = mock.http.get("/__falkit/rules").json()
        assert rules["rules"][1]["applied"] == 1
    with kept(state, faults=["image_load_error endpoint=none times=9"]) as mock:
        assert mock.http.get("/__falkit/rules").json() == rules
        pass_time(mock, 60)
        assert mock.http.get(same(failed["response_url"], mock)).status_code == 504
    with kept(state, faults=["content_policy_violation"]) as mock:
        # Whoever edits the settings means these.
        names = [one["rule"]["fault"] for one in mock.http.get("/__falkit/rules").json()["rules"]]
        assert names == ["content_policy_violation"]


def test_webhooks_that_were_due_are_delivered(state: str, receiver: Receiver) -> None:
    hook = {"fal_webhook": receiver.url}
    with kept(state) as mock:
        ended = mock.submit(params=hook)
    with kept(state) as mock:
        pass_time(mock, 60)
        (first,) = receiver.wait(1)
        assert first.json["request_id"] == ended["request_id"]
        assert len(mock.http.get("/__falkit/deliveries").json()["deliveries"]) == 1
    with kept(state) as mock:
        pass_time(mock, 600)
        assert len(receiver.received) == 1
        (told,) = mock.http.get("/__falkit/deliveries").json()["deliveries"]
        assert (told["number"], told["status"]) == (1, "acknowledged")


def test_a_retry_goes_on_where_it_was(state: str) -> None:
    with receiving(lambda _: Reply(500)) as receiver:
        with kept(state) as mock:
            mock.submit(params={"fal_webhook": receiver.url})
            pass_time(mock, 31)
            receiver.wait(1)
        with kept(state) as mock:
            pass_time(mock, 10)
            receiver.wait(2)
            numbers = [
                one["number"] for one in mock.http.get("/__falkit/deliveries").json()["deliveries"]
            ]
            assert sorted(numbers) == [1, 2]


def test_an_outcome_that_was_not_decided_yet_is_decided_then(state: str) -> None:
    asked = {"prompt": "a", "image_url": PIXEL}
    with kept(state) as mock:
        job = mock.submit(asked, I2V_FAST)
        id = job["request_id"]
        pass_time(mock, 60)
        before, base = mock.http.get(same(job["response_url"], mock)), mock.url
    store = DurableStore(state)
    stored = store.get(id)
    assert stored is not None
    stored.outcome = None
    store.update(stored)
    store.later[id] = json.dumps(["application/json", f"{base}/v3b.fal.media"]).encode()
    store.close()
    with kept(state) as mock:
        after = mock.http.get(same(job["response_url"], mock))
        assert (after.status_code, after.json()) == (before.status_code, before.json())


def test_a_damaged_row_is_an_error_in_one_line(
    state: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with kept(state) as mock:
        bad, good = mock.submit(), mock.submit()
        pass_time(mock, 60)
    with closing(sqlite3.connect(state)) as db:
        db.execute("UPDATE jobs SET options = '{' WHERE id = ?", (bad["request_id"],))
        db.commit()
    monkeypatch.setattr("falkit_mock.store.durable.READ", 0)
    with kept(state) as mock:
        assert mock.http.get(same(good["status_url"], mock)).status_code == 200
        for url in (same(bad["status_url"], mock), "/__falkit/jobs"):
            caplog.clear()
            reply = mock.http.get(url)
            assert (reply.status_code, reply.json()) == (500, {"detail": "Internal Server Error"})
            assert "the state file has something in jobs" in reply.headers["x-falkit-hint"]
            (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
            assert line.exc_info is None
            assert line.getMessage().startswith(f"state: {state} has something in jobs that can't")


def test_a_direct_call_ends_with_its_mock(state: str) -> None:
    with kept(state) as mock:
        mock.submit()
    store = DurableStore(state)
    (job,) = store.jobs()
    job.entry, job.starts = "run", job.created
    store.update(job)
    store.close()
    with kept(state) as mock:
        (listed,) = mock.jobs()
        assert (listed["status"], listed["status_code"]) == ("COMPLETED", 499)


def test_a_full_disk_is_507_and_nothing_accepted_is_lost(
    state: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is small may find room, which is no sign of more.
    monkeypatch.setattr(journal, "_AGAIN", 600.0)
    with kept(state) as mock:
        store = mock.service.store
        assert isinstance(store, DurableStore)
        kept_ids = [mock.submit()["request_id"] for _ in range(3)]

        def room(pages: int) -> None:
            mock.inside(lambda: store.db.execute(f"PRAGMA max_page_count = {pages}"))

        room(1)
        refused = 0
        for _ in range(200):
            asked = {"prompt": "a" * 3000}
            params = {"fal_webhook": receiver.url}
            reply = mock.http.post(f"/queue.fal.run/{T2V}", json=asked, params=params)
            if reply.status_code == 507:
                assert list(reply.json()) == ["detail"]
                refused += 1
                if refused == 3:
                    break
            else:
                kept_ids.append(reply.json()["request_id"])
        assert refused == 3
        reply = mock.http.get("/ready")
        assert (reply.status_code, reply.json()["status"]) == (503, "not ready")
        assert "can't be written" in reply.json()["reason"]
        assert "falkit_store_failing 1\n" in mock.http.get("/metrics").text
        assert mock.http.get("/health").status_code == 200
        listed = mock.http.get("/__falkit/jobs?limit=1000").json()["jobs"]
        assert [one["request_id"] for one in listed][::-1] == kept_ids
        rule = {"rule": f"generation_timeout endpoint={'a' * 1900}"}
        codes = {mock.http.post("/__falkit/rules", json=rule).status_code for _ in range(9)}
        assert codes == {201, 507} or codes == {507}
        assert mock.http.get("/__falkit/rules").status_code == 200
        room(1_000_000)
        monkeypatch.setattr(journal, "_AGAIN", 0.0)
        kept_ids.append(mock.submit()["request_id"])
        assert mock.http.get("/ready").json() == {"status": "ready"}
        assert "falkit_store_failing 0\n" in mock.http.get("/metrics").text
    with kept(state) as mock:
        listed = mock.http.get("/__falkit/jobs?limit=1000").json()["jobs"]
        assert [one["request_id"] for one in listed][::-1] == kept_ids
        assert mock.service.webhooks.pending() != []


def test_a_reset_of_a_full_disk_makes_room(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_AGAIN", 0.01)
    room = False

    def look(own: FileJournal) -> None:
        if not room and any(Path(f"{state}.uploads").iterdir()):
            raise sqlite3.OperationalError("database or disk is full")

    with kept(state) as mock:
        upload(mock)
        mock.submit()
        monkeypatch.setattr(FileJournal, "_look_for_file", look)
        reply = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT)
        assert (reply.status_code, "make room there" in reply.json()["detail"]) == (507, True)
        assert mock.http.post("/__falkit/reset", json={}).status_code == 200
        assert [*Path(f"{state}.uploads").iterdir()] == []
        mock.submit()
        (Path(f"{state}.uploads") / "of another program").touch()
        reply = mock.http.post("/__falkit/reset", json={})
        assert (reply.status_code, mock.jobs()) == (507, [])
        fix = f"{state} can't be told so (No space left on device); make room on its disk"
        assert fix in reply.json()["detail"]
        room = True
        while mock.http.get("/ready").status_code != 200:
            pass
    with kept(state) as mock:
        assert mock.jobs() == []


def test_a_reset_and_an_import_are_kept(state: str) -> None:
    archive = gzip.decompress((STATES / "export-2.tar.gz").read_bytes())
    with kept(state, seed=3) as mock:
        mock.submit()
        first = mock.submit()
        assert mock.http.post("/__falkit/reset", json={}).status_code == 200
        upload(mock)
        again = mock.submit()
        assert again["request_id"] != first["request_id"]
    with kept(state) as mock:
        assert [one["request_id"] for one in mock.jobs()] == [again["request_id"]]
        reply = mock.http.put("/__falkit/state", content=archive)
        assert (reply.status_code, reply.json()) == (200, {"seed": 7, "jobs": 3})
    with kept(state) as mock:
        assert mock.http.get("/__falkit/seed").json() == {"seed": 7}
        assert len(mock.jobs()) == 3


def test_an_export_of_the_format_before_is_imported() -> None:
    archive = gzip.decompress((STATES / "export-2.tar.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        meta = tar.extractfile("meta.json")
        assert meta is not None
        assert json.load(meta)["format"] == 2
    with running(clock=SimulatedClock(START, running=False)) as mock:
        reply = mock.http.put("/__falkit/state", content=archive)
        assert (reply.status_code, reply.json()) == (200, {"seed": 7, "jobs": 3})
        first, second, _ = reversed(mock.jobs())
        assert (first["status"], second["status"]) == ("COMPLETED", "COMPLETED")
        url = f"/queue.fal.run/fal-ai/ltx-2/requests/{first['request_id']}"
        assert "video" in mock.http.get(url).json()
        stored = mock.http.get("/v3b.fal.media/files/b/0293cae8/z5qVk3hc3zTXukuB_a.png")
        assert stored.content == b"\x89PNG kept by falkit"
        (attempt,) = mock.http.get("/__falkit/deliveries").json()["deliveries"]
        assert (attempt["request_id"], attempt["status"]) == (second["request_id"], "retry")
        assert mock.http.get("/__falkit/rules").json()["rules"][0]["id"] == "r1"
        exported = mock.http.get("/__falkit/state", headers=CLIENT).content
        assert b'"format":3' in exported[:4096]


def test_requests_that_were_cleared_stay_so(state: str) -> None:
    with kept(state) as mock:
        mock.submit()
        mock.http.delete("/__falkit/requests")
        mock.submit()
    with kept(state) as mock:
        (one,) = mock.http.get("/__falkit/requests").json()["requests"]
        assert one["number"] == 2


def test_running_time_goes_on_while_nobody_serves(state: str) -> None:
    with running(Settings(state=state)) as mock:
        pass_time(mock, 7200)
        then = mock.http.get("/__falkit/clock").json()["now"]
    with running(Settings(state=state)) as mock:
        now = mock.http.get("/__falkit/clock").json()["now"]
        assert then <= now < then + 3600


def test_a_file_in_use_is_refused_and_is_free_afterwards(state: str) -> None:
    with PythonMock(state=state, timing="instant") as mock:
        with pytest.raises(SettingsError, match=r"state: .*falkit\.state is in use by another"):
            PythonMock(state=state).start()
        assert mock.jobs == []
    with PythonMock(state=state, timing="instant") as mock:
        assert mock.jobs == []


def test_facts_that_cannot_be_read_are_refused(state: str) -> None:
    with kept(state) as mock:
        mock.submit()
    store = DurableStore(state)
    store.facts["tokens"] = b'"no hex"'
    store.close()
    with pytest.raises(SettingsError, match=r"state: .*clock, seed or rules can't be used"):
        PythonMock(state=state).start()
    DurableStore(state).close()
