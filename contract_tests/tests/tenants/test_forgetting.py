"""A key's mock is forgotten by the control API, so that keys can be many."""

from __future__ import annotations

from pathlib import Path

import httpx

from falkit import Settings
from serving import KEY, Serve, running
from tenants.test_tenants import OTHER, keys, upload


def test_a_forgotten_key_begins_again_and_the_others_go_on(serve: Serve) -> None:
    mock = serve("held", tenants=True, seed=1, max_tenants=2)
    job, others = mock.submit(), mock.submit(headers=OTHER)
    url, file = f"{mock.url}/__falkit/tenants", upload(mock)
    # It may come with its key, as all that a client sends does.
    reply = httpx.delete(f"{url}/id", headers=KEY)
    assert (reply.status_code, reply.json()) == (200, {"tenants": 1})
    assert keys(mock) == ["other"]
    assert httpx.get(file).status_code == 404
    assert httpx.get(others["status_url"], headers=OTHER).json()["status"] == "IN_QUEUE"
    # There is room for a third, and for the same one.
    assert mock.submit()["request_id"] == job["request_id"]
    assert keys(mock) == ["other", "id"]


def test_who_waits_for_a_forgotten_keys_job_is_let_go(serve: Serve) -> None:
    mock = serve("held", tenants=True)
    job = mock.submit()
    with httpx.stream("GET", f"{job['status_url']}/stream", headers=KEY) as stream:
        lines = stream.iter_lines()
        assert "IN_QUEUE" in next(lines)
        httpx.delete(f"{mock.url}/__falkit/tenants/id").raise_for_status()
        assert not [line for line in lines if "COMPLETED" in line]


def test_what_cannot_be_forgotten_is_said(serve: Serve, tmp_path: Path) -> None:
    shared = serve("instant", tenants=True)
    reply = httpx.delete(f"{shared.url}/__falkit/tenants/nobody")
    assert reply.status_code == 404
    assert reply.json()["detail"].startswith("tenant: 'nobody' has no mock here; GET /__falkit")
    kept = Settings(timing="instant", tenants=True, state=tmp_path / "states")
    with running(kept) as mock:
        mock.submit()
        reply = httpx.delete(f"{mock.url}/__falkit/tenants/id")
        assert reply.status_code == 409
        assert "`falkit reset --key` empties it" in reply.json()["detail"]
        assert keys(mock) == ["id"]
