"""Write down what fal's protocol looks like, for tests in any language: docs/conform.md#vectors.

What is asked and answered is the mock's, on a clock that stands and with a seed, so that the same
files come of the same code; the tests hold them to that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx

import falkit_contract
from falkit import Settings, create_app
from falkit_mock.core.clock import ManualClock
from falkit_mock.core.jobs import JobFaults, Outcome
from falkit_mock.webhooks.signing import UNPUBLISHED, body_of, sign_attempt, user_id
from falkit_spec import JSON, Catalog

FOLDER = Path(falkit_contract.__file__).parent / "vectors"
ENDPOINT = "fal-ai/ltx-2/text-to-video/fast"
KEY = "vectors:falkit"
INPUT: dict[str, JSON] = {"prompt": "A lighthouse in the rain", "duration": 6}
NOBODYS = "00000000-0000-7000-8000-000000000000"
QUEUE, RUN, REST = "https://queue.fal.run", "https://fal.run", "https://rest.fal.ai"
# Seconds that a job waits, and runs.
WAITS, RUNS = 10, 20
# What a reader needs of a reply's headers; fal's own are all those that begin so.
_TOLD = ("content-type", "allow")
_OWN, _NOT_FALS = "x-fal-", "x-falkit-"
_KEYS = (1, 2)
_SECOND = 1
_ABOUT = "Requests and replies as fal has them; docs/conform.md of falkit says how to read this."


@dataclass
class Recording:
    """Asks a mock, and keeps what was asked and answered."""

    http: httpx.AsyncClient
    exchanges: list[JSON] = field(default_factory=list["JSON"])

    async def ask(
        self,
        name: str,
        section: str,
        method: str,
        url: str,
        body: JSON | bytes = None,
        *,
        key: bool = True,
        **headers: str,
    ) -> Any:
        """Ask, keep it under a name, and return the answer's JSON."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if key:
            sent["authorization"] = f"Key {KEY}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is None:
            content = b""
        elif not isinstance(body, bytes):
            sent["content-type"] = "application/json"
        reply = await self.http.request(method, url, content=content, headers=sent)
        answered = {
            name: text
            for name, text in sorted(reply.headers.items())
            if name in _TOLD or (name.startswith(_OWN) and not name.startswith(_NOT_FALS))
        }
        self.exchanges.append(
            {
                "name": name,
                "section": section,
                "request": {"method": method, "url": url, "headers": cast("JSON", sent)}
                | _body(content),
                "reply": {"status": reply.status_code, "headers": cast("JSON", answered)}
                | _body(reply.content),
            }
        )
        try:
            return reply.json()
        except ValueError:
            return None


def _body(content: bytes) -> dict[str, JSON]:
    """Return a body as JSON where it is some, else as text; nothing where there is none."""
    if not content:
        return {}
    try:
        return {"json": json.loads(content)}
    except ValueError:
        return {"text": content.decode()}


