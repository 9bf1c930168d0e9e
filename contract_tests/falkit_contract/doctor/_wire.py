"""What fal would do differently from a mock: judges routes, whatever language they are written in.

The facts are those of docs/wire.md. A finding needs the URL and the reply to be known; whatever
isn't known is taken to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from falkit_contract.doctor._values import (
    ANY,
    PART,
    Facts,
    Fields,
    Reply,
    Route,
    Value,
    fields_of,
    options,
    text_of,
    texts_within,
)

Kind: TypeAlias = Literal[
    "submit", "status", "stream", "result", "cancel", "queue", "invented", "run", "media", "other"
]
_HOST = re.compile(
    r"(?<![\w.-])((?:[a-z0-9-]+\.)*(?:fal\.run|falrun\.com|fal\.ai|fal\.media))(?::\d+)?"
    r"(?=[/?#\0\x01]|$)([^\s]*)"
)
_PENDING = ("IN_QUEUE", "IN_PROGRESS")
_STATUSES = (*_PENDING, "COMPLETED")
# What a cancellation and a webhook say; they may be meant where a route isn't known exactly.
_OTHER_STATUSES = ("CANCELLATION_REQUESTED", "ALREADY_COMPLETED", "NOT_FOUND", "OK")
INVENTED = re.compile(
    r"FAIL(ED|URE)?|ERR(OR)?(ED)?|CANCELL?ED|SUCCE(SS|EDED)|DONE|FINISHED|PENDING|QUEUED|RUNNING|"
    r"PROCESSING|COMPLETE|TIMED?_?OUT|EXPIRED|ABORTED|STARTED",
    re.I,
)
_STATUS_KEYS = {
    *("status", "request_id", "gateway_request_id", "status_url", "response_url", "cancel_url"),
    *("queue_position", "logs", "metrics", "error", "error_type"),
}
_URLS = ("status_url", "response_url", "cancel_url")
# Ids of these have three segments before what a request's URLs leave out.
_NAMESPACES = ("workflows", "comfy")
_KEY = re.compile(
    r"(?<![0-9a-fA-F-])([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):"
    r"([0-9a-f]{32})(?![0-9a-fA-F])"
)
_MEDIA = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\x1aE\xdf\xa3", b"ID3", b"\xff\xfb")
_MEDIA_NAME = re.compile(r"\.(png|jpe?g|webp|gif|mp4|webm|mov|mp3|wav|flac)$", re.I)

Seen: TypeAlias = "tuple[str, int, str]"
"""A finding's code, its line, and what is seen there."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL is at fal."""

    kind: Kind
    shown: str
    whole_id: bool = False
    response: bool = False
    known: bool = True
    """Whether all of its path is: what isn't may be of several segments, such as a request's."""


def locate(url: str) -> Place | None:
    """Return what a URL is at fal; None if it isn't known to be one of fal's."""
    match = _HOST.search(url)
    if match is None:
        return None
    host, path = match[1], re.split(r"[?#]", match[2])[0]
    shown = re.sub(r"[\0\x01]+", "…", f"{host}{path}")
    if host.endswith("fal.media"):
        return Place("media", shown)
    if host.endswith("fal.ai"):
        return Place("other", shown)
    if not host.startswith("queue."):
        return Place("run", shown)
    # A pattern that goes on after a word, such as `/status.*`, is still that word's.
    segments = [part.rstrip(ANY) or part for part in path.split("/") if part]
    if "requests" not in segments:
        if not segments or ANY in path:
            return Place("queue", shown)
        invented = segments[-1] in ("status", "cancel", "response", "result")
        return Place("invented" if invented else "submit", shown, known=PART not in path)
    at = segments.index("requests")
    known = [part for part in segments[:at] if PART not in part and ANY not in part]
    most = 3 if segments[0] in _NAMESPACES else 2
    tail = segments[at + 2 :]
    response = tail == ["response"]
    kinds: dict[tuple[str, ...], Kind] = {
        (): "result",
        ("response",): "result",
        ("status",): "status",
        ("status", "stream"): "stream",
        ("cancel",): "cancel",
    }
    kind = kinds.get(tuple(tail), "queue")
    if not tail and segments[at + 1 :] == [ANY]:
        kind = "queue"
    return Place(kind, shown, len(known) > most, response)


def judge(facts: Facts) -> Iterator[Seen]:
    """Yield what is wrong in one file."""
    yield from facts.seen
    for route in facts.routes:
        yield from _of_route(route)
    for call in facts.calls:
        if (place := locate(call.url)) is not None:
            yield from _of_call(place, call)
    for value in facts.objects:
        yield from _of_object(value, facts)
    yield from _of_media(facts)
    if facts.patched:
        line, what = facts.patched[0]
        more = len(facts.patched) - 1
        yield "sdk-patched", line, what + (f", and {more} more in this file" if more else "")


