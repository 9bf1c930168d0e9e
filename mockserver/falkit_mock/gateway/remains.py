"""What is left at a program's end: jobs not done, webhooks not taken, rules that never applied."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from falkit_mock.delivery_line import reason, shown_url
from falkit_mock.platform.platform import Platform
from falkit_mock.request_log import stands
from falkit_mock.store.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class Remains:
    """Webhooks by what is to be said of them, rules by their text."""

    refused: Counter[str] = field(default_factory=Counter[str])
    given_up: Counter[str] = field(default_factory=Counter[str])
    undelivered: Counter[str] = field(default_factory=Counter[str])
    # Jobs that were not done, and those of them whose webhook therefore was not sent.
    unfinished: int = 0
    unsent: int = 0
    # Whether that may be because time stood.
    stood: bool = False
    # How often each rule matched that never applied.
    idle_rules: dict[str, int] = field(default_factory=dict[str, int])


class Webhooks:
    """Notes what became of each attempt to deliver the webhook of a job."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        # Why one that is tried again was not taken last time, by request id.
        self.reasons: dict[str, str] = {}

    def heard(self, delivery: Delivery) -> None:
        """Count an attempt as it is logged."""
        if delivery.cause != "job":
            # Whoever had it sent was told.
            return
        match delivery.verdict:
            case "refused":
                self.refused[reason(delivery)] += 1
            case "retry":
                self.reasons[delivery.request_id] = _why(delivery)
            case "failed" if delivery.number > 1 or "duplicate" not in delivery.faults:
                self.reasons.pop(delivery.request_id, None)
                self.given_up[f"{shown_url(delivery.url)}: {_why(delivery)}"] += 1
            case _:
                self.reasons.pop(delivery.request_id, None)


def remains(platform: Platform, heard: Webhooks) -> Remains:
    """Return what is left now; call it on the platform's own event loop."""
    now = platform.clock.now()
    open_jobs = {job.id for job in platform.store.jobs() if job.status(now) != "COMPLETED"}
    undelivered: Counter[str] = Counter()
    unsent = 0
    for pending in platform.webhooks.pending():
        if pending.request_id in open_jobs:
            unsent += 1
            continue
        why = heard.reasons.get(pending.request_id, "nobody had answered yet")
        undelivered[f"{shown_url(pending.target.url)}: {why}"] += 1
    return Remains(
        heard.refused,
        heard.given_up,
        undelivered,
        len(open_jobs),
        unsent,
        stands(platform.clock),
        {
            kept.rule.text(): kept.seen
            for kept in platform.rules.all()
            if kept.id not in platform.rules.used
        },
    )


def _why(delivery: Delivery) -> str:
    code = "" if delivery.status_code is None else str(delivery.status_code)
    return ", ".join(filter(None, (code, reason(delivery))))
