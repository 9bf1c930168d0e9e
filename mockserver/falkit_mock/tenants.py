"""--tenants: behind one address each key has a mock of its own."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import count
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import QueryParams
from starlette.types import Message, Receive, Scope, Send

from falkit_mock.app import MockApp
from falkit_mock.control import Call, Conflict, ControlError, Unknown, answer
from falkit_mock.core import reason
from falkit_mock.core.clock import Clock
from falkit_mock.core.errors import Unauthenticated, WireError, too_many_tenants
from falkit_mock.core.events import Events
from falkit_mock.core.identity import Tokens, check, check_hub_token, issuer_of, key_id, owner_of
from falkit_mock.core.network import CONTROL, MEDIA, PROBES, is_control
from falkit_mock.core.settings import SettingsError
from falkit_mock.hosts import RequestContext
from falkit_mock.hosts.addresses import Address, find_address
from falkit_mock.hosts.replies import AnyReply, Reply, error_reply
from falkit_mock.service.files import OwnFile
from falkit_mock.service.service import Service
from falkit_mock.settings import Settings
from falkit_mock.store import BadCopy, KeyRecord, Store
from falkit_mock.store.folder import note_key, opened, state_of, states_in
from falkit_mock.stores import store_of
from falkit_mock.webhooks.signing import KeyRing
from falkit_spec import JSON, Catalog

_log = logging.getLogger("falkit_mock")
# In a control reply: whose mock it was, quoted as in a URL.
TENANT_HEADER = b"x-falkit-tenant"
# In the scope of a request: what it is refused with.
_REFUSAL = "falkit.refusal"
# What is the same for all: the control API's operations without a key, and those that take none.
_SHARED = (
    *("index", "document", "health", "gateway", "faults", "spend", "report", "takeReport"),
    *("endpoints", "endpoint", "endpointCombinations", "checkInput", "openPage"),
)
_KEYLESS = tuple(f"{CONTROL}{path}" for path in ("", "/", "/openapi.json", "/gateway", "/tenants"))
_ONE_TENANT = f"{CONTROL}/tenants/"
_FILE = re.compile(r"/files/b/([0-9a-f]{8})/")


@dataclass(slots=True)
class Tenant:
    """A key's own mock."""

    # The key's id.
    key: str
    app: MockApp
    # What is done before its first request is answered, until it is done.
    opening: asyncio.Task[None] | None = None
    opened: bool = False


class KeyNeeded(ControlError):
    """A control request that doesn't say whose mock it is about."""

    status_code = 400

    def __init__(self) -> None:
        super().__init__(
            "each key has a mock of its own here: send Authorization: Key ID or ?key=ID, with "
            "--key or FAL_KEY on the command line; GET /__falkit/tenants lists them"
        )


