"""An output while it is written: what is known of its request, and the files made for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, partial
from hashlib import blake2b
from typing import TypeAlias

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.identity import Identity
from falkit_mock.outputs.figures import Figures
from falkit_mock.outputs.kinds import MEDIA_TYPES, Kind
from falkit_mock.outputs.measures import Size, whole
from falkit_mock.outputs.texts import Row, made_up, tokens
from falkit_mock.store import Given
from falkit_spec import JSON
from falkit_spec.types import is_object


class Missing(Enum):
    """What a step returns for a field that the output hasn't."""

    MISSING = "missing"


MISSING = Missing.MISSING
Step: TypeAlias = "Callable[[Draft], JSON | Missing]"
# The largest file that is put into an output as a data URI.
INLINE = 8 * 1024 * 1024
_THUMBNAIL = 512
# Kinds that show the input's picture, and formats of pictures that can be transparent.
_PICTURED = frozenset(("image", "video", "model", "archive"))
_CLEAR = frozenset(("png", "webp", "avif", "gif", "svg"))


@dataclass(slots=True)
class DraftFile:
    """A file of an output, and where in the output it stands."""

    path: str
    name: str
    wanted: Wanted
    holder: dict[str, JSON] | None = None
    """The object with its URL; None where the URL stands alone."""
    sized: bool = False
    """Whether its size in bytes has yet to be written there."""
    given: Given | None = None
    """The user's own file, which is there and not made."""

    @property
    def media_type(self) -> str:
        return self.given.content_type if self.given else MEDIA_TYPES[self.wanted.format]


