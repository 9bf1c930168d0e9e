"""How long results, payloads and media are there, on the mock's own time."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from falkit import Settings
from receiver import Receiver
from serving import PROMPT, T2V, Mock, Serve

HOUR, DAY = 3600.0, 86_400.0
NOT_FOUND = {"status": "NOT_FOUND"}


def fetched(mock: Mock, job: dict[str, Any]) -> list[int]:
    """Return the codes of status, stream, result and cancellation."""
    asked = [("GET", "status_url", ""), ("GET", "status_url", "/stream")]
    asked += [("GET", "response_url", ""), ("PUT", "cancel_url", "")]
    return [mock.http.request(method, job[url] + tail).status_code for method, url, tail in asked]


def listed(mock: Mock, request_id: str = "") -> list[dict[str, Any]]:
    query = {"endpoint_id": T2V, "expand": "payloads", "start": "2020-01-01T00:00:00Z"}
    found = mock.http.get("/api.fal.ai/v1/models/requests/by-endpoint", params=query).json()
    return [item for item in found["items"] if item["request_id"].startswith(request_id)]


def complete(mock: Mock, size: int) -> dict[str, Any]:
    """Submit a held job and end it with a result of so many bytes; no model has a large one."""
    job = mock.submit()
    output = {"text": "x" * (size - len('{"text":""}'))}
    url = f"/__falkit/jobs/{job['request_id']}/complete"
    assert mock.http.post(url, json={"output": output}).status_code == 200
    assert len(mock.result(job).content) == size
    return job


def test_a_result_can_be_fetched_for_an_hour_after_the_end(timed: Serve) -> None:
    mock = timed("0,60")
    job = mock.submit()
    mock.advance(60 + HOUR - 0.1)
    assert fetched(mock, job) == [200, 200, 200, 400]
    mock.advance(0.1)
    assert fetched(mock, job) == [404] * 4
    assert mock.result(job).json() == mock.status(job) == NOT_FOUND


def test_a_request_that_is_not_there_says_why_by_hint(timed: Serve) -> None:
    mock = timed("instant")
    job = mock.submit()

    def hint(request_id: str, app: str = "fal-ai/ltx-2") -> str:
        reply = mock.http.get(f"/queue.fal.run/{app}/requests/{request_id}")
        assert reply.status_code == 404
        return reply.headers["x-falkit-hint"]

    assert hint("nobody").startswith("no request has this id here")
    assert "is one of fal-ai/ltx-2, not of fal-ai/flux" in hint(job["request_id"], "fal-ai/flux")
    called = mock.run(PROMPT).headers["x-fal-request-id"]
    assert "a call of fal.run" in hint(called)
    mock.advance(HOUR + 60)
    told = "expired 1 min ago, 1 h after its end; --result-ttl forever keeps results"
    assert hint(job["request_id"]) == told


@pytest.mark.parametrize(("size", "lasts"), [(10_239, HOUR), (10_240, 360.0)])
def test_a_large_result_is_gone_after_six_minutes(timed: Serve, size: int, lasts: float) -> None:
    mock = timed("held")
    job = complete(mock, size)
    mock.advance(lasts - 0.1)
    assert mock.result(job).status_code == 200
    mock.advance(0.1)
    assert mock.result(job).status_code == 404


def test_an_expired_result_is_404_as_an_unknown_one(timed: Serve) -> None:
    mock = timed("instant", assumptions={"unknown_request": "detail"})
    job = mock.submit()
    mock.advance(HOUR)
    assert mock.result(job).json() == {"detail": "Request not found"}


def test_another_result_lifetime_can_be_set(timed: Serve) -> None:
    mock = timed("instant", result_ttl=5.0)
    job = mock.submit()
    mock.advance(5)
    assert mock.result(job).status_code == 404


def test_results_may_be_kept_for_ever(timed: Serve) -> None:
    mock = timed("held", result_ttl=float("inf"))
    job = complete(mock, 20_000)
    mock.advance(DAY)
    assert mock.result(job).status_code == 200


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_malformed_lifetime_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"result_ttl: .* isn't a time to fetch a result in"):
        Settings(result_ttl=value)


def test_the_platform_api_has_a_job_for_a_month(timed: Serve) -> None:
    mock = timed("instant")
    job = mock.submit()
    mock.advance(30 * DAY - 1)
    mock.submit()
    (item,) = listed(mock, job["request_id"])
    assert item["json_input"] == PROMPT
    assert item["json_output"]["video"]
    mock.advance(DAY)
    mock.submit()
    assert not listed(mock, job["request_id"])


def test_jobs_that_ended_a_month_ago_leave_nothing_behind(timed: Serve) -> None:
    mock = timed("instant")
    job = mock.submit()
    url = mock.result(job).json()["video"]["url"]
    mock.advance(31 * DAY)
    assert mock.http.get(url).status_code == 200
    mock.submit()
    store = mock.service.store
    assert (store.get(job["request_id"]), store.input(job["request_id"])) == (None, b"")
    assert mock.http.get(url).status_code == 404
    assert len(store.jobs()) == 1


def test_a_job_that_never_ends_stays(timed: Serve) -> None:
    mock = timed("held")
    job = mock.submit()
    mock.advance(90 * DAY)
    mock.submit()
    assert mock.status(job)["status"] == "IN_QUEUE"


def test_payloads_that_are_not_to_be_stored_are_not_shown(timed: Serve) -> None:
    mock = timed("instant")
    job = mock.submit(headers={"x-fal-store-io": "0"})
    (item,) = listed(mock)
    assert (item["json_input"], item["json_output"]) == (None, None)
    assert mock.result(job).status_code == 200


@pytest.mark.parametrize(("size", "shown"), [(1_000_000, True), (1_000_001, False)])
def test_a_huge_payload_is_stored_as_long_as_the_result(
    timed: Serve, size: int, shown: bool
) -> None:
    mock = timed("held")
    complete(mock, size)
    assert listed(mock)[0]["json_output"] is not None
    mock.advance(HOUR)
    assert (listed(mock)[0]["json_output"] is not None) == shown
    assert listed(mock)[0]["json_input"] == PROMPT


PREFERENCE = "x-fal-object-lifecycle-preference"


def output(mock: Mock, preference: str = "") -> str:
    """Make a clip and return its URL."""
    reply = mock.run(PROMPT, headers={PREFERENCE: preference})
    assert reply.status_code == 200, reply.text
    url: str = reply.json()["video"]["url"]
    return url


def test_an_output_lasts_as_long_as_was_asked_for(timed: Serve) -> None:
    mock = timed("0,10")
    job = mock.submit(headers={PREFERENCE: '{"expiration_duration_seconds": 60}'})
    mock.advance(10)
    url = mock.result(job).json()["video"]["url"]
    mock.advance(15)
    reply = mock.http.get(url)
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "public, max-age=45")
    mock.advance(45)
    assert mock.http.get(url).status_code == 404
    assert mock.result(job).status_code == 200, "the result only names it"


def test_an_expired_output_is_refused_as_an_input(timed: Serve) -> None:
    mock = timed("instant")
    url = output(mock, '{"expiration_duration_seconds": 60}')
    retake = {"video_url": url, "prompt": "Again", "start_time": 0, "duration": 2}
    assert mock.run(retake, "fal-ai/ltx-2/retake-video").status_code == 200
    mock.advance(60)
    reply = mock.run(retake, "fal-ai/ltx-2/retake-video")
    assert reply.json()["detail"][0]["type"] == "file_download_error"


def test_outputs_last_for_ever_unless_asked(timed: Serve) -> None:
    mock = timed("instant")
    url = output(mock)
    mock.advance(365 * DAY)
    reply = mock.http.get(url)
    assert (reply.status_code, "immutable" in reply.headers["cache-control"]) == (200, True)


def test_the_accounts_settings_hold_for_outputs_that_say_nothing(timed: Serve) -> None:
    mock = timed("instant")
    body = {"expiration_duration_seconds": 60}
    mock.http.put("/api.fal.ai/v1/storage/settings", json=body)
    url = output(mock)
    kept = output(mock, '{"expiration_duration_seconds": null}')
    mock.advance(60)
    assert [mock.http.get(each).status_code for each in (url, kept)] == [404, 200]


@pytest.mark.parametrize(("decision", "code"), [("allow", 200), ("forbid", 403), ("hide", 404)])
def test_an_output_has_the_access_rules_that_were_asked_for(
    timed: Serve, decision: str, code: int
) -> None:
    mock = timed("instant")
    rules = f'{{"initial_acl": {{"default": "{decision}", "rules": []}}}}'
    url = output(mock, rules)
    assert httpx.get(url).status_code == code
    assert mock.http.get(url).status_code == 200, "its owner"


def test_access_to_an_output_is_shown_changed_and_signed(timed: Serve) -> None:
    mock = timed("instant")
    url = output(mock)
    acl, signing = "/api.fal.ai/v1/storage/files/acl", "/api.fal.ai/v1/storage/files/sign"
    assert mock.http.get(acl, params={"url": url}).json() == {"default": "allow", "rules": []}
    mock.http.put(acl, params={"url": url}, json={"default": "forbid", "rules": []})
    assert mock.http.get(acl, params={"url": url}).json()["default"] == "forbid"
    signed = mock.http.post(signing, params={"url": url}, json={"expiration_seconds": 60})
    assert httpx.get(url).status_code == 403
    reply = httpx.get(signed.json()["signed_url"])
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "private, no-store")
    mock.advance(60)
    assert httpx.get(signed.json()["signed_url"]).status_code == 403


def test_a_preference_that_cannot_be_read_is_refused(timed: Serve) -> None:
    mock = timed("instant")
    reply = mock.run(PROMPT, headers={PREFERENCE: '{"expiration_duration_seconds": "soon"}'})
    assert (reply.status_code, reply.json()["error_type"]) == (400, "bad_request")
    assert "expiration_duration_seconds: 'soon' must be" in reply.json()["detail"]


def test_a_path_without_a_file_stays_404(timed: Serve) -> None:
    mock = timed("instant")
    path = urlsplit(output(mock)).path
    assert mock.http.get(f"{path}x").status_code == 404


def test_what_is_older_than_is_kept_is_forgotten_with_its_deliveries(
    timed: Serve, receiver: Receiver
) -> None:
    mock = timed("instant", keep="2h", result_ttl="forever")
    old = mock.submit(params={"fal_webhook": receiver.url})
    receiver.wait(1)
    mock.advance(HOUR)
    young = mock.submit()
    mock.advance(HOUR + 60)
    mock.submit()
    assert (mock.result(old).status_code, mock.result(young).status_code) == (404, 200)
    assert mock.http.get("/__falkit/deliveries").json()["deliveries"] == []


def test_the_oldest_go_while_there_are_more_bytes_than_are_kept(timed: Serve) -> None:
    mock = timed("instant", keep="100KB")
    jobs: list[dict[str, Any]] = []
    for _ in range(12):
        jobs.append(mock.submit({"prompt": "x" * 4900, "seed": 1}))
        mock.advance(1)
    held = mock.service.store.kept
    for _ in range(40):
        jobs.append(mock.submit({"prompt": "x" * 4900}))
        mock.advance(1)
    assert held < mock.service.store.kept <= 110_000
    codes = [mock.result(job).status_code for job in jobs]
    assert codes == sorted(codes, reverse=True)
    assert (codes[0], codes[-1]) == (404, 200)


def test_many_old_jobs_go_a_hundred_at_a_time(timed: Serve) -> None:
    mock = timed("instant", keep="2h", result_ttl="forever")
    jobs = [mock.submit() for _ in range(250)]
    mock.advance(3 * HOUR)
    left = [mock.submit() and mock.service.store.count() for _ in range(4)]
    assert left == [151, 52, 3, 4]
    assert {mock.result(job).status_code for job in jobs} == {404}


def test_a_job_that_has_not_ended_stays_whatever_is_kept(timed: Serve) -> None:
    mock = timed("0,10000", keep="1m,1KB")
    jobs = [mock.submit({"prompt": "x" * 2000}) for _ in range(3)]
    mock.advance(120)
    mock.submit()
    assert {mock.status(job)["status"] for job in jobs} == {"IN_PROGRESS", "IN_QUEUE"}
