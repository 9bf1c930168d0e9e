"""Whatever two tenants do in turn, each is told exactly what it would be told alone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
from hypothesis import given, strategies as st

from falkit import Settings, create_app
from falkit_mock.app import MockApp
from falkit_spec import Catalog
from falkit_spec.types import is_array, is_object
from serving import I2V_FAST, PROMPT, START, T2V

CATALOG = Catalog.vendored()
SETTINGS = Settings(
    tenants=True,
    quota="jobs=6,bytes=2kB",
    timing="2,5",
    runners=1,
    clock="manual",
    clock_start=START,
    seed=11,
)
# Of no allowed host, so that its delivery is refused where it would be sent.
HOOK = "http://203.0.113.1/hook"
# What is of real time.
REAL, HEADERS = ("ms", "client"), ("date", "content-length")

# A method, a path and a body: JSON, bytes or none.
Call: TypeAlias = tuple[str, str, Any]


@dataclass
class Caller:
    """One key, what it knows, and what it has asked and was told, in order."""

    key: str
    ids: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    calls: list[Call] = field(default_factory=list[Call])
    replies: list[Any] = field(default_factory=list[Any])

    async def call(self, http: httpx.AsyncClient, call: Call) -> Any:
        method, path, body = call
        given: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        headers = {"authorization": f"Key {self.key}:secret"}
        reply = await http.request(
            method, path, headers=headers, **(given if body is not None else {})
        )
        kept = {name: value for name, value in reply.headers.items() if name not in HEADERS}
        try:
            told = plain(reply.json())
        except ValueError:
            told = reply.content
        self.calls.append(call)
        self.replies.append((reply.status_code, kept, told))
        return told


def plain(value: Any) -> Any:
    """Return JSON without what is of real time."""
    if is_object(value):
        return {name: plain(each) for name, each in value.items() if name not in REAL}
    return [plain(each) for each in value] if is_array(value) else value


ACTIONS = (
    *("submit", "submit", "refused", "hooked", "status", "result", "cancel", "file"),
    *("theirs", "their_job", "upload", "advance", "rule", "rules", "billing", "log", "jobs"),
    *("deliveries", "hold", "release", "seed", "rotate", "keys", "balance", "usage", "reset"),
)
STEPS = st.lists(
    st.tuples(st.sampled_from((0, 1)), st.sampled_from(ACTIONS), st.integers(0, 7)), max_size=40
)


def call_of(action: str, number: int, own: Caller, other: Caller) -> Call | None:
    """Return what an action asks for; None where there is nothing yet to ask after."""
    queue, control = "/queue.fal.run", "/__falkit"
    known = own.ids[number % len(own.ids)] if own.ids else "none"
    theirs = other.ids[number % len(other.ids)] if other.ids else "none"
    job = f"{queue}/fal-ai/ltx-2/requests"
    calls: dict[str, Call] = {
        "submit": ("POST", f"{queue}/{(T2V, I2V_FAST)[number % 2]}", PROMPT),
        "refused": ("POST", f"{queue}/{T2V}", {"prompt": number}),
        "hooked": ("POST", f"{queue}/{T2V}?fal_webhook={HOOK}", PROMPT),
        "status": ("GET", f"{job}/{known}/status?logs=1", None),
        "result": ("GET", f"{job}/{known}", None),
        "cancel": ("PUT", f"{job}/{known}/cancel", None),
        "theirs": ("GET", f"{job}/{theirs}", None),
        "their_job": ("POST", f"{control}/jobs/{theirs}/hold", None),
        "advance": ("POST", f"{control}/clock/advance", {"seconds": number}),
        "rule": ("POST", f"{control}/rules", {"rule": f"content_policy_violation every={number}"}),
        "rules": ("GET", f"{control}/rules", None),
        "billing": ("GET", f"{control}/billing?records=true", None),
        "log": ("GET", f"{control}/requests?limit=1000", None),
        "jobs": ("GET", f"{control}/jobs?limit=1000", None),
        "deliveries": ("GET", f"{control}/deliveries", None),
        "hold": ("POST", f"{control}/jobs/{known}/hold", None),
        "release": ("POST", f"{control}/jobs/{known}/release", None),
        "seed": ("PUT", f"{control}/seed", {"seed": number}),
        "rotate": ("POST", f"{control}/webhooks/rotate", None),
        "keys": ("GET", f"{control}/webhooks", None),
        "balance": ("GET", "/rest.fal.ai/billing/user_balance", None),
        "usage": ("GET", f"/api.fal.ai/v1/models/requests/by-endpoint?endpoint_id={T2V}", None),
        "reset": ("POST", f"{control}/reset", None),
    }
    if action == "file":
        return ("GET", own.files[number % len(own.files)], None) if own.files else None
    return calls[action]


async def act(
    http: httpx.AsyncClient, action: str, number: int, own: Caller, other: Caller
) -> None:
    if action == "upload":
        initiate = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
        about = {"file_name": "a.txt", "content_type": "text/plain"}
        opened = await own.call(http, ("POST", initiate, about))
        await own.call(http, ("PUT", opened["upload_url"], bytes(number * 100)))
        own.files.append(opened["file_url"])
        return
    call = call_of(action, number, own, other)
    if call is None:
        return
    told = await own.call(http, call)
    if action in ("submit", "refused", "hooked") and "request_id" in told:
        own.ids.append(told["request_id"])
    if action == "result" and "video" in told:
        own.files.append(told["video"]["url"])


def client_of(app: MockApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:4325")


async def interleaved(steps: list[tuple[int, str, int]]) -> list[Caller]:
    callers = [Caller("one"), Caller("another")]
    app = create_app(SETTINGS, catalog=CATALOG)
    async with client_of(app) as http:
        for whose, action, number in steps:
            await act(http, action, number, callers[whose], callers[1 - whose])
            # What comes without a key, or with a third, is nobody's business.
            await http.post(f"/queue.fal.run/{T2V}", json=PROMPT)
            await http.get("/__falkit/tenants")
    app.close()
    return callers


async def alone(caller: Caller) -> Caller:
    """Ask the same again, of a mock that nobody else uses."""
    again = Caller(caller.key)
    app = create_app(SETTINGS, catalog=CATALOG)
    async with client_of(app) as http:
        for call in caller.calls:
            await again.call(http, call)
    app.close()
    return again


@given(STEPS)
def test_a_tenant_is_told_what_it_would_be_told_alone(steps: list[tuple[int, str, int]]) -> None:
    for caller in asyncio.run(interleaved(steps)):
        again = asyncio.run(alone(caller))
        for call, told, wanted in zip(caller.calls, caller.replies, again.replies, strict=True):
            assert told == wanted, call


def test_two_tenants_have_no_id_or_file_in_common() -> None:
    steps = [(whose, action, 0) for action in ("submit", "upload") for whose in (0, 1)]
    steps += [(whose, action, 7) for action in ("advance", "result") for whose in (0, 1)]
    one, another = asyncio.run(interleaved(steps))
    assert len({*one.ids, *another.ids}) == 2
    paths = {urlsplit(url).path for url in (*one.files, *another.files)}
    assert len(paths) == 4
    told = json.dumps([reply for _, _, reply in one.replies if isinstance(reply, dict)])
    assert another.ids[0] not in told
