"""The golden vectors: what the mock answers today, and signatures that others verify."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from scripts.build_vectors import FOLDER, build

from falkit_client import errors, webhooks
from falkit_client.webhooks import read_jwks

DELIVERIES: dict[str, Any] = json.loads((FOLDER / "deliveries.json").read_text())
EXCHANGES: list[dict[str, Any]] = json.loads((FOLDER / "exchanges.json").read_text())["exchanges"]
NOW: int = DELIVERIES["now"]
_NAMES = ("Request-Id", "User-Id", "Timestamp", "Signature")
WIRE = (Path(__file__).parents[3] / "docs" / "wire.md").read_text()


def verified(headers: dict[str, str], body: bytes) -> bool:
    """Verify as wire.md §5.2 says, by libsodium."""
    found = [headers.get(f"X-Fal-Webhook-{name}") for name in _NAMES]
    if None in found:
        return False
    *signed, signature = map(str, found)
    if abs(int(signed[2]) - NOW) > DELIVERIES["leeway_seconds"] or len(signature) != 128:
        return False
    message = "\n".join([*signed, sha256(body).hexdigest()]).encode()
    for key in DELIVERIES["jwks"]["keys"]:
        try:
            VerifyKey(base64.urlsafe_b64decode(key["x"])).verify(message, bytes.fromhex(signature))
        except BadSignatureError:
            continue
        return True
    return False


def test_the_mock_still_answers_so() -> None:
    made = build()
    assert {name: (FOLDER / name).read_bytes() for name in made} == made, (
        "run scripts/build_vectors.py, and look at what has changed"
    )


@pytest.mark.parametrize("delivery", DELIVERIES["deliveries"], ids=lambda one: one["name"])
def test_signatures_are_as_each_delivery_says(delivery: dict[str, Any]) -> None:
    body = delivery["body"].encode()
    assert verified(delivery["headers"], body) is delivery["accept"]
    keys = read_jwks(json.dumps(DELIVERIES["jwks"]).encode(), "deliveries.json")
    try:
        webhooks.verify(delivery["headers"], body, keys=keys, now=lambda: float(NOW))
    except errors.WebhookError:
        assert not delivery["accept"]
    else:
        assert delivery["accept"]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda one: one["name"])
def test_each_exchange_has_its_section(exchange: dict[str, Any]) -> None:
    section, _, row = exchange["section"].partition(" row ")
    assert re.search(rf"^##+ {section} ", WIRE, re.MULTILINE)
    assert not row or f"\n| {row} |" in WIRE
