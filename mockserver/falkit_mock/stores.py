"""The store that settings choose."""

from __future__ import annotations

from pathlib import Path

from falkit_mock.core.settings import SettingsError, is_url
from falkit_mock.settings import Settings
from falkit_mock.store import BadCopy, Store


def store_of(settings: Settings, of_tenant: str | None = None) -> Store:
    """Return the store that settings choose, or a tenant's, whose state is named then.

    Raise SettingsError for a state that can't be had.
    """
    if settings.state is None:
        return Store()
    try:
        if is_url(settings.state):
            if of_tenant is not None:
                raise BadCopy(
                    "tenants can't be kept in Redis; name a folder, or leave out --tenants"
                )
            # Lazy, as below: most mocks forget everything.
            from falkit_mock.store.redis.store import RedisStore

            return RedisStore(settings.state, settings.request_log)
        from falkit_mock.store.durable import DurableStore

        if of_tenant is None and Path(settings.state).is_dir():
            why = "is a folder, as --tenants has one; give that, or name a file"
            raise BadCopy(f"{settings.state} {why}")
        return DurableStore(of_tenant or settings.state)
    except BadCopy as error:
        raise SettingsError("state", str(error)) from None
