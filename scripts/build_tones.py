"""Encode the seed tones of `falkit_fixtures.sounds`.

A seed is the beginning of a tone, one packet of its middle, and its end, as an encoder made them;
the packet of the middle repeats without a seam, because a whole number of the tone's periods fits
in it. A file has all tones of one codec, rate and number of channels. Adding a rate is adding a
line to SEEDS.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# PyAV leaves the parameter of its Packet type open.
from __future__ import annotations

import argparse
import hashlib
import math
import struct
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import av

from falkit_fixtures.sounds import seeds
from falkit_fixtures.sounds.pcm import PEAK

FOLDER = Path(__file__).parent.parent / "fixtures" / "falkit_fixtures" / "tones"
HOLD = 40  # packets of the middle, of which one is kept
FADE = 0.03  # seconds


class Seed(NamedTuple):
    """How one file is encoded; `packet` in samples, `bitrate` in bits per second."""

    codec: str
    rate: int
    channels: int
    packet: int
    bitrate: int


# At low rates MP3 has half as many samples in a frame. The bitrates are the lowest that are clean.
SEEDS = (
    *(Seed("mp3", rate, 1, 1152, 32_000) for rate in (48_000, 44_100, 32_000)),
    *(Seed("mp3", rate, 2, 1152, 56_000) for rate in (48_000, 44_100, 32_000)),
    *(Seed("mp3", rate, 1, 576, 24_000) for rate in (24_000, 22_050, 16_000)),
    *(Seed("mp3", rate, 2, 576, 40_000) for rate in (24_000, 22_050, 16_000)),
    Seed("mp3", 8_000, 1, 576, 8_000),
    Seed("mp3", 8_000, 2, 576, 16_000),
    *(Seed("aac", rate, 1, 1024, rate // 4) for rate in (48_000, 44_100, 24_000, 16_000)),
    *(Seed("aac", rate, 2, 1024, rate // 3) for rate in (48_000, 44_100, 24_000, 16_000)),
    Seed("opus", 48_000, 1, 960, 32_000),
)
CODECS = {"mp3": "libmp3lame", "aac": "aac", "opus": "libopus"}
OPTIONS = {
    # Each frame stands alone.
    "mp3": {"reservoir": "0"},
    "aac": {"aac_coder": "fast"},
    "opus": {"application": "lowdelay", "vbr": "off", "frame_duration": "20"},
}


def encode(seed: Seed, pitch: float) -> list[bytes]:
    """Encode a tone as near to `pitch` hertz as whole periods allow; return the packets kept."""
    turns = seeds.turns(pitch, seed.rate, seed.packet)
    total = (seeds.HEAD + HOLD + seeds.TAIL - 2) * seed.packet
    silence = [0] * 2 * seed.packet * seed.channels
    samples = array("h")
    for number in range(total):
        edge = min(number, total - 1 - number) / (FADE * seed.rate)
        gain = PEAK * (1 - math.cos(math.pi * min(edge, 1))) / 2
        value = round(gain * math.sin(2 * math.pi * turns * number / seed.packet))
        samples.extend([value] * seed.channels)
    samples.extend(silence)
    packets = packed(seed, samples)
    middle = packets[seeds.HEAD + HOLD // 2]
    return [*packets[: seeds.HEAD], middle, *packets[-seeds.TAIL :]]


def packed(seed: Seed, samples: array[int]) -> list[bytes]:
    """Run the encoder."""
    codec = av.CodecContext.create(CODECS[seed.codec], "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate = seed.rate
    codec.layout = "mono" if seed.channels == 1 else "stereo"
    planar = {"mp3": "s16p", "aac": "fltp", "opus": "s16"}[seed.codec]
    codec.format = planar
    codec.bit_rate = seed.bitrate
    codec.thread_count = 1
    codec.options = OPTIONS[seed.codec]
    resampler = av.AudioResampler(planar, codec.layout, seed.rate)
    packets: list[bytes] = []
    step = seed.packet * seed.channels
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        frame = av.AudioFrame(format="s16", layout=codec.layout.name, samples=seed.packet)
        frame.planes[0].update(part.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = seed.rate
        frame.pts = start // seed.channels
        for converted in resampler.resample(frame):
            packets += [bytes(packet) for packet in codec.encode(converted)]
    packets += [bytes(packet) for packet in codec.encode(None)]
    return packets


def build(folder: Path, names: Sequence[str]) -> None:
    """Write the seed files that are named, or all, and the list of their digests."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = list[str]()
    for seed in SEEDS:
        name = f"{seed.codec}-{seed.rate}-{seed.channels}"
        if names and name not in names:
            continue
        tones = [encode(seed, pitch) for pitch in seeds.PITCHES]
        packets = [packet for tone in tones for packet in tone]
        plain = b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)
        data = zlib.compress(plain, 9)
        (folder / name).write_bytes(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(sorted(sums, key=lambda line: line[66:])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("seeds", nargs="*", metavar="CODEC-RATE-CHANNELS")
    options = parser.parse_args()
    build(options.folder, options.seeds)
