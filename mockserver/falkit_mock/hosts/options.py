"""What a call of a model asks for beside its input, by headers and query; what fal ignores."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from falkit_mock.core import shortened
from falkit_mock.core.errors import bad_field, bad_header
from falkit_mock.core.jobs import Priority, RequestOptions
from falkit_mock.core.network import QUEUE, RUN, WS, is_this_machine
from falkit_mock.faults import Operation
from falkit_mock.hosts import MAX_BUFFERING, SOCKET_INPUT, RequestContext
from falkit_mock.hosts.faults import REDIRECTED, named_by
from falkit_mock.service import USUAL_LIFECYCLE, BadLifecycle, Lifecycle
from falkit_mock.service.service import Service
from falkit_mock.webhooks import TargetRefused
from falkit_mock.webhooks.targets import Targets
from falkit_spec import JSON
from falkit_spec.errors import near_misses

# The documented name first, where both are given it counts; clients send the other (wire.md §3.1).
_TIMEOUTS = ("X-Fal-Request-Start-Timeout", "X-Fal-Request-Timeout")
# Seconds; the server wants more than these (wire.md §3.1).
_TOO_SOON = 0.1
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_PRIORITY = "X-Fal-Queue-Priority"
_LIFECYCLE = "X-Fal-Object-Lifecycle-Preference"
_NO_RETRY, _RETRIED = ("1", "true", "yes"), ("", "0", "false", "no")
OPERATIONS: dict[str, Operation] = {RUN: "run", WS: "run", QUEUE: "submit"}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_WEBHOOK, _MAX_QUEUE_LENGTH = "fal_webhook", "fal_max_queue_length"
_TOKEN = "fal_jwt_token"


def read_options(context: RequestContext, service: Service) -> RequestOptions:
    """Return what a request to a model asks for; raise WireError 400, or 422 for the query."""
    # What the account's settings say of output files.
    media = service.uploads.defaults
    given: dict[str, str] = {}
    for name in context.named:
        given[name.decode("latin-1")] = context.headers[name].decode("latin-1").strip()
    query: Mapping[str, str] = _query(context) if context.address.query else {}
    if not given and not query and media is USUAL_LIFECYCLE:
        return _usual_options(context.record.key, service.test)
    lifecycle = _lifecycle(given, media)
    return RequestOptions(
        key=context.record.key,
        priority=_priority(given),
        start_within=_start_within(given),
        max_queue_length=_max_queue_length(query.get(_MAX_QUEUE_LENGTH)),
        retry=_retry(context, given.get("x-fal-no-retry", "")),
        webhook=_webhook(context, query.get(_WEBHOOK), service.webhooks.targets),
        keep_payloads=given.get("x-fal-store-io", "") != "0",
        media_for=math.inf if lifecycle.seconds is None else lifecycle.seconds,
        media_acl=lifecycle.acl.text(),
        tags=_tags(context, given["x-fal-tags"]) if "x-fal-tags" in given else (),
        faults=named_by(context, OPERATIONS[context.address.role]),
        test=service.test,
    )


def _webhook(context: RequestContext, url: str | None, targets: Targets) -> str | None:
    """Return the receiver that is asked for; None where a page may not ask for it.

    Every page that a user opens can call the mock, and through it would call what listens on this
    machine, though no page elsewhere can know of it.
    """
    origin = context.header(b"origin")
    if not url or not origin or is_this_machine(_host_of(origin)):
        return url or None
    try:
        target = targets.find(url)
    except TargetRefused:
        # It isn't sent anyway, and the log will say why.
        return url
    if not target.loopback or targets.allows(target.host, target.port):
        return url
    context.add_hint(
        f"fal_webhook: a page of {shortened(origin)} may have nothing sent to this machine; "
        f"--webhook-allow {target.authority} lets it"
    )
    return None


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=1024)
def _usual_options(key: str, test: str) -> RequestOptions:
    """Return the options of a key's request that asks for nothing out of the ordinary."""
    return RequestOptions(key=key, test=test)


def _query(context: RequestContext) -> Mapping[str, str]:
    """Return the parameters that the queue knows; fal.run has none (wire.md §3.1).

    Others are ignored, as at fal, and named by the hint.
    """
    known: tuple[str, ...] = (_WEBHOOK, _MAX_QUEUE_LENGTH) if context.address.role == QUEUE else ()
    if SOCKET_INPUT in context.scope:
        known = (*known, MAX_BUFFERING)
    for name in context.query:
        if name in known or name in (_TOKEN, REDIRECTED):
            continue
        if name in (_WEBHOOK, _MAX_QUEUE_LENGTH):
            context.add_hint(f"{name}: fal.run ignores it; submit to queue.fal.run")
            continue
        word = name.lower()
        near = _WEBHOOK if "hook" in word else _MAX_QUEUE_LENGTH if "queue" in word else ""
        meant = f"; did you mean {near}?" if near in known else ""
        context.add_hint(f"{name}: fal has no such parameter, and ignores it{meant}")
    return {name: context.query[name] for name in known if name in context.query}


def _priority(given: Mapping[str, str]) -> Priority:
    match given.get("x-fal-queue-priority", "normal"):
        case "normal" | "":
            return "normal"
        case "low":
            return "low"
        case other:
            raise bad_header(_PRIORITY, other, "is neither normal nor low")


