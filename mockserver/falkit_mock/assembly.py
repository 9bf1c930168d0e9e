"""The application that settings choose: one mock for all, or one for each key."""

from __future__ import annotations

import logging

from falkit_mock.app import MockApp
from falkit_mock.core.clock import Clock
from falkit_mock.service.service import Service
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_mock.stores import store_of
from falkit_spec import Catalog

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

        return Tenants(settings, catalog, clock)
    kept = store or store_of(settings)
    try:
        return MockApp(Service(settings, clock or settings.new_clock(), kept), catalog)
    except BaseException:
        if store is None:
            kept.close()
        raise
