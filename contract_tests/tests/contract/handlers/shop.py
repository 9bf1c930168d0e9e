"""A shop that sells videos: its receiver of fal's webhooks, an ASGI application.

It verifies by itself, with the keys at fal's own address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEYS = "https://rest.fal.ai/.well-known/jwks.json"
APP = "https://queue.fal.run/fal-ai/ltx-2/requests"
kept: dict[str, Any] = {"keys": [], "until": 0.0}
# By request id: jobs that the shop has submitted, those that failed, and the files of the others.
orders: list[str] = []
failures: list[str] = []
videos: dict[str, list[str]] = {}
early: dict[str, dict[str, Any]] = {}
seen: set[str] = set()


def submitted(request_id: str) -> None:
    """Note a job of the shop's own; what came for it before is acted on now."""
    orders.append(request_id)
    if request_id in early:
        act(early.pop(request_id))


def fal_keys() -> list[bytes]:
    """Return fal's public keys, which are kept for a day."""
    if time.time() >= kept["until"]:
        listed = httpx.get(KEYS).json()["keys"]
        kept["keys"] = [base64.urlsafe_b64decode(key["x"] + "==") for key in listed]
        kept["until"] = time.time() + 86_400
    keys: list[bytes] = kept["keys"]
    return keys


def is_fals(headers: Any, body: bytes) -> bool:
    """Tell whether a delivery is fal's, and of now."""
    names = ("request-id", "user-id", "timestamp", "signature")
    given = [headers.get(f"x-fal-webhook-{name}") for name in names]
    if None in given:
        return False
    *signed, signature = given
    if abs(time.time() - int(signed[2])) > 300:
        return False
    message = "\n".join([*signed, hashlib.sha256(body).hexdigest()]).encode()
    for key in fal_keys():
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(bytes.fromhex(signature), message)
        except InvalidSignature:
            continue
        return True
    return False


async def fal(request: Request) -> Response:
    """Take a delivery."""
    body = await request.body()
    if not is_fals(request.headers, body):
        return Response("not fal's", 401)
    delivery = json.loads(body)
    if delivery["request_id"] not in orders:
        early[delivery["request_id"]] = delivery
        return Response()
    act(delivery)
    return Response()


def act(delivery: dict[str, Any]) -> None:
    """Do what a delivery says, once."""
    request_id = delivery["request_id"]
    if request_id in seen:
        return
    seen.add(request_id)
    if delivery["status"] == "ERROR":
        failures.append(request_id)
        return
    payload = delivery["payload"]
    if payload is None:
        payload = fetched(request_id)
    videos.setdefault(request_id, []).append(payload["video"]["url"])


def fetched(request_id: str) -> dict[str, Any]:
    """Return an output from the queue."""
    reply = httpx.get(f"{APP}/{request_id}", headers={"authorization": "Key falkit:falkit"})
    output: dict[str, Any] = reply.raise_for_status().json()
    return output


def reconcile() -> None:
    """Finish the jobs whose webhook didn't come."""
    for request_id in orders:
        if request_id in seen:
            continue
        reply = httpx.get(f"{APP}/{request_id}", headers={"authorization": "Key falkit:falkit"})
        outcome = {"status": "OK" if reply.is_success else "ERROR", "payload": reply.json()}
        act({"request_id": request_id, **outcome})


async def shown(request: Request) -> Response:
    """Show what the shop has for a job, and note one: for tests that reach it by a URL."""
    request_id = request.path_params["id"]
    if request.method == "POST":
        submitted(request_id)
    found = {"videos": videos.get(request_id), "failed": request_id in failures}
    return JSONResponse(found)


app = Starlette(
    routes=[
        Route("/fal", fal, methods=["POST"]),
        Route("/orders/{id}", shown, methods=["GET", "POST"]),
    ]
)
