"""The images and videos that an input points at: whether fal could have read them."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import socket
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit

from falkit_mock.platform.media_types import (
    MediaKind,
    TooManyPixels,
    Unreadable,
    audio_format,
    image_format,
    video_format,
)
from falkit_mock.platform.refusals import input_error
from falkit_spec import JSON

_FORMATS: dict[MediaKind, Callable[[bytes], str]] = {
    "image": image_format,
    "video": video_format,
    "audio": audio_format,
}
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Medium:
    """One media field of one input, with what the document and its overlay ask of it."""

    field: str
    kind: MediaKind
    value: str
    formats: tuple[str, ...]
    max_bytes: int | None


class Rejected(Exception):
    """An input that the model won't take: the item for `detail`, and our hint about why."""

    def __init__(self, field: str, item: dict[str, JSON], hint: str | None = None) -> None:
        super().__init__(hint or item["msg"])
        self.field = field
        self.item = item
        self.hint = hint


def is_data_uri(value: str) -> bool:
    return value[:5].lower() == "data:"


def check_data_uri(medium: Medium) -> None:
    """Decode a data URI and look at its bytes; raise Rejected as fal's model would."""
    head, comma, payload = medium.value.partition(",")
    if not comma:
        raise download_failed(medium, "a data URI needs a comma between its type and its data")
    try:
        if head.lower().endswith(";base64"):
            data = base64.b64decode(payload, validate=True)
        else:
            data = unquote_to_bytes(payload)
    except (binascii.Error, ValueError) as error:
        why = f"the data URI's base64 can't be decoded ({error})"
        raise download_failed(medium, why) from None
    check_bytes(medium, data)


def check_size(medium: Medium, size: int) -> None:
    """Judge a file by its size in bytes; raise Rejected if it is too large."""
    if medium.max_bytes is not None and size > medium.max_bytes:
        why = f"{size} bytes are more than the {medium.max_bytes} allowed"
        raise _rejected(medium, "file_too_large", why, {"max_size": medium.max_bytes})


def check_bytes(medium: Medium, data: bytes) -> None:
    """Judge a file by its content; raise Rejected with the error that fits."""
    check_size(medium, len(data))
    unsupported = f"unsupported_{medium.kind}_format"
    supported: dict[str, JSON] = {"supported_formats": list(medium.formats)}
    try:
        found = _FORMATS[medium.kind](data)
    except TooManyPixels as error:
        side = int(error.most**0.5)
        why = f"more than {error.most} pixels"
        ctx: dict[str, JSON] = {"max_height": side, "max_width": side}
        raise _rejected(medium, "image_too_large", why, ctx) from None
    except Unreadable as error:
        why = f"the bytes don't load ({error.why})"
        if medium.kind == "image":
            raise _rejected(medium, "image_load_error", why) from None
        raise _rejected(medium, unsupported, why, supported) from None
    if found not in medium.formats:
        why = f"the bytes are {found}, whatever the label says"
        raise _rejected(medium, unsupported, why, supported)


def check_url(medium: Medium, *, allow_private: bool) -> bool:
    """Say whether a URL must be fetched to be judged; raise Rejected if fal can't reach it.

    Public URLs are taken on trust: nothing leaves the machine. Those of this machine or
    network can't be reached by fal; `allow_private` has them fetched and checked instead.
    """
    why = unreachable(medium.value)
    if why is None:
        return False
    if allow_private and why.private:
        return True
    mend = "; upload it or send a data URI, or start falkit with --allow-private-inputs"
    raise download_failed(medium, why.text + (mend if why.private else ""))


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why fal's servers could not fetch a URL, and whether this machine perhaps could."""

    text: str
    private: bool


def unreachable(url: str) -> Unreachable | None:
    """Return why fal could not fetch a URL, or None if it may."""
    try:
        parts = urlsplit(url.strip())
        # Browsers and fetchers read full-width letters as plain ones.
        host = unicodedata.normalize("NFKC", parts.hostname or "").rstrip(".").lower()
        _ = parts.port
    except ValueError as error:
        return Unreachable(f"the URL is malformed ({error})", private=False)
    if parts.scheme not in ("http", "https"):
        text = "a file is given as a URL that begins with http: or https:, or as a data URI"
        return Unreachable(text, private=False)
    text = url.strip()
    # Before a backslash some readers see the host's end and others a user's name.
    if not host or " " in text or not text.isprintable() or "\\" in parts.netloc:
        why = "no host, or white space, a control character or a backslash in it"
        return Unreachable(f"the URL is malformed ({why})", private=False)
    if _is_private(host):
        return Unreachable(f"fal can't reach {host}, which is on your machine or network", True)
    return None


@lru_cache(maxsize=256)
def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(_LOCAL_SUFFIXES):
        return True
    address = _address(host)
    if address is None:
        # A name without a dot resolves on a local network, if anywhere.
        return "." not in host
    return not (getattr(address, "ipv4_mapped", None) or address).is_global


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # The older spellings that resolvers still take: 127.1, 0x7f.1, 2130706433.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def download_failed(medium: Medium, why: str) -> Rejected:
    """Return the refusal of a file that can't be had; `why` goes into the hint."""
    return _rejected(medium, "file_download_error", why)


def _rejected(
    medium: Medium, kind: str, why: str | None = None, ctx: dict[str, JSON] | None = None
) -> Rejected:
    item = input_error(kind, medium.field, medium.value, ctx)
    return Rejected(medium.field, item, f"{medium.field}: {why}" if why else None)
