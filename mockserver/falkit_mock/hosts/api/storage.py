"""/storage/files/acl, /storage/files/sign and /storage/settings (wire.md §7.4, §10)."""

from __future__ import annotations

import re

from falkit_mock.api_errors import Invalid, Missing
from falkit_mock.hosts.api.query import Query
from falkit_mock.platform.lifecycle import Acl, BadLifecycle, Lifecycle
from falkit_mock.platform.media import path_of
from falkit_mock.platform.platform import Platform
from falkit_spec import JSON
from falkit_spec.types import dig

_LONGEST = 7 * 86_400


class Storage:
    """Who may read the files, and for how long they are kept."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def acl(self, query: Query) -> dict[str, JSON]:
        return Acl.stored(self._file(query)[1]).as_json()

    def set_acl(self, query: Query, body: JSON) -> dict[str, JSON]:
        path, _ = self._file(query)
        try:
            acl = Acl.read(body, "acl")
        except BadLifecycle as error:
            raise Invalid(str(error)) from None
        if stored := self._platform.uploads.file(path):
            self._platform.uploads.set_acl(stored.upload, acl)
        else:
            self._platform.media.set_acl(path, acl)
        return acl.as_json()

    def sign(self, query: Query, body: JSON) -> dict[str, JSON]:
        path, _ = self._file(query)
        seconds = dig(body, "expiration_seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= _LONGEST:
            raise Invalid(f"expiration_seconds: {seconds!r} is no number from 1 to {_LONGEST}")
        token = self._platform.tokens.issue("read", seconds, sub=path)
        return {"signed_url": f"{query.required('url')}?identity={token}"}

    def settings(self) -> dict[str, JSON]:
        return self._platform.uploads.defaults.as_json()

    def set_settings(self, body: JSON) -> dict[str, JSON]:
        uploads = self._platform.uploads
        try:
            uploads.defaults = Lifecycle.read(body, uploads.defaults)
        except BadLifecycle as error:
            raise Invalid(str(error)) from None
        return self.settings()

    def _file(self, query: Query) -> tuple[str, str]:
        """Return the path and the access rules of the upload or the output that a URL names."""
        url = query.required("url")
        if re.search("[?#]", url):
            raise Invalid(f"url: {url!r} must have no query")
        path = path_of(url) or ""
        if stored := self._platform.uploads.file(path):
            return path, stored.upload.acl
        if output := self._platform.media.file(path):
            return path, output.acl
        raise Missing(f"File {url!r} not found")
