"""What a caller asks for beside the input, read from headers and query (wire.md §3.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from starlette.datastructures import QueryParams
from starlette.requests import Request

from falkit_mock import edge
from falkit_mock.edge import Address
from falkit_mock.errors import BadBody, BadHeader
from falkit_mock.hosts.faulty import HEADER, named_by
from falkit_mock.platform import access
from falkit_mock.platform.jobs import Priority, Wishes
from falkit_mock.platform.lifecycle import BadLifecycle, Lifecycle
from falkit_mock.platform.rules.fault import Operation

_TRUE = frozenset({"1", "true", "yes"})
# The newer name first; where both are given it counts.
_TIMEOUTS = ("X-Fal-Request-Start-Timeout", "X-Fal-Request-Timeout")
# Seconds; the server wants more than these (wire.md §3.1).
_TOO_SOON = 0.1
_LIFECYCLE = "X-Fal-Object-Lifecycle-Preference"
_OPERATIONS: dict[str, Operation] = {edge.RUN: "run", edge.QUEUE: "submit"}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def read_wishes(request: Request, address: Address, media: Lifecycle) -> Wishes:
    """Return what a request to a model asks for; raise BadHeader, or BadBody for the query.

    `media` is what the account's settings say of output files.
    """
    # Looked through once: each look by name would be another way through all of them.
    said = {
        name.decode("latin-1"): value.decode("latin-1").strip()
        for name, value in request.scope["headers"]
        if name.startswith(b"x-fal") or name == b"authorization"
    }
    query: Mapping[str, str] = QueryParams(address.query) if "fal_" in address.query else {}
    lifecycle = _lifecycle(said, media)
    return Wishes(
        key=access.key_id(said.get("authorization", "")),
        priority=_priority(said),
        start_within=_start_within(said),
        max_queue_length=_max_queue_length(query.get("fal_max_queue_length")),
        retry=said.get("x-fal-no-retry", "").lower() not in _TRUE,
        webhook=query.get("fal_webhook") or None,
        keep_payloads=said.get("x-fal-store-io", "") != "0",
        media_for=math.inf if lifecycle.seconds is None else lifecycle.seconds,
        media_acl=lifecycle.acl.text(),
        faults=named_by(request, _OPERATIONS[address.role]) if HEADER in said else (),
    )


def _priority(said: Mapping[str, str]) -> Priority:
    match said.get("x-fal-queue-priority", "normal").lower():
        case "normal" | "":
            return "normal"
        case "low":
            return "low"
        case other:
            raise BadHeader("X-Fal-Queue-Priority", other, "is neither normal nor low")


def _start_within(said: Mapping[str, str]) -> float:
    for name in _TIMEOUTS:
        if text := said.get(name.lower()):
            try:
                seconds = float(text)
            except ValueError:
                seconds = math.nan
            if not _TOO_SOON < seconds < math.inf:
                mend = f"must be a number of seconds greater than {_TOO_SOON}, such as 30.0"
                raise BadHeader(name, text, mend)
            return seconds
    return math.inf


def _lifecycle(said: Mapping[str, str], default: Lifecycle) -> Lifecycle:
    text = said.get(_LIFECYCLE.lower())
    if not text:
        return default
    try:
        return Lifecycle.parse(text, default)
    except BadLifecycle as error:
        raise BadHeader(_LIFECYCLE, text, f"can't be read: {error}") from None


def _max_queue_length(text: str | None) -> int | None:
    if text is None:
        return None
    loc = ["query", "fal_max_queue_length"]
    if not _NUMBER.fullmatch(text.strip()):
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise BadBody.field("int_parsing", [*loc], message, text)
    if int(text) < 0:
        message = "Input should be greater than or equal to 0"
        raise BadBody.field("greater_than_equal", [*loc], message, text)
    return int(text)
