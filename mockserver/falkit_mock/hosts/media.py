"""v3b.fal.media: files and uploads."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache, partial
from typing import Any, TypeAlias, cast
from urllib.parse import quote, unquote

from falkit_mock.core.errors import (
    Unauthenticated,
    bad_field,
    file_not_found,
    forbidden,
    maybe_elsewhere,
    not_found,
    path_not_imitated,
    upload_not_found,
)
from falkit_mock.core.identity import BadToken, check
from falkit_mock.faults.rulebook import TriggeredFault
from falkit_mock.hosts import Host, RequestContext, read_lifecycle, read_object
from falkit_mock.hosts.faults import corrupted, of_media, slowly
from falkit_mock.hosts.replies import AnyReply, Reply
from falkit_mock.service import Acl
from falkit_mock.service.files import MediaFile
from falkit_mock.service.given import GivenFile
from falkit_mock.service.service import Service
from falkit_mock.store import Given, Upload
from falkit_spec import JSON, Object

# Seconds for which an upload URL stays signed.
SIGNED_FOR = 3600.0
# The most parts that S3 and its kin take.
_MOST_PARTS = 10_000
_MULTIPART = re.compile(r"(?P<file>/files/.+)/multipart/(?P<id>[^/]+)(?P<rest>(?:/[^/]+)?)")
_NUMBER: Object = {"type": "integer", "minimum": 1, "maximum": _MOST_PARTS}
_PARTS: Object = {
    "type": "object",
    "required": ["parts"],
    "properties": {
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["etag"],
                "properties": {
                    "partNumber": _NUMBER,
                    "part_number": _NUMBER,
                    "etag": {"type": "string"},
                },
            },
        }
    },
}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_FOR_EVER = "public, max-age=31536000, immutable"
# Returns the bytes [start, end) of a file, at once or as they are read.
Body: TypeAlias = Callable[[int, int], bytes | AsyncGenerator[bytes]]


class MediaHost(Host):
    """GET and HEAD /files/…, whole or in part.

    And POST /files/upload[/multipart], PUT of a signed URL, and the parts of an upload.
    """

    async def __call__(self, context: RequestContext) -> AnyReply:
        path = context.address.path
        if not path.startswith("/files/"):
            raise path_not_imitated(context.address.host, path, "files and uploads below /files/")
        if path in ("/files/upload", "/files/upload/multipart"):
            context.allow("POST")
            return await self._open(context)
        if "/multipart/" in path and (match := _MULTIPART.fullmatch(path)):
            return await self._multipart(context, match["id"], match["rest"][1:])
        if context.method == "PUT":
            return await self._signed(context)
        context.allow("GET", "HEAD")
        return await self._read(context)

    async def _open(self, context: RequestContext) -> Reply:
        self._check_token(context)
        uploads = self._service.uploads
        name = unquote(context.header(b"x-fal-file-name"))
        lifecycle = read_lifecycle(context, uploads.defaults)
        upload = uploads.open(name, context.header(b"content-type"), lifecycle)
        access_url = f"{context.address.media_base}{upload.path}"
        if context.address.path.endswith("/multipart"):
            return self.reply({"access_url": access_url, "uploadId": upload.id})
        try:
            await uploads.receive(upload, 1, context.stream())
        except BaseException:
            uploads.discard(upload)
            raise
        async with uploads.turn():
            uploads.finish(upload)
        return self.reply({"access_url": access_url})

    async def _signed(self, context: RequestContext) -> Reply:
        """PUT upload_url: its query is the permission, there is no Authorization."""
        upload = self._service.uploads.get(self._signed_for(context))
        if upload.path != context.address.path:
            raise forbidden("the URL is signed for another file")
        piece = await self._service.uploads.receive(upload, 1, context.stream(), again=True)
        async with self._service.uploads.turn():
            self._service.uploads.finish(upload)
        return self.reply({}, headers={"etag": f'"{piece.etag}"'})

    async def _multipart(self, context: RequestContext, upload_id: str, rest: str) -> Reply:
        context.allow("POST" if rest == "complete" else "PUT")
        if "token" in context.query:
            if self._signed_for(context) != upload_id:
                raise forbidden("the URL is signed for another upload")
        else:
            self._check_token(context)
        upload = self._service.uploads.get(upload_id)
        if not context.address.path.startswith(f"{upload.path}/"):
            raise upload_not_found(upload_id)
        if rest == "complete":
            await complete(self._service, context, upload)
            return self.reply({"access_url": f"{context.address.media_base}{upload.path}"})
        number = part_number(rest)
        piece = await self._service.uploads.receive(upload, number, context.stream())
        # Python reads the header and JavaScript the body (wire.md §12 row 13).
        etag = f'"{piece.etag}"'
        return self.reply({"partNumber": number, "etag": etag}, headers={"etag": etag})

    def _check_token(self, context: RequestContext) -> None:
        scheme, _, token = context.authorization.partition(" ")
        if not token.strip():
            raise Unauthenticated.no_cdn_token()
        if scheme.lower() == "key":
            raise Unauthenticated.cdn_token("the media host takes a CDN token, not a key")
        try:
            self._service.tokens.read(token.strip(), "cdn")
        except BadToken as error:
            raise Unauthenticated.cdn_token(f"the token {error}") from None

    def _signed_for(self, context: RequestContext) -> str:
        token = context.query.get("token", "")
        try:
            return str(self._service.tokens.read(token, "upload")["sub"])
        except BadToken as error:
            raise forbidden(f"the upload URL's signature is {error}") from None

    async def _read(self, context: RequestContext) -> AnyReply:
        service, path = self._service, context.address.path
        if found := service.media.record(path):
            record, expires = found
            check_reader(service, context, record.acl)
            idle = service.rules.idle and b"x-falkit-fault" not in context.headers
            triggered = None if idle else await of_media(service, context)
            if isinstance(record.wanted, Given):
                given = GivenFile.of(record.wanted)
                if given is None:
                    error = file_not_found()
                    error.hint = f"{record.wanted.path} was there when an output named it"
                    raise error
                if triggered is None:
                    cache = self._cache(expires, record.acl)
                    kind = given.content_type
                    return _serve(context, given.etag, kind, given.size, given.read, cache)
            file = await service.media.file(record, expires)
            return self._output(context, file, triggered)
        stored = service.uploads.file(path)
        if stored is None:
            raise maybe_elsewhere(file_not_found())
        upload = stored.upload
        check_reader(service, context, upload.acl)
        await service.uploads.check(stored)
        body = partial(service.uploads.read, stored)
        cache = self._cache(upload.expires, upload.acl)
        return _serve(context, stored.etag, upload.content_type, stored.size, body, cache)

    def _output(
        self, context: RequestContext, file: MediaFile, triggered: TriggeredFault | None
    ) -> AnyReply:
        if triggered is not None:
            file = corrupted(file, triggered)
        data = file.data

        def body(start: int, end: int) -> bytes | AsyncGenerator[bytes]:
            if triggered is None or triggered.name != "media_slow":
                return data[start:end]
            return slowly(self._service, context, data[start:end], triggered.number("seconds"))

        # A rule may hold for the next request no more.
        cache = "no-store" if triggered else self._cache(file.expires, file.acl)
        return _serve(context, file.etag, file.content_type, len(data), body, cache)

    def _cache(self, expires: float, acl: str) -> str:
        """Return how long others may keep a file: not past its end, nor its access rules."""
        if acl:
            return "private, no-store"
        if expires == math.inf:
            return _FOR_EVER
        return f"public, max-age={int(expires - self._service.clock.now())}"


def signed_url(service: Service, media_base: str, upload: Upload, rest: str = "") -> str:
    """Return a URL under the upload's own that may be written to without a key."""
    token = service.tokens.issue("upload", SIGNED_FOR, sub=upload.id)
    return f"{media_base}{upload.path}{rest}?token={quote(token)}"


