"""The verifiers that judge our deliveries judge rightly themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from client.webhooks.signing import NOON, KeyHost, Sent, Signer, header, in_both_forms, key_set
from client.webhooks.verifiers import STRICT, Accepts


def changed(sent: Sent, name: str, value: str) -> Sent:
    """Return a delivery with another value in one of its headers."""
    return replace(sent, headers={**sent.headers, header(name): value})


def test_a_signed_delivery_is_accepted(accepts: Accepts, keys: KeyHost) -> None:
    assert accepts(keys.url, Signer().sign(), NOON)


def test_any_key_may_match(accepts: Accepts, keys: KeyHost) -> None:
    keys.document = in_both_forms(Signer(7), Signer(8), Signer(9))
    assert accepts(keys.url, Signer(8).sign(), NOON)


def test_keys_that_cannot_be_read_are_skipped(accepts: Accepts, keys: KeyHost) -> None:
    both = [Signer().entry(padded=padded) for padded in (False, True)]
    odd: list[object] = [{"kty": "RSA", "n": "AQAB"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}]
    keys.document = key_set(*odd, *both)
    assert accepts(keys.url, Signer().sign(), NOON)


def test_keys_are_fetched_once_a_day(accepts: Accepts, keys: KeyHost) -> None:
    for hour in (0, 1, 23, 25):
        at = NOON + hour * 3600
        assert accepts(keys.url, Signer().sign(at=at), at)
    assert len(keys.asked) == 2


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way_are_allowed(accepts: Accepts, keys: KeyHost, seconds: int) -> None:
    assert accepts(keys.url, Signer().sign(), NOON + seconds)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_stale_delivery_is_refused(accepts: Accepts, keys: KeyHost, seconds: int) -> None:
    assert not accepts(keys.url, Signer().sign(), NOON + seconds)


@pytest.mark.parametrize(
    "written", [{"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 2}], ids=str
)
def test_a_body_that_was_written_again_is_refused(
    accepts: Accepts, keys: KeyHost, written: dict[str, Any]
) -> None:
    sent = Signer().sign()
    again = json.dumps(json.loads(sent.body), **written).encode()
    assert json.loads(again) == json.loads(sent.body)
    assert not accepts(keys.url, replace(sent, body=again), NOON)


def test_a_tampered_body_is_refused(accepts: Accepts, keys: KeyHost) -> None:
    sent = Signer().sign()
    assert not accepts(keys.url, replace(sent, body=sent.body.replace(b"OK", b"KO")), NOON)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Request-Id", "another"),
        ("User-Id", "another"),
        ("Timestamp", str(NOON + 1)),
        ("Timestamp", "soon"),
        ("Signature", "00" * 64),
        ("Signature", "no hex"),
        ("Signature", ""),
    ],
)
def test_a_changed_header_is_refused(
    accepts: Accepts, keys: KeyHost, name: str, value: str
) -> None:
    assert not accepts(keys.url, changed(Signer().sign(), name, value), NOON)


def test_a_signature_by_another_key_is_refused(accepts: Accepts, keys: KeyHost) -> None:
    assert not accepts(keys.url, Signer(2).sign(), NOON)


def test_each_form_of_a_key_is_read_by_some_only(
    verifiers: dict[str, Accepts], keys: KeyHost
) -> None:
    """The trap of wire.md §5.2: neither form alone serves everybody."""
    read: dict[bool, set[str]] = {}
    for padded in (False, True):
        keys.document = key_set(Signer(3).entry(padded=padded))
        url = f"{keys.url}?padded={padded}"
        sent = Signer(3).sign()
        read[padded] = {name for name, accepts in verifiers.items() if accepts(url, sent, NOON)}
    assert set(verifiers) - read[False] == {"python, as the sample"}
    assert set(verifiers) - read[True] == set(STRICT)
