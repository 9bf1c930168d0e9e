"""Where the files are that a program names or reads, and where its key goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from falkit_mock.core import REAL_KEY, masked, shortened
from falkit_mock.core.limits import AT_ONCE
from falkit_mock.core.network import MEDIA, ROLES
from falkit_mock.findings.rules import Look, Rule
from falkit_mock.findings.webhooks import receiver_of
from falkit_mock.service.files import path_of
from falkit_mock.service.urls import unreachable
from falkit_spec.types import is_array, is_object

if TYPE_CHECKING:
    from falkit_mock.core.events import DeliveryAttempted, HostContacted, RequestRecord
    from falkit_spec import JSON
    from falkit_spec.findings import Severity

# Values of an input that are looked at.
_VALUES = 10_000
# A text that begins as a URL of http, https or file, whose slashes may be escaped.
_URL = re.compile(rb'"\s*([HhFf][A-Za-z]{3,4}:[^"]{1,2000})"')
# What a key of fal's ends in, found in no time; and ids of keys that are no words of each input.
_KEY, _ESCAPED_KEY = re.compile(rb":[0-9A-Fa-f]{32}"), re.compile(rb"%3[Aa][0-9A-Fa-f]{32}")
_SHORTEST = 4
# URLs that are remembered.
_FINE = 1_000
# Names under which secrets are sent.
_SECRET = re.compile(
    "(?:.*[^a-z])?(?:fal|api)?(?:key|token|secret|auth|authorization|credential|password)s?", re.I
)
_SCHEME = re.compile(r"(?:key|bearer)\s+", re.I)


class Addresses(Rule):
    """private-input, media-expired, key-leaked."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        # URLs that anybody may have, as they were sent: most programs send the same few.
        self._fine: set[bytes] = set()

    def submitted(self, record: RequestRecord) -> None:
        id = record.request_id
        data = self.look.service.store.input(id) if id is not None else b""
        if id is None or not 0 < len(data) <= AT_ONCE:
            return
        if b":/" in data or b":\\/" in data:
            for match in _URL.finditer(data):
                if match[1] not in self._fine and self._may_be_odd(match[1], record.time):
                    self._files(record, id)
                    break
        key = record.key
        named = len(key) >= _SHORTEST and key.encode() in data
        if named or _KEY.search(data) or (b"%3" in data and _ESCAPED_KEY.search(data)):
            self._key_within(record, id)

    ran = submitted

    def asked(self, record: RequestRecord) -> None:
        if ROLES.get(record.host) != MEDIA or record.method not in ("GET", "HEAD"):
            return
        if record.status in (404, 410) and not record.faults and not record.cut:
            what = self._expired(record.path, record.time)
            if what is not None:
                seen = f"a file was read after its end, and answered {record.status}"
                self.look.found("media-expired", seen, subject=what, record=record)

    def delivered(self, made: DeliveryAttempted) -> None:
        one = made.delivery
        if one.cause != "job" or one.number > 1:
            return
        job = self.look.job(one.request_id)
        key = "" if job is None else job.options.key
        where = _key_in(one.url, key)
        if where is not None:
            seen = f"a webhook's URL has a key of fal's in its {where}"
            subject, id = receiver_of(one), one.request_id
            self.look.found("key-leaked", seen, subject=subject, request_id=id, key=key)

    def contacted(self, contact: HostContacted) -> None:
        if contact.key:
            seen = f"a request to {contact.host} had a key of fal's in its Authorization"
            self.look.found("key-leaked", seen, subject=contact.host)

    def _may_be_odd(self, sent: bytes, at: float) -> bool:
        url = sent.replace(b"\\/", b"/").decode("utf-8", "replace").strip()
        if self._is_odd(url, at):
            return True
        if path_of(url) is None:
            if len(self._fine) >= _FINE:
                self._fine.clear()
            self._fine.add(sent)
        return False

    def _is_odd(self, url: str, at: float) -> bool:
        """Tell whether fal could not have the file of a URL, for what is found here."""
        if (path := path_of(url)) is not None:
            # One of the mock's own, which are fal's there.
            return self._expired(path, at) is not None
        why = unreachable(url)
        return why is not None and (why.private or url[:5].lower() == "file:")

    def _files(self, record: RequestRecord, request_id: str) -> None:
        """Look at the files of an input of which one may not be had."""
        path = record.path.strip("/")
        endpoint, input = self.look.endpoint(path), self.look.input(request_id)
        if endpoint is None or input is None:
            return
        allowed = self.look.service.settings.allow_private_inputs
        severity: Severity | None = "note" if allowed else None
        for field, _, value in endpoint.files(input):
            url = value.strip()
            if not self._is_odd(url, record.time):
                continue
            if path_of(url) is not None:
                seen = f"{field.field}: a file that had expired"
                self.look.found("media-expired", seen, subject=path, record=record)
            else:
                file = url[:5].lower() == "file:"
                where = "a file: URL" if file else urlsplit(url).hostname or ""
                seen = f"{field.field}: {shortened(where)}, which only this machine or network has"
                self.look.found(
                    "private-input", seen, subject=path, record=record, severity=severity
                )

    def _expired(self, path: str, at: float) -> str | None:
        """Return what a file was of that was there before; None for any other."""
        store = self.look.service.store
        record = store.file(path)
        if record is not None and record.lifetime is not None:
            job = store.get(record.request_id)
            return job.path if job is not None and job.ends + record.lifetime <= at else None
        upload = store.uploads.at(path)
        over = upload is not None and upload.done and upload.expires <= at
        return MEDIA if over else None

    def _key_within(self, record: RequestRecord, request_id: str) -> None:
        """Look where in an input a key is."""
        for name, value in _texts(self.look.input(request_id)):
            if not REAL_KEY.search(value):
                own = _SCHEME.sub("", value.strip(), count=1)
                if not _SECRET.fullmatch(name) or own.partition(":")[0] != record.key:
                    continue
            seen = f"{shortened(masked(name))}: a key of fal's is sent with the input"
            path = record.path.strip("/")
            self.look.found("key-leaked", seen, subject=path, record=record)
            return


def _texts(input: JSON) -> Iterator[tuple[str, str]]:
    """Yield the texts in a JSON value, each with the name of the field that has it."""
    left: list[tuple[str, JSON]] = [("", input)]
    for _ in range(_VALUES):
        if not left:
            return
        name, value = left.pop()
        if isinstance(value, str):
            yield name, value
        elif is_object(value):
            left += value.items()
        elif is_array(value):
            left += ((name, item) for item in value)


def _key_in(url: str, key: str) -> str | None:
    """Return where in a URL a key of fal's is, of whose the id is given: "path" or "query"."""
    before, _, query = url.partition("?")
    if REAL_KEY.search(unquote(query)):
        return "query"
    for name, value in parse_qsl(query):
        own = _SCHEME.sub("", value.strip(), count=1)
        if key and _SECRET.fullmatch(name) and own.partition(":")[0] == key:
            return "query"
    return "path" if REAL_KEY.search(unquote(before)) else None
