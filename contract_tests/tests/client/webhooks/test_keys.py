"""The key ring: what is fetched, how long it is kept, and what is read of a key set."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from client.webhooks.signing import NOON, KeyHost, Sent, Signer, as_published, key_host, key_set
from falkit_client import Delivery, errors, webhooks
from falkit_client.webhooks import FAL_JWKS, KeyRing, read_jwks
from serving import PATIENCE

URL = "http://127.0.0.1:4325/rest.fal.ai/.well-known/jwks.json"
DAY = 86_400


@dataclass
class Host:
    """What `fetch` of a ring calls: a document that a test may change, or a failure."""

    document: bytes = field(default_factory=lambda: key_set(Signer().entry()))
    failure: OSError | None = None
    asked: int = 0

    def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        if self.failure:
            raise self.failure
        return self.document

    async def fetch_async(self, url: str) -> bytes:
        await asyncio.sleep(0)
        return self.fetch(url)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture(params=["waiting", "asynchronous", "asynchronous by thread"])
def verify(request: pytest.FixtureRequest, host: Host) -> Callable[..., Delivery]:
    """Verify at a moment with one ring on that host."""
    asynchronous = host.fetch_async if request.param == "asynchronous" else None
    ring = KeyRing(URL, fetch=host.fetch, async_fetch=asynchronous)

    def call(sent: Sent, at: float) -> Delivery:
        options: Any = {"keys": ring, "now": lambda: at}
        if request.param == "waiting":
            return webhooks.verify(sent.headers, sent.body, **options)
        return asyncio.run(webhooks.verify_async(sent.headers, sent.body, **options))

    return call


Verify = Callable[[Sent, float], Delivery]


def test_keys_are_fetched_once_a_day(verify: Verify, host: Host) -> None:
    for hour in (0, 1, 23, 24, 25, 47):
        at = NOON + hour * 3600
        assert verify(Signer().sign(at=at), at)
    assert host.asked == 2


def test_no_key_is_believed_longer_than_a_day(verify: Verify, host: Host) -> None:
    verify(Signer().sign(), NOON)
    host.failure = ConnectionRefusedError("refused")
    assert verify(Signer().sign(at=NOON + DAY - 1), NOON + DAY - 1)
    with pytest.raises(errors.KeysUnavailable):
        verify(Signer().sign(at=NOON + DAY), NOON + DAY)


def test_a_new_key_is_found_when_it_signs(verify: Verify, host: Host) -> None:
    verify(Signer(1).sign(), NOON)
    host.document = key_set(Signer(2).entry())
    assert verify(Signer(2).sign(at=NOON + 60), NOON + 60)
    with pytest.raises(errors.WrongSignature):
        verify(Signer(1).sign(at=NOON + 60), NOON + 60)
    assert host.asked == 2


def test_forged_deliveries_have_keys_fetched_once_a_minute(verify: Verify, host: Host) -> None:
    verify(Signer().sign(), NOON)
    for second in range(180):
        with pytest.raises(errors.WrongSignature):
            verify(Signer(2).sign(at=NOON + second), NOON + second)
    assert host.asked == 3


def test_the_first_delivery_may_be_forged(verify: Verify, host: Host) -> None:
    with pytest.raises(errors.WrongSignature):
        verify(Signer(2).sign(), NOON)
    assert verify(Signer(1).sign(), NOON)
    assert host.asked == 1


def test_a_clock_that_is_put_back_makes_no_key_young(verify: Verify, host: Host) -> None:
    verify(Signer().sign(), NOON)
    assert verify(Signer().sign(at=NOON - 3600), NOON - 3600)
    assert host.asked == 2


def test_keys_are_not_fetched_for_malformed_deliveries(verify: Verify, host: Host) -> None:
    with pytest.raises(errors.StaleTimestamp):
        verify(Signer().sign(), NOON + 301)
    with pytest.raises(errors.MissingHeader):
        verify(Sent({}, b""), NOON)
    assert host.asked == 0


def test_a_host_that_is_down_is_not_asked_by_every_delivery(verify: Verify, host: Host) -> None:
    host.failure = ConnectionRefusedError("refused")
    for second in (0, 1, 4):
        with pytest.raises(errors.KeysUnavailable, match="refused") as caught:
            verify(Signer().sign(), NOON + second)
        assert caught.value.url == URL
        assert caught.value.request_id
    assert host.asked == 1
    host.failure = None
    assert verify(Signer().sign(), NOON + 5)


def test_keys_that_may_be_old_prove_no_forgery(verify: Verify, host: Host) -> None:
    verify(Signer().sign(), NOON)
    host.failure = ConnectionRefusedError("refused")
    with pytest.raises(errors.KeysUnavailable):
        verify(Signer(2).sign(at=NOON + 60), NOON + 60)
    assert verify(Signer(1).sign(at=NOON + 60), NOON + 60)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JWKS"),
        (b'{"keys": {}}', "not a JWKS"),
        (b'{"keys": []}', "none of the 0 keys"),
        (key_set({"kty": "RSA"}, 7, {"x": "AA"}), "none of the 3 keys"),
    ],
)
def test_a_key_set_without_keys_is_an_error_of_its_own(
    verify: Verify, host: Host, document: bytes, why: str
) -> None:
    host.document = document
    with pytest.raises(errors.BadKeys, match=why) as caught:
        verify(Signer().sign(), NOON)
    assert caught.value.url == URL
    with pytest.raises(errors.BadKeys, match=why):
        verify(Signer().sign(), NOON + 1)
    assert host.asked == 1


def test_keys_are_read_in_every_form() -> None:
    # The key of RFC 8037, appendix A.2.
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    forms: list[object] = [
        {"kty": "OKP", "crv": "Ed25519", "x": x},
        {"kty": "OKP", "crv": "Ed25519", "x": f"{x}="},
        {"kty": "OKP", "crv": "Ed25519", "x": x.replace("_", "/")},
        {"x": x},
        {"kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA", "kid": "1"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": f"{x}=", "use": "sig"},
    ]
    for form in forms:
        assert read_jwks(key_set(form), URL) == (key,)
    assert read_jwks(key_set(*forms), URL) == (key,)


@pytest.mark.parametrize(
    "more",
    [
        {"kty": "EC"},
        {"crv": "X25519"},
        {"use": "enc"},
        {"x": 7},
        {"x": "no base64"},
        {"x": "é"},
        {"x": "A" * 44},
        {"x": ""},
    ],
)
def test_other_keys_are_passed_over(more: dict[str, object]) -> None:
    document = key_set({**Signer(2).entry(), **more}, Signer(1).entry())
    assert read_jwks(document, URL) == (Signer(1).public,)


def test_a_crowd_has_the_keys_fetched_once() -> None:
    host, gate = Host(), threading.Event()

    def slow(url: str) -> bytes:
        assert gate.wait(PATIENCE)
        return host.fetch(url)

    ring = KeyRing(URL, fetch=slow)
    sent = Signer().sign()
    with ThreadPoolExecutor(8) as pool:
        said = [
            pool.submit(webhooks.verify, sent.headers, sent.body, keys=ring, now=lambda: NOON)
            for _ in range(8)
        ]
        gate.set()
        assert all(one.result(PATIENCE).status == "OK" for one in said)
    assert host.asked == 1


def test_a_crowd_of_tasks_has_the_keys_fetched_once() -> None:
    host = Host()
    ring = KeyRing(URL, fetch=host.fetch, async_fetch=host.fetch_async)
    sent = Signer().sign()

    async def crowd() -> None:
        one = webhooks.verify_async
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(one(sent.headers, sent.body, keys=ring, now=lambda: NOON))

    asyncio.run(crowd())
    asyncio.run(crowd())
    assert host.asked == 1


@pytest.mark.parametrize("url", ["keys", "file:///etc/passwd", "ftp://127.0.0.1", "http://"])
def test_keys_come_from_the_web(url: str) -> None:
    with pytest.raises(ValueError, match="give the http or https URL"):
        KeyRing(url)


@pytest.fixture
def host_of_keys(monkeypatch: pytest.MonkeyPatch) -> Generator[KeyHost]:
    monkeypatch.delenv("FALKIT_BASE_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with key_host(as_published(Signer())) as served:
        yield served


def by_either(asynchronous: bool, **options: Any) -> Delivery:
    """Verify a good delivery by one function or its twin."""
    sent = Signer().sign()
    options = {"now": lambda: NOON, **options}
    if asynchronous:
        return asyncio.run(webhooks.verify_async(sent.headers, sent.body, **options))
    return webhooks.verify(sent.headers, sent.body, **options)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_keys_come_from_the_stand_in_and_are_shared(
    host_of_keys: KeyHost, monkeypatch: pytest.MonkeyPatch, asynchronous: bool
) -> None:
    assert by_either(asynchronous, base_url=host_of_keys.base)
    monkeypatch.setenv("FALKIT_BASE_URL", host_of_keys.base)
    assert by_either(asynchronous)
    assert host_of_keys.asked == ["/rest.fal.ai/.well-known/jwks.json"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_host_that_refuses_is_quoted(host_of_keys: KeyHost, asynchronous: bool) -> None:
    host_of_keys.status = 404
    ring = KeyRing(host_of_keys.url)
    with pytest.raises(errors.KeysUnavailable, match=r"jwks\.json: it answered 404"):
        by_either(asynchronous, keys=ring)


def test_without_a_stand_in_the_keys_are_fals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FALKIT_BASE_URL", raising=False)
    assert webhooks.jwks_url() == "https://rest.fal.ai/.well-known/jwks.json"
    assert webhooks.jwks_url("http://127.0.0.1:4325") == URL


@pytest.mark.parametrize(("url", "told"), [(FAL_JWKS, True), (URL, False)])
def test_a_mocks_delivery_under_fals_keys_is_explained(url: str, told: bool) -> None:
    mend = "if it came from falkit, set FALKIT_BASE_URL (or base_url=) to the mock"
    for fetch, kind in ((forbidden, errors.KeysUnavailable), (another, errors.WrongSignature)):
        sent = Signer().sign()
        with pytest.raises(kind) as caught:
            webhooks.verify(
                sent.headers, sent.body, keys=KeyRing(url, fetch=fetch), now=lambda: NOON
            )
        assert (mend in caught.value.message) is told


def forbidden(url: str) -> bytes:
    raise OSError("it answered 403")


def another(url: str) -> bytes:
    return key_set(Signer(2).entry())
