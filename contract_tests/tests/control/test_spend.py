"""What jobs have cost since the mock started, its budget and its alerts."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from control.test_events import Follower
from falkit import Settings, create_app
from falkit_mock.cli.seeding import Seed, SeedJob
from falkit_mock.store.keeping import forget
from serving import I2V_FAST, PROMPT, T2V, Mock, Serve, WatchedClock, running

IMAGE = {**PROMPT, "image_url": "https://example.com/a.png"}
OTHER = {"authorization": "Key other:x"}


def spend(mock: Mock, **query: str) -> dict[str, Any]:
    reply = httpx.get(f"{mock.url}/__falkit/spend", params=query)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def events(mock: Mock, kind: str) -> list[dict[str, Any]]:
    """Return the events of a kind so far."""
    log = mock.server.wait().event_log
    found = [event for _, event in log.after(0) if event.kind == kind]
    return [json.loads(json.dumps(event.to_json())) for event in found]


def test_it_is_what_billing_adds_up_while_nothing_is_forgotten(serve: Serve) -> None:
    mock = serve()
    mock.run(PROMPT)
    mock.submit(IMAGE, I2V_FAST, headers=OTHER)
    mock.run({}, headers=OTHER)
    mock.run({"audio_url": "https://example.com/a.mp3"}, "fal-ai/whisper")
    for fault in ("content_policy_violation", "downstream_service_error"):
        mock.run(PROMPT, headers={"x-falkit-fault": fault})
    told = spend(mock)
    assert (told["cost"], told["unpriced"], told.pop("budget")) == ("0.96", 1, None)
    assert told == mock.http.get("/__falkit/billing").json()


def test_a_reset_gives_nothing_back(serve: Serve) -> None:
    mock = serve(seed=1)
    for _ in range(2):
        # The ids are the same after the reset.
        mock.submit()
        mock.http.post("/__falkit/reset").raise_for_status()
    assert mock.http.get("/__falkit/billing").json()["cost"] == "0"
    told = spend(mock)
    assert (told["jobs"], told["cost"]) == (2, "0.72")


def test_what_is_erased_forgotten_or_imported_over_stays_counted(serve: Serve) -> None:
    mock = serve(keep="1h", clock="manual")
    erased, old = mock.submit(), mock.submit()
    mock.http.delete(f"/api.fal.ai/v1/models/requests/{erased['request_id']}/payloads")
    later = mock.clock.now() + 7200
    mock.inside(lambda: forget(mock.service.store, mock.service.settings.keep, later))
    assert mock.http.get(old["response_url"]).status_code == 404
    state = mock.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content
    mock.submit()
    mock.http.put("/__falkit/state", content=state).raise_for_status()
    assert (spend(mock)["cost"], spend(mock)["unpriced"]) == ("1.08", 0)


def test_a_job_counts_once_it_has_ended(manual: Mock) -> None:
    before = Decimal(spend(manual)["cost"])
    manual.submit()
    assert Decimal(spend(manual)["cost"]) == before
    manual.advance(30)
    assert Decimal(spend(manual)["cost"]) == before + Decimal("0.36")


def test_jobs_of_before_the_start_are_not_this_runs(tmp_path: Path) -> None:
    settings = Settings(timing="0,5", state=tmp_path / "falkit.state", clock="manual")
    with running(settings) as mock:
        mock.submit()
        mock.http.post("/__falkit/clock/advance", json={"seconds": 5})
        mock.submit()
        assert spend(mock)["cost"] == "0.36"
    with running(settings) as mock:
        assert spend(mock)["cost"] == "0"
        mock.http.post("/__falkit/clock/advance", json={"seconds": 5})
        assert spend(mock)["cost"] == "0.36", "the one that was open ends now"
        assert mock.http.get("/__falkit/billing").json()["cost"] == "0.72"


@pytest.mark.parametrize("timing", ["instant", "0,5"])
def test_jobs_that_a_file_of_settings_puts_in_cost_nothing(timing: str) -> None:
    seed = Seed("falkit.toml", (), (SeedJob(T2V, PROMPT, None),))
    clock = WatchedClock()
    with running(Settings(timing=timing, budget="0"), clock) as mock:
        mock.inside(lambda: seed.attach(mock.server.wait(), mock.url))
        mock.http.post("/__falkit/reset").raise_for_status()
        mock.advance(5)
        assert len(mock.jobs()) == 1
        assert spend(mock)["jobs"] == 0
        mock.submit()
        mock.advance(5)
        assert spend(mock)["cost"] == "0.36"


def test_with_tenants_it_is_one_keys_or_that_of_all(serve: Serve) -> None:
    mock = serve(tenants=True, budget="1")
    mock.submit()
    mock.submit(headers=OTHER)
    mock.http.post("/__falkit/reset", params={"key": "other"}).raise_for_status()
    for key in ("id", "other"):
        told = spend(mock, key=key)
        assert (told["cost"], [one["key"] for one in told["keys"]]) == ("0.36", [key])
    told = spend(mock)
    assert (told["cost"], told["budget"]) == ("0.72", "1")
    assert [one["key"] for one in told["keys"]] == ["id", "other"]


def test_each_amount_is_told_once_as_an_event_with_the_job_that_reached_it(serve: Serve) -> None:
    mock = serve(alert_at=["1", 0.36], budget="0.72")
    jobs = [mock.submit()["request_id"] for _ in range(4)]
    told = events(mock, "cost_alert")
    assert [(one["amount"], one["cost"], one["request_id"]) for one in told] == [
        ("0.36", "0.36", jobs[0]),
        ("1", "1.08", jobs[2]),
    ]
    assert [one["request_id"] for one in events(mock, "budget_exceeded")] == [jobs[2]]
    assert (told[0]["endpoint_id"], told[0]["key"]) == (T2V, "id")


def test_the_amounts_are_of_all_tenants_and_of_resets_too(serve: Serve) -> None:
    mock = serve(tenants=True, alert_at=["0.72"])
    mock.submit()
    mock.http.post("/__falkit/reset", params={"key": "id"}).raise_for_status()
    url = f"{mock.url}/__falkit/events?kind=cost_alert&since=0&key=other"
    mock.submit(headers=OTHER)
    with httpx.stream("GET", url) as stream:
        (event,) = Follower(stream).take(1)
    assert event.data["cost"] == "0.72"


def test_no_call_is_refused_beyond_the_budget(serve: Serve) -> None:
    mock = serve(budget="0")
    assert [mock.run(PROMPT).status_code for _ in range(3)] == [200] * 3


def test_a_mock_that_nobody_asks_counts_nothing() -> None:
    """So that a submit takes no longer for it."""
    app = create_app(Settings(timing="instant"))
    assert app.service.hooks.meter is None
    app.close()
