"""The keys at /.well-known/jwks.json, and what they sign."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from client.webhooks.published import Verifier, as_the_sample
from falkit_mock.webhooks.signing import private_key
from following import go, submit
from receiver import Receiver, Reply, receiving
from serving import Mock, Serve

JWKS = "/rest.fal.ai/.well-known/jwks.json"


def keys(mock: Mock, path: str = JWKS) -> list[dict[str, Any]]:
    reply = mock.http.get(path, headers={"authorization": ""})
    assert reply.status_code == 200
    found: list[dict[str, Any]] = reply.json()["keys"]
    return found


def published(mock: Mock) -> list[int]:
    """Return the numbers of the published keys, in their order."""
    known = {private_key(number).public_key().public_bytes_raw(): number for number in range(9)}
    return [known[base64.urlsafe_b64decode(key["x"])] for key in keys(mock)]


@pytest.mark.parametrize("host", ["rest.fal.ai", "rest.alpha.fal.ai"])
def test_the_keys_are_at_both_hosts_and_need_no_api_key(serve: Serve, host: str) -> None:
    mock = serve(api_keys=frozenset({"only:this"}))
    assert keys(mock, f"/{host}/.well-known/jwks.json") == keys(mock)
    assert mock.http.post(JWKS).status_code == 405


def thumbprint(key: dict[str, Any]) -> str:
    """RFC 7638."""
    required = json.dumps({name: key[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    digest = hashlib.sha256(required.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_the_keys_have_the_form_that_was_captured_at_fal(mock: Mock) -> None:
    """wire.md §5.2: two of them, `x` padded, and no `alg`."""
    found = keys(mock)
    assert len(found) == len({key["kid"] for key in found}) == 2
    for key in found:
        assert list(key) == ["kty", "crv", "kid", "x", "use"]
        assert (key["kty"], key["crv"], key["use"]) == ("OKP", "Ed25519", "sig")
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}=", key["x"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", key["kid"])
        assert key["kid"] not in (thumbprint(key), thumbprint({**key, "x": key["x"].rstrip("=")}))


@pytest.mark.parametrize(
    ("padding", "lengths"), [("unpadded", [43, 43]), ("padded", [44, 44]), ("both", [44, 43] * 2)]
)
def test_another_form_of_keys_can_be_assumed(
    serve: Serve, padding: Any, lengths: list[int]
) -> None:
    found = keys(serve(assumptions={"jwks_padding": padding}))
    assert [len(key["x"]) for key in found] == lengths
    assert len({key["kid"] for key in found}) == len(found)


def test_the_first_key_does_not_depend_on_the_seed(serve: Serve) -> None:
    assert keys(serve(seed=1)) == keys(serve(seed=2))


def test_a_receiver_that_keeps_keys_accepts_what_another_mock_signs(
    serve: Serve, receiver: Receiver
) -> None:
    first, second = serve(seed=1), serve(seed=2)
    verifier = Verifier(as_the_sample)
    submit(second, receiver.url)
    (request,) = receiver.wait()
    now = second.clock.now()
    assert verifier.accepts(first.url + JWKS, request.headers, request.body, now)


def test_after_a_rotation_the_new_key_signs_and_the_old_one_stays(
    mock: Mock, receiver: Receiver
) -> None:
    verifier = Verifier(as_the_sample)
    submit(mock, receiver.url)
    old = receiver.wait()[0]
    assert verifier.accepts(mock.url + JWKS, old.headers, old.body, mock.clock.now())
    reply = mock.http.post("/__falkit/webhooks/rotate").json()
    assert [(key["signs"], key["published"]) for key in reply["keys"]] == [
        (False, True),
        (False, True),
        (True, True),
    ]
    submit(mock, receiver.url)
    new = receiver.wait(2)[1]
    assert published(mock) == [3, 2, 1]
    now, url = mock.clock.now(), mock.url + JWKS
    assert not verifier.accepts(url, new.headers, new.body, now), "it has kept the old keys"
    assert Verifier(as_the_sample).accepts(url, new.headers, new.body, now)
    assert Verifier(as_the_sample).accepts(url, old.headers, old.body, now)


def test_a_withdrawn_key_is_published_no_longer(mock: Mock) -> None:
    mock.http.request("DELETE", "/__falkit/webhooks/keys/1")
    assert published(mock) == [2]


def test_a_rotation_can_withdraw_all_before(mock: Mock) -> None:
    for _ in range(3):
        mock.http.post("/__falkit/webhooks/rotate", json={"withdraw": True})
    assert published(mock) == [5]


@pytest.mark.parametrize(("number", "status"), [("2", 409), ("3", 404), ("one", 404)])
def test_the_signing_key_and_unknown_keys_are_not_withdrawn(
    mock: Mock, number: str, status: int
) -> None:
    reply = mock.http.request("DELETE", f"/__falkit/webhooks/keys/{number}")
    assert reply.status_code == status
    assert "rotate" in reply.text or "GET /__falkit/webhooks" in reply.text


def test_retries_are_signed_with_the_key_of_their_moment(
    standing: Serve,
) -> None:
    mock = standing()
    verifier = Verifier(as_the_sample)
    with receiving(lambda _: Reply(500)) as receiver:
        submit(mock, receiver.url)
        receiver.wait()
        mock.http.post("/__falkit/webhooks/rotate", json={"withdraw": True})
        go(mock, 10)
        first, second = receiver.wait(2)
    now, url = mock.clock.now(), mock.url + JWKS
    assert not verifier.accepts(url, first.headers, first.body, now)
    assert verifier.accepts(url, second.headers, second.body, now)
    assert first.headers["x-fal-webhook-signature"] != second.headers["x-fal-webhook-signature"]
