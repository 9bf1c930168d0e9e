"""rest.fal.ai: tokens, where to upload to, and webhooks' keys (wire.md §5.2, §7, §8)."""

from __future__ import annotations

from datetime import UTC, datetime

from falkit_mock.core import dumps
from falkit_mock.core.errors import bad_field, method_not_allowed, not_found, upload_not_found
from falkit_mock.core.identity import check
from falkit_mock.hosts import RequestContext, read_lifecycle, read_object, texts
from falkit_mock.hosts.media import complete, part_number, signed_url
from falkit_mock.hosts.replies import Reply, json_reply, raw_reply
from falkit_mock.service.service import Service
from falkit_mock.store import Upload
from falkit_spec import JSON

# Seconds for which a CDN token is good; the SDK asks that one last an hour more.
_CDN_TOKEN_FOR = 86_400.0
_CDN = ("fal-cdn-v3", "fal-cdn")
_STORAGES = (*_CDN, "gcs")
# Seconds for which a realtime token may be asked, and is good if nothing is said.
_LONGEST, _USUAL = 86_400, 120
_GCS_PARTS = "/storage/upload/multipart/"
_JWKS = "/.well-known/jwks.json"


class Rest:
    """POST /storage/auth/token, /storage/upload/initiate[-multipart], /tokens[/realtime].

    And GET /.well-known/jwks.json.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._posts = {
            "/storage/auth/token": self._cdn_token,
            "/storage/upload/initiate": self._initiate,
            "/storage/upload/initiate-multipart": self._initiate,
            "/tokens": self._token,
            "/tokens/realtime": self._token,
        }

    async def __call__(self, context: RequestContext) -> Reply:
        if context.address.path == _JWKS:
            return self._jwks(context)
        handle = self._posts.get(context.address.path)
        if handle is None and context.address.path.startswith(_GCS_PARTS):
            handle = self._gcs_part
        if handle is None:
            raise not_found(
                f"of {context.address.host} this mock has {', '.join((*self._posts, _JWKS))}"
            )
        if context.method != "POST":
            raise method_not_allowed("POST")
        authorization = context.authorization
        check(authorization, None, self._service.settings.api_keys)
        return await handle(context)

    def _jwks(self, context: RequestContext) -> Reply:
        """The keys that webhooks are signed with; nobody has to say who they are (wire.md §5.2)."""
        if context.method not in ("GET", "HEAD"):
            raise method_not_allowed("GET", "HEAD")
        padding = self._service.settings.assumptions.jwks_padding
        return self._reply(self._service.webhooks.keys.jwks(padding))

    async def _cdn_token(self, context: RequestContext) -> Reply:
        _storage(context, _CDN)
        await read_object(context)
        expires = self._service.clock.now() + _CDN_TOKEN_FOR
        body: dict[str, JSON] = {
            "token": self._service.tokens.issue("cdn", _CDN_TOKEN_FOR),
            "token_type": "Bearer",
            "base_url": context.address.media_base,
            # With an offset, or the Python client can't compare it (wire.md §12 row 14).
            "expires_at": datetime.fromtimestamp(expires, UTC).isoformat(),
        }
        return self._reply(body)

    async def _initiate(self, context: RequestContext) -> Reply:
        storage = _storage(context, _STORAGES)
        name, content_type = texts(await read_object(context), "file_name", "content_type")
        service = self._service
        lifecycle = read_lifecycle(context, service.uploads.defaults)
        upload = service.uploads.open(name, content_type, lifecycle)
        if not context.address.path.endswith("-multipart"):
            url = signed_url(service, context.address.media_base, upload)
        elif storage == "gcs":
            # Clients of this form add to the URL's end, so that it can have no query.
            url = context.address.url(f"{_GCS_PARTS}{upload.id}")
        else:
            url = signed_url(service, context.address.media_base, upload, f"/multipart/{upload.id}")
        file_url = f"{context.address.media_base}{upload.path}"
        return self._reply({"upload_url": url, "file_url": file_url})

    async def _gcs_part(self, context: RequestContext) -> Reply:
        """POST …/{id}/{n} hands out the part's URL; POST …/{id}/complete ends it."""
        upload_id, _, rest = context.address.path.removeprefix(_GCS_PARTS).partition("/")
        upload = self._find(upload_id)
        if rest == "complete":
            await complete(self._service, context, upload)
            return self._reply({"file_url": f"{context.address.media_base}{upload.path}"})
        place = f"/multipart/{upload.id}/{part_number(rest)}"
        url = signed_url(self._service, context.address.media_base, upload, place)
        return self._reply({"upload_url": url})

    async def _token(self, context: RequestContext) -> Reply:
        body = await read_object(context)
        apps = body.get("allowed_apps")
        if not isinstance(apps, list) or not all(isinstance(app, str) for app in apps):
            kind, message = "list_type", "Input should be a valid list of strings"
            if "allowed_apps" not in body:
                kind, message = "missing", "Field required"
            raise bad_field(kind, ["body", "allowed_apps"], message, apps)
        newer = context.address.path == "/tokens/realtime"
        seconds = _seconds(body, "duration" if newer else "token_expiration")
        token = self._service.tokens.issue("apps", seconds, apps=apps)
        if newer:
            return self._reply({"token": token})
        # The body is the bare string (wire.md §12 row 15).
        return raw_reply(dumps(token), request_id=self._service.identity.reply_id())

    def _find(self, upload_id: str) -> Upload:
        upload = self._service.uploads.get(upload_id)
        if upload is None:
            raise upload_not_found(upload_id)
        return upload

    def _reply(self, body: dict[str, JSON]) -> Reply:
        return json_reply(body, request_id=self._service.identity.reply_id())


def _storage(context: RequestContext, known: tuple[str, ...]) -> str:
    """Return which storage the query names, the first if none; raise WireError 422 for another."""
    storage = context.query.get("storage_type", known[0])
    if storage not in known:
        names = [f"'{name}'" for name in known]
        message = f"Input should be {', '.join(names[:-1])} or {names[-1]}"
        raise bad_field("enum", ["query", "storage_type"], message, storage)
    return storage


def _seconds(body: dict[str, JSON], name: str) -> int:
    seconds = body.get(name, _USUAL)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= _LONGEST:
        message = f"Input should be a whole number of seconds from 1 to {_LONGEST}"
        raise bad_field("value_error", ["body", name], message, seconds)
    return seconds
