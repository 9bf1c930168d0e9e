"""Where jobs and files live between requests."""

from __future__ import annotations

from falkit_mock.store.base import FileRecord, Store
from falkit_mock.store.sqlite import SqliteStore

__all__ = ["FileRecord", "SqliteStore", "Store"]