def _start_within(given: Mapping[str, str]) -> float:
    for name in _TIMEOUTS:
        if text := given.get(name.lower()):
            seconds = float(text) if _SECONDS.fullmatch(text) else 0.0
            if seconds <= _TOO_SOON:
                fix = f"must be a number of seconds greater than {_TOO_SOON}, such as 30.0"
                raise bad_header(name, text, fix)
            return seconds
    return math.inf


def _lifecycle(given: Mapping[str, str], default: Lifecycle) -> Lifecycle:
    text = given.get(_LIFECYCLE.lower())
    if not text:
        return default
    try:
        return Lifecycle.parse(text, default)
    except BadLifecycle as error:
        raise bad_header(_LIFECYCLE, text, f"can't be read: {error}") from None


def _retry(context: RequestContext, text: str) -> bool:
    if text not in (*_NO_RETRY, *_RETRIED):
        known = " or ".join(_NO_RETRY)
        context.add_hint(f"X-Fal-No-Retry: {text!r} isn't {known}, so retries are on")
    return text not in _NO_RETRY


def _max_queue_length(text: str | None) -> int | None:
    return None if text is None else whole_number(_MAX_QUEUE_LENGTH, text, 0)


def whole_number(name: str, text: str, least: int, most: int | None = None) -> int:
    """Read a number of the query; raise WireError 422 in Pydantic's words."""
    loc: list[JSON] = ["query", name]
    if not _NUMBER.fullmatch(text.strip()):
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise bad_field("int_parsing", loc, message, text[:100])
    if (number := int(text)) < least:
        message = f"Input should be greater than or equal to {least}"
        raise bad_field("greater_than_equal", loc, message, text)
    if most is not None and number > most:
        raise bad_field(
            "less_than_equal", loc, f"Input should be less than or equal to {most}", text
        )
    return number


# wire.md §3.1: the limits of X-Fal-Tags.
_MOST_TAGS, _MOST_TAG_BYTES, _LONGEST_VALUE = 10, 1024, 256
_TAG_KEY = re.compile(r"[a-z0-9._-]{1,64}")
_TAG_VALUE = re.compile(r"[ -~]*")


def _tags(context: RequestContext, text: str) -> tuple[str, ...]:
    """Return the tags that keep to the rules; fal drops the others, and takes the request."""
    kept: dict[str, str] = {}
    size = 0
    for count, pair in enumerate(text.split(","), 1):
        key, equals, value = (part.strip() for part in pair.partition("="))
        size += len(key) + len(value)
        if not equals:
            why = "isn't key=value"
        elif not _TAG_KEY.fullmatch(key):
            why = "has a key that isn't 1 to 64 of a-z, 0-9, '.', '_' and '-'"
        elif key.startswith("fal."):
            why = "has a key that begins with fal., which is reserved"
        elif len(value) > _LONGEST_VALUE or not _TAG_VALUE.fullmatch(value):
            why = f"has a value that isn't at most {_LONGEST_VALUE} printable ASCII characters"
        elif count > _MOST_TAGS:
            why = f"is one too many; {_MOST_TAGS} are allowed"
        elif size > _MOST_TAG_BYTES:
            why = f"is beyond {_MOST_TAG_BYTES} bytes for all tags"
        else:
            kept[key] = value
            continue
        shown = pair if len(pair) <= 80 else f"{pair[:79]}…"
        context.add_hint(f"X-Fal-Tags: {shown!r} {why}; fal drops such a tag")
    return tuple(f"{key}={value}" for key, value in kept.items())


# Request headers that fal documents (wire.md §3.1), and that its clients and proxies send (§1.4,
# §7) or fal itself between its apps (SDK).
_DOCUMENTED = (
    *_TIMEOUTS,
    _PRIORITY,
    _LIFECYCLE,
    "X-Fal-Runner-Hint",
    "X-Fal-Store-IO",
    "X-Fal-No-Retry",
    "X-Fal-Retry-Config",
    "X-Fal-Tags",
)
_SENT = (
    "x-fal-object-lifecycle",
    "x-fal-file-name",
    "x-fal-cdn-token",
    "x-fal-target-url",
    "x-fal-client-proxy",
    "x-fal-request-id",
    "x-fal-endpoint",
    "x-fal-application",
    "x-fal-user-id",
    "x-fal-invocation-id",
)
_KNOWN = frozenset(name.lower().encode() for name in (*_DOCUMENTED, *_SENT))
_RETRY_CONFIG = b"x-fal-retry-config"


class IgnoredHeaders:
    """Hints at request headers of fal's that do nothing, once for each name."""

    def __init__(self) -> None:
        self._named: set[bytes] = set()

    def hint(self, context: RequestContext) -> None:
        """Let a reply's hint name headers `X-Fal-…` that fal doesn't know, or ignores."""
        for name in context.named:
            if not name.startswith(b"x-fal-") or (name in _KNOWN and name != _RETRY_CONFIG):
                continue
            # Who sends ever new names is told of the first thousand.
            if name in self._named or len(self._named) >= 1000:
                continue
            self._named.add(name)
            context.add_hint(_ignored(name.decode("latin-1")))


def _ignored(name: str) -> str:
    shown = "-".join(word.capitalize() for word in name.split("-"))
    if name.encode("latin-1") == _RETRY_CONFIG:
        return f"{shown}: fal ignores it on models that are shared; X-Fal-No-Retry works there"
    near = near_misses(shown, _DOCUMENTED, likeness=0.75)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{shown[:60]}: fal has no such request header, so it does nothing{meant}"
