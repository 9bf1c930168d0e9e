"""What `falkit listen` prints of a delivery: lines for people, JSON for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from falkit_client.download import files_of
from falkit_client.errors import KeysUnavailable, StaleTimestamp, WebhookError, fault_line
from falkit_client.webhooks import Delivery

if TYPE_CHECKING:
    from falkit_client.listener.receiver import Heard
    from falkit_spec.types import Fault

_INDENT = " " * 9
_MOST_FACTS = 5
_WIDEST = 300


def as_text(heard: Heard) -> str:
    """One line that says what came and how it was answered, and below it what it says."""
    at = time.strftime("%H:%M:%S", time.localtime(heard.at))
    match heard.found:
        case Delivery() as delivery:
            first = f"{delivery.status:<7} {delivery.request_id}  verified"
            facts = [*_facts(delivery), *_repetition(heard.times)]
        case WebhookError() as error:
            told = error.request_id or "(no request id)"
            first = f"REFUSED {told}  not verified: {type(error).__name__}"
            facts = [error.message, *_mend(error)]
    if heard.passed is not None:
        facts.append(_passing(heard))
    path = "" if heard.path in ("", "/") else f", to {heard.path}"
    line = f"{at} {first}, {heard.size:,} bytes{path}, answered {heard.status}"
    return "\n".join([_plain(line), *(_INDENT + _plain(fact) for fact in facts)])


def as_json(heard: Heard) -> str:
    """All of it as one line of JSON; what does not apply is null."""
    found, passed = heard.found, heard.passed
    delivery = found if isinstance(found, Delivery) else None
    error = found if isinstance(found, WebhookError) else None
    told: dict[str, object] = {
        "at": heard.at,
        "path": heard.path,
        "bytes": heard.size,
        "verified": delivery is not None,
        "refusal": error and {"type": type(error).__name__, "message": error.message},
        "request_id": found.request_id,
        "gateway_request_id": delivery and delivery.gateway_request_id,
        "user_id": delivery and delivery.user_id,
        "timestamp": delivery and delivery.timestamp,
        "status": delivery and delivery.status,
        "payload": delivery and delivery.payload,
        "error": delivery and delivery.error,
        "payload_error": delivery and delivery.payload_error,
        "times": heard.times,
        "answered": heard.status,
        "passed": passed
        and {
            "url": passed.url,
            "status": None if passed.failure else passed.status,
            "failure": passed.failure,
            "seconds": round(passed.seconds, 6),
        },
    }
    return json.dumps(told)


def _facts(delivery: Delivery) -> Iterator[str]:
    if delivery.gateway_request_id != delivery.request_id:
        yield f"run again, as {delivery.gateway_request_id}"
    if delivery.error is not None:
        yield delivery.error
    if delivery.payload_error is not None:
        yield delivery.payload_error
    if delivery.status == "ERROR":
        lines = list(_details((delivery.payload or {}).get("detail")))
    else:
        lines = [file.url for file in files_of(delivery.payload)]
    yield from lines[:_MOST_FACTS]
    if len(lines) > _MOST_FACTS:
        yield f"and {len(lines) - _MOST_FACTS} more"


def _details(detail: object) -> Iterator[str]:
    """The lines of an error's `detail`, which is a text or a list of faults (wire.md §6.1)."""
    if isinstance(detail, str):
        yield detail
    for fault in cast("list[object]", detail) if isinstance(detail, list) else ():
        yield _fault(fault)


def _fault(fault: object) -> str:
    if not isinstance(fault, dict):
        return json.dumps(fault)
    known = cast("dict[str, object]", fault)
    if not isinstance(known.get("loc"), list) or "msg" not in known:
        return json.dumps(known)
    return f"{fault_line(cast('Fault', fault))} ({known.get('type')})"


def _repetition(times: int) -> Iterator[str]:
    if times > 1:
        yield f"time {times} for this request id: a handler must do nothing twice"


def _mend(error: WebhookError) -> Iterator[str]:
    if isinstance(error, KeysUnavailable):
        yield "start the mock (falkit serve), or name its place (--base-url), or fal's (--real)"
    if isinstance(error, StaleTimestamp):
        enough = 60 * (int(abs(error.age)) // 60 + 2)
        yield (
            "a mock signs so for the fault webhook_stale, and with --webhook-timestamps mock once "
            f"its clock was moved; --leeway {enough} takes it"
        )


def _passing(heard: Heard) -> str:
    passed = heard.passed
    assert passed is not None
    if passed.failure is not None:
        return f"NOT passed on: {passed.url} can't be reached: {passed.failure}"
    return f"passed on to {passed.url}: {passed.status} in {passed.seconds * 1000:.0f} ms"


def _plain(text: str) -> str:
    """The text without what would move a terminal's cursor: not all of it is proven."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"
