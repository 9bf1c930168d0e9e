"""What each tenant of a mock does and checks: calls, uploads, webhooks, rules, time and billing.

fal's own clients make the calls, on real sockets. The mock has `SETTINGS`; what it answers follows
from the key and the seed alone, so that a report is the same whoever else is there.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fal_client import AsyncClient, Completed, FalClientHTTPError, InProgress, Queued, SyncClient

from falkit import Settings
from receiver import Receiver
from serving import I2V_FAST, PATIENCE, PROMPT, START, T2V

SETTINGS = Settings(
    tenants=True, timing="10,20", runners=1, clock="manual", clock_start=START, seed=7
)


@dataclass
class Report:
    """All that one key was told, in the mock's own ids and moments."""

    ids: list[str] = field(default_factory=list[str])
    paths: list[str] = field(default_factory=list[str])
    billing: dict[str, Any] = field(default_factory=dict[str, Any])
    requests: list[tuple[str, str, int, str]] = field(
        default_factory=list[tuple[str, str, int, str]]
    )
    deliveries: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    events: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    now: float = 0.0


class Suite:
    """One key's run against the mock at a URL; its receiver is its own."""

    def __init__(self, url: str, key: str, receiver: Receiver) -> None:
        self.key = key
        self.client = SyncClient(key=f"{key}:secret")
        self.control = httpx.Client(
            base_url=f"{url}/__falkit",
            headers={"authorization": f"Key {key}"},
            timeout=PATIENCE,
            trust_env=False,
        )
        self.receiver = receiver
        # How far this tenant moves its clock, which is another's way never.
        self.step = 60.0 + sum(key.encode()) % 50
        self.report = Report()

    def run(self) -> Report:
        """Do all of it, twice with a reset between; return what the second time was told."""
        with self.control:
            self._control("POST", "/reset")
            first = self._once(len(self.receiver.received))
            self._control("POST", "/reset")
            heard = len(self.receiver.received)
            assert self._control("GET", "/jobs")["jobs"] == []
            self.report = Report()
            second = self._once(heard)
            assert first.ids == second.ids, "a reset begins the same ids again"
            return second

    def _once(self, heard: int) -> Report:
        report = self.report
        self._refused_by_a_rule()
        self._queue()
        self._upload()
        asyncio.run(self._async())
        own = set(report.ids)
        hooks = self.receiver.wait(heard + 2)[heard:]
        assert sorted(hook.json["request_id"] for hook in hooks) == sorted(report.ids[1:3])
        report.billing = self._control("GET", "/billing")
        assert [line["key"] for line in report.billing["keys"]] == [self.key]
        assert report.billing["jobs"] == len(own)
        log = self._control("GET", "/requests", params={"limit": 1000})["requests"]
        report.requests = [
            (one["method"], one["path"], one["status"], one["request_id"] or "") for one in log
        ]
        assert {one["key"] for one in log} <= {self.key, "", "bearer"}
        sent = self._control("GET", "/deliveries")["deliveries"]
        report.deliveries = [(one["request_id"], one["status"], one["number"]) for one in sent]
        assert {id for id, _, _ in report.deliveries} <= own
        report.events = self._events()
        report.now = self._control("GET", "/clock")["now"]
        return report

    def _refused_by_a_rule(self) -> None:
        """The first job is refused by a rule, which then is used up."""
        rule = {"rule": f"content_policy_violation times=1 endpoint={T2V}"}
        self._control("POST", "/rules", json=rule)
        handle = self.client.submit(T2V, {"prompt": f"a lighthouse of {self.key}"})
        self.report.ids.append(handle.request_id)
        self._advance()
        with pytest.raises(FalClientHTTPError, match="content_policy_violation"):
            handle.get()
        (rule,) = self._control("GET", "/rules")["rules"]
        assert rule["applied"] == 1

    def _queue(self) -> None:
        """Three jobs and one runner: two are told of by webhooks, the third is cancelled."""
        handles = [
            self.client.submit(T2V, PROMPT, webhook_url=f"{self.receiver.url}/{self.key}/{place}")
            for place in range(2)
        ]
        handles.append(self.client.submit(T2V, PROMPT))
        self.report.ids += [handle.request_id for handle in handles]
        waiting = [handle.status() for handle in handles]
        assert [one.position for one in waiting if isinstance(one, Queued)] == [0, 1, 2]
        handles[2].cancel()
        self._control("POST", "/clock/advance", json={"seconds": 15})
        assert isinstance(handles[0].status(), InProgress)
        assert isinstance(handles[1].status(), Queued)
        self._advance()
        for handle in handles[:2]:
            assert isinstance(handle.status(with_logs=True), Completed)
            self._file(handle.get()["video"]["url"])

    def _upload(self) -> None:
        """A file comes back by its URL, also as an input, and without a key."""
        data = self.key.encode() * 20_000
        url = self.client.upload(data, "text/plain", "some.txt")
        assert httpx.get(url).content == data
        self.report.paths.append(httpx.URL(url).path)
        token = self._control("GET", "/tenants")
        (own,) = [one for one in token["tenants"] if one["key"] == self.key]
        assert own["uploads"] == 1
        assert own["bytes"] > len(data)

    async def _async(self) -> None:
        client = AsyncClient(key=f"{self.key}:secret")
        image = {**PROMPT, "image_url": "https://example.com/a.png"}
        handle = await client.submit(I2V_FAST, image)
        self.report.ids.append(handle.request_id)
        assert isinstance(await handle.status(), Queued)
        await asyncio.to_thread(self._advance)
        output = await handle.get()
        await asyncio.to_thread(self._file, output["video"]["url"])
        # fal's client leaves its connections open, which warns.
        opened = vars(client)["_client"]
        await (await opened).aclose()

    def _file(self, url: str) -> None:
        reply = httpx.get(url)
        assert reply.headers["content-type"] == "video/mp4"
        self.report.paths.append(httpx.URL(url).path)

    def _advance(self) -> None:
        self._control("POST", "/clock/advance", json={"seconds": self.step})

    def _events(self) -> list[tuple[str, str]]:
        """Return the events so far: the kind of each and whose request it is about."""
        end = f"/{T2V}/end-of-{self.key}"
        httpx.get(f"https://queue.fal.run{end}", headers={"authorization": f"Key {self.key}:x"})
        found: list[tuple[str, str]] = []
        headers, kind = {"last-event-id": "0"}, ""
        with self.control.stream("GET", "/events", headers=headers) as reply:
            for line in reply.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    data = json.loads(value)
                    if data.get("path") == end:
                        break
                    found.append((kind, data.get("request_id") or data.get("path", "")))
        return found

    def _control(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        reply = self.control.request(method, path, **options)
        assert reply.status_code in (200, 201), reply.text
        told: dict[str, Any] = reply.json()
        return told
