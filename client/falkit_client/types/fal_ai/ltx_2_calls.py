"""How the models of fal-ai/ltx-2 are called.

Generated from fal's documents by `make types`: change those, not this.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol, Unpack

from falkit_client._handles import AsyncHandle, Handle
from falkit_client.results import Result
from falkit_client.types.fal_ai.ltx_2 import (
    AudioToVideoInput,
    AudioToVideoOutput,
    ExtendVideoInput,
    ExtendVideoOutput,
    ImageToVideoFastInput,
    ImageToVideoFastOutput,
    ImageToVideoInput,
    ImageToVideoOutput,
    RetakeVideoInput,
    RetakeVideoOutput,
    TextToVideoFastInput,
    TextToVideoFastOutput,
    TextToVideoInput,
    TextToVideoOutput,
)


class AudioToVideo(Protocol):
    """fal-ai/ltx-2/audio-to-video, its options bound."""

    def run(self, /, **input: Unpack[AudioToVideoInput]) -> Result[AudioToVideoOutput]: ...

    def submit(self, /, **input: Unpack[AudioToVideoInput]) -> Handle[AudioToVideoOutput]: ...

    def subscribe(self, /, **input: Unpack[AudioToVideoInput]) -> Result[AudioToVideoOutput]: ...

    def price(self, /, **input: Unpack[AudioToVideoInput]) -> Decimal | None: ...


class AsyncAudioToVideo(Protocol):
    """fal-ai/ltx-2/audio-to-video, its options bound."""

    async def run(self, /, **input: Unpack[AudioToVideoInput]) -> Result[AudioToVideoOutput]: ...

    async def submit(
        self, /, **input: Unpack[AudioToVideoInput]
    ) -> AsyncHandle[AudioToVideoOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[AudioToVideoInput]
    ) -> Result[AudioToVideoOutput]: ...

    def price(self, /, **input: Unpack[AudioToVideoInput]) -> Decimal | None: ...


class ExtendVideo(Protocol):
    """fal-ai/ltx-2/extend-video, its options bound."""

    def run(self, /, **input: Unpack[ExtendVideoInput]) -> Result[ExtendVideoOutput]: ...

    def submit(self, /, **input: Unpack[ExtendVideoInput]) -> Handle[ExtendVideoOutput]: ...

    def subscribe(self, /, **input: Unpack[ExtendVideoInput]) -> Result[ExtendVideoOutput]: ...

    def price(self, /, **input: Unpack[ExtendVideoInput]) -> Decimal | None: ...


class AsyncExtendVideo(Protocol):
    """fal-ai/ltx-2/extend-video, its options bound."""

    async def run(self, /, **input: Unpack[ExtendVideoInput]) -> Result[ExtendVideoOutput]: ...

    async def submit(
        self, /, **input: Unpack[ExtendVideoInput]
    ) -> AsyncHandle[ExtendVideoOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[ExtendVideoInput]
    ) -> Result[ExtendVideoOutput]: ...

    def price(self, /, **input: Unpack[ExtendVideoInput]) -> Decimal | None: ...


class ImageToVideo(Protocol):
    """fal-ai/ltx-2/image-to-video, its options bound."""

    def run(self, /, **input: Unpack[ImageToVideoInput]) -> Result[ImageToVideoOutput]: ...

    def submit(self, /, **input: Unpack[ImageToVideoInput]) -> Handle[ImageToVideoOutput]: ...

    def subscribe(self, /, **input: Unpack[ImageToVideoInput]) -> Result[ImageToVideoOutput]: ...

    def price(self, /, **input: Unpack[ImageToVideoInput]) -> Decimal | None: ...


class AsyncImageToVideo(Protocol):
    """fal-ai/ltx-2/image-to-video, its options bound."""

    async def run(self, /, **input: Unpack[ImageToVideoInput]) -> Result[ImageToVideoOutput]: ...

    async def submit(
        self, /, **input: Unpack[ImageToVideoInput]
    ) -> AsyncHandle[ImageToVideoOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[ImageToVideoInput]
    ) -> Result[ImageToVideoOutput]: ...

    def price(self, /, **input: Unpack[ImageToVideoInput]) -> Decimal | None: ...


class ImageToVideoFast(Protocol):
    """fal-ai/ltx-2/image-to-video/fast, its options bound."""

    def run(self, /, **input: Unpack[ImageToVideoFastInput]) -> Result[ImageToVideoFastOutput]: ...

    def submit(
        self, /, **input: Unpack[ImageToVideoFastInput]
    ) -> Handle[ImageToVideoFastOutput]: ...

    def subscribe(
        self, /, **input: Unpack[ImageToVideoFastInput]
    ) -> Result[ImageToVideoFastOutput]: ...

    def price(self, /, **input: Unpack[ImageToVideoFastInput]) -> Decimal | None: ...


class AsyncImageToVideoFast(Protocol):
    """fal-ai/ltx-2/image-to-video/fast, its options bound."""

    async def run(
        self, /, **input: Unpack[ImageToVideoFastInput]
    ) -> Result[ImageToVideoFastOutput]: ...

    async def submit(
        self, /, **input: Unpack[ImageToVideoFastInput]
    ) -> AsyncHandle[ImageToVideoFastOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[ImageToVideoFastInput]
    ) -> Result[ImageToVideoFastOutput]: ...

    def price(self, /, **input: Unpack[ImageToVideoFastInput]) -> Decimal | None: ...


class RetakeVideo(Protocol):
    """fal-ai/ltx-2/retake-video, its options bound."""

    def run(self, /, **input: Unpack[RetakeVideoInput]) -> Result[RetakeVideoOutput]: ...

    def submit(self, /, **input: Unpack[RetakeVideoInput]) -> Handle[RetakeVideoOutput]: ...

    def subscribe(self, /, **input: Unpack[RetakeVideoInput]) -> Result[RetakeVideoOutput]: ...

    def price(self, /, **input: Unpack[RetakeVideoInput]) -> Decimal | None: ...


class AsyncRetakeVideo(Protocol):
    """fal-ai/ltx-2/retake-video, its options bound."""

    async def run(self, /, **input: Unpack[RetakeVideoInput]) -> Result[RetakeVideoOutput]: ...

    async def submit(
        self, /, **input: Unpack[RetakeVideoInput]
    ) -> AsyncHandle[RetakeVideoOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[RetakeVideoInput]
    ) -> Result[RetakeVideoOutput]: ...

    def price(self, /, **input: Unpack[RetakeVideoInput]) -> Decimal | None: ...


class TextToVideo(Protocol):
    """fal-ai/ltx-2/text-to-video, its options bound."""

    def run(self, /, **input: Unpack[TextToVideoInput]) -> Result[TextToVideoOutput]: ...

    def submit(self, /, **input: Unpack[TextToVideoInput]) -> Handle[TextToVideoOutput]: ...

    def subscribe(self, /, **input: Unpack[TextToVideoInput]) -> Result[TextToVideoOutput]: ...

    def price(self, /, **input: Unpack[TextToVideoInput]) -> Decimal | None: ...


class AsyncTextToVideo(Protocol):
    """fal-ai/ltx-2/text-to-video, its options bound."""

    async def run(self, /, **input: Unpack[TextToVideoInput]) -> Result[TextToVideoOutput]: ...

    async def submit(
        self, /, **input: Unpack[TextToVideoInput]
    ) -> AsyncHandle[TextToVideoOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[TextToVideoInput]
    ) -> Result[TextToVideoOutput]: ...

    def price(self, /, **input: Unpack[TextToVideoInput]) -> Decimal | None: ...


class TextToVideoFast(Protocol):
    """fal-ai/ltx-2/text-to-video/fast, its options bound."""

    def run(self, /, **input: Unpack[TextToVideoFastInput]) -> Result[TextToVideoFastOutput]: ...

    def submit(self, /, **input: Unpack[TextToVideoFastInput]) -> Handle[TextToVideoFastOutput]: ...

    def subscribe(
        self, /, **input: Unpack[TextToVideoFastInput]
    ) -> Result[TextToVideoFastOutput]: ...

    def price(self, /, **input: Unpack[TextToVideoFastInput]) -> Decimal | None: ...


class AsyncTextToVideoFast(Protocol):
    """fal-ai/ltx-2/text-to-video/fast, its options bound."""

    async def run(
        self, /, **input: Unpack[TextToVideoFastInput]
    ) -> Result[TextToVideoFastOutput]: ...

    async def submit(
        self, /, **input: Unpack[TextToVideoFastInput]
    ) -> AsyncHandle[TextToVideoFastOutput]: ...

    async def subscribe(
        self, /, **input: Unpack[TextToVideoFastInput]
    ) -> Result[TextToVideoFastOutput]: ...

    def price(self, /, **input: Unpack[TextToVideoFastInput]) -> Decimal | None: ...
