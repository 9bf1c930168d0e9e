"""What costs money for nothing: inputs that are sent again, and amounts that were reached."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from falkit_mock.findings.rules import Look, Rule, Watched, is_official
from falkit_spec.facts import dollars

if TYPE_CHECKING:
    from falkit_mock.core.events import AmountReached, RequestRecord
    from falkit_mock.core.jobs import Outcome
    from falkit_spec.findings import Severity

# Real seconds within which the same input is the same attempt once more, and how many calls are
# kept of an endpoint and key, and in all.
_SOON, _EACH, _KEPT = 60.0, 16, 256


class Sent(NamedTuple):
    """A call after which its input should not just be sent again."""

    request_id: str
    agent: bytes
    test: str
    # Real seconds, as RequestRecord.began.
    at: float
    # Whether its reply was lost, so that its caller can't know whether it was taken.
    lost: bool


class Retries(Rule):
    """refusal-retried, paid-twice: the same input with the same key, of the same program, soon."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        # By path and key.
        self._sent: dict[tuple[str, str], deque[Sent]] = {}

    def submitted(self, record: RequestRecord) -> None:
        if (self._sent or record.cut) and record.request_id is not None:
            self._again(record)
            if record.cut:
                self._keep(record, lost=True)

    def ran(self, record: RequestRecord) -> None:
        if self._sent and record.request_id is not None:
            self._again(record)
        if record.request_id is not None:
            if record.cut or not record.status:
                self._keep(record, lost=True)
            elif record.status == 422:
                self._keep(record, lost=False)

    def read(self, record: RequestRecord, job: Watched) -> None:
        if record.status == 422 and not record.cut:
            self._keep(record, lost=False, path=job.path)

    def _keep(self, record: RequestRecord, *, lost: bool, path: str = "") -> None:
        id = record.request_id
        assert id is not None, "it was looked at"
        job = self.look.job(id)
        # A reply without a job has an id, too.
        if job is None or (not lost and _retryable(job.outcome)):
            return
        name = path or job.path, record.key
        if name not in self._sent and len(self._sent) >= _KEPT:
            del self._sent[next(iter(self._sent))]
        sent = self._sent.setdefault(name, deque(maxlen=_EACH))
        sent.append(Sent(id, record.agent, self.look.test, record.began, lost))

    def _again(self, record: RequestRecord) -> None:
        """Look whether a call is one of before once more."""
        name = record.path.strip("/"), record.key
        before = self._sent.get(name)
        if before is None or self.look.job(record.request_id) is None:
            return
        store = self.look.service.store
        input = store.input(record.request_id or "")
        for sent in [*before]:
            alike = (sent.agent, sent.test) == (record.agent, self.look.test)
            if not alike or not 0 <= record.began - sent.at <= _SOON:
                continue
            if sent.request_id == record.request_id or store.input(sent.request_id) != input:
                continue
            before.remove(sent)
            if sent.lost:
                # What fal's own clients do by design isn't held against the program.
                severity: Severity | None = "note" if is_official(record) else None
                seen = "the same input was sent again after its reply was lost; both were taken"
                self.look.found(
                    "paid-twice", seen, subject=name[0], record=record, severity=severity
                )
            else:
                seen = "the same input was sent again after a 422 had been read"
                self.look.found("refusal-retried", seen, subject=name[0], record=record)
            return


class Amounts(Rule):
    """cost-alert, budget-exceeded."""

    def reached(self, amount: AmountReached) -> None:
        budget = amount.of == "budget"
        code = "budget-exceeded" if budget else "cost-alert"
        seen = f"jobs cost {'more than ' if budget else ''}{dollars(amount.amount)}"
        self.look.found(
            code,
            seen,
            subject=amount.endpoint_id,
            request_id=amount.request_id,
            key=amount.key,
        )


def _retryable(outcome: Outcome | None) -> bool:
    """Tell whether a refusal itself says that another try may pass (wire.md §6.1)."""
    return outcome is None or outcome.headers.get("x-fal-retryable") == "true"
