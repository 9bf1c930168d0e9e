"""The few lines at the end of `falkit run`: what was asked and failed, what it would have cost."""

from __future__ import annotations

from collections import Counter
from textwrap import wrap

from falkit_mock.gateway.egress import Egress
from falkit_mock.gateway.remains import Remains
from falkit_mock.gateway.tally import Spend, Tally

# Distinct failures and hosts that are named; the rest is counted.
_NAMED = 5
_WIDTH = 80


def summary(
    tally: Tally, spend: Spend, left: Remains, egress: Egress, failed_handshakes: int
) -> str:
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
    if tally.made:
        lines += _wrapped(f"  {tally.made.total()} by a rule: {_listed(tally.made)}")
    hints = [f"  hint: {hint}" for hint in (*tally.hints.all(), *tally.hints_of_successes.all())]
    lines += _few(hints, "  hint:")
    lines += _jobs(left)
    lines += _named("  webhook refused:", left.refused)
    lines += _named("  webhook given up:", left.given_up)
    lines += _named("  webhook not taken:", left.undelivered)
    lines += _few([_idle(text, seen) for text, seen in left.idle_rules.items()], "  never applied:")
    verb = "  went out to" if egress.policy == "allow" else "  kept from leaving to"
    lines += _named(verb, Counter({f"{h}:{p}": n for (h, p), n in egress.counts.items()}))
    if failed_handshakes:
        refused = _count(failed_handshakes, "connection")
        lines.append(f"  refused falkit's certificate on {refused}; docs/run.md says what may help")
    return "\n".join(lines)


def _jobs(left: Remains) -> list[str]:
    if not left.unfinished:
        return []
    line = f"  {_count(left.unfinished, 'job')} not done at the end"
    if left.stood:
        line += ", as time stood"
    if left.unsent:
        line += f"; {_count(left.unsent, 'webhook')} not sent"
    return [line]


def _idle(text: str, seen: int) -> str:
    matched = f", though it matched {_count(seen, 'time')}" if seen else ""
    return f"  never applied: --fault '{text}'{matched}"


def _dollars(spend: Spend) -> str:
    text = f"{spend.dollars.normalize():f}"
    whole, _, cents = text.partition(".")
    known = f"{whole}.{cents:0<2}"
    return f"{known} and {spend.unpriced} unpriced" if spend.unpriced else known


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(
        what if times == 1 or len(counts) == 1 else f"{what} ({times} times)"
        for what, times in counts.most_common()
    )


def _named(verb: str, counts: Counter[str]) -> list[str]:
    said = [
        f"{verb} {what}" + (f"  ({times} times)" if times > 1 else "")
        for what, times in counts.most_common()
    ]
    return _few(said, verb)


def _few(said: list[str], kind: str) -> list[str]:
    shown = [line for text in said[:_NAMED] for line in _wrapped(text)]
    if (more := len(said) - _NAMED) > 0:
        shown.append(f"{kind} {more} more")
    return shown


def _wrapped(text: str) -> list[str]:
    """Break what is too long, at spaces alone, and leave off what would take a fourth line."""
    return wrap(
        text,
        _WIDTH,
        subsequent_indent="    ",
        max_lines=3,
        placeholder=" …",
        break_long_words=False,
        break_on_hyphens=False,
    )
