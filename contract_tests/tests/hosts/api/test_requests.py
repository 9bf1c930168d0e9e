"""The mock's own jobs, as fal's Platform API tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving import I2V_FAST, PROMPT, T2V, Mock

Ask = Callable[..., Any]
LIST = "/models/requests/by-endpoint"


def test_a_request_that_is_done(ask: Ask, done: Callable[..., str]) -> None:
    request_id = done()
    (item,) = ask(LIST, endpoint_id=T2V)["items"]
    assert (item["request_id"], item["endpoint_id"]) == (request_id, T2V)
    assert (item["status_code"], item["duration"]) == (200, 10.0)
    assert item["sent_at"] < item["started_at"] < item["ended_at"]
    assert item["ended_at"].endswith("Z")
    assert "json_input" not in item


def test_a_request_that_is_not_done(ask: Ask, mock: Mock) -> None:
    mock.submit()
    (item,) = ask(LIST, endpoint_id=T2V)["items"]
    assert (item["ended_at"], item["status_code"], item["duration"]) == (None, None, None)


def test_payloads_come_when_asked_for(ask: Ask, done: Callable[..., str]) -> None:
    done(duration=8)
    (item,) = ask(LIST, endpoint_id=T2V, expand="payloads")["items"]
    assert item["json_input"] == {"prompt": "A lighthouse", "duration": 8}
    assert item["json_output"]["video"]["url"].endswith(".mp4")


def test_requests_are_filtered_by_how_they_ended(
    ask: Ask, mock: Mock, done: Callable[..., str]
) -> None:
    good, bad = done(), done(duration=7)
    for status, expected in (("success", [good]), ("user_error", [bad]), ("error", [])):
        items = ask(LIST, endpoint_id=T2V, status=status)["items"]
        assert [item["request_id"] for item in items] == expected
    (item,) = ask(LIST, endpoint_id=T2V, request_id=bad)["items"]
    assert item["status_code"] == 422


def test_the_latest_come_first(ask: Ask, done: Callable[..., str]) -> None:
    made = [done() for _ in range(3)]
    body = ask(LIST, endpoint_id=T2V, limit=2)
    assert [item["request_id"] for item in body["items"]] == [made[2], made[1]]
    rest = ask(LIST, endpoint_id=T2V, limit=2, cursor=body["next_cursor"])
    assert [item["request_id"] for item in rest["items"]] == [made[0]]


def test_the_longest_come_first_when_asked(ask: Ask, mock: Mock, done: Callable[..., str]) -> None:
    ran = done()
    cut_short = mock.submit()
    mock.advance(2)
    mock.cancel(cut_short)
    items = ask(LIST, endpoint_id=T2V, sort_by="duration")["items"]
    assert [item["request_id"] for item in items] == [ran, cut_short["request_id"]]


def test_requests_of_the_last_day_are_listed_by_default(
    ask: Ask, mock: Mock, done: Callable[..., str]
) -> None:
    request_id = done()
    mock.advance(2 * 86_400)
    assert ask(LIST, endpoint_id=T2V)["items"] == []
    assert len(ask(LIST, endpoint_id=T2V, start="2020-01-01")["items"]) == 1
    assert len(ask(LIST, endpoint_id=T2V, request_id=request_id)["items"]) == 1
    assert ask(LIST, endpoint_id=T2V, start="2020-01-01", end="2021-01-01T00:00:00Z")["items"] == []


def test_requests_of_other_models_are_not_listed(ask: Ask, done: Callable[..., str]) -> None:
    done()
    assert ask(LIST, endpoint_id=I2V_FAST)["items"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, 400),
        ({"endpoint_id": "a/b"}, 404),
        ({"endpoint_id": T2V, "status": "ok"}, 400),
        ({"endpoint_id": T2V, "start": "yesterday"}, 400),
        ({"endpoint_id": T2V, "end": "9999-99-99"}, 400),
        ({"endpoint_id": T2V, "limit": "101"}, 400),
        ({"endpoint_id": T2V, "sort_by": "price"}, 400),
    ],
)
def test_lists_that_cannot_be_made(refused: Ask, query: dict[str, str], code: int) -> None:
    assert refused("GET", LIST, params=query)[0] == code


def test_usage_adds_up_what_succeeded(ask: Ask, done: Callable[..., str]) -> None:
    done(duration=6)
    done(duration=10)
    done(duration=6, resolution="2160p")
    done(duration=7)
    (bucket,) = ask("/models/usage", timeframe="month")["time_series"]
    assert [(line["quantity"], line["unit_price"], line["cost"]) for line in bucket["results"]] == [
        (16.0, 0.06, 0.96),
        (6.0, 0.24, 1.44),
    ]
    line = bucket["results"][0]
    assert (line["unit"], line["currency"], line["cost_discount"]) == ("second", "USD", 0.0)


def test_usage_has_a_summary_when_asked(ask: Ask, mock: Mock, done: Callable[..., str]) -> None:
    done(duration=6)
    mock.advance(3600)
    done(duration=6)
    body = ask("/models/usage", expand=["summary", "time_series"], timeframe="hour")
    assert len(body["time_series"]) == 2
    (line,) = body["summary"]
    assert line["cost_total"] == 0.72


@pytest.mark.parametrize(
    ("timeframe", "bucket"),
    [
        ("minute", "2027-01-15T09:00:00+01:00"),
        ("hour", "2027-01-15T09:00:00+01:00"),
        ("day", "2027-01-15T00:00:00+01:00"),
        ("week", "2027-01-11T00:00:00+01:00"),
        ("month", "2027-01-01T00:00:00+01:00"),
    ],
)
def test_usage_is_grouped_by_time(
    ask: Ask, done: Callable[..., str], timeframe: str, bucket: str
) -> None:
    done()
    body = ask("/models/usage", timeframe=timeframe, timezone="Europe/Oslo")
    assert [each["bucket"] for each in body["time_series"]] == [bucket]


def test_usage_of_no_jobs_is_empty(ask: Ask) -> None:
    assert ask("/models/usage")["time_series"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"timezone": "Mars/Base"},
        {"timeframe": "year"},
        {"expand": "all"},
        {"start": "0001-01-01T00:00:00Z", "timezone": "America/New_York"},
    ],
)
def test_impossible_usage_queries_are_refused(refused: Ask, query: dict[str, str]) -> None:
    assert refused("GET", "/models/usage", params=query)[:2] == (400, "validation_error")


def test_utc_needs_no_files_of_zones(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise LookupError(name)

    monkeypatch.setattr("zoneinfo.ZoneInfo", absent)
    assert ask("/models/usage", timezone="UTC")["time_series"] == []


def test_billing_events_are_the_single_charges(ask: Ask, done: Callable[..., str]) -> None:
    first, second = done(duration=6), done(duration=10)
    events = ask("/models/billing-events")["billing_events"]
    assert [event["request_id"] for event in events] == [second, first]
    assert (events[0]["output_units"], events[0]["cost_total"]) == (10.0, 0.6)
    assert events[0]["cost_estimate_nano_usd"] == 600_000_000
    assert len(ask("/models/billing-events", request_id=first)["billing_events"]) == 1


def deleted(mock: Mock, request_id: str, **headers: str) -> Any:
    url = f"/api.fal.ai/v1/models/requests/{request_id}/payloads"
    return mock.http.delete(url, headers=headers)


def test_a_refusal_after_the_run_is_a_charge_too(
    ask: Ask, mock: Mock, done: Callable[..., str]
) -> None:
    done(prompt="[falkit:content_policy_violation]")
    done(prompt="[falkit:generation_timeout]")
    (event,) = ask("/models/billing-events")["billing_events"]
    (item,) = ask(LIST, endpoint_id=T2V, request_id=event["request_id"])["items"]
    assert (item["status_code"], event["output_units"], event["cost_total"]) == (422, 6.0, 0.36)
    (line,) = ask("/models/usage", expand="summary")["summary"]
    assert line["cost"] == 0.36


def test_the_balance_is_a_hundred_less_what_was_billed(
    ask: Ask, mock: Mock, done: Callable[..., str]
) -> None:
    def left() -> set[object]:
        hosts = ("rest.fal.ai", "rest.alpha.fal.ai")
        replies = [mock.http.get(f"/{host}/billing/user_balance") for host in hosts]
        assert {reply.headers["content-type"] for reply in replies} == {"application/json"}
        told = ask("/account/billing", expand="credits")
        assert told["credits"]["currency"] == "USD"
        return {*(reply.json() for reply in replies), told["credits"]["current_balance"]}

    assert left() == {100.0}
    done()
    done(duration=7)
    done(prompt="[falkit:no_media_generated]")
    assert left() == {99.28}
    assert ask("/account/billing").keys() == {"username"}
    url = f"{mock.url}/rest.fal.ai/billing/user_balance"
    assert httpx.get(url).json() == {"detail": "Authorization header is required"}
    assert mock.http.post(url).headers["allow"] == "GET, HEAD"


def test_deleting_payloads_takes_the_file_and_the_result(
    mock: Mock, ask: Ask, done: Callable[..., str]
) -> None:
    request_id = done()
    job = {"response_url": f"/queue.fal.run/fal-ai/ltx-2/requests/{request_id}"}
    link = mock.result(job).json()["video"]["url"]
    reply = deleted(mock, request_id)
    assert reply.json() == {"cdn_delete_results": [{"link": link, "exception": None}]}
    assert mock.http.get(link).status_code == 404
    assert mock.result(job).status_code == 404
    (item,) = ask(LIST, endpoint_id=T2V, expand="payloads")["items"]
    assert (item["status_code"], item["json_input"], item["json_output"]) == (200, None, None)


def test_deleting_twice_finds_nothing_left(mock: Mock, done: Callable[..., str]) -> None:
    request_id = done()
    deleted(mock, request_id)
    assert deleted(mock, request_id).json() == {"cdn_delete_results": []}


def test_a_deletion_with_the_same_key_has_the_same_answer(
    mock: Mock, done: Callable[..., str]
) -> None:
    request_id, other = done(), done()
    first = deleted(mock, request_id, **{"idempotency-key": "k"}).json()
    assert len(first["cdn_delete_results"]) == 1
    assert deleted(mock, request_id, **{"idempotency-key": "k"}).json() == first
    assert deleted(mock, other, **{"idempotency-key": "k"}).status_code == 400
    mock.advance(600)
    assert len(deleted(mock, other, **{"idempotency-key": "k"}).json()["cdn_delete_results"]) == 1


def test_a_refused_request_has_no_file_to_delete(mock: Mock, done: Callable[..., str]) -> None:
    assert deleted(mock, done(duration=7)).json() == {"cdn_delete_results": []}


def test_payloads_that_cannot_be_deleted(mock: Mock) -> None:
    assert deleted(mock, "nothing").status_code == 404
    running = mock.submit(PROMPT)
    assert deleted(mock, running["request_id"]).status_code == 400


def test_the_cost_of_a_job_is_unknown_once_its_input_is_deleted(
    mock: Mock, done: Callable[..., str]
) -> None:
    done(duration=8)
    deleted(mock, done())
    sums = mock.http.get("/__falkit/billing").json()
    assert (sums["jobs"], sums["cost"], sums["unpriced"]) == (2, "0.48", 1)
