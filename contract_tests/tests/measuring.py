"""What a video file holds, measured by PyAV, which knows nothing of how ours are made."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# PyAV leaves the parameter of its Packet type open.
from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av


@dataclass(frozen=True)
class Measured:
    """A file's figures; durations in seconds."""

    size: tuple[int, int]
    rate: Fraction
    frames: int
    duration: Fraction
    tracks: tuple[str, ...]
    sound: Fraction
    """How long the sound is; 0 without any."""


# The same combination is asked for in many ways, and has the same file each time.
@lru_cache(maxsize=512)
def measure(data: bytes) -> Measured:
    """Walk all packets of a file."""
    # The head says what it holds; to decode a picture for that takes twice as long as all else.
    with av.open(io.BytesIO(data), "r", format="mp4", options={"probesize": "32"}) as container:
        (video,) = container.streams.video
        packets = [packet for packet in container.demux() if packet.size]
        pictures = [packet.pts or 0 for packet in packets if packet.stream is video]
        assert pictures == sorted(set(pictures)), "each picture has a moment of its own"
        heard = sum(packet.duration or 0 for packet in packets if packet.stream is not video)
        return Measured(
            size=(video.width, video.height),
            rate=video.average_rate or Fraction(0),
            frames=len(pictures),
            duration=Fraction(container.duration or 0, av.time_base),
            tracks=tuple(stream.codec_context.name for stream in container.streams),
            sound=Fraction(heard, container.streams.audio[0].rate) if heard else Fraction(0),
        )


def decoded(data: bytes) -> int:
    """Decode all pictures of a file; return how many there are."""
    with av.open(io.BytesIO(data), "r") as container:
        return sum(1 for _ in container.decode(container.streams.video[0]))
