"""All endpoints that are known, found by id or by the path of a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from falkit_spec.document import Document
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint, near_misses
from falkit_spec.overlay import Overlay

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Match:
    """An endpoint found at the front of a path, and what follows it without a leading slash."""

    endpoint: Endpoint
    rest: str


class Catalog:
    """Endpoints by id. Iterates in the order in which they were given."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        # By id; not to be changed.
        self.endpoints: Mapping[str, Endpoint] = {each.id: each for each in endpoints}
        self._apps = frozenset(endpoint.app for endpoint in self.endpoints.values())
        self._longest = max((id.count("/") + 1 for id in self.endpoints), default=0)

    @staticmethod
    @cache
    def vendored() -> Catalog:
        """Return the catalog of the documents that come with falkit: one per process."""
        root = _HERE / "openapi"
        ids = {
            path: path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.json")
        }
        return Catalog(
            # The id comes from the path, so that no document is parsed before it is used.
            Endpoint(Document.from_path(path, endpoint_id=ids[path]), vendored_overlays)
            for path in sorted(ids)
        )

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
            raise UnknownEndpoint(endpoint_id, near_misses(endpoint_id, self.endpoints, 3))
        return found

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


@cache
def vendored_overlays() -> tuple[Overlay, ...]:
    """Read the overlays that come with falkit."""
    return tuple(Overlay.from_path(path) for path in sorted((_HERE / "overlays").glob("*.yaml")))
