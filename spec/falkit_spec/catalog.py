"""All endpoints that are known, found by id or by the path of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownDate, UnknownEndpoint, near_misses
from falkit_spec.lock import DATE
from falkit_spec.overlay import Overlay
from falkit_spec.schema import ordered
from falkit_spec.sources import Sources, read_sources

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Match:
    """An endpoint found at the front of a path, and what follows it without a leading slash."""

    endpoint: Endpoint
    rest: str


class Catalog:
    """Endpoints by id. Iterates in the order in which they were given.

    `later` has the ids whose first document is too new, each with that document's date.
    `notes` are lines about users' documents that a program prints when it starts.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        later: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        # By id; not to be changed.
        self.endpoints: Mapping[str, Endpoint] = {each.id: each for each in endpoints}
        self.later: Mapping[str, str] = later or {}
        self.notes = tuple(notes)
        self._apps = frozenset(endpoint.app for endpoint in self.endpoints.values())
        self._longest = max((id.count("/") + 1 for id in self.endpoints), default=0)

    @staticmethod
    def vendored(as_of: str | None = None) -> Catalog:
        """Return the documents that come with falkit, as of a month such as `2026-01`.

        Of each endpoint that is the newest document that isn't later; without a month, the newest.
        There is one catalog per process and date. UnknownDate if there is nothing so old.
        """
        return _vendored(date_in_force(as_of))

    @staticmethod
    def read(places: Iterable[str | Path], as_of: str | None = None) -> Catalog:
        """Return the vendored documents and those in a user's files and folders.

        A user's document counts before a vendored one of the same id. As of a date, of each
        endpoint the newest document that isn't later counts, or one without a date. What can't be
        used is left out, and said in the `notes`. UnknownDate as for `vendored`.
        """
        places = list(places)
        return _with_own(read_sources(places), as_of) if places else Catalog.vendored(as_of)

    @classmethod
    def from_documents(
        cls, documents: Iterable[Document], overlays: Sequence[Overlay] = ()
    ) -> Catalog:
        """Make a catalog of any fal documents; every overlay is applied to every document.

        BadDocument if one names no endpoint; of two with the same id the later one counts.
        """
        return cls(Endpoint(document, lambda: overlays) for document in documents)

    def get(self, endpoint_id: str) -> Endpoint:
        """Return the endpoint of this id; UnknownEndpoint, with the ids near it, if none has it."""
        found = self.endpoints.get(endpoint_id)
        if found is None:
            raise self.unknown(endpoint_id)
        return found

    def unknown(self, endpoint_id: str) -> UnknownEndpoint:
        """Return the error that says why there is no endpoint of this id."""
        near = near_misses(endpoint_id, self.endpoints, 3, likeness=0.8)
        return UnknownEndpoint(endpoint_id, near, self.later.get(endpoint_id, ""))

    def find(self, path: str) -> Match | None:
        """Find the longest id at the front of a path that has no leading slash.

        `fal-ai/ltx-2/image-to-video/fast/stream` is `stream` of Fast, not `fast/stream` of Pro.
        """
        segments = path.rstrip("/").split("/")
        for length in range(min(len(segments), self._longest), 0, -1):
            endpoint = self.endpoints.get("/".join(segments[:length]))
            if endpoint is not None:
                return Match(endpoint, "/".join(segments[length:]))
        return None

    def has_app(self, app: str) -> bool:
        """Tell whether an endpoint belongs to this app, such as `fal-ai/ltx-2`."""
        return app in self._apps

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.endpoints.values())

    def __len__(self) -> int:
        return len(self.endpoints)

    def __contains__(self, endpoint_id: object) -> bool:
        return endpoint_id in self.endpoints


def date_in_force(as_of: str | None = None) -> str:
    """Return the date of the newest vendored documents that aren't later than a month.

    UnknownDate for what isn't a month, and for one before the first documents.
    """
    dates = sorted(_files())
    if as_of is None:
        return dates[-1]
    if not _MONTH.fullmatch(as_of):
        raise UnknownDate(as_of, dates, f"isn't a month; write one such as {dates[-1]}")
    past = [date for date in dates if date <= as_of]
    if not past:
        raise UnknownDate(as_of, dates, "is before the first documents")
    return past[-1]


def dropped_inputs(endpoint: Endpoint) -> Mapping[str, str]:
    """Return the inputs that fal took out of a vendored endpoint, each with the last month."""
    found: dict[str, str] = {}
    for date in sorted(_files()):
        if date < endpoint.document.date and endpoint.id in _files()[date]:
            old = _vendored(date).get(endpoint.id)
            found |= dict.fromkeys(ordered(old.input_schema), date)
    return {
        name: date for name, date in found.items() if name not in ordered(endpoint.input_schema)
    }


_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


@cache
def _files() -> dict[str, dict[str, Path]]:
    """Find the vendored documents: by date, then by id, in the order of the ids."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted((_HERE / "openapi").rglob("*.json")):
        date, *inside = path.relative_to(_HERE / "openapi").with_suffix("").parts
        found.setdefault(date, {})["/".join(inside)] = path
    return found


@cache
def _vendored(date: str) -> Catalog:
    newest: dict[str, tuple[str, Path]] = {}
    later: dict[str, str] = {}
    for each, files in sorted(_files().items()):
        for endpoint_id, path in files.items():
            if each <= date:
                newest[endpoint_id] = (each, path)
            elif endpoint_id not in newest:
                later.setdefault(endpoint_id, each)
    endpoints = (
        # The id comes from the path, so that no document is parsed before it is used.
        Endpoint(Document.from_path(path, endpoint_id=id, date=each), vendored_overlays)
        for id, (each, path) in sorted(newest.items())
    )
    return Catalog(endpoints, later=later)


def _with_own(own: Sources, as_of: str | None) -> Catalog:
    # A day is for users' documents: falkit's own have months.
    month = as_of[:7] if as_of is not None and DATE.fullmatch(as_of) else as_of
    ours = Catalog.vendored(month)
    notes, later = [*own.notes], dict(ours.later)
    chosen: dict[str, Document] = {}
    # Without a date last: such a document counts whatever the date.
    for document in sorted(own.documents, key=lambda one: one.date or "9"):
        if as_of is not None and document.date[: len(as_of)] > as_of:
            later.setdefault(document.endpoint_id, document.date)
            continue
        before = chosen.get(document.endpoint_id)
        if before is not None and before.date == document.date:
            same = f"{document.endpoint_id} is also in {before.source}, which counts"
            notes.append(f"{document.source}: {same}; left out")
            continue
        chosen[document.endpoint_id] = document
    for endpoint_id, document in sorted(chosen.items()):
        if endpoint_id in ours:
            notes.append(f"{document.source}: counts for {endpoint_id} in place of falkit's own")
    overlays = (*vendored_overlays(), *own.overlays)
    endpoints = {
        endpoint.id: Endpoint(endpoint.document, lambda: overlays) if own.overlays else endpoint
        for endpoint in ours
    }
    endpoints |= {id: Endpoint(one, lambda: overlays) for id, one in sorted(chosen.items())}
    later = {id: date for id, date in later.items() if id not in endpoints}
    return Catalog(endpoints.values(), later=later, notes=notes)


@cache
def vendored_overlays() -> tuple[Overlay, ...]:
    """Read the overlays that come with falkit."""
    return tuple(Overlay.from_path(path) for path in sorted((_HERE / "overlays").glob("*.yaml")))
