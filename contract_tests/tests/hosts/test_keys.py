"""Who may call (wire.md §2)."""

from __future__ import annotations

import pytest

from serving import PROMPT, T2V, Mock, Serve

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln"
# It asks for a key of no app.
TOKENS = "/rest.fal.ai/tokens/"
ABSENT = (
    'Cannot access application "fal-ai/ltx-2". Authentication is required to access this '
    "application."
)


def _answers(mock: Mock, authorization: str) -> list[tuple[int, object]]:
    """Ask at every door that wants a key; return code and detail of each."""
    job = mock.submit(headers={"authorization": "Key a:b"})
    base = job["response_url"]
    headers = {"authorization": authorization}
    replies = [
        mock.http.post(f"/fal.run/{T2V}", json=PROMPT, headers=headers),
        mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT, headers=headers),
        mock.http.get(base, headers=headers),
        mock.http.get(f"{base}/status", headers=headers),
        mock.http.get(f"{base}/status/stream", headers=headers),
    ]
    return [
        (reply.status_code, reply.json()["detail"] if reply.status_code == 401 else None)
        for reply in replies
    ]


@pytest.mark.parametrize("authorization", ["", "Key", "Basic aWQ6c2VjcmV0", "id:secret"])
def test_a_missing_key_is_401_at_every_entry(mock: Mock, authorization: str) -> None:
    assert _answers(mock, authorization) == [(401, ABSENT)] * 5


@pytest.mark.parametrize("authorization", ["Bearer junk", "Bearer a.b", "bearer x"])
def test_a_malformed_bearer_token_is_401(mock: Mock, authorization: str) -> None:
    detail = "bearer: unable to decode issuer"
    assert _answers(mock, authorization) == [(401, detail)] * 5


@pytest.mark.parametrize(
    "authorization", ["Key id:secret", "key falkit", "KEY  id:secret", f"Bearer {JWT}"]
)
def test_any_key_is_accepted_unless_keys_are_set(mock: Mock, authorization: str) -> None:
    assert all(code == 200 for code, _ in _answers(mock, authorization))


def test_named_keys_alone_are_accepted(serve: Serve) -> None:
    keys = frozenset({"a:b", "plain"})
    mock = serve("instant", api_keys=keys)

    def detail(authorization: str) -> object:
        reply = mock.run(PROMPT, headers={"authorization": authorization})
        return reply.json().get("detail", reply.status_code)

    assert detail("Key a:b") == 200
    assert detail("Key plain") == 200
    assert detail("Key a:c") == "invalid key credentials"
    shape = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
    assert detail("Key other") == shape
    assert detail(f"Bearer {JWT}") == "bearer: unable to decode issuer"


def test_a_missing_key_is_reported_before_an_unknown_app(mock: Mock) -> None:
    reply = mock.run(PROMPT, "no/such/app", headers={"authorization": ""})
    assert reply.status_code == 401
    assert '"no/such"' in reply.json()["detail"]
    assert reply.headers["x-fal-request-id"]


def test_cancelling_wants_a_key(mock: Mock) -> None:
    job = mock.submit()
    assert mock.http.put(job["cancel_url"], headers={"authorization": ""}).status_code == 401


def test_a_query_that_only_looks_like_a_token_is_none(mock: Mock) -> None:
    url = mock.submit(headers={"authorization": "Key a:b"})["status_url"]
    query = {"not_fal_jwt_token": "x"}
    assert mock.http.get(url, params=query).status_code == 200
    assert mock.http.get(url, params=query, headers={"authorization": ""}).status_code == 401


def test_a_missing_key_hints_at_the_accepted_ones(mock: Mock, serve: Serve) -> None:
    hint = mock.run(PROMPT, headers={"authorization": ""}).headers["x-falkit-hint"]
    assert hint == "send the header Authorization: Key falkit"
    named = serve(api_keys=frozenset({"alice:secret"}))
    for call in (
        named.run(PROMPT, headers={"authorization": ""}),
        named.http.post(TOKENS, headers={"authorization": ""}),
    ):
        assert call.status_code == 401
        hint = call.headers["x-falkit-hint"]
        assert hint.startswith("send one of the keys that this mock was started with: ")
        assert "alice" not in hint
        assert "falkit" not in hint


def test_a_media_host_asks_for_a_token_and_not_for_a_key(mock: Mock) -> None:
    reply = mock.http.post("/v3.fal.media/files/upload", headers={"authorization": ""})
    assert reply.json() == {"detail": "Authorization header is required"}
    assert "rest.fal.ai/storage/auth/token" in reply.headers["x-falkit-hint"]
