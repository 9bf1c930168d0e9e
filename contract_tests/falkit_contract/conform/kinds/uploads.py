"""Uploads, the Python client's way and the JavaScript client's (wire.md §7)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlunsplit

from falkit_contract.conform.checks import Table
from falkit_contract.conform.probe import CouldNotLook, Probe, short
from falkit_contract.conform.target import CDN, REST, Exchange, split
from falkit_spec.types import JSON, Object

TABLE = Table()
_TOKEN = f"https://{REST}/storage/auth/token?storage_type=fal-cdn-v3"
_INITIATE = f"https://{REST}/storage/upload/initiate?storage_type=fal-cdn-v3"
_MULTIPART = f"https://{REST}/storage/upload/initiate-multipart?storage_type=fal-cdn-v3"
_NEW: Object = {"content_type": "text/plain", "file_name": "conform.txt"}
_TEXT = {"content-type": "text/plain"}
# Clients send parts of 10 MiB; the last may be shorter, and so may the only one.
_CONTENT = b"falkit conform\n" * 64


class _Token(NamedTuple):
    authorization: str
    base_url: str


@TABLE.add(
    "upload.token", "§7.1", "A token has token_type, base_url, and expires_at with an offset"
)
def _(probe: Probe) -> None:
    reply = probe.ask("POST", _TOKEN, body={})
    probe.code(reply, 200)
    body = reply.fields()
    for name in ("token", "token_type", "base_url", "expires_at"):
        got = body.get(name)
        probe.expect(isinstance(got, str) and bool(got), f"{name}, a text", got)
    try:
        offset = datetime.fromisoformat(str(body["expires_at"])).utcoffset()
    except ValueError:
        offset = None
    # fal_client compares it with a time that has one.
    probe.expect(offset is not None, "expires_at, a time with an offset", body["expires_at"])


@TABLE.add("upload.key", "§2", "Without a key there is no token: 401")
def _(probe: Probe) -> None:
    probe.code(probe.ask("POST", _TOKEN, body={}, key=False), 401)


@TABLE.add("upload.cdn.file", "§7.1", "What is posted to the CDN can be read at access_url")
def _(probe: Probe) -> None:
    token = _token(probe)
    head = {**_TEXT, "authorization": token.authorization, "x-fal-file-name": "conform.txt"}
    url = f"https://{CDN}/files/upload"
    reply = probe.ask("POST", url, body=_CONTENT, headers=head, key=False)
    probe.code(reply, 200, 201)
    _reads(probe, _text(probe, reply, "access_url"))


@TABLE.add("upload.cdn.parts", "§7.1", "Parts at the CDN: each has its ETag in a header")
def _(probe: Probe) -> None:
    token = _token(probe)
    own = {"authorization": token.authorization}
    head = {**_TEXT, **own, "x-fal-file-name": "conform.txt"}
    url = f"{token.base_url}/files/upload/multipart"
    reply = probe.ask("POST", url, headers=head, key=False)
    probe.code(reply, 200, 201)
    access, upload = _text(probe, reply, "access_url"), _text(probe, reply, "uploadId")
    part = f"{access}/multipart/{upload}"
    reply = probe.ask("PUT", f"{part}/1", body=_CONTENT, headers=own, key=False)
    probe.code(reply, 200, 201, 204)
    tag = reply.headers.get("etag")
    probe.expect(bool(tag), "the header ETag, which fal_client reads", sorted(reply.headers))
    ends: JSON = {"parts": [{"partNumber": 1, "etag": tag}]}
    probe.code(probe.ask("POST", f"{part}/complete", body=ends, headers=own, key=False), 200, 201)
    _reads(probe, access)


@TABLE.add(
    "upload.url.file", "§7.2", "What is put to upload_url, without a key, can be read at file_url"
)
def _(probe: Probe) -> None:
    reply = probe.ask("POST", _INITIATE, body=_NEW)
    probe.code(reply, 200)
    place, read = _text(probe, reply, "upload_url"), _text(probe, reply, "file_url")
    reply = probe.ask("PUT", place, body=_CONTENT, headers=_TEXT, key=False)
    probe.code(reply, 200, 201, 204)
    _reads(probe, read)


@TABLE.add("upload.url.parts", "§7.2", "Parts at upload_url: each has its etag in the body")
def _(probe: Probe) -> None:
    reply = probe.ask("POST", _MULTIPART, body=_NEW)
    probe.code(reply, 200)
    place, read = _text(probe, reply, "upload_url"), _text(probe, reply, "file_url")
    reply = probe.ask("PUT", _below(place, "1"), body=_CONTENT, headers=_TEXT, key=False)
    probe.code(reply, 200, 201)
    body = reply.fields()
    told = body.get("partNumber") == 1 and isinstance(body.get("etag"), str)
    probe.expect(told, "partNumber 1 and etag, which @fal-ai/client reads", reply.text)
    ends: JSON = {"parts": [{"partNumber": 1, "etag": body["etag"]}]}
    probe.code(probe.ask("POST", _below(place, "complete"), body=ends, key=False), 200, 201, 204)
    _reads(probe, read)


def _token(probe: Probe) -> _Token:
    reply = probe.ask("POST", _TOKEN, body={})
    body = reply.fields()
    found = [body.get(name) for name in ("token_type", "token", "base_url")]
    if not all(isinstance(one, str) and one for one in found):
        raise CouldNotLook(f"there is no token: {short(f'{reply.status} {reply.text}')}")
    return _Token(f"{found[0]} {found[1]}", str(found[2]).rstrip("/"))


def _text(probe: Probe, reply: Exchange, name: str) -> str:
    got = reply.fields().get(name)
    if not isinstance(got, str) or not got:
        probe.fail(f"{name}, a text", reply.text)
    return got


def _below(url: str, step: str) -> str:
    """Return a URL with one more step in its path, in front of its query."""
    parts = split(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{step}"))


def _reads(probe: Probe, url: str) -> None:
    """Expect to read what was uploaded, without a key."""
    reply = probe.ask("GET", url, key=False)
    probe.code(reply, 200)
    same = reply.body == _CONTENT
    probe.expect(same, f"the {len(_CONTENT)} bytes that were sent", f"{len(reply.body)} others")
