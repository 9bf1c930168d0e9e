"""Deliveries, their signatures and the keys (wire.md §5)."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from hashlib import sha256

from falkit_contract.conform.checks import Table
from falkit_contract.conform.probe import CouldNotLook, NoWebhook, Probe, short
from falkit_contract.conform.receiving import Delivery
from falkit_contract.conform.target import REST
from falkit_spec.types import JSON, Object

TABLE = Table()
_JWKS = f"https://{REST}/.well-known/jwks.json"
_HEAD = "x-fal-webhook-"
_FIELDS = ("error", "gateway_request_id", "payload", "request_id", "status")
_SECONDS = "[0-9]{1,12}"
# Seconds that a timestamp may be off (wire.md §5.2).
_LEEWAY = 300


@TABLE.add("webhook.delivered", "§5", "A job's end is posted to its fal_webhook, as JSON", 1)
def _(probe: Probe) -> None:
    try:
        _, found = probe.delivery()
    except NoWebhook as error:
        probe.fail("a POST to the URL that was given as fal_webhook", str(error))
    label = found.headers.get("content-type", "")
    probe.expect(label.startswith("application/json"), "content-type application/json", label)
    probe.expect(_read(found) is not None, "a JSON object", found.body[:200])


@TABLE.add("webhook.fields", "§5.1", "The body has its five fields; error is null with an OK", 1)
def _(probe: Probe) -> None:
    request_id, found = probe.delivery()
    body = _fields(found)
    missing = [name for name in _FIELDS if name not in body]
    probe.expect(not missing, f"the fields {', '.join(_FIELDS)}", f"without {', '.join(missing)}")
    probe.expect(body["request_id"] == request_id, f"request_id {request_id}", body["request_id"])
    state = (body["status"], body["error"])
    probe.expect(state == ("OK", None), "status OK, and error null", body)
    gateway = body["gateway_request_id"]
    probe.expect(isinstance(gateway, str) and bool(gateway), "gateway_request_id, a text", gateway)
    probe.expect("payload_error" not in body, "no payload_error where there is none", body)


@TABLE.add("webhook.payload", "§5.1", "The payload is the job's output", 1)
def _(probe: Probe) -> None:
    request_id, found = probe.delivery()
    output = probe.result(request_id)
    if output.status != 200:
        raise CouldNotLook(f"there is no result: {short(f'{output.status} {output.text}')}")
    got = _fields(found).get("payload")
    probe.expect(got == output.json(), short(output.text), got)


@TABLE.add(
    "webhook.failed", "§5.1", "A failed job: ERROR, its code as text, its error as payload", 1
)
def _(probe: Probe) -> None:
    request_id, found = probe.delivery(probe.wrong_input())
    body = _fields(found)
    state = (body.get("status"), body.get("error"))
    wanted = "status ERROR, and error `Invalid status code: 422`"
    probe.expect(state == ("ERROR", "Invalid status code: 422"), wanted, body)
    error = probe.result(request_id).json()
    probe.expect(body.get("payload") == error, short(error), body.get("payload"))


@TABLE.add("webhook.bytes", "§5.1", "The bytes are those of Python's json.dumps, keys sorted", 1)
def _(probe: Probe) -> None:
    _, found = probe.delivery()
    body = _fields(found)
    written = json.dumps(body, sort_keys=True).encode()
    plain = json.dumps(body, sort_keys=True, ensure_ascii=False).encode(errors="replace")
    same = found.body in (written, plain)
    probe.expect(same, short(written.decode()), found.body.decode(errors="replace"))
    probe.note(found.body == written, "other than ASCII isn't written as \\uXXXX")


@TABLE.add("webhook.headers", "§5.2", "Four headers: ids, whole seconds, 128 hex digits", 1)
def _(probe: Probe) -> None:
    request_id, found = probe.delivery()
    signed = _signed(found)
    probe.expect(signed["request-id"] == request_id, f"{_HEAD}request-id {request_id}", signed)
    who = signed["user-id"]
    probe.expect(bool(who), f"{_HEAD}user-id", signed)
    known = re.fullmatch(r"github\|\d+", who) is not None
    probe.note(known, f"the user id is {short(who)}; fal's were seen to be github|digits")
    moment = signed["timestamp"]
    whole = re.fullmatch(_SECONDS, moment) is not None
    probe.expect(whole, f"{_HEAD}timestamp in whole seconds", moment)
    hexed = re.fullmatch(r"[0-9a-f]{128}", signed["signature"]) is not None
    probe.expect(hexed, f"{_HEAD}signature of 128 hex digits", signed["signature"])


@TABLE.add("webhook.timestamp", "§5.2", "A delivery is signed for the time at which it comes", 1)
def _(probe: Probe) -> None:
    _, found = probe.delivery()
    moment, now = _signed(found)["timestamp"], int(time.time())
    whole = re.fullmatch(_SECONDS, moment) is not None
    near = whole and abs(int(moment) - now) <= _LEEWAY
    probe.expect(near, f"within {_LEEWAY} s of {now}", moment)


@TABLE.add("webhook.signature", "§5.2", "One of the published keys has signed these very bytes", 1)
def _(probe: Probe) -> None:
    _, found = probe.delivery()
    signed, keys = _signed(found), [*map(_key, _published(probe))]
    lines = [signed["request-id"], signed["user-id"], signed["timestamp"]]
    message = "\n".join([*lines, sha256(found.body).hexdigest()]).encode()
    good = any(_verifies(key, signed["signature"], message) for key in keys if key)
    probe.expect(good, f"a signature by one of the {len(keys)} keys at {_JWKS}", signed)


@TABLE.add("webhook.keys", "§5.2", "Keys are OKP, Ed25519, each with a kid and a padded x")
def _(probe: Probe) -> None:
    keys = _published(probe)
    for key in keys:
        facts = tuple(key.get(name) for name in ("kty", "crv", "use"))
        probe.expect(facts == ("OKP", "Ed25519", "sig"), "kty OKP, crv Ed25519, use sig", key)
        kid, padded = key.get("kid"), key.get("x")
        probe.expect(isinstance(kid, str) and len(kid) == 43, "kid of 43 characters", kid)
        probe.expect(_key(key) is not None, "x, 32 bytes in base64url", padded)
        probe.expect(str(padded).endswith("="), "x padded with =, as fal has it", padded)
        probe.expect("alg" not in key, "no alg, which fal's keys haven't", key)
    probe.note(len(keys) == 2, f"there are {len(keys)} keys; fal was seen to have two")


def _read(found: Delivery) -> Object | None:
    try:
        body: JSON = json.loads(found.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _fields(found: Delivery) -> Object:
    body = _read(found)
    if body is None:
        raise CouldNotLook(f"a webhook's body is no object: {short(found.body.decode('latin-1'))}")
    return body


def _signed(found: Delivery) -> dict[str, str]:
    names = ("request-id", "user-id", "timestamp", "signature")
    return {name: found.headers.get(f"{_HEAD}{name}", "") for name in names}


def _published(probe: Probe) -> list[Object]:
    """Return the keys; fail where there is none."""
    reply = probe.ask("GET", _JWKS, key=False)
    probe.code(reply, 200)
    keys: JSON = reply.fields().get("keys")
    found = [one for one in keys if isinstance(one, dict)] if isinstance(keys, list) else []
    probe.expect(bool(found), "keys, a list of keys", reply.text)
    return found


def _key(key: Object) -> bytes | None:
    text = str(key.get("x", ""))
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == 32 else None


def _verifies(key: bytes, signature: str, message: bytes) -> bool:
    # Lazy: of all checks one needs it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
