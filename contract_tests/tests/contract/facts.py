"""What LTX-2 is known to make, written down by hand: the tests' own word against the documents'."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SIZES = {"1080p": (1920, 1080), "1440p": (2560, 1440), "2160p": (3840, 2160)}
RATES = (25, 50)
PRO, FAST = (6, 8, 10), (6, 8, 10, 12, 14, 16, 18, 20)
PRO_PRICES = {"1080p": "0.06", "1440p": "0.12", "2160p": "0.24"}
FAST_PRICES = {"1080p": "0.04", "1440p": "0.08", "2160p": "0.16"}
IMAGE = {"image_url": "https://example.com/image.png"}
VIDEO = {"video_url": "https://example.com/video.mp4"}
PROMPT = "A lighthouse in the rain"
RULE = "Value error, durations above 10 s need 25 fps and 1080p"
AUDIO = {"audio_url": "https://example.com/sound.mp3"}
RETAKE = "fal-ai/ltx-2/retake-video"
EXTEND = "fal-ai/ltx-2/extend-video"
A2V = "fal-ai/ltx-2/audio-to-video"
RETAKES = ("replace_audio", "replace_video", "replace_audio_and_video")


@dataclass(frozen=True)
class Asked:
    """One combination of one endpoint, and what has to come of it."""

    endpoint: str
    input: dict[str, Any]
    choice: dict[str, Any]
    """The part of the input that makes the combination."""
    legal: bool
    width: int
    height: int
    fps: int
    seconds: int
    """What is billed; the clip is `before` longer."""
    audio: bool
    price: Decimal
    file_name: str
    before: int = 0

    @property
    def key(self) -> str:
        """The choice in writing."""
        return json.dumps(self.choice, sort_keys=True)

    def __str__(self) -> str:
        """A test's name."""
        return "-".join(
            [self.endpoint.removeprefix("fal-ai/ltx-2/"), *map(str, self.choice.values())]
        )


def every() -> Iterator[Asked]:
    """Yield every combination there is, legal or not."""
    for source, extra, name in (
        ("image-to-video", IMAGE, "ltxv-2-i2v-output.mp4"),
        ("text-to-video", {}, "ltxv-2-t2v-output.mp4"),
    ):
        yield from _generated(f"fal-ai/ltx-2/{source}/fast", extra, name, FAST, FAST_PRICES)
        yield from _generated(f"fal-ai/ltx-2/{source}", extra, name, PRO, PRO_PRICES)
    for mode in RETAKES:
        choice = {"retake_mode": mode}
        yield Asked(
            endpoint=RETAKE,
            input={"prompt": PROMPT, **VIDEO, **choice},
            choice=choice,
            legal=True,
            width=1920,
            height=1080,
            fps=25,
            seconds=5,
            audio=True,
            price=Decimal("0.50"),
            file_name="ltxv-2-retake-output.mp4",
        )
    for mode in ("start", "end"):
        choice = {"mode": mode}
        yield Asked(
            endpoint=EXTEND,
            input={**VIDEO, **choice},
            choice=choice,
            legal=True,
            width=1920,
            height=1080,
            fps=25,
            seconds=5,
            audio=True,
            price=Decimal("0.50"),
            file_name="ltxv-2-extend-output.mp4",
            # As long as a video counts that isn't looked at.
            before=5,
        )


def _generated(
    endpoint: str,
    extra: dict[str, str],
    file_name: str,
    durations: tuple[int, ...],
    prices: dict[str, str],
) -> Iterator[Asked]:
    for duration, resolution, fps, audio in itertools.product(
        durations, SIZES, RATES, (True, False)
    ):
        choice = {
            "duration": duration,
            "resolution": resolution,
            "fps": fps,
            "generate_audio": audio,
        }
        width, height = SIZES[resolution]
        yield Asked(
            endpoint=endpoint,
            input={"prompt": PROMPT, **extra, **choice},
            choice=choice,
            legal=duration <= 10 or (fps == 25 and resolution == "1080p"),
            width=width,
            height=height,
            fps=fps,
            seconds=duration,
            audio=audio,
            price=duration * Decimal(prices[resolution]),
            file_name=file_name,
        )