def _of_route(route: Route) -> Iterator[Seen]:
    place = locate(route.url)
    if place is None:
        return
    at = f"{route.method or 'a call of'} {place.shown}"
    if route.passes:
        if place.kind != "other":
            yield "pass-through", route.line, f"{at}: {route.passes}"
        return
    # A mock that refuses what fal refuses is right.
    refuses = bool(route.replies) and all((one.status or 200) >= 400 for one in route.replies)
    if not refuses:
        yield from _of_url(place, route)
    if place.kind == "cancel" and route.method not in ("", "PUT") and not refuses:
        yield "cancel-reply", route.line, f"{at}: another method than PUT"
    if _is_model(place) and _wraps(route.expects):
        yield "input-wrapper", route.line, f"{at} waits for it"
    for reply in route.replies:
        for body in _variants(reply.body):
            yield from _of_reply(place, route.method, reply, body, at)


def _of_call(place: Place, call: Route) -> Iterator[Seen]:
    if _is_model(place) and _wraps(call.expects):
        yield "input-wrapper", call.line, f"sent to {place.shown}"
    yield from _of_url(place, call)
    if place.kind == "cancel" and call.method not in ("", "PUT"):
        yield "cancel-reply", call.line, f"{call.method} {place.shown}: another method than PUT"


def _variants(body: Value) -> Iterator[Value]:
    """Yield what a body may be, once for each status that it may have."""
    for one in options(body):
        fields = fields_of(one)
        if fields is None or "status" not in fields.values:
            yield one
            continue
        status = fields.values["status"]
        for each in options(status):
            values = {**fields.values, "status": Value(status.line, each.content)}
            yield Value(one.line, Fields(values, fields.complete))


def _of_url(place: Place, route: Route) -> Iterator[Seen]:
    if place.whole_id:
        yield "whole-id-url", route.line, place.shown
    if place.response:
        yield "response-url", route.line, place.shown
    invented = place.kind == "invented" or (
        place.kind == "submit" and route.method in ("GET", "PUT", "DELETE")
    )
    if invented and place.known:
        yield "invented-url", route.line, place.shown


def _of_reply(place: Place, method: str, reply: Reply, body: Value, at: str) -> Iterator[Seen]:
    fields = fields_of(body)
    status = reply.status
    word = text_of(fields.values.get("status")) if fields else None
    word = None if word is None or PART in word else word
    line = fields.values["status"].line if fields and word is not None else reply.line
    good = status is None or status < 300
    if status == 408 and place.kind not in ("media", "other"):
        yield "start-timeout", reply.line, f"{at}: 408"
    if place.kind == "submit" and method in ("", "POST"):
        yield from _of_submit(reply, fields, at)
    elif place.kind in ("status", "stream") or (place.kind == "queue" and word is not None):
        yield from _of_status(place, method, reply, word, line, at)
    elif place.kind == "result":
        yield from _of_result(reply, fields, word, line, at)
    elif place.kind == "cancel" and good and status is not None:
        if status != 202 and method in ("", "PUT"):
            yield "cancel-reply", reply.line, f"{at}: {status}"
        elif word is not None and word != "CANCELLATION_REQUESTED":
            yield "cancel-reply", line, f"{at}: status {word}"
    if place.kind == "status" and fields and fields.complete and good and word in _STATUSES:
        needed = ["request_id", *_URLS, "logs"] + ["queue_position"] * (word == "IN_QUEUE")
        if missing := [name for name in needed if name not in fields.values]:
            yield "status-incomplete", body.line, f"{at}: no {', '.join(missing)}"
    if fields and place.kind in ("submit", "status", "queue"):
        yield from _of_urls_within(fields)


def _of_submit(reply: Reply, fields: Fields | None, at: str) -> Iterator[Seen]:
    status = reply.status
    if status == 422:
        yield "submit-refuses-input", reply.line, f"{at}: 422"
    if status == 504 and fields and _tells_of_timeout(fields):
        yield "start-timeout", reply.line, f"{at}: 504"
    if status is not None and 200 < status < 300:
        yield "submit-code", reply.line, f"{at}: {status}"
    if fields is None or (status or 200) >= 300:
        return
    if fields.complete and (missing := [name for name in _URLS if name not in fields.values]):
        yield "submit-without-urls", reply.body.line, f"{at}: no {', '.join(missing)}"
    word = fields.values.get("status")
    if word is not None and (text := text_of(word)) and INVENTED.fullmatch(text):
        yield "invented-status", word.line, f"{at}: {text}"


def _tells_of_timeout(fields: Fields) -> bool:
    told = [text_of(fields.values.get(name)) or "" for name in ("error_type", "detail")]
    return any(re.search(r"request_timeout|startup_timeout|timed out", one, re.I) for one in told)


def _of_status(
    place: Place, method: str, reply: Reply, word: str | None, line: int, at: str
) -> Iterator[Seen]:
    if word is None:
        return
    known = _STATUSES if place.kind != "queue" else (*_STATUSES, *_OTHER_STATUSES)
    if (reply.status or 200) < 400 and word not in known:
        yield "invented-status", line, f"{at}: {word}"
    # A submit answers IN_QUEUE with 200, a stream everything.
    maybe_submit = place.kind == "queue" and word == "IN_QUEUE" and method != "GET"
    if place.kind == "stream" or maybe_submit:
        return
    if word in _PENDING and reply.status == 200:
        yield "status-code", reply.line, f"{at}: {word} with 200"
    if word == "COMPLETED" and reply.status == 202:
        yield "status-code", reply.line, f"{at}: COMPLETED with 202"


