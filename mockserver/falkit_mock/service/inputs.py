"""Media inputs: decoded, downloaded, identified and checked."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import re
import socket
import threading
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from falkit_mock.core.fal_errors import input_error
from falkit_mock.core.jobs import MediaKind, MediaValue
from falkit_mock.service.lengths import seconds_of
from falkit_spec import JSON

if TYPE_CHECKING:
    import httpx

# Pillow's names, where they are not the documents' own in capitals.
_PILLOW_NAMES = {"MPO": "jpeg", "JPEG2000": "jp2"}
# Pillow's bomb warning is turned into an error for the length of one look, and
# Python's warning filters are the process's, not a thread's.
_FILTERS = threading.Lock()


class Unreadable(Exception):
    """The bytes aren't a medium that can be loaded; the message is the decoder's."""


class TooManyPixels(Exception):
    """The image decodes to more pixels than anybody should load: its argument is the limit."""


def image_format(data: bytes) -> str:
    """Return the format of an image that loads whole, such as `png`, `jpeg` or `gif`.

    Raises Unreadable for bytes that don't load, TooManyPixels for a decompression bomb.
    """
    # Lazy: most requests bring no image, and the import would delay the first answer.
    import pi_heif  # pyright: ignore[reportMissingTypeStubs]
    from PIL import Image, UnidentifiedImageError

    pi_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]  # untyped
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data)) as image:
                image.load()
                name = image.format or ""
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise TooManyPixels(Image.MAX_IMAGE_PIXELS or 0) from None
        except UnidentifiedImageError:
            raise Unreadable("they aren't an image of a known format") from None
        except Exception as error:  # decoders raise whatever they like
            raise Unreadable(str(error) or type(error).__name__) from None
    return _PILLOW_NAMES.get(name, name.lower())


# Which container begins how: of these the first that fits.
_VIDEOS = {
    b"....ftypqt  ": "mov",
    b"....ftyp": "mp4",
    rb"\x1aE\xdf\xa3.{0,56}webm": "webm",
    rb"\x1aE\xdf\xa3": "mkv",
    b"RIFF....AVI ": "avi",
    b"GIF8[79]a": "gif",
    b"....(moov|mdat|wide|free)": "mov",
}
_SOUNDS = {
    b"RIFF....WAVE": "wav",
    rb"ID3|\xff[\xfb\xf3\xf2]": "mp3",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"....ftyp": "m4a",
    rb"\xff[\xf1\xf9]": "aac",
}


def _format_by(beginnings: Mapping[bytes, str], data: bytes) -> str:
    """Return the format that data begins like; raise Unreadable if none is known."""
    for pattern, name in beginnings.items():
        if re.match(pattern, data, re.DOTALL):
            return name
    raise Unreadable("no known format begins like this")


# For the whole of a download, redirects included.
SECONDS = 10.0
_REDIRECTS = 5
# What is read of a file whose document sets no limit, in bytes.
_MOST = 256 * 1024 * 1024


async def check_download(medium: MediaValue) -> float | None:
    """Fetch a local URL and check what it answers; raise Rejected as fal's model would.

    Return how many seconds the file lasts, as check_bytes does.
    """
    # Lazy: httpx takes longer to import than the server to answer its first request.
    import httpx

    url = medium.value.strip()
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client,
        ):
            data = await _fetch(client, medium, url)
    except TimeoutError:
        raise download_failed(medium, f"{url} took more than {SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise download_failed(medium, f"{url} can't be fetched ({error!r})") from None
    return None if data is None else await asyncio.to_thread(check_bytes, medium, data)


async def _fetch(client: httpx.AsyncClient, medium: MediaValue, url: str) -> bytes | None:
    """Return the bytes; None where a redirect leads to the public net, taken on trust."""
    for _ in range(_REDIRECTS + 1):
        async with client.stream("GET", url) as reply:
            if not reply.is_redirect:
                return await _read(reply, medium, url)
            url = urljoin(url, reply.headers.get("location", ""))
            if (why := unreachable(url)) is None:
                return None
            if not why.private:
                raise download_failed(medium, f"redirected to {url}: {why.text}")
    raise download_failed(medium, f"{medium.value} redirects more than {_REDIRECTS} times")


async def _read(reply: httpx.Response, medium: MediaValue, url: str) -> bytes:
    if reply.status_code != 200:
        raise download_failed(medium, f"{url} answered {reply.status_code}")
    data = bytearray()
    async for chunk in reply.aiter_bytes():
        data += chunk
        # One byte too many tells as much as all of them.
        if len(data) > (medium.max_bytes or _MOST):
            break
    return bytes(data)


_FORMATS: dict[MediaKind, Callable[[bytes], str]] = {
    "image": image_format,
    "video": partial(_format_by, _VIDEOS),
    "audio": partial(_format_by, _SOUNDS),
}
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


class Rejected(Exception):
    """An input that the model won't take: the item for `detail`, and our hint about why."""

    def __init__(self, field: str, item: dict[str, JSON], hint: str | None = None) -> None:
        super().__init__(hint or item["msg"])
        self.field = field
        self.item = item
        self.hint = hint


