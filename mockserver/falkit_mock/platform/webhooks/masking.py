"""URLs as they may be shown: without what opens the receiver."""

from __future__ import annotations

import re

_USER = re.compile(r"^([^:/?#]*://)(?:([^:/?#@]*):)?[^/?#]*@")
MASK = "***"


def masked(url: str) -> str:
    """Return a URL with its password masked; a user that stands alone may be a token."""
    return _USER.sub(_shown, url)


def _shown(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    return f"{scheme}{MASK}@" if user is None else f"{scheme}{user}:{MASK}@"