def _of_result(
    reply: Reply, fields: Fields | None, word: str | None, line: int, at: str
) -> Iterator[Seen]:
    if reply.status == 202:
        yield "early-result", reply.line, f"{at}: 202"
    elif fields is None or (reply.status or 200) >= 300:
        return
    elif word in _PENDING:
        yield "early-result", line, f"{at}: {word}"
    elif word in (*_STATUSES, "OK") or (word is not None and INVENTED.fullmatch(word)):
        yield "result-wrapped", line, f"{at}: status {word} in the result"
    elif "data" in fields.values and fields.values.keys() & {"requestId", "request_id"}:
        yield "result-wrapped", reply.body.line, f"{at}: within data"


def _of_urls_within(fields: Fields) -> Iterator[Seen]:
    for name in _URLS:
        value = fields.values.get(name)
        place = locate(text_of(value) or "") if value else None
        if value is None or place is None:
            continue
        if place.whole_id:
            yield "whole-id-url", value.line, f"{name}: {place.shown}"
        if place.response:
            yield "response-url", value.line, f"{name}: {place.shown}"
        if place.kind in ("invented", "submit") and place.known:
            yield "invented-url", value.line, f"{name}: {place.shown}"


def _of_object(value: Value, facts: Facts) -> Iterator[Seen]:
    fields = fields_of(value)
    if fields is None:
        return
    keys = fields.values.keys()
    status = fields.values.get("status")
    word = text_of(status)
    if any(locate(text_of(fields.values.get(name)) or "") for name in _URLS):
        yield from _of_urls_within(fields)
        # One that has more is a record of the program's own.
        if status and word and keys <= _STATUS_KEYS and _is_invented(word):
            yield "invented-status", status.line, word
    webhook = {"payload", "request_id"} <= keys and (
        "gateway_request_id" in keys or facts.signs_webhooks
    )
    if webhook and status and word and word not in ("OK", "ERROR") and PART not in word:
        yield "webhook-status", status.line, word


def _is_model(place: Place) -> bool:
    """Tell whether a place takes a model's input; a workflow's may have any field."""
    own = any(f"/{name}/" in place.shown for name in _NAMESPACES)
    return place.kind in ("submit", "run") and not own


def _is_invented(word: str) -> bool:
    return word.isupper() and word not in _STATUSES and bool(INVENTED.fullmatch(word))


def _wraps(body: Value | None) -> bool:
    fields = fields_of(body)
    if fields is None or "input" not in fields.values:
        return False
    return isinstance(fields.values["input"].content, Fields) and not (
        fields.values.keys() - {"input", "webhook_url", "webhookUrl", "webhook", "logs"}
    )


def _of_media(facts: Facts) -> Iterator[Seen]:
    """Yield the first media URL without a file, and files that no program opens."""
    answered = False
    for route in facts.routes:
        place = locate(route.url)
        if place is None or place.kind != "media":
            continue
        answered = True
        named = _MEDIA_NAME.search(place.shown)
        for reply in route.replies if named else ():
            content = reply.body.content
            raw = content.encode() if isinstance(content, str) and PART not in content else content
            if isinstance(raw, bytes) and (reply.status or 200) < 300 and not _is_media(raw):
                yield "media-no-bytes", reply.body.line, f"{place.shown}: {len(raw)} bytes of text"
    if answered:
        return
    for route in facts.routes:
        place = locate(route.url)
        if place is None or place.kind not in ("run", "result", "queue"):
            continue
        for reply in route.replies:
            for line, text in texts_within(reply.body):
                found = locate(text)
                if found is not None and found.kind == "media":
                    yield "media-no-bytes", line, f"{found.shown} is answered by no route"
                    return


def _is_media(content: bytes) -> bool:
    return content.startswith(_MEDIA) or content[4:8] == b"ftyp" or content[:4] == b"fLaC"


def keys_in(text: str) -> Iterator[Seen]:
    """Yield what looks like a real key, masked. One that was typed for a test doesn't."""
    for match in _KEY.finditer(text):
        id, secret = match[1].replace("-", ""), match[2]
        if min(len(set(id)), len(set(secret))) < 8 or _typed(id) or _typed(secret):
            continue
        line = text.count("\n", 0, match.start()) + 1
        yield "real-key", line, f"{match[1][:4]}…:…"


def _typed(digits: str) -> bool:
    """Tell whether digits were typed or repeated, and not drawn."""
    rows = "0123456789abcdef0123456789", "fedcba9876543210", "12345678901234567890"
    if any(digits[at : at + 7] in row for row in rows for at in range(len(digits) - 6)):
        return True
    return digits[: len(digits) // 2] == digits[len(digits) // 2 :]


def is_public(url: str) -> bool:
    """Tell whether a prefix lets calls of fal out, as `https://` does."""
    host = urlsplit(url.replace(PART, "").replace(ANY, "")).hostname
    return host is None or locate(url) is not None