@dataclass
class Draft:
    """One output that is being written."""

    endpoint_id: str
    request_id: str
    digest: str
    input: Mapping[str, JSON]
    figures: Figures
    identity: Identity
    media_base: str
    run: float = 0.0
    """Seconds that the job takes."""
    details: bool = False
    """Whether names and sizes of files are told where they may be null."""
    files: list[DraftFile] = field(default_factory=list[DraftFile])
    sized: bool = False
    """Whether the size of one of them is to be told."""
    hints: list[str] = field(default_factory=list[str])
    timed: bool = False
    """Whether the output tells what is said when."""
    row: Row | None = None
    """The part of a spoken text that is being written."""

    @property
    def inline(self) -> bool:
        """Whether the input asks for data URIs in place of URLs."""
        return self.input.get("sync_mode") is True

    @property
    def needs_bytes(self) -> bool:
        """Whether the output tells of its files what only their bytes do."""
        return self.sized or (self.inline and bool(self.files))

    @cached_property
    def seed(self) -> int:
        """The input's seed, else one that follows from the request."""
        seed = self.input.get("seed")
        if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
            return seed
        return int.from_bytes(blake2b(self.request_id.encode(), digest_size=4).digest()) >> 1

    @cached_property
    def text(self) -> str:
        """A made-up text; the same for the same input and seed."""
        return made_up(f"{self.digest} {self.input.get('seed')}", self._words)

    @property
    def _words(self) -> int:
        limits = (self.input.get(name) for name in ("max_tokens", "max_new_tokens"))
        most = next((n for n in limits if isinstance(n, int) and n > 0), 18)
        return min(most, 18)

    @cached_property
    def heard(self) -> str:
        """A made-up transcript, of as many words as there is time for."""
        return made_up(self.digest, min(max(round(self.figures.heard_seconds * 2.5), 1), 500))

    @property
    def prompt(self) -> str:
        """What the input asks, in words."""
        if text := self.figures.text:
            return text
        messages = self.input.get("messages", self.input.get("input"))
        if isinstance(messages, str):
            return messages
        listed = messages if isinstance(messages, list) else []
        return " ".join(
            filter(None, (_said(one.get("content")) for one in listed if is_object(one)))
        )

    @property
    def asked_tokens(self) -> int:
        return tokens(self.prompt)

    @property
    def answered_tokens(self) -> int:
        return tokens(self.text)

    def add(self, kind: Kind, format: str, name: str, *, like: str = "") -> DraftFile:
        """Add a file of a format to the output; `name` is what it is called, without the format.

        `like` is "small" for a thumbnail, "frames" for an archive of a clip's frames, "mask", or
        "clear" for a transparent background.
        """
        place, figures = len(self.files), self.figures
        called = f"{name}_{place}.{format}" if place else f"{name}.{format}"
        path = self.identity.file_path(self.request_id, called, place)
        about = partial(Wanted, format, self.endpoint_id, self.request_id, self.digest, place)
        wanted = self._measured(about, kind, like)
        if figures.seen.small and kind in _PICTURED:
            wanted = replace(wanted, picture=figures.seen.small)
        if kind == "image" and like == "mask":
            wanted = replace(wanted, look="mask")
        elif kind == "image" and (like == "clear" or figures.clear) and format in _CLEAR:
            wanted = replace(wanted, alpha=True)
        if kind == "video" and format != "mp4":
            wanted = self._possible(wanted)
        file = DraftFile(path, called, wanted)
        self.files.append(file)
        return file

    def _possible(self, wanted: Wanted) -> Wanted:
        """Return a clip as it can be made in a format that not all sizes and rates are made in."""
        from falkit_fixtures.clips import nearest

        made = nearest(wanted)
        if made.format == "gif":
            # Each of its pictures stands for a whole number of hundredths of a second.
            fps = 100 / max(round(100 / made.fps), 2)
            made = replace(made, fps=whole(fps), frames=self.figures.frames_at(fps))
        sizes = [f"{one.width}x{one.height}" for one in (wanted, made)]
        if sizes[0] != sizes[1]:
            self.hints.append(f"{made.format}: made as {sizes[1]}, not {sizes[0]}")
        return made

    def _measured(self, about: Callable[..., Wanted], kind: Kind, like: str) -> Wanted:
        """Describe a file as large and as long as the input asks for."""
        figures = self.figures
        if kind == "video":
            if (video := figures.video) is not None:
                return about(video.width, video.height, video.fps, video.frames, video.audio)
            # In this order, in which hints about them are told.
            size, fps, frames = figures.video_size, figures.fps, figures.frames
            return about(*size, fps=fps, frames=frames, sound=figures.sound)
        if kind == "image":
            size = figures.image_size
            return about(*(_small(size) if like == "small" else size))
        if kind == "audio":
            rate, channels = figures.sample_rate, figures.channels
            return about(seconds=figures.sound_seconds, rate=rate, channels=channels)
        if kind == "document":
            return about(seconds=figures.heard_seconds)
        if like == "frames":
            return about(*figures.video_size, frames=figures.frames)
        return about()

    def counted(self) -> None:
        """Tell the files of how many each is one."""
        if (count := len(self.files)) > 1:
            for file in self.files:
                file.wanted = replace(file.wanted, count=count)

    def fill(self, make: Callable[[Wanted | Given], bytes]) -> None:
        """Write what only the files' bytes tell; blocks."""
        for file in self.files:
            if file.holder is None or not (file.sized or self.inline):
                continue
            try:
                data = make(file.given or file.wanted)
            except FileNotFoundError as error:
                # The user's own, which was there when an output named it: 404, too.
                self.hints.append(f"sync_mode: {error.args[0]} is there no more")
                continue
            if file.sized:
                file.holder["file_size"] = len(data)
            if self.inline and len(data) <= INLINE:
                data_uri = f"data:{file.media_type};base64,{base64.b64encode(data).decode()}"
                file.holder["url"] = data_uri
            elif self.inline:
                self.hints.append(f"sync_mode: {len(data)} bytes are served by URL all the same")


def _said(content: JSON) -> str:
    """Return the text of a message: a text, or parts of which some have one."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if is_object(part))
    return " ".join(text for text in texts if isinstance(text, str))


def _small(size: Size) -> Size:
    by = min(1.0, _THUMBNAIL / max(size))
    return max(round(size[0] * by), 1), max(round(size[1] * by), 1)
