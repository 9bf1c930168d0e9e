"""rest.fal.ai: tokens, where to upload to, and webhooks' keys (wire.md §5.2, §7, §8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from falkit_mock.core.errors import bad_field, path_not_imitated
from falkit_mock.core.identity import check
from falkit_mock.hosts import Host, RequestContext, read_lifecycle, read_object
from falkit_mock.hosts.media import complete, part_number, signed_url
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Object

# Seconds for which a CDN token is good; the SDK asks that one last an hour more.
_CDN_TOKEN_FOR = 86_400.0
_CDN = ("fal-cdn-v3", "fal-cdn")
_STORAGES = (*_CDN, "gcs")
# Seconds for which a realtime token may be asked, and is good if nothing is said.
_LONGEST, _USUAL = 86_400, 120
_SECONDS: Object = {"type": "integer", "minimum": 1, "maximum": _LONGEST}
_TOKEN: Object = {
    "type": "object",
    "required": ["allowed_apps"],
    "properties": {
        "allowed_apps": {"type": "array", "items": {"type": "string"}},
        "duration": _SECONDS,
        "token_expiration": _SECONDS,
    },
}
_UPLOAD: Object = {
    "type": "object",
    "required": ["file_name", "content_type"],
    "properties": {"file_name": {"type": "string"}, "content_type": {"type": "string"}},
}
_GCS_PARTS = "/storage/upload/multipart/"
_JWKS = "/.well-known/jwks.json"
_BALANCE = "/billing/user_balance"


class Rest(Host):
    """POST /storage/auth/token, /storage/upload/initiate[-multipart], /tokens[/realtime].

    And GET /.well-known/jwks.json and /billing/user_balance.
    """

    def __init__(self, service: Service, catalog: Catalog) -> None:
        super().__init__(service, catalog)
        self._posts = {
            "/storage/auth/token": self._cdn_token,
            "/storage/upload/initiate": self._initiate,
            "/storage/upload/initiate-multipart": self._initiate,
            "/tokens": self._token,
            "/tokens/realtime": self._token,
        }

    async def __call__(self, context: RequestContext) -> Reply:
        path = context.address.path
        if path == _JWKS:
            return self._jwks(context)
        if path == _BALANCE:
            return await self._balance(context)
        handle = self._gcs_part if path.startswith(_GCS_PARTS) else self._posts.get(path)
        if handle is None:
            known = ", ".join((*self._posts, _JWKS, _BALANCE))
            raise path_not_imitated(context.address.host, path, known)
        context.allow("POST")
        check(context.authorization, None, self._service.settings.api_keys)
        return await handle(context)

    def _jwks(self, context: RequestContext) -> Reply:
        """The keys that webhooks are signed with; nobody has to say who they are (wire.md §5.2)."""
        context.allow("GET", "HEAD")
        padding = self._service.settings.assumptions.jwks_padding
        return self.reply(self._service.webhooks.keys.jwks(padding))

    async def _balance(self, context: RequestContext) -> Reply:
        """What the account has left: a bare number (wire.md §2)."""
        context.allow("GET", "HEAD")
        check(context.authorization, None, self._service.settings.api_keys)
        # Lazy: few ask.
        from falkit_mock.service.ledger import ledger_of

        return self.reply(await ledger_of(self._service, self._catalog).balance())

    async def _cdn_token(self, context: RequestContext) -> Reply:
        _storage(context, _CDN)
        await read_object(context, {"type": "object"})
        expires = self._service.clock.now() + _CDN_TOKEN_FOR
        body: dict[str, JSON] = {
            "token": self._service.tokens.issue("cdn", _CDN_TOKEN_FOR),
            "token_type": "Bearer",
            "base_url": context.address.media_base,
            # With an offset, or the Python client can't compare it (wire.md §12 row 14).
            "expires_at": datetime.fromtimestamp(expires, UTC).isoformat(),
        }
        return self.reply(body)

    async def _initiate(self, context: RequestContext) -> Reply:
        storage = _storage(context, _STORAGES)
        body = await read_object(context, _UPLOAD)
        service, base = self._service, context.address.media_base
        lifecycle = read_lifecycle(context, service.uploads.defaults)
        upload = service.uploads.open(str(body["file_name"]), str(body["content_type"]), lifecycle)
        multipart = context.address.path.endswith("-multipart")
        if multipart and storage == "gcs":
            # Clients of this form add to the URL's end, so that it can have no query.
            url = f"{context.address.base}{_GCS_PARTS}{upload.id}"
        else:
            below = f"/multipart/{upload.id}" if multipart else ""
            url = signed_url(service, base, upload, below)
        return self.reply({"upload_url": url, "file_url": f"{base}{upload.path}"})

    async def _gcs_part(self, context: RequestContext) -> Reply:
        """POST …/{id}/{n} hands out the part's URL; POST …/{id}/complete ends it."""
        upload_id, _, rest = context.address.path.removeprefix(_GCS_PARTS).partition("/")
        upload = self._service.uploads.get(upload_id)
        if rest == "complete":
            await complete(self._service, context, upload)
            return self.reply({"file_url": f"{context.address.media_base}{upload.path}"})
        place = f"/multipart/{upload.id}/{part_number(rest)}"
        url = signed_url(self._service, context.address.media_base, upload, place)
        return self.reply({"upload_url": url})

    async def _token(self, context: RequestContext) -> Reply:
        body = await read_object(context, _TOKEN)
        newer = context.address.path == "/tokens/realtime"
        seconds = body.get("duration" if newer else "token_expiration", _USUAL)
        token = self._service.tokens.issue(
            "apps", cast(int, seconds), apps=body["allowed_apps"], paths=newer
        )
        # The older answer is the bare string (wire.md §12 row 15).
        return self.reply({"token": token} if newer else token)


def _storage(context: RequestContext, known: tuple[str, ...]) -> str:
    """Return which storage the query names, the first if none; raise WireError 422 for another."""
    storage = context.query.get("storage_type", known[0])
    if storage not in known:
        names = [f"'{name}'" for name in known]
        message = f"Input should be {', '.join(names[:-1])} or {names[-1]}"
        raise bad_field("enum", ["query", "storage_type"], message, storage)
    return storage
