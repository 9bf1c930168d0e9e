"""Successes: the output of a valid request, its files, and what follows from the input's files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from falkit_mock.core import HINT, dumps, header_text
from falkit_mock.core.fal_errors import BILLED_UNITS
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import MediaValue, ModelRequest, Outcome, ParsedRequest
from falkit_mock.outputs import Made, output_of
from falkit_mock.outputs.figures import NOTHING_SEEN, Seen
from falkit_mock.outputs.measures import Size
from falkit_mock.service.files import bytes_of
from falkit_mock.settings import Settings
from falkit_mock.store import FileRecord
from falkit_spec.media import Place

if TYPE_CHECKING:
    from falkit_mock.service.containers import Found


def complete(
    parsed: ParsedRequest,
    request: ModelRequest,
    request_id: str,
    identity: Identity,
    settings: Settings,
    seen: Seen = NOTHING_SEEN,
    run: float = 0.0,
) -> Made:
    """Return the output of a success: the one that a rule pins, or one by the document.

    `seen` is what its input's files are like, and `run` how many seconds its job takes.
    """
    if request.pinned is not None:
        # Lazy: most mocks pin nothing.
        from falkit_mock.service.pins import pinned_output

        return pinned_output(request.pinned, parsed, request, request_id, identity)
    return output_of(
        parsed,
        request_id,
        identity,
        request.media_base,
        seen=seen,
        run=run,
        details=settings.assumptions.file_details == "known",
    )


def fill(made: Made) -> None:
    """Write into an output what only its files' bytes tell; blocks."""
    if made.draft.needs_bytes:
        made.draft.fill(bytes_of)


def success(
    made: Made, parsed: ParsedRequest, request: ModelRequest
) -> tuple[Outcome, list[FileRecord]]:
    """Return the outcome of a success, and the files to keep."""
    endpoint, options = parsed.endpoint, request.options
    counted = endpoint.pricing is not None and endpoint.pricing.counted
    units = f"{parsed.units:f}" if parsed.units is not None and counted else None
    headers = _headers(units)
    if request.hint or parsed.hint or made.hint or made.draft.hints:
        said = (request.hint, parsed.hint, made.hint, *made.draft.hints)
        if hint := "; ".join(filter(None, said)):
            headers = {**headers, HINT: header_text(hint)}
    lifetime = None if options.media_for == math.inf else options.media_for
    records = [
        FileRecord(
            file.path,
            made.draft.request_id,
            file.given or file.wanted,
            lifetime,
            options.media_acl,
        )
        for file in made.draft.files
    ]
    return Outcome(200, dumps(made.output), headers), records


@lru_cache(maxsize=1024)
def _headers(units: str | None) -> dict[str, str]:
    """Return the headers of a success, the same for all that take as many units."""
    return {} if units is None else {BILLED_UNITS: units}


def seen_in(
    found: Sequence[tuple[MediaValue, Found]], reads: Mapping[Place, Callable[[], bytes] | None]
) -> Seen:
    """Return what an output may follow from: the first file of each kind, as it is; blocks.

    `reads` returns the bytes of files, by their place, as far as they are here.
    """
    # Lazy: most inputs name public files, which nobody looks at.
    from falkit_mock.service.images import small

    first: dict[str, tuple[MediaValue, Found]] = {}
    # A mask says least of what comes out.
    for one in sorted(found, key=lambda pair: "mask" in pair[0].name):
        first.setdefault(one[0].field.kind, one)
    whats = {kind: what for kind, (_, what) in first.items()}
    picture, clip, sound = (whats.get(kind) for kind in ("image", "video", "audio"))
    read = reads.get(first["image"][0].place) if picture else None
    return Seen(
        picture=_size(picture),
        clip=_size(clip),
        fps=clip.fps if clip else None,
        clip_seconds=clip.seconds if clip else None,
        sound_seconds=sound.seconds if sound else None,
        clip_sound=clip.audio if clip else None,
        small=small(read()) if read else b"",
    )


def _size(found: Found | None) -> Size | None:
    return (found.width, found.height) if found and found.width and found.height else None
