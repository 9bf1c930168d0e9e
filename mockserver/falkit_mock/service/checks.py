"""A file of an input, judged by its bytes: what it is, and whether the field takes that."""

from __future__ import annotations

import re
import struct

from falkit_mock.core.fal_errors import input_error
from falkit_mock.core.jobs import MediaValue
from falkit_mock.core.limits import FILE_MOST as MOST, PIXELS
from falkit_mock.service import archives, containers, sounds
from falkit_mock.service.containers import HEAD, PICTURES, Found, Source, Unreadable
from falkit_mock.service.images import TooManyPixels, read_image
from falkit_spec import JSON
from falkit_spec.media import MediaKind

_READERS = {**containers.READERS, **sounds.READERS}
# Kinds of which no more is known than that there has to be a file.
UNREAD: tuple[MediaKind, ...] = ("weights", "document", "file")


class Rejected(Exception):
    """An input that the model won't take: the item for `detail`, and our hint about why."""

    def __init__(self, medium: MediaValue, item: dict[str, JSON], hint: str | None = None) -> None:
        super().__init__(hint or item["msg"])
        self.medium = medium
        self.item = item
        self.hint = hint

    def bare(self) -> Rejected:
        """Return it without the frames that it came through, which hold the file."""
        self.__context__ = None
        return self.with_traceback(None)


def rejected(
    medium: MediaValue,
    kind: str,
    why: str | None = None,
    ctx: dict[str, JSON] | None = None,
    message: str | None = None,
) -> Rejected:
    """Return the refusal of a file by the name of its error; `why` goes into the hint."""
    item = input_error(kind, medium.place, medium.value, ctx, message)
    return Rejected(medium, item, f"{medium.name}: {why}" if why else None)


def download_failed(medium: MediaValue, why: str) -> Rejected:
    """Return the refusal of a file that can't be had; `why` goes into the hint."""
    return rejected(medium, "file_download_error", why)


def identify(source: Source) -> Found:
    """Return what a video or a sound is; raise Unreadable for what is neither, or is broken."""
    if not source.size:
        raise Unreadable("the file is empty")
    head = source.read(0, HEAD)
    for pattern, reader in _READERS.items():
        if re.match(pattern, head, re.DOTALL):
            try:
                return reader(source)
            except (struct.error, IndexError, ValueError, ArithmeticError):
                raise Unreadable("its headers can't be read") from None
    raise Unreadable("no known format begins like this")


def check_size(medium: MediaValue, size: int) -> None:
    """Judge a file by its size in bytes; raise Rejected if it is too large."""
    most = medium.field.max_bytes
    if most is not None and size > most:
        why = f"{size} bytes are more than the {most} allowed"
        raise rejected(medium, "file_too_large", why, {"max_size": most})


def check_bytes(medium: MediaValue, data: bytes) -> Found | None:
    """Judge bytes in memory; as `check_source`."""
    return check_source(medium, Source.of(data))


def check_source(medium: MediaValue, source: Source) -> Found | None:
    """Judge a file by its content; raise Rejected with the error that fits.

    Return what it is; None where its kind isn't looked into.
    """
    check_size(medium, source.size)
    if medium.field.kind in UNREAD:
        return None
    try:
        found = _found(medium, source)
    except TooManyPixels:
        side = int(PIXELS**0.5)
        why = f"more than {PIXELS} pixels"
        ctx: dict[str, JSON] = {"max_height": side, "max_width": side}
        raise rejected(medium, "image_too_large", why, ctx) from None
    except Unreadable as error:
        why = f"the bytes don't load ({error})"
        if medium.field.kind == "image":
            raise rejected(medium, "image_load_error", why) from None
        raise _unsupported(medium, why) from None
    _check_format(medium, found)
    _check_frame(medium, found)
    _check_seconds(medium, found.seconds)
    _check_rate(medium, found.fps)
    return found


def _found(medium: MediaValue, source: Source) -> Found:
    match medium.field.kind:
        case "image":
            return read_image(source.read(0, MOST), medium.field.formats)
        case "archive":
            return archives.archive(source)
        case "model":
            return archives.model(source)
        case _:
            return identify(source)


# Formats that differ by their name alone where only the sound is used.
_ISO = frozenset(("mp4", "mov", "m4v", "m4a", "3gp"))


