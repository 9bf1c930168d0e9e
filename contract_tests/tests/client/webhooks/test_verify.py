"""`falkit_client.webhooks.verify` and its twin: what they take, what they say, what they refuse."""

from __future__ import annotations

import asyncio
import email.message
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import EnvironHeaders, Headers as WerkzeugHeaders

from client.webhooks.signing import DONE, NOON, REQUEST, Sent, Signer, header
from client.webhooks.test_independent import changed
from falkit_client import Delivery, errors, webhooks

SIGNER = Signer()


def noon() -> float:
    return NOON


@pytest.fixture(params=["waiting", "asynchronous"])
def verify(request: pytest.FixtureRequest) -> Callable[..., Delivery]:
    """Verify with the signer's key at noon, by one function or its twin."""

    def call(headers: Any, body: Any, **options: Any) -> Delivery:
        options = {"keys": [SIGNER.public], "now": noon, **options}
        if request.param == "waiting":
            return webhooks.verify(headers, body, **options)
        return asyncio.run(webhooks.verify_async(headers, body, **options))

    return call


def environ(sent: Sent) -> dict[str, str]:
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.headers.items()}


def message(sent: Sent) -> email.message.Message:
    made = email.message.Message()
    for name, value in sent.headers.items():
        made[name] = value
    return made


def raw(sent: Sent) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in sent.headers.items()]


FORMS: dict[str, Callable[[Sent], object]] = {
    "a dict": lambda sent: dict(sent.headers),
    "in lower case": lambda sent: {name.lower(): value for name, value in sent.headers.items()},
    "in upper case": lambda sent: {name.upper(): value for name, value in sent.headers.items()},
    "pairs": lambda sent: list(sent.headers.items()),
    "pairs of bytes (ASGI)": raw,
    "a WSGI environ": lambda sent: {**environ(sent), "wsgi.input": object(), "PATH_INFO": "/"},
    "Starlette's": lambda sent: StarletteHeaders(raw=raw(sent)),
    "Werkzeug's": lambda sent: WerkzeugHeaders(list(sent.headers.items())),
    "Flask's": lambda sent: EnvironHeaders(environ(sent)),
    "http.server's": message,
}


@pytest.mark.parametrize("form", FORMS)
def test_headers_may_have_any_form(verify: Callable[..., Delivery], form: str) -> None:
    sent = SIGNER.sign()
    assert verify(FORMS[form](sent), sent.body).request_id == REQUEST


