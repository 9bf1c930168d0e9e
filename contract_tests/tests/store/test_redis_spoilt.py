"""Mocks that share a Redis in which another program has written where a commit writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from falkit import Settings
from redis_servers import served_redis
from serving import I2V_FAST, PROMPT, T2V, running

RULE = {"rule": f"generation_timeout endpoint={I2V_FAST}"}


def test_a_turn_that_nobody_ends_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("falkit_mock.store.redis.sharing._WAITS", 0.05)
    with served_redis(tmp_path) as redis, running(Settings(state=redis.url)) as mock:
        redis.ask("SET", "falkit:turn", "a diary")
        reply = mock.http.post("/__falkit/rules", json=RULE)
        why = "nobody lets go of the key falkit:turn; delete it if no mock does anything"
        assert (reply.status_code, why in reply.json()["detail"]) == (503, True)
        assert f"state: {why}" in [record.getMessage() for record in caplog.records]
        redis.ask("DEL", "falkit:turn")
        assert mock.http.post("/__falkit/rules", json=RULE).status_code == 201


def test_a_job_that_could_not_be_kept_in_its_turn_never_was(tmp_path: Path) -> None:
    path = f"/queue.fal.run/{T2V}"
    with served_redis(tmp_path) as redis:
        settings = Settings(timing="instant", state=redis.url)
        with running(settings) as one, running(settings) as other:
            # With a rule, which may count, each job takes a turn.
            assert one.http.post("/__falkit/rules", json=RULE).status_code == 201
            kept = one.http.post(path, json=PROMPT).headers["x-fal-request-id"]
            numbers = redis.ask("DUMP", "falkit:numbers")
            redis.ask("SET", "falkit:numbers", "a diary")
            for mock in (one, other):
                for way in (path, f"/fal.run/{T2V}"):
                    assert mock.http.post(way, json=PROMPT).status_code == 503
            redis.ask("RESTORE", "falkit:numbers", 0, numbers, "REPLACE")
            listed = [kept]
            for mock in (one, other):
                while (reply := mock.http.post(path, json=PROMPT)).status_code != 200:
                    pass
                listed.append(reply.headers["x-fal-request-id"])
            for mock in (one, other):
                assert {job["request_id"] for job in mock.jobs()} == {*listed}
            assert redis.ask("HLEN", "falkit:table:jobs") == len(listed)
