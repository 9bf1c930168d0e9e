"""How a program's receivers take webhooks: what they answer to a first, a copy and a probe."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from falkit_mock.core.network import is_this_machine
from falkit_mock.findings.rules import Look, Rule

if TYPE_CHECKING:
    from falkit_mock.core.events import Delivery, DeliveryAttempted, RequestRecord
    from falkit_spec.findings import Severity

# Calls and webhooks that are remembered.
_CALLS, _WEBHOOKS = 1_000, 1_000
# Ports from here on are those that systems give to whoever asks for any.
_ANY_PORT = 32_768
_ORIGIN = re.compile(r"(?P<before>https?://(?P<host>[^/:]+|\[[^/\]]*\])):(?P<port>[0-9]+)(?=/|$)")
# By the fault, or what was wrong with a probe.
_CORRUPTED = {
    "unknown_key": "signed with a key that isn't published",
    "tampered": "changed after it was signed",
    "stale": "signed too long ago",
}


class Webhooks(Rule):
    """webhook-redirected, -too-slow, -not-idempotent, -unverified and -reserialised."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        # The newest submits and direct calls.
        self._calls: deque[RequestRecord] = deque(maxlen=_CALLS)
        # By job and URL, of webhooks that were answered 2xx: what was called meanwhile.
        self._taken: dict[tuple[str, str], list[RequestRecord]] = {}
        # Receivers that took a webhook; that were sent a forged one; and that took one.
        self.taking: set[str] = set()
        self.tried: set[str] = set()
        self._unverified: set[str] = set()

    def submitted(self, record: RequestRecord) -> None:
        self._calls.append(record)

    ran = submitted

    def delivered(self, made: DeliveryAttempted) -> None:
        one = made.delivery
        if one.corrupted:
            self._refused(one)
            return
        code = one.status_code
        if code is None:
            self._slow(one)
            return
        if 300 <= code < 400:
            self._note(one, "webhook-redirected", f"a webhook was answered {code}")
        if one.cause == "trigger":
            # Whoever asks for one may ask for another with the same id.
            return
        name = one.request_id, one.url
        taken, during = self._taken.get(name), self._during(made)
        if taken is not None:
            self._again(one, taken, during)
        elif 200 <= code < 300:
            _add(self.taking, receiver_of(one))
            if len(self._taken) >= _WEBHOOKS:
                del self._taken[next(iter(self._taken))]
            self._taken[name] = taken = []
        if taken is not None:
            taken += during

    def _refused(self, one: Delivery) -> None:
        """Judge what a receiver should have refused."""
        receiver, forged = receiver_of(one), [each for each in one.faults if each in _CORRUPTED]
        if forged and one.status_code is not None:
            _add(self.tried, receiver)
        if one.status != "acknowledged":
            return
        if "reserialised" in one.faults and receiver not in self._unverified:
            seen = f"the same JSON in bytes that weren't signed was answered {one.status_code}"
            self._note(one, "webhook-reserialised", seen)
        for fault in forged:
            # Whoever verifies nothing has no bytes to verify that would be the wrong ones.
            _add(self._unverified, receiver)
            self.look.withdraw("webhook-reserialised", receiver)
            seen = f"a webhook that was {_CORRUPTED[fault]} was answered {one.status_code}"
            self._note(one, "webhook-unverified", seen)

    def _slow(self, one: Delivery) -> None:
        if one.late:
            allowed = self.look.service.webhooks.schedule.timeout_of(
                one.number if one.cause == "job" else 1
            )
            # Where the mock's clock was moved, nobody has waited so long.
            moved = one.seconds < allowed
            seen = f"no answer within {allowed:g} s"
            severity: Severity | None = None
            if moved:
                seen += ", by the mock's clock, which was moved on"
                severity = "warning"
            self._note(one, "webhook-too-slow", seen, severity)

    def _again(
        self, one: Delivery, taken: list[RequestRecord], during: list[RequestRecord]
    ) -> None:
        """Judge what came of a webhook that its receiver has answered 2xx before."""
        code = one.status_code or 0
        if code >= 400:
            seen = f"a webhook that had been answered 2xx came again, and was answered {code}"
            self._note(one, "webhook-not-idempotent", seen)
        store = self.look.service.store
        # A success that is the same call once more is more likely another of whoever made it.
        own = store.input(one.request_id) if one.payload.get("status") == "OK" else b""
        for call in during:
            input = store.input(call.request_id or "")
            if input in (b"", own):
                continue
            alike = (
                store.input(before.request_id or "") == input
                for before in taken
                if (call.path, call.key) == (before.path, before.key)
                and call.request_id != before.request_id
            )
            if any(alike):
                seen = "was called with the same input each time that a webhook came"
                seen = f"{call.path.strip('/')} {seen}"
                self._note(one, "webhook-not-idempotent", seen)
                return

    def _during(self, made: DeliveryAttempted) -> list[RequestRecord]:
        """Return the calls that came while a receiver had a webhook."""
        found: list[RequestRecord] = []
        ended = made.began + made.delivery.seconds
        for call in reversed(self._calls):
            if call.began + (call.ms or 0.0) / 1000 < made.began:
                # All before it were answered earlier still.
                break
            if made.began <= call.began <= ended and call.status == 200:
                found.append(call)
        return found

    def _note(self, one: Delivery, code: str, seen: str, severity: Severity | None = None) -> None:
        job = self.look.job(one.request_id)
        key = "" if job is None else job.options.key
        self.look.found(
            code,
            seen,
            subject=receiver_of(one),
            request_id=one.request_id,
            key=key,
            severity=severity,
        )


def _add(receivers: set[str], receiver: str) -> None:
    if len(receivers) < _WEBHOOKS:
        receivers.add(receiver)


def _is_here(host: str) -> bool:
    return is_this_machine(host.strip("[]"))


def receiver_of(delivery: Delivery) -> str:
    """Return where a webhook went, as it is the next time: without ids, and any free port."""
    url = delivery.receiver
    match = _ORIGIN.match(url)
    if match is None or int(match["port"]) < _ANY_PORT or not _is_here(match["host"]):
        return url
    return f"{match['before']}:*{url[match.end() :]}"
