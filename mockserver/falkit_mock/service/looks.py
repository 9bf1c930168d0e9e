"""Which files of an input take time to look at, and what judges each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from falkit_mock.core.jobs import MediaValue
from falkit_mock.core.limits import FILE_MOST as MOST
from falkit_mock.service.checks import Rejected, check_size, check_source, download_failed
from falkit_mock.service.containers import HEADERS, Found, Source
from falkit_mock.service.data_uris import is_data_uri, read_data_uri
from falkit_mock.service.files import MISSING, Media, OwnFile
from falkit_mock.service.inputs import check_data_uri, check_download, check_url, in_pool
from falkit_mock.settings import Settings


@dataclass(frozen=True, slots=True)
class Look:
    """A file that takes time to look at: how many bytes, about, and what judges it."""

    medium: MediaValue
    size: int
    check: Callable[[], Awaitable[Found | None]]
    # Returns all its bytes; None where they aren't here to stay.
    read: Callable[[], bytes] | None = None


def first_looks(
    given: Iterable[MediaValue], settings: Settings, media: Media, media_base: str
) -> tuple[list[Rejected], list[Look]]:
    """Check files; return the refusals, and what takes time."""
    rejected: list[Rejected] = []
    later: list[Look] = []
    for medium in given:
        try:
            if look := _first_look(medium, settings, media, media_base):
                later.append(look)
        except Rejected as error:
            rejected.append(error.bare())
    return rejected, later


def _first_look(
    medium: MediaValue, settings: Settings, media: Media, media_base: str
) -> Look | None:
    """Return how a file is looked at, if it needs a look; raise Rejected for a bad one."""
    # In a thread: decoding a large picture takes longer than the event loop may stand still.
    if is_data_uri(medium.value):
        labels = settings.assumptions.data_uri_label == "checked"
        return Look(
            medium,
            len(medium.value),
            lambda: in_pool(check_data_uri, medium, labels=labels),
            partial(read_data_uri, medium.value),
        )
    own = media.own_file(medium.value, media_base)
    if own is MISSING:
        raise download_failed(medium, "this mock has no such file")
    if isinstance(own, OwnFile):
        if own.size is not None:
            check_size(medium, own.size)
        most = MOST if medium.field.kind == "image" else HEADERS
        size = _OUTPUT if own.size is None else min(own.size, most)
        read = partial(own.read, 0, MOST)
        return Look(medium, size, lambda: in_pool(_check_own, medium, own), read)
    if check_url(medium, allow_private=settings.allow_private_inputs):
        return Look(medium, 0, partial(check_download, medium))
    return None


# What an output that comes back as an input is taken to have, before it is made.
_OUTPUT = 1024 * 1024


def _check_own(medium: MediaValue, own: OwnFile) -> Found | None:
    try:
        if own.size is None:
            return check_source(medium, Source.of(own.read(0, MOST)))
        return check_source(medium, Source(own.size, own.read))
    except (OSError, EOFError):
        raise download_failed(medium, "the file was deleted before the job read it") from None
