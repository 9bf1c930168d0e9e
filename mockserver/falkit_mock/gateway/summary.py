"""The few lines at the end of `falkit run`: what was asked, what it would have cost, who left."""

from __future__ import annotations

from collections import Counter

from falkit_mock.gateway.egress import Egress
from falkit_mock.gateway.tally import Spend, Tally

# Distinct failures and hosts that are named; the rest is counted.
_NAMED = 5


def summary(tally: Tally, spend: Spend, egress: Egress, failed_handshakes: int) -> str:
    """Return the summary, without a line's end."""
    failed = tally.failures.total()
    head = [
        f"{_count(tally.requests, 'request')}, {failed} failed",
        f"{_count(spend.jobs, 'job')}, {spend.done} done: would have cost ${_dollars(spend)}",
    ]
    if not egress.counts:
        head.append("nothing tried to leave")
    lines = ["falkit: " + "; ".join(head)]
    lines += _named(
        "  failed", Counter({f"{s} {m} {t}": n for (s, m, t), n in tally.failures.items()})
    )
    verb = "  went out to" if egress.policy == "allow" else "  kept from leaving to"
    lines += _named(verb, Counter({f"{h}:{p}": n for (h, p), n in egress.counts.items()}))
    if failed_handshakes:
        refused = _count(failed_handshakes, "connection")
        lines.append(f"  refused falkit's certificate on {refused}; docs/run.md says what may help")
    return "\n".join(lines)


def _dollars(spend: Spend) -> str:
    text = f"{spend.dollars.normalize():f}"
    whole, _, cents = text.partition(".")
    known = f"{whole}.{cents:0<2}"
    return f"{known} and {spend.unpriced} unpriced" if spend.unpriced else known


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(verb: str, counts: Counter[str]) -> list[str]:
    shown = [
        f"{verb} {what}" + (f"  ({times} times)" if times > 1 else "")
        for what, times in counts.most_common(_NAMED)
    ]
    if (more := len(counts) - _NAMED) > 0:
        shown.append(f"{verb} {more} more")
    return shown
