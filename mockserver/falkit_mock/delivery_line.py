"""An attempt to deliver a webhook in the log: as text for people, as an object for programs."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from urllib.parse import quote

from falkit_mock.platform.webhooks.masking import masked
from falkit_mock.store.deliveries import Delivery
from falkit_spec import JSON

# The mock's time is told where it is further than this from the machine's, in seconds.
_NEAR = 60.0
# Characters of a receiver's answer that are shown.
_LONGEST = 100
_STATUS = re.compile(rb'"status":"(OK|ERROR)"')
_INDENT = "\n         "


def as_text(delivery: Delivery, now: float, *, stands: bool = False) -> str:
    """Return a line, and what went wrong in further ones; `now` is the machine's time.

    The mock's is told where it stands, or is elsewhere.
    """
    apart = stands or abs(delivery.sent - now) > _NEAR
    parts = [
        f"{_clock(now)} {delivery.status_code or '---'} HOOK {shown_url(delivery.url)}",
        f"{delivery.seconds * 1000:.1f} ms",
        " ".join(filter(None, (_status(delivery), delivery.request_id))),
    ]
    if delivery.number > 1:
        parts.append(f"attempt {delivery.number}")
    if delivery.faults:
        parts.append(f"fault: {', '.join(delivery.faults)}")
    if apart:
        parts.append(f"at {moment(delivery.sent)} by the mock's clock")
    line = "  ".join(parts)
    if delivery.verdict == "acknowledged":
        return line
    return f"{line}{_INDENT}{_untaken(delivery, apart=apart)}"


def as_facts(delivery: Delivery, now: float) -> dict[str, JSON]:
    """Return an object: `time` by the machine's clock, `sent` and `next` by the mock's."""
    return {
        "time": round(now, 3),
        "webhook": masked(delivery.url),
        "request_id": delivery.request_id,
        "job_status": _status(delivery) or None,
        "cause": delivery.cause,
        "attempt": delivery.number,
        "sent": round(delivery.sent, 3),
        "status": delivery.status_code,
        "outcome": delivery.verdict,
        "error": None if delivery.verdict == "acknowledged" else reason(delivery) or None,
        "next": delivery.next,
        "faults": [*delivery.faults],
        "ms": round(delivery.seconds * 1000, 2),
    }


def reason(delivery: Delivery) -> str:
    """Say why a delivery was not taken, as far as its code doesn't; "" where nothing says it."""
    code = delivery.status_code
    if delivery.error:
        return delivery.error
    if code is not None and 300 <= code < 400:
        return "redirects aren't followed"
    text = delivery.response_body[: 4 * _LONGEST].decode("utf-8", "replace").strip()
    line = "".join(each if each.isprintable() else " " for each in text.partition("\n")[0])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def shown_url(url: str) -> str:
    """Return a receiver's URL without its password, quoted so that none can forge a line."""
    return quote(masked(url), safe="/%:?&=+,;@[]~!$'()*")


def moment(seconds: float) -> str:
    """Write unix seconds in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _untaken(delivery: Delivery, *, apart: bool) -> str:
    why = reason(delivery)
    why = f": {why}" if why else ""
    if delivery.next is not None:
        then = moment(delivery.next) if apart else _clock(delivery.next)
        return f"attempt {delivery.number} was not taken{why}; the next is at {then}"
    if delivery.verdict == "refused":
        return f"refused{why}"
    if delivery.number > 1 and delivery.cause == "job":
        return f"given up after {delivery.number} attempts{why}"
    return f"not taken, and not tried again{why}"


def _status(delivery: Delivery) -> str:
    # The mock writes it near the beginning, before a payload that may have one of its own.
    found = _STATUS.search(delivery.body)
    return found[1].decode() if found else ""


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
