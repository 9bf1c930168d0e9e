"""The application that settings choose: one mock for all, or one for each key."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from falkit_mock.app import MockApp
from falkit_mock.core.clock import Clock
from falkit_mock.findings import Front, Watcher
from falkit_mock.service.service import Service
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.stores import store_of
from falkit_spec import Catalog

if TYPE_CHECKING:
    from falkit_mock.service.spend import Limits, Meter

_log = logging.getLogger("falkit_mock")


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    catalog: Catalog | None = None,
    store: Store | None = None,
) -> MockApp:
    """Return the mock as an ASGI application.

    `clock` lets a test own the time; the default catalog is what the settings `documents` and
    `as_of` choose, and the default store what the setting `state` says.
    """
    settings = settings or Settings()
    settings.check_catalog(catalog)
    if catalog is None:
        catalog = settings.read_catalog()
        for line in catalog.notes:
            _log.warning("%s", line)
    return app_of(settings, catalog, clock=clock, store=store)


def app_of(
    settings: Settings, catalog: Catalog, *, clock: Clock | None = None, store: Store | None = None
) -> MockApp:
    """Return the application of settings whose documents were read already.

    Raise SettingsError for an output that its endpoint can't have.
    """
    if settings.tenants:
        # Lazy: most mocks have one for all.
        from falkit_mock.tenants import Tenants

        return _watching(_counting(Tenants(settings, catalog, clock), settings))
    kept = store or store_of(settings)
    try:
        app = MockApp(Service(settings, clock or settings.new_clock(), kept), catalog)
    except BaseException:
        if store is None:
            kept.close()
        raise
    return _watching(_counting(app, settings))


def _counting(app: MockApp, settings: Settings) -> MockApp:
    """Have counted what jobs cost: when somebody asks, before they are forgotten, or at their ends.

    At their ends where there are limits, and where other replicas can have them forgotten.
    """
    limits: Limits | None = None
    if settings.budget is not None or settings.alert_at:
        from falkit_mock.service.spend import Limits

        limits = Limits(settings)

    def attach(one: MockApp, key: str | None) -> None:
        service, catalog = one.service, one.catalog

        def meter() -> Meter:
            # Lazy: most mocks are never asked, and forget nothing.
            from falkit_mock.service.spend import meter_of

            return meter_of(service, catalog)

        async def leave() -> None:
            await meter().leave()

        service.store.leaving = lambda: meter().count()
        service.hooks.leaving.append(leave)
        if limits is not None or service.store.sharing is not None:
            meter().limits = limits
            service.events.listen(meter())

    app.attend(attach)
    return app


def _watching(app: MockApp) -> MockApp:
    """Have watched who calls a mock, or each tenant, and probed whoever takes webhooks.

    In front of tenants who calls none of them is watched.
    """
    front: Watcher | None = None

    def attach(one: MockApp, key: str | None) -> None:
        service = one.service
        watcher = service.hooks.watcher = Watcher(service, one.catalog, front)
        service.events.listen(watcher)
        service.hooks.leaving.append(watcher.leave)
        leaving = service.store.leaving

        def leave() -> None:
            watcher.catch_up()
            leaving()

        service.store.leaving = leave
        if service.settings.probe_webhooks:
            # Lazy: few mocks probe.
            from falkit_mock.webhooks.probes import WebhookProbes

            probes = WebhookProbes(service.webhooks, service.store.deliveries)
            service.events.listen(probes)
            service.hooks.probing = probes.over

    if app.service not in app.services():
        front = app.service.hooks.watcher = Front(app.service, app.catalog)
        app.service.events.listen(front)
    app.attend(attach)
    return app
