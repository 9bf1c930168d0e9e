"""Webhooks: receivers of any mood, keys that change, and deliveries held to what they should be."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from jsonschema_rs import Draft202012Validator
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from falkit_spec.protocol import Protocol
from protocol.base import JOBS, Base, has_jobs, headers_of
from protocol.deliveries import Webhook, same
from protocol.receiver import MOODS, URLS, Arrival, Mood
from protocol.witness import Witness

PAYLOAD = Draft202012Validator(Protocol.vendored().schema("WebhookPayload"), validate_formats=True)


class Delivering(Base):
    """Receivers, keys and deliveries."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0
        self._users: dict[str, str] = {}
        # How many of a job's attempts were found in the mock's log.
        self._logged: dict[str, int] = {}
        # When attempts were over, by request id.
        self._overs: list[tuple[str, float]] = []

    @precondition(has_jobs)
    @rule(url=st.sampled_from(URLS), mood=st.sampled_from(MOODS))
    def receiver_changes(self, url: str, mood: Mood) -> None:
        self.receiver.moods[url] = mood

    @precondition(has_jobs)
    @rule(withdraw=st.booleans())
    def rotate_keys(self, withdraw: bool) -> None:
        body = json.dumps({"withdraw": withdraw}).encode()
        keys = self.control("POST", "webhooks/rotate", body).json()["keys"]
        assert [key["signs"] for key in keys] == [False] * (len(keys) - 1) + [True]

    @rule(job=JOBS)
    def resend(self, job: Witness) -> None:
        """A delivery more, if there is something to deliver; what is taken ends the tries."""
        self.learn()
        hook = job.webhook
        if hook is None or not self.receiver.mood(hook.url).prompt:
            return
        over = job.task.ends <= self.now
        if over:
            hook.besides.append(self.now)
        reply = self.control("POST", f"jobs/{job.id}/resend")
        assert reply.status_code == (200 if over else 409)
        if over and reply.json()["status"] == "acknowledged":
            self.see_deliveries()
            hook.acknowledge(self.now)

    def see_deliveries(self) -> None:
        """Hold what has come to what should have, and the mock's log to both."""
        hooks = {job.id: (job, job.webhook) for job in self.witnesses if job.webhook is not None}
        arrivals = self.receiver.arrivals[self._taken :]
        self._taken = len(self.receiver.arrivals)
        keys = self._published() if arrivals else []
        for arrival in arrivals:
            job, hook = hooks[arrival.header("Request-Id")]
            self._take(job, hook, arrival)
            self._see_headers(job, hook, arrival, keys)
        for job, hook in hooks.values():
            hook.plan(self._overs_of_others(job))
            assert hook.done or hook.due > self.now, f"no delivery at {hook.due} of {job.id}"
            late = [moment for moment in hook.besides if moment <= self.now]
            assert not late, f"no delivery at {late} of {job.id}"
            self._see_log(job, hook)

    def _take(self, job: Witness, hook: Webhook, arrival: Arrival) -> None:
        overs = self._overs_of_others(job)
        hook.plan(overs)
        assert arrival.url == hook.url
        moment = arrival.moment
        waits = any(other is not hook and other.is_held(moment) for other in self._hooks())
        by_hand = moment in hook.besides and moment != hook.due
        if not (by_hand or hook.done) and hook.may_come(moment, overs, another_waits=waits):
            attempt = hook.take(arrival, job.gone)
            self._overs.append((job.id, attempt.over))
        else:
            due = [each for each in hook.besides if same(each, moment)]
            assert due, f"a delivery at {moment} of {job.id}, which is due at {hook.due}"
            hook.besides.remove(due[0])
            hook.take_besides(arrival)
        spoilt = hook.spoils("tampered", hook.number) and hook.attempts[-1].main
        body = arrival.body
        assert (b'"tampered": true' in body) == spoilt
        job.see_delivery(body.replace(b', "tampered": true}', b"}") if spoilt else body)
        assert PAYLOAD.is_valid(json.loads(job.delivered or b"")), job.delivered

    def _see_headers(
        self, job: Witness, hook: Webhook, arrival: Arrival, keys: list[VerifyKey]
    ) -> None:
        # A copy is spoilt like the attempt that it is a copy of; what is sent by hand never is.
        number = hook.number if hook.attempts[-1].main else 100
        user = self._users.setdefault(job.key, arrival.header("User-Id"))
        assert arrival.header("User-Id") == user, "a key is another user's now"
        assert hook.fault is None or number > 0
        stale = hook.spoils("stale", number) and hook.fault is not None
        age = hook.fault.seconds if stale and hook.fault is not None else 0
        assert arrival.header("Timestamp") == str(int(arrival.moment - age))
        good = not (hook.spoils("tampered", number) or hook.spoils("unknown_key", number))
        assert _is_signed(arrival, keys) == good, f"signed well is not {good}"

    def _see_log(self, job: Witness, hook: Webhook) -> None:
        """See that the mock's log has what came, as far as it is over."""
        over = [attempt for attempt in hook.attempts if attempt.over <= self.now]
        if len(over) == self._logged.get(job.id):
            return
        self._logged[job.id] = len(over)
        path = f"deliveries?request_id={job.id}"
        rest: list[dict[str, Any]] = self.control("GET", path).json()["deliveries"]
        if hook.is_faulted("lost"):
            rest = [entry for entry in rest if entry["status"] != "lost"]
        for attempt in over:
            found = [entry for entry in rest if attempt.agrees(entry)]
            assert found, f"the log lacks {attempt}: {rest}"
            rest.remove(found[0])
        assert not rest, f"the log has what never came: {rest}"

    def see_refused(self) -> None:
        """See that nothing went to where nothing may go."""
        assert all(arrival.url in URLS for arrival in self.receiver.arrivals)

    def _hooks(self) -> list[Webhook]:
        return [job.webhook for job in self.witnesses if job.webhook is not None]

    def _overs_of_others(self, job: Witness) -> list[float]:
        return [over for whose, over in self._overs if whose != job.id and over <= self.now]

    def _published(self) -> list[VerifyKey]:
        """Return the keys as they are served at this moment."""
        path = "/rest.fal.ai/.well-known/jwks.json"
        served = self.driver.call("GET", path, headers=headers_of()).json()["keys"]
        return [VerifyKey(base64.urlsafe_b64decode(key["x"])) for key in served]


def _is_signed(arrival: Arrival, keys: list[VerifyKey]) -> bool:
    """Tell whether a published key made the signature (wire.md §5.2)."""
    lines = [arrival.header(name) for name in ("Request-Id", "User-Id", "Timestamp")]
    message = "\n".join([*lines, hashlib.sha256(arrival.body).hexdigest()]).encode()
    signature = bytes.fromhex(arrival.header("Signature"))
    for key in keys:
        try:
            key.verify(message, signature)
        except BadSignatureError:
            continue
        return True
    return False