def test_a_delivery_says_what_came(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    delivery = verify(sent.headers, sent.body)
    assert delivery == Delivery(
        request_id=REQUEST,
        gateway_request_id=REQUEST,
        user_id="github|179263",
        timestamp=NOON,
        status="OK",
        payload=cast("dict[str, Any]", DONE["payload"]),
        error=None,
        payload_error=None,
    )


def test_a_delivery_cannot_be_changed() -> None:
    sent = SIGNER.sign()
    delivery = webhooks.verify(sent.headers, sent.body, keys=[SIGNER.public], now=noon)
    with pytest.raises(FrozenInstanceError):
        delivery.status = "ERROR"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


def test_an_error_comes_with_its_body(verify: Callable[..., Delivery]) -> None:
    detail = [{"loc": ["body", "image_url"], "msg": "Could not load", "type": "image_load_error"}]
    body = {
        "request_id": REQUEST,
        "gateway_request_id": "019b76da-ffff-74c7-aab7-01d3c98e3dee",
        "status": "ERROR",
        "error": "Invalid status code: 422",
        "payload": {"detail": detail},
    }
    sent = SIGNER.sign(body)
    delivery = verify(sent.headers, sent.body)
    assert (delivery.status, delivery.error) == ("ERROR", "Invalid status code: 422")
    assert delivery.payload == {"detail": detail}
    assert delivery.gateway_request_id != delivery.request_id


@pytest.mark.parametrize("status", ["OK", "ERROR"])
def test_the_payload_may_be_null_with_either_status(
    verify: Callable[..., Delivery], status: str
) -> None:
    """wire.md §12 row 22 and wire.md §12 row 23."""
    error = {"error": "Invalid status code: 404"} if status == "ERROR" else {}
    body = {**DONE, "status": status, "payload": None, "payload_error": "not JSON", **error}
    sent = SIGNER.sign(body)
    delivery = verify(sent.headers, sent.body)
    assert (delivery.status, delivery.payload) == (status, None)
    assert delivery.payload_error == "not JSON"
    assert delivery.error == error.get("error")


@pytest.mark.parametrize("name", ["Request-Id", "User-Id", "Timestamp", "Signature"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_header_is_named(verify: Callable[..., Delivery], name: str, empty: bool) -> None:
    sent = SIGNER.sign()
    headers = {key: value for key, value in sent.headers.items() if key != header(name)}
    with pytest.raises(errors.MissingHeader, match=header(name)) as caught:
        verify({**headers, header(name): ""} if empty else headers, sent.body)
    assert caught.value.header == header(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Request-Id", "a b"),
        ("Request-Id", "a\nb"),
        ("User-Id", "Zoë"),
        ("Timestamp", "soon"),
        ("Timestamp", "-1"),
        ("Timestamp", "1_800_000_000"),
        ("Timestamp", "1" * 400),
        ("Timestamp", "١٨٠٠"),
        ("Signature", "00" * 63),
        ("Signature", "zz" * 64),
        ("Signature", "00 " * 64),
    ],
)
def test_a_malformed_header_is_named_with_its_value(
    verify: Callable[..., Delivery], name: str, value: str
) -> None:
    sent = changed(SIGNER.sign(), name, value)
    with pytest.raises(errors.MalformedHeader, match=header(name)) as caught:
        verify(sent.headers, sent.body)
    assert (caught.value.header, caught.value.value) == (header(name), value)
    assert "\n" not in caught.value.message


def test_a_header_that_is_there_twice_must_say_one_thing(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    once = list(sent.headers.items())
    assert verify([*once, *once], sent.body).request_id == REQUEST
    with pytest.raises(errors.MalformedHeader, match="different values"):
        verify([*once, (header("Request-Id"), "another")], sent.body)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_allowed(verify: Callable[..., Delivery], seconds: int) -> None:
    sent = SIGNER.sign()
    assert verify(sent.headers, sent.body, now=lambda: NOON + seconds).timestamp == NOON


@pytest.mark.parametrize("seconds", [-301, 300.5, 86_400])
def test_a_stale_delivery_is_refused_with_its_age(
    verify: Callable[..., Delivery], seconds: float
) -> None:
    sent = SIGNER.sign()
    with pytest.raises(errors.StaleTimestamp) as caught:
        verify(sent.headers, sent.body, now=lambda: NOON + seconds)
    assert (caught.value.timestamp, caught.value.age) == (NOON, seconds)
    assert (caught.value.leeway, caught.value.request_id) == (300, REQUEST)


def test_the_leeway_can_be_chosen(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    assert verify(sent.headers, sent.body, now=lambda: NOON + 900, leeway=900)
    with pytest.raises(errors.StaleTimestamp, match="more than 5 s"):
        verify(sent.headers, sent.body, now=lambda: NOON + 6, leeway=5)


def test_a_changed_bit_of_the_body_is_refused(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    body = bytes([sent.body[0] ^ 1]) + sent.body[1:]
    with pytest.raises(errors.WrongSignature) as caught:
        verify(sent.headers, body)
    assert caught.value.request_id == REQUEST


def test_a_signature_by_another_key_is_refused(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    with pytest.raises(errors.WrongSignature):
        verify(sent.headers, sent.body, keys=[Signer(2).public, Signer(3).public])


def test_any_key_may_match(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    assert verify(sent.headers, sent.body, keys=[Signer(2).public, SIGNER.public])


def test_a_body_that_was_parsed_is_a_mistake_in_the_program(
    verify: Callable[..., Delivery],
) -> None:
    sent = SIGNER.sign()
    for wrong in (sent.body.decode(), DONE):
        with pytest.raises(TypeError, match="raw bytes"):
            verify(sent.headers, wrong)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_kinds_of_bytes_are_bytes(
    verify: Callable[..., Delivery], kind: Callable[[bytes], object]
) -> None:
    sent = SIGNER.sign()
    assert verify(sent.headers, kind(sent.body)).request_id == REQUEST


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "isn't a JSON object"),
        (b"\xff", "isn't a JSON object"),
        (b"[" * 100_000, "isn't a JSON object"),
        ([DONE], "isn't a JSON object"),
        ({**DONE, "request_id": ""}, "no request_id"),
        ({**DONE, "request_id": 7}, "request_id is a int"),
        ({**DONE, "status": "COMPLETED"}, "OK or ERROR"),
        ({**DONE, "payload": [1]}, "an object or null"),
        ({**DONE, "error": {}}, "error is a dict"),
    ],
)
def test_a_signed_body_that_is_not_a_webhook_is_kept(
    verify: Callable[..., Delivery], body: object, why: str
) -> None:
    sent = SIGNER.sign(body)
    with pytest.raises(errors.BadPayload, match=why) as caught:
        verify(sent.headers, sent.body)
    assert caught.value.body == sent.body
    assert not isinstance(caught.value, errors.Unverified)


def test_a_body_without_a_gateway_id_was_not_run_again(verify: Callable[..., Delivery]) -> None:
    body = {name: value for name, value in DONE.items() if name != "gateway_request_id"}
    sent = SIGNER.sign(body)
    assert verify(sent.headers, sent.body).gateway_request_id == REQUEST


def test_keys_are_thirty_two_bytes(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    with pytest.raises(ValueError, match="32 bytes"):
        verify(sent.headers, sent.body, keys=[b"short"])


def test_keys_and_base_url_exclude_each_other(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    with pytest.raises(ValueError, match="both given"):
        verify(sent.headers, sent.body, base_url="http://127.0.0.1:4325")


def test_a_signature_with_another_form_of_its_number_is_refused(
    verify: Callable[..., Delivery],
) -> None:
    """Ed25519 signatures are one text each (RFC 8032 §5.1.7); adding the group's order is none."""
    order = 2**252 + 27742317777372353535851937790883648493
    sent = SIGNER.sign()
    made = bytes.fromhex(sent.headers[header("Signature")])
    number = int.from_bytes(made[32:], "little") + order
    other = made[:32] + number.to_bytes(32, "little")
    with pytest.raises(errors.WrongSignature):
        verify(changed(sent, "Signature", other.hex()).headers, sent.body)


def test_the_case_of_hex_is_free(verify: Callable[..., Delivery]) -> None:
    sent = SIGNER.sign()
    upper = sent.headers[header("Signature")].upper()
    assert verify(changed(sent, "Signature", upper).headers, sent.body)


def test_every_cause_has_a_class_of_its_own() -> None:
    refusals = {errors.MissingHeader, errors.MalformedHeader, errors.StaleTimestamp}
    refusals |= {errors.WrongSignature}
    assert set(errors.Unverified.__subclasses__()) == refusals
    others = {errors.Unverified, errors.BadPayload, errors.KeysUnavailable}
    assert set(errors.WebhookError.__subclasses__()) == others
