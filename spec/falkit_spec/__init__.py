"""fal's OpenAPI documents and what follows from them: lookup, validation, combinations, price."""

from __future__ import annotations

from falkit_spec.catalog import Catalog as Catalog, Match as Match
from falkit_spec.combinations import Combination as Combination
from falkit_spec.document import Document as Document
from falkit_spec.endpoint import Endpoint as Endpoint, Figures as Figures
from falkit_spec.errors import (
    BadDocument as BadDocument,
    BadOverlay as BadOverlay,
    SpecError as SpecError,
    UnknownDate as UnknownDate,
    UnknownEndpoint as UnknownEndpoint,
)
from falkit_spec.facts import VideoFacts as VideoFacts
from falkit_spec.media import MediaInput as MediaInput
from falkit_spec.overlay import Overlay as Overlay
from falkit_spec.types import JSON as JSON, Certainty as Certainty, Fault as Fault, Object as Object
