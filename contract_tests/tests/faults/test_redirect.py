"""A submit that is answered 307, as one to an alias may be (wire.md §3.7)."""

from __future__ import annotations

import asyncio

import fal_client
import httpx
import pytest

from clients import javascript_client
from clients.in_process import in_process
from serving import I2V_FAST, PROMPT, T2V, Mock, Serve

HINT = "x-falkit-hint"


def submit(mock: Mock, path: str = T2V, **options: object) -> httpx.Response:
    url = f"/queue.fal.run/{path}"
    return mock.http.post(url, json=PROMPT, **options)  # type: ignore[arg-type]


def test_the_reply_leads_to_the_endpoint_and_no_job_is_made(serve: Serve) -> None:
    mock = serve("redirect")
    reply = submit(mock, f"{T2V}?fal_max_queue_length=5")
    assert (reply.status_code, reply.text) == (307, "307: Temporary Redirect")
    assert reply.headers["location"].startswith(f"{mock.url}/queue.fal.run/{T2V}?fal_max_queue")
    assert "falkit made this fault (r1: redirect)" in reply.headers[HINT]
    assert reply.headers["x-fal-request-id"]
    assert mock.jobs() == []


def test_who_posts_again_has_the_job_and_who_gets_has_405(serve: Serve) -> None:
    mock = serve("redirect")
    where = submit(mock).headers["location"]
    turned = mock.http.get(where)
    assert (turned.status_code, turned.headers["allow"]) == (405, "POST")
    assert "followed with the method and body as they were" in turned.headers[HINT]
    reply = mock.http.post(where, json=PROMPT)
    assert mock.result(reply.json()).status_code == 200
    assert HINT not in reply.headers, "the mark in the query is the mock's own"
    followed = submit(mock, follow_redirects=True)
    assert [each.status_code for each in (*followed.history, followed)] == [307, 200]
    assert len(mock.jobs()) == 2


def test_another_id_may_be_named(serve: Serve) -> None:
    mock = serve(f"redirect to=/{I2V_FAST} times=1")
    job = submit(mock, follow_redirects=True).json()
    assert mock.job(job)["endpoint_id"] == I2V_FAST
    assert submit(mock).status_code == 200


@pytest.mark.parametrize("alias", ["fal-ai/old-name", "someone/else/entirely"])
def test_a_name_that_no_app_has_is_an_alias_where_a_rule_says_so(serve: Serve, alias: str) -> None:
    mock = serve(f"redirect endpoint={alias} to={T2V}")
    reply = submit(mock, alias)
    assert (reply.status_code, HINT in reply.headers) == (307, True)
    assert reply.headers["location"].startswith(f"{mock.url}/queue.fal.run/{T2V}?")
    job = submit(mock, alias, follow_redirects=True).json()
    assert mock.job(job)["endpoint_id"] == T2V
    assert submit(mock, "fal-ai/other-name").status_code == 404
    assert submit(mock).status_code == 200


def test_a_redirect_to_no_endpoint_is_warned_of(instant: Mock) -> None:
    rules = [("redirect to=fal-ai/no/such", True), (f"redirect endpoint=a/b to={T2V}", False)]
    for rule, warned in rules:
        reply = instant.http.post("/__falkit/rules", json={"rule": rule})
        hint = reply.headers.get(HINT, "")
        assert hint.startswith("no endpoint of this mock fits to=fal-ai/no/such;") == warned
        assert instant.http.delete(f"/__falkit/rules/{reply.json()['id']}").status_code < 300


def test_a_direct_call_is_redirected_where_a_rule_says_so(serve: Serve) -> None:
    mock = serve("redirect on=run")
    assert mock.run(PROMPT).status_code == 307
    assert mock.run(PROMPT, follow_redirects=True).json()["video"]
    assert submit(mock).status_code == 200


def test_by_the_target_url_it_leads_to_where_the_caller_was(serve: Serve) -> None:
    mock = serve("redirect")
    target = {"x-fal-target-url": f"https://queue.fal.run/{T2V}"}
    reply = mock.http.post("/api/fal/proxy", json=PROMPT, headers=target, follow_redirects=True)
    assert [each.status_code for each in (*reply.history, reply)] == [307, 200]
    assert reply.json()["status"] == "IN_QUEUE"


def test_fals_synchronous_python_client_follows_with_its_post() -> None:
    with in_process(timing="instant", faults=["redirect"]) as served:
        handle = fal_client.SyncClient(key="id:secret").submit(T2V, PROMPT)
        assert handle.get()["video"]
        assert [request.method for request in served.requests[:2]] == ["POST", "POST"]


def test_fals_asynchronous_python_client_does_not_follow() -> None:
    async def submitted() -> None:
        await fal_client.AsyncClient(key="id:secret").submit(T2V, PROMPT)

    refused = pytest.raises(fal_client.FalClientHTTPError)
    with in_process(timing="instant", faults=["redirect"]), refused as caught:
        asyncio.run(submitted())
    assert caught.value.status_code == 307


def test_fals_javascript_client_follows_with_its_post(serve: Serve) -> None:
    mock = serve("redirect")
    job = javascript_client.call(mock.url, "submit")
    assert job["status"] == "IN_QUEUE"
    assert mock.http.get(f"/__falkit/jobs/{job['request_id']}").json()["input"] == PROMPT