def check_reader(service: Service, context: RequestContext, acl: str) -> None:
    """Raise WireError 403 or 404 unless a file's access rules let this reader in.

    Whoever has a key is the file's owner here: the mock knows one account. A URL that
    `POST /storage/files/sign` made lets anybody in (wire.md §7.4).
    """
    if not acl:
        # Everybody may read it.
        return
    decision = Acl.stored(acl).default
    if decision == "allow" or service.settings.assumptions.file_acl == "ignored":
        return
    try:
        identity = context.query.get("identity", "")
        if service.tokens.read(identity, "read")["sub"] == context.address.path:
            return
    except BadToken:
        pass
    try:
        check(context.authorization, None, service.settings.api_keys)
    except Unauthenticated:
        if decision == "hide":
            raise file_not_found() from None
        raise forbidden(
            "the file's access rules forbid reading it without its owner's key"
        ) from None


def part_number(text: str) -> int:
    """Return a part's number; raise WireError 404, or 422 outside 1 to 10,000."""
    if not text.isascii() or not text.isdigit():
        raise not_found("a part's number, from 1, or `complete` ends the URL of a multipart upload")
    number = int(text[:9])
    if not 1 <= number <= _MOST_PARTS:
        message = f"A part's number is from 1 to {_MOST_PARTS}"
        raise bad_field("value_error", ["path", "part_number"], message, number)
    return number