async def _exchanges() -> tuple[list[JSON], dict[str, tuple[str, Outcome]]]:
    """Return what is asked and answered, and the outcomes of jobs by what they are for."""
    clock = ManualClock()
    app = create_app(Settings(timing=f"{WAITS},{RUNS}", seed=1), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        made = Recording(http)
        ask = made.ask
        submit = f"{QUEUE}/{ENDPOINT}"
        app_url = f"{QUEUE}/fal-ai/ltx-2/requests"
        job = await ask("submit", "§3.1", "POST", submit, {**INPUT})
        url = job["response_url"]
        await ask("status, queued", "§3.2", "GET", job["status_url"])
        await ask("result, too early", "§3.4", "GET", url)
        clock.advance(WAITS + 1)
        await ask("status, running", "§3.2", "GET", job["status_url"])
        await ask("status, running, with logs", "§3.2", "GET", f"{job['status_url']}?logs=1")
        clock.advance(RUNS)
        await ask("status, done", "§3.2", "GET", job["status_url"])
        await ask("status, done, a slash", "§3.7", "GET", f"{job['status_url']}/")
        await ask("status stream, done", "§3.3", "GET", f"{job['status_url']}/stream")
        output = await ask("result", "§3.4", "GET", url)
        await ask("result again", "§12 row 32", "GET", url)
        await ask("cancel, too late", "§3.5", "PUT", job["cancel_url"])
        rid = job["request_id"]
        await ask("status of the whole id", "§3.7", "GET", f"{submit}/requests/{rid}/status")
        await ask("result of the whole id", "§3.7", "GET", f"{submit}/requests/{rid}")
        await ask("result at /response", "§3.7", "GET", f"{url}/response")
        await ask("status of nobody's job", "§2", "GET", f"{app_url}/{NOBODYS}/status")
        await ask("result of nobody's job", "§3.4", "GET", f"{app_url}/{NOBODYS}")
        await ask("cancel nobody's job", "§3.5", "PUT", f"{app_url}/{NOBODYS}/cancel")
        outcomes = {"done": (rid, Outcome(200, json.dumps(output).encode()))}
        job = await ask("submit, wrong input", "§3.6", "POST", submit, {"duration": "6"})
        clock.advance(WAITS + RUNS + 1)
        await ask("status, wrong input", "§3.2", "GET", job["status_url"])
        error = await ask("result, wrong input", "§3.4", "GET", job["response_url"])
        outcomes["failed"] = (job["request_id"], Outcome(422, json.dumps(error).encode()))
        job = await ask("submit, to be cancelled", "§3.1", "POST", submit, {**INPUT})
        await ask("cancel", "§3.5", "PUT", job["cancel_url"])
        await ask("status, cancelled", "§3.2", "GET", job["status_url"])
        await ask("result, cancelled", "§3.4", "GET", job["response_url"])
        await ask("submit without a key", "§2", "POST", submit, {**INPUT}, key=False)
        await ask("submit to an app that nobody has", "§2", "POST", f"{QUEUE}/fal-ai/none", {})
        await ask("direct call, wrong input", "§4", "POST", f"{RUN}/{ENDPOINT}", {"duration": "6"})
        lacks = f"{RUN}/fal-ai/ltx-2/none"
        await ask("direct call of a path that the app lacks", "§4", "POST", lacks, {**INPUT})
        rest = f"{REST}/storage/upload/initiate?storage_type=fal-cdn-v3"
        file: JSON = {"content_type": "text/plain", "file_name": "a.txt"}
        await ask("upload token without a key", "§2", "POST", rest, file, key=False)
        await ask("keys", "§5.2", "GET", f"{REST}/.well-known/jwks.json", key=False)
    return made.exchanges, outcomes


def _deliveries(outcomes: Mapping[str, tuple[str, Outcome]], now: int) -> list[JSON]:
    """Return deliveries: those that a receiver takes, and those that it refuses."""
    found: list[JSON] = []

    def sign(rid: str, body: bytes, ago: int = 0, key: int = _KEYS[1]) -> dict[str, str]:
        headers, _, _ = sign_attempt(
            body,
            JobFaults(),
            1,
            request_id=rid,
            user_id=user_id(KEY.partition(":")[0]),
            moment=now - ago,
            key=key,
        )
        # What falkit calls itself isn't fal's.
        return {name: text for name, text in headers.items() if name != "User-Agent"}

    def add(name: str, why: str, headers: dict[str, str], body: bytes, *, good: bool) -> None:
        found.append(
            {
                "name": name,
                "accept": good,
                "why": why,
                "headers": cast("JSON", headers),
                "body": body.decode(),
            }
        )

    rid, outcome = outcomes["done"]
    body = body_of(outcome, rid, rid)
    other = outcomes["failed"][0]
    add("done", "an output; error is null", sign(rid, body), body, good=True)
    again = body_of(outcome, rid, other)
    why = "the service ran it again: request_id is the same"
    add("done, another gateway_request_id", why, sign(rid, again), again, good=True)
    failed = body_of(outcomes["failed"][1], other, other)
    why = "the error's body is the payload"
    add("failed", why, sign(other, failed), failed, good=True)
    for code, name in ((200, "an output"), (404, "an error")):
        odd = body_of(Outcome(code, b"\x89PNG not JSON"), rid, rid)
        why = "payload is null, and payload_error says why"
        add(f"{name} that isn't JSON", why, sign(rid, odd), odd, good=True)
    words = Outcome(
        200, json.dumps({"text": "Grüße 🌧", "seed": None, "b": {"z": 1, "a": []}}).encode()
    )
    odd = body_of(words, rid, rid)
    add("nulls, sorted keys, \\u escapes", "as json.dumps writes", sign(rid, odd), odd, good=True)
    why = "any published key may sign"
    add("signed by the other key", why, sign(rid, body, key=_KEYS[0]), body, good=True)
    for ago, what in ((300, "300 s ago"), (-300, "300 s from now")):
        add(f"signed {what}", "300 s are allowed", sign(rid, body, ago), body, good=True)
    for ago, what in ((301, "301 s ago"), (-301, "301 s from now")):
        add(f"signed {what}", "300 s are allowed", sign(rid, body, ago), body, good=False)
    why = "a byte differs from what was signed"
    add("tampered", why, sign(rid, body), body.replace(b'"OK"', b'"0K"'), good=False)
    compact = json.dumps(json.loads(body), separators=(",", ":")).encode()
    why = "the signature is over the bytes, not over what they mean"
    add("written again", why, sign(rid, body), compact, good=False)
    add("signed as written again", why, sign(rid, compact), body, good=False)
    why = "its key isn't published"
    add("a stranger's", why, sign(rid, body, key=UNPUBLISHED), body, good=False)
    signed = sign(rid, body)
    moved = {**signed, "X-Fal-Webhook-Request-Id": other}
    add("another job's id", "the headers are signed as well", moved, body, good=False)
    later = {**signed, "X-Fal-Webhook-Timestamp": str(now + _SECOND)}
    add("another time", "the headers are signed as well", later, body, good=False)
    for name in ("Request-Id", "User-Id", "Timestamp", "Signature"):
        bare = {head: text for head, text in signed.items() if head != f"X-Fal-Webhook-{name}"}
        add(f"without {name}", "all four headers are needed", bare, body, good=False)
    short = {**signed, "X-Fal-Webhook-Signature": signed["X-Fal-Webhook-Signature"][:-2]}
    add("a signature of 63 bytes", "it isn't one", short, body, good=False)
    return found


def build() -> dict[str, bytes]:
    """Return the files by their names."""
    exchanges, outcomes = asyncio.run(_exchanges())
    keys = next(one["reply"] for one in cast("list[Any]", exchanges) if one["name"] == "keys")[
        "json"
    ]
    now = int(ManualClock().now())
    newest = Catalog.vendored().get(ENDPOINT)
    read: dict[str, JSON] = {
        "exchanges.json": {"about": _ABOUT, "endpoint": newest.id, "exchanges": exchanges},
        "deliveries.json": {
            "about": _ABOUT,
            "now": now,
            "leeway_seconds": 300,
            "jwks": keys,
            "deliveries": _deliveries(outcomes, now),
        },
    }
    return {name: (json.dumps(value, indent=1) + "\n").encode() for name, value in read.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in build().items():
        (FOLDER / name).write_bytes(content)
        print(f"written: {FOLDER / name}")