def _check_format(medium: MediaValue, found: Found) -> None:
    kind, formats = medium.field.kind, medium.field.formats
    if found.cut:
        raise _unsupported(medium, f"the {found.format} breaks off: the file is cut short")
    if kind == "video" and not found.video and found.format not in PICTURES:
        raise _unsupported(medium, f"the {found.format} has no video track")
    if kind == "audio" and not found.audio:
        raise _unsupported(medium, f"the {found.format} has no sound in it")
    same = _ISO if kind == "audio" and found.format in _ISO else {found.format}
    # Where no formats are known, whatever can be read is taken.
    anything = not formats and (kind != "video" or found.video)
    if not anything and same.isdisjoint(formats):
        raise _unsupported(medium, f"the bytes are {found.format}, whatever the label says")


def _check_frame(medium: MediaValue, found: Found) -> None:
    """Judge width, height and aspect ratio, of a video as of an image."""
    width, height, bounds = found.width, found.height, medium.field.bounds
    if not bounds or not width or not height:
        return
    why = f"it is {width}x{height}"
    for end, name in (("min", "image_too_small"), ("max", "image_too_large")):
        limits = {side: bounds.get(f"{end}_{side}") for side in ("height", "width")}
        sizes = (("height", height), ("width", width))
        if any((n := limits[side]) is not None and _beyond(end, size, n) for side, size in sizes):
            ctx: dict[str, JSON] = {f"{end}_{side}": limit for side, limit in limits.items()}
            raise rejected(medium, name, why, ctx, _of_one_side(end, limits))
    least, most = bounds.get("min_aspect_ratio"), bounds.get("max_aspect_ratio")
    if _outside(width / height, least, most):
        message = None
        if least is None or most is None:
            word, limit = ("less", most) if least is None else ("greater", least)
            message = f"The aspect ratio of the image should be {word} than {limit}."
        ctx = {"min_aspect_ratio": least, "max_aspect_ratio": most}
        raise rejected(medium, "image_aspect_ratio_error", why, ctx, message)


def _beyond(end: str, size: int, limit: float) -> bool:
    return size < limit if end == "min" else size > limit


def _outside(value: float, least: float | None, most: float | None) -> bool:
    return (least is not None and value < least) or (most is not None and value > most)


def _of_one_side(end: str, limits: dict[str, float | None]) -> str | None:
    """Return the words where one side alone has a limit; None where both have one."""
    named = [(side, limit) for side, limit in limits.items() if limit is not None]
    if len(named) == 2:
        return None
    [(side, limit)] = named
    small = ("small", "Minimum") if end == "min" else ("large", "Maximum")
    return f"Image dimensions are too {small[0]}. {small[1]} {side} is {limit} pixels."


def _check_seconds(medium: MediaValue, seconds: float | None) -> None:
    least, most = medium.field.min_seconds, medium.field.max_seconds
    # Of other kinds no error is on record.
    if seconds is None or medium.field.kind not in ("video", "audio"):
        return
    for wrong, name, limit in (
        (least is not None and seconds < least, "short", least),
        (most is not None and seconds > most, "long", most),
    ):
        if wrong:
            bound = "min_duration" if name == "short" else "max_duration"
            ctx: dict[str, JSON] = {bound: limit, "provided_duration": round(seconds, 3)}
            why = f"the file lasts {seconds:g} s"
            raise rejected(medium, f"{medium.field.kind}_duration_too_{name}", why, ctx)


def _check_rate(medium: MediaValue, fps: float | None) -> None:
    least, most = medium.field.bounds.get("min_fps"), medium.field.bounds.get("max_fps")
    # As players show it, since a mean over the frames is seldom a round number.
    if fps is None or not _outside(round(fps, 2), least, most):
        return
    ends = [f"at least {least}"] if least is not None else []
    ends += [f"at most {most}"] if most is not None else []
    message = f"The video should have {' and '.join(ends)} frames per second."
    why = f"it has {fps:g} frames per second"
    raise rejected(medium, "input_value_error", why, message=message)


# What the pages of fal's models name for most inputs, and which archives are read here.
_USUAL: dict[MediaKind, tuple[str, ...]] = {
    "image": ("jpg", "jpeg", "png", "webp", "gif", "avif"),
    "video": ("mp4", "mov", "webm", "m4v", "gif"),
    "audio": ("mp3", "ogg", "wav", "m4a", "aac"),
    "archive": ("zip", "tar", "tar.gz"),
}


def _unsupported(medium: MediaValue, why: str) -> Rejected:
    kind = medium.field.kind
    if kind == "model":
        return rejected(medium, "input_value_error", why, message="The model can't be read.")
    listed: list[JSON] = [f".{name}" for name in medium.field.formats or _USUAL[kind]]
    if kind == "archive":
        return rejected(medium, "invalid_archive", why, {"supported_extensions": listed})
    return rejected(medium, f"unsupported_{kind}_format", why, {"supported_formats": listed})
