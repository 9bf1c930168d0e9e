"""What the Platform API's operations are asked: parameters read, and results cut into pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

from starlette.datastructures import QueryParams

from falkit_mock.api_errors import Invalid, Missing
from falkit_spec import JSON, Catalog

T = TypeVar("T")
_MOST_IDS = 50
# A page beyond this is no page of anything here.
_LAST_PAGE = 1_000_000


class Query:
    """An operation's query string; what can't be read raises Invalid with its name."""

    def __init__(self, text: str) -> None:
        self._params = QueryParams(text)

    def text(self, name: str) -> str | None:
        return self._params.get(name) or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Invalid(f"{name}: is required")
        return value

    def one_of(self, name: str, *known: str) -> str | None:
        """Return a parameter that must be one of a few words, None if it isn't there."""
        value = self.text(name)
        if value is not None and value not in known:
            raise Invalid(f"{name}: {value!r} is none of {', '.join(known)}")
        return value

    def many(self, name: str) -> list[str]:
        """Return a parameter that may be repeated, or be a list with commas."""
        every = ",".join(self._params.getlist(name)).split(",")
        return [value.strip() for value in every if value.strip()]

    def expand(self, *known: str) -> list[str]:
        found = self.many("expand")
        if unknown := [word for word in found if word not in known]:
            raise Invalid(f"expand: {unknown[0]!r} is none of {', '.join(known)}")
        return found

    def endpoint_ids(self, catalog: Catalog, *, required: bool = False) -> list[str]:
        """Return 1 to 50 ids of models; raise Missing for one that is unknown."""
        ids = self.many("endpoint_id")
        if required and not ids:
            raise Invalid("endpoint_id: is required, once or more")
        if len(ids) > _MOST_IDS:
            raise Invalid(f"endpoint_id: {len(ids)} are too many; the most is {_MOST_IDS}")
        if unknown := [name for name in ids if name not in catalog]:
            raise Missing(
                f"Endpoint {unknown[0]!r} not found",
                hint="this mock knows " + ", ".join(endpoint.id for endpoint in catalog),
            )
        return list(dict.fromkeys(ids))

    def moment(self, name: str, default: float, zone: tzinfo = UTC) -> float:
        """Return a date or a date with a time (ISO 8601) as unix seconds."""
        value = self.text(name)
        if value is None:
            return default
        try:
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
        except (ValueError, OverflowError):
            mend = "write 2026-01-31 or 2026-01-31T12:00:00Z"
            raise Invalid(f"{name}: {value!r} is no date; {mend}") from None

    def page(self, items: Sequence[T], usual: int, most: int) -> tuple[list[T], dict[str, JSON]]:
        """Cut out the page that `limit` and `cursor` ask for; return it and what says of more."""
        size = self._limit(usual, most)
        number = self._cursor()
        start = (number - 1) * size
        has_more = len(items) > start + size
        cursor = base64.b64encode(str(number + 1).encode()).decode() if has_more else None
        return [*items[start : start + size]], {"next_cursor": cursor, "has_more": has_more}

    def _limit(self, usual: int, most: int) -> int:
        value = self.text("limit")
        if value is None:
            return usual
        if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= most:
            raise Invalid(f"limit: {value!r} is no number from 1 to {most}")
        return int(value)

    def _cursor(self) -> int:
        value = self.text("cursor")
        if value is None:
            return 1
        try:
            number = int(base64.b64decode(value, validate=True))
        except (ValueError, binascii.Error):
            number = 0
        if not 1 <= number <= _LAST_PAGE:
            raise Invalid(f"cursor: {value!r} is none; give the next_cursor of the page before")
        return number