class Tenants(MockApp):
    """Hands each request to the mock of its key, which is made for its first.

    A mock knows nothing of the others. This one has no jobs: it answers what names no key, such as
    probes, the list of tenants, and refusals.
    """

    def __init__(self, settings: Settings, catalog: Catalog, clock: Clock | None = None) -> None:
        """Take up the tenants that a folder has; raise SettingsError for what can't be had."""
        self._clock = clock
        # By the key's id; and by what their files' paths and their tokens have in them.
        self._tenants: dict[str, Tenant] = {}
        self._by_tag: dict[str, Tenant] = {}
        self._attending: list[Callable[[MockApp, str | None], object]] = []
        super().__init__(Service(settings, clock or settings.new_clock(), Store()), catalog)
        service = self.service
        service.webhooks.keys = _AllKeys(service, self._tenants)
        service.closed.append(self._let_go)
        self.events = Events()
        service.events.leave(self.metrics)
        self.events.listen(self.metrics)
        service.events.listen(self.events.emit)
        operations = self.control.operations
        for name in operations.keys() - set(_SHARED):
            operations[name] = _needs_key
        operations |= {"tenants": self._list, "forgetTenant": self._forget}
        try:
            self._take_up(settings)
        except BaseException:
            self.close()
            raise

    def _take_up(self, settings: Settings) -> None:
        """Go on with the tenants that a folder has; raise SettingsError for what can't be had."""
        if settings.state is None:
            return
        try:
            states = states_in(settings.state)
        except BadCopy as error:
            raise SettingsError("state", str(error)) from None
        if len(states) > settings.max_tenants:
            problem = f"{settings.state} has {len(states)} tenants; give at least so many"
            raise SettingsError("max_tenants", problem)
        for key, store in opened(settings.state, states, partial(store_of, settings)):
            self._make(key, store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # A handshake comes back as the GET that it is.
            await super().__call__(scope, receive, send)
            return
        tenant, path = None, scope["path"].removeprefix(scope.get("root_path", ""))
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        controls = path.startswith(CONTROL) and is_control(path, headers)
        try:
            if controls:
                tenant = self._controlled(scope, path, headers)
            elif path not in PROBES:
                tenant = self._caller(scope, path, headers)
        except WireError as error:
            scope[_REFUSAL] = error
        if tenant is None:
            await super().__call__(scope, receive, send)
            return
        if not tenant.opened:
            await self._opened(tenant)
        await tenant.app(scope, receive, _naming(tenant, send) if controls else send)

    @property
    def tenants(self) -> list[Tenant]:
        """The tenants so far, the oldest first."""
        return [*self._tenants.values()]

    def tenant(self, key: str) -> Tenant:
        """Return the mock of a key by the key's id, which is made if need be.

        Raise WireError 507 if there may be no more, or its file can't be had.
        """
        found = self._tenants.get(key)
        if found is not None:
            return found
        settings = self.service.settings
        if len(self._tenants) >= settings.max_tenants:
            raise too_many_tenants(settings.max_tenants)
        try:
            return self._make(key, store_of(settings, state_of(settings.state or "", key)))
        except (SettingsError, OSError) as error:
            why = error.problem if isinstance(error, SettingsError) else reason(error)
            detail = {"detail": f"This mock can't keep anything for another key: {why}"}
            raise WireError(detail, status_code=507) from None

    def attend(self, act: Callable[[MockApp, str | None], object]) -> None:
        self._attending.append(act)
        for tenant in self.tenants:
            act(tenant.app, tenant.key)

    def services(self) -> list[Service]:
        return [tenant.app.service for tenant in self.tenants]

    def go_on(self) -> None:
        super().go_on()
        for tenant in self.tenants:
            tenant.app.go_on()

    def close(self) -> None:
        super().close()
        for tenant in self.tenants:
            tenant.app.close()

    def _unready(self) -> str | None:
        found = (super()._unready(), *(tenant.app._unready() for tenant in self.tenants))
        return next(filter(None, found), None)

    def _let_go(self) -> None:
        for tenant in self.tenants:
            tenant.app.service.close()

    async def _reply(self, context: RequestContext) -> AnyReply:
        refusal: WireError | None = context.scope.get(_REFUSAL)
        if refusal is None:
            return await super()._reply(context)
        return error_reply(refusal, self.service.identity.reply_id())

    def _caller(self, scope: Scope, path: str, headers: dict[bytes, bytes]) -> Tenant | None:
        """Return whose a request to one of fal's hosts is; None if it names none, or is refused."""
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        plain = b"x-fal-target-url" not in headers and b"token=" not in scope["query_string"]
        if plain and authorization[:4] == "Key " and "/files/" not in path:
            # As nearly all are.
            return self._of_key(authorization)
        try:
            address = find_address(scope, headers, self.service.settings.media_host)
        except WireError:
            return None
        if address.role == MEDIA:
            return self._of_file(scope, address, authorization)
        token = QueryParams(address.query).get("fal_jwt_token")
        if token is not None:
            return self._by_tag.get(issuer_of(token))
        return self._of_key(authorization, routed=address.routed)

    def _of_key(self, authorization: str, *, routed: bool = False) -> Tenant | None:
        api_keys = self.service.settings.api_keys
        try:
            if routed:
                check_hub_token(authorization, api_keys)
            else:
                check(authorization, None, api_keys)
        except Unauthenticated:
            return None
        return self.tenant(owner_of(authorization))

    def _of_file(self, scope: Scope, address: Address, authorization: str) -> Tenant | None:
        """Return whose file a URL names, or who opens an upload."""
        match = _FILE.match(address.path)
        if match is None:
            return self._by_tag.get(issuer_of(authorization.partition(" ")[2]))
        tenant = self._by_tag.get(match[1])
        if tenant is None or not _has(tenant, address.path):
            # Of a state that was imported, whose paths are those of the mock that made them.
            holder = next((one for one in self.tenants if _has(one, address.path)), None)
            tenant = holder or tenant
        named = authorization[:4].lower() == "key "
        if tenant is not None and named and key_id(authorization) != tenant.key:
            # A key opens nothing of another's: whoever has it is anybody there.
            scope["headers"] = [one for one in scope["headers"] if one[0] != b"authorization"]
        return tenant

    def _controlled(self, scope: Scope, path: str, headers: dict[bytes, bytes]) -> Tenant | None:
        """Return whose mock a control request is about; None if it is about all, or refused."""
        try:
            self.guard.check(scope)
        except WireError:
            return None
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        key = key_id(authorization) if authorization[:4].lower() == "key " else None
        if b"key=" in scope["query_string"]:
            pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            named = dict(pairs).get("key")
            key = key if named is None else named.partition(":")[0]
            others = [(name, value) for name, value in pairs if name != "key"]
            scope["query_string"] = urlencode(others).encode()
        if key is None or path in _KEYLESS or path.startswith(_ONE_TENANT):
            return None
        known = {each.partition(":")[0] for each in self.service.settings.api_keys}
        if known and key not in known:
            raise Unknown("key", key, "isn't one of the keys that this mock was started with")
        return self.tenant(key)

    def _make(self, key: str, store: Store) -> Tenant:
        """Make a key's mock; raise SettingsError for a store that it can't go on with."""
        settings = self.service.settings
        tag = next(tag for tag in _tags(key) if tag not in self._by_tag)
        try:
            service = Service(settings, self._clock or settings.new_clock(), store)
            identity = service.identity
            identity.become(_seed_of(self.service.identity.seed, key), tag)
            identity.skip(store.last_seq)
            service.tokens = Tokens(identity.secret("tokens"), service.clock, tag)
            app = MockApp(service, self.catalog)
            note_key(store, key)
        except BaseException:
            store.close()
            raise
        store.uploads.blobs.check_room = service.retention.check_room
        service.media.elsewhere = partial(self._public, service)
        app.events.listen(self.events.emit)
        for act in self._attending:
            act(app, key)
        tenant = self._tenants[key] = self._by_tag[tag] = Tenant(key, app)
        return tenant

    def _public(self, asking: Service, path: str) -> OwnFile | None:
        """Return another tenant's file as an input: its URL is public, unless rules say other."""
        match = _FILE.match(path)
        tenant = self._by_tag.get(match[1]) if match else None
        if tenant is None or (service := tenant.app.service) is asking:
            return None
        known = service.store.file(path) or service.store.uploads.at(path)
        return None if known is None or known.acl else service.media.at(path)

    async def _opened(self, tenant: Tenant) -> None:
        """Return once what a file of settings puts into a new mock is there."""
        if tenant.opening is None:
            tenant.opening = asyncio.create_task(_open(tenant))
        # Others wait for it, too.
        await asyncio.shield(tenant.opening)

    async def _list(self, call: Call) -> Reply:
        tenants: list[JSON] = [_summary(tenant) for tenant in self.tenants]
        most = self.service.settings.max_tenants
        return answer(self.service, {"tenants": tenants, "max_tenants": most})

    async def _forget(self, call: Call) -> Reply:
        key: str = call.fields["tenant"]
        tenant = self._tenants.get(key)
        if tenant is None:
            raise Unknown("tenant", key, "has no mock here; GET /__falkit/tenants lists the keys")
        if self.service.settings.state is not None:
            raise Conflict(f"what {key!r} has is kept in a state; `falkit reset --key` empties it")
        del self._tenants[key]
        self._by_tag = {tag: one for tag, one in self._by_tag.items() if one is not tenant}
        tenant.app.close()
        return answer(self.service, {"tenants": len(self._tenants)})


def _has(tenant: Tenant, path: str) -> bool:
    """Tell whether a tenant has the file or the upload at a path."""
    store = tenant.app.service.store
    upload = path.partition("/multipart/")[0]
    return store.file(path) is not None or store.uploads.at(upload) is not None


def _summary(tenant: Tenant) -> JSON:
    service = tenant.app.service
    uploads = service.store.uploads
    return {
        "key": tenant.key,
        "jobs": service.store.count(),
        "uploads": len(uploads.all()),
        "bytes": service.store.kept + uploads.kept,
        "seed": service.identity.seed,
        "now": service.clock.now(),
    }


async def _needs_key(call: Call) -> Reply:
    refusal: WireError | None = call.request.scope.get(_REFUSAL)
    raise refusal or KeyNeeded()


async def _open(tenant: Tenant) -> None:
    try:
        tenant.app.go_on()
        for act in tenant.app.service.hooks.opening:
            await act()
    except Exception as error:
        # Its first caller can't help it; the mock is one without it.
        _log.error("%s: %s", tenant.key, error)
    tenant.opened, tenant.opening = True, None


def _naming(tenant: Tenant, send: Send) -> Send:
    """Return what sends a control reply that says whose mock it was."""
    name = (TENANT_HEADER, quote(tenant.key, safe="").encode())

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], name]
        await send(message)

    return named


class _AllKeys(KeyRing):
    """The keys that sign webhooks, of all tenants: receivers fetch them without a key.

    Keys follow from their numbers, so that most tenants have the same.
    """

    def __init__(self, service: Service, tenants: dict[str, Tenant]) -> None:
        super().__init__(service.store.deliveries, service.clock)
        self._tenants = tenants

    def all(self) -> list[KeyRecord]:
        found = {key.number: key for key in super().all()} if not self._tenants else {}
        for tenant in self._tenants.values():
            for key in tenant.app.service.webhooks.keys.all():
                # One that is withdrawn for some is still another's.
                if key.number not in found or not key.withdrawn:
                    found[key.number] = key
        return [found[number] for number in sorted(found)]


def _seed_of(seed: int, key: str) -> int:
    """Return a tenant's seed, which doesn't depend on who else there is."""
    return int.from_bytes(blake2b(f"{seed} {key}".encode(), digest_size=6).digest(), "big")


def _tags(key: str) -> Iterator[str]:
    """Yield what a tenant is known by in URLs and tokens: nearly always the first."""
    for number in count():
        yield blake2b(f"{number} {key}".encode(), digest_size=4).hexdigest()