async def complete(service: Service, context: RequestContext, upload: Upload) -> None:
    """Finish a multipart upload by the parts that the body names; raise WireError 422 or 400.

    Python and JavaScript write `partNumber`, the GCS form `part_number` (wire.md §7.3); ETags
    come with their quotes or without.
    """
    body = await read_object(context, _PARTS)
    named: list[tuple[int, str]] = []
    for place, part in enumerate(cast("list[dict[str, Any]]", body["parts"])):
        number = part.get("partNumber", part.get("part_number"))
        if number is None:
            loc: list[JSON] = ["body", "parts", place, "partNumber"]
            raise bad_field("missing", loc, "Field required", part)
        named.append((int(number), part["etag"].removeprefix("W/").strip('"')))
    async with service.uploads.turn():
        service.uploads.finish(service.uploads.get(upload.id), named)


def _serve(
    context: RequestContext,
    etag: str,
    content_type: str,
    size: int,
    body: Body,
    cache: str,
) -> AnyReply:
    headers = {
        "accept-ranges": "bytes",
        "access-control-allow-origin": "*",
        "cache-control": cache,
        "etag": etag,
        "content-type": content_type,
        # Whoever uploads names the type, and the control API may have the same origin.
        "content-security-policy": _policy(content_type),
        "x-content-type-options": "nosniff",
    }
    if b"if-none-match" in context.headers and _matches(context.header(b"if-none-match"), etag):
        return Reply(b"", 304, headers)
    code, start, end = 200, 0, size
    if part := _part(context, etag, size):
        code, (start, end) = 206, part
        if start >= end:
            headers["content-range"] = f"bytes */{size}"
            return Reply(b"", 416, headers)
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    headers["content-length"] = str(end - start)
    content = b"" if context.method == "HEAD" else body(start, end)
    if isinstance(content, bytes):
        return Reply(content, code, headers)
    # Lazy: most files are small.
    from falkit_mock.hosts.stream_reply import Stream

    return Stream(content, code, headers)


_SHOWN = re.compile(r"(image/(?!svg)|video/|audio/)", re.I)


@lru_cache(maxsize=256)
def _policy(content_type: str) -> str:
    """Return what a browser may let a file do: a page runs nothing, and loads nothing."""
    return "sandbox" if _SHOWN.match(content_type) else "sandbox; default-src 'none'"


def _matches(header: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or "*" in tags


def _part(context: RequestContext, etag: str, size: int) -> tuple[int, int] | None:
    """Return the bytes asked for as [start, end), or None for the whole file.

    RFC 9110 §14.2 lets a server ignore a Range that it doesn't understand, several ranges
    at once among them, and requires it where If-Range names another version. Only GET has
    ranges at all.
    """
    if context.method != "GET" or b"range" not in context.headers:
        return None
    match = _RANGE.fullmatch(context.header(b"range").replace(" ", ""))
    if match is None or context.headers.get(b"if-range", etag.encode()).decode("latin-1") != etag:
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        return int(first), min(int(last) + 1, size) if last else size
    if last:
        return max(size - int(last), 0), size
    return None
