"""The keys at /.well-known/jwks.json, and what they sign."""

from __future__ import annotations

from typing import Any

import pytest

from client.webhooks.published import Verifier, as_jose, as_the_sample
from following import go, submit
from receiver import Receiver, Reply, receiving
from serving import Mock, Serve

JWKS = "/rest.fal.ai/.well-known/jwks.json"


def keys(mock: Mock, path: str = JWKS) -> list[dict[str, Any]]:
    reply = mock.http.get(path, headers={"authorization": ""})
    assert reply.status_code == 200
    found: list[dict[str, Any]] = reply.json()["keys"]
    return found


def names(mock: Mock) -> list[str]:
    return [key["kid"] for key in keys(mock)]


@pytest.mark.parametrize("host", ["rest.fal.ai", "rest.alpha.fal.ai"])
def test_the_keys_are_at_both_hosts_and_need_no_api_key(serve: Serve, host: str) -> None:
    mock = serve(api_keys=frozenset({"only:this"}))
    assert keys(mock, f"/{host}/.well-known/jwks.json") == keys(mock)
    assert mock.http.post(JWKS).status_code == 405


def test_each_key_is_published_in_both_forms(mock: Mock) -> None:
    unpadded, padded = keys(mock)
    assert padded["x"] == f"{unpadded['x']}="
    assert len(unpadded["x"]) == 43
    assert (unpadded["kty"], unpadded["crv"]) == ("OKP", "Ed25519")
    assert unpadded["kid"] != padded["kid"]


@pytest.mark.parametrize(("padding", "length"), [("unpadded", 43), ("padded", 44)])
def test_a_single_form_of_keys_can_be_assumed(serve: Serve, padding: Any, length: int) -> None:
    mock = serve(assumptions={"jwks_padding": padding})
    assert [len(key["x"]) for key in keys(mock)] == [length]


def test_the_first_key_does_not_depend_on_the_seed(serve: Serve) -> None:
    assert keys(serve(seed=1)) == keys(serve(seed=2))


@pytest.mark.parametrize("decode", [as_the_sample, as_jose])
def test_a_receiver_that_keeps_keys_accepts_what_another_mock_signs(
    serve: Serve, receiver: Receiver, decode: Any
) -> None:
    first, second = serve(seed=1), serve(seed=2)
    verifier = Verifier(decode)
    submit(second, receiver.url)
    (request,) = receiver.wait()
    now = second.clock.now()
    assert verifier.accepts(first.url + JWKS, request.headers, request.body, now)


def test_after_a_rotation_the_new_key_signs_and_the_old_one_stays(
    mock: Mock, receiver: Receiver
) -> None:
    verifier = Verifier(as_jose)
    submit(mock, receiver.url)
    old = receiver.wait()[0]
    assert verifier.accepts(mock.url + JWKS, old.headers, old.body, mock.clock.now())
    reply = mock.http.post("/__falkit/webhooks/rotate").json()
    assert [(key["signs"], key["published"]) for key in reply["keys"]] == [
        (False, True),
        (True, True),
    ]
    submit(mock, receiver.url)
    new = receiver.wait(2)[1]
    assert names(mock) == ["falkit-1", "falkit-1-padded", "falkit-2", "falkit-2-padded"]
    now, url = mock.clock.now(), mock.url + JWKS
    assert not verifier.accepts(url, new.headers, new.body, now), "it has kept the old keys"
    assert Verifier(as_jose).accepts(url, new.headers, new.body, now)
    assert Verifier(as_jose).accepts(url, old.headers, old.body, now)


def test_a_withdrawn_key_is_published_no_longer(mock: Mock) -> None:
    mock.http.post("/__falkit/webhooks/rotate")
    mock.http.request("DELETE", "/__falkit/webhooks/keys/1")
    assert names(mock) == ["falkit-2", "falkit-2-padded"]


def test_a_rotation_can_withdraw_all_before(mock: Mock) -> None:
    for _ in range(3):
        mock.http.post("/__falkit/webhooks/rotate", json={"withdraw": True})
    assert names(mock) == ["falkit-4", "falkit-4-padded"]


@pytest.mark.parametrize(("number", "status"), [("1", 409), ("2", 404), ("one", 404)])
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
    verifier = Verifier(as_jose)
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