def check_data_uri(medium: MediaValue) -> float | None:
    """Decode a data URI and look at its bytes; raise Rejected as fal's model would.

    Return how many seconds the file lasts, as check_bytes does.
    """
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
    return check_bytes(medium, data)


def check_size(medium: MediaValue, size: int) -> None:
    """Judge a file by its size in bytes; raise Rejected if it is too large."""
    if medium.max_bytes is not None and size > medium.max_bytes:
        why = f"{size} bytes are more than the {medium.max_bytes} allowed"
        raise _rejected(medium, "file_too_large", why, {"max_size": medium.max_bytes})


def check_bytes(medium: MediaValue, data: bytes) -> float | None:
    """Judge a file by its content; raise Rejected with the error that fits.

    Return how many seconds it lasts; None for an image, and where its container doesn't say.
    """
    check_size(medium, len(data))
    unsupported = f"unsupported_{medium.kind}_format"
    supported: dict[str, JSON] = {"supported_formats": list(medium.formats)}
    try:
        found = _FORMATS[medium.kind](data)
    except TooManyPixels as error:
        most: int = error.args[0]
        side = int(most**0.5)
        why = f"more than {most} pixels"
        ctx: dict[str, JSON] = {"max_height": side, "max_width": side}
        raise _rejected(medium, "image_too_large", why, ctx) from None
    except Unreadable as error:
        why = f"the bytes don't load ({error})"
        if medium.kind == "image":
            raise _rejected(medium, "image_load_error", why) from None
        raise _rejected(medium, unsupported, why, supported) from None
    if found not in medium.formats:
        why = f"the bytes are {found}, whatever the label says"
        raise _rejected(medium, unsupported, why, supported)
    return None if medium.kind == "image" else seconds_of(data)


def check_url(medium: MediaValue, *, allow_private: bool) -> bool:
    """Tell whether a URL must be fetched to be checked; raise Rejected if fal can't reach it.

    Public URLs are taken on trust: nothing leaves the machine. Those of this machine or
    network can't be reached by fal; `allow_private` has them fetched and checked instead.
    """
    why = unreachable(medium.value)
    if why is None:
        return False
    if allow_private and why.private:
        return True
    fix = "; upload it or send a data URI, or start falkit with --allow-private-inputs"
    raise download_failed(medium, why.text + (fix if why.private else ""))


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why fal's servers could not fetch a URL, and whether this machine perhaps could."""

    text: str
    private: bool


@lru_cache(maxsize=256)
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


def download_failed(medium: MediaValue, why: str) -> Rejected:
    """Return the refusal of a file that can't be had; `why` goes into the hint."""
    return _rejected(medium, "file_download_error", why)


def _rejected(
    medium: MediaValue, kind: str, why: str | None = None, ctx: dict[str, JSON] | None = None
) -> Rejected:
    item = input_error(kind, medium.field, medium.value, ctx)
    return Rejected(medium.field, item, f"{medium.field}: {why}" if why else None)
