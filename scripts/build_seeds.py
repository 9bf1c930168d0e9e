"""Encode the seed clips of `falkit_fixtures.mp4`.

A seed is one second of H.264 for one size and rate, named `<width>x<height>-<fps>.h264`. The tone
is one AAC frame. Single-threaded and stripped of x264's version string, so that the same machine
gives the same bytes each time. Adding a size or a rate is adding a line to SEEDS.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# PyAV leaves the parameter of its Packet type open.
from __future__ import annotations

import argparse
import hashlib
import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).parent.parent / "fixtures" / "falkit_fixtures" / "seeds"
SEEDS = (
    (1920, 1080, 25),
    (1920, 1080, 50),
    (2560, 1440, 25),
    (2560, 1440, 50),
    (3840, 2160, 25),
    (3840, 2160, 50),
)
TONE = "tone-48000-mono.aac"

GRID = 16  # a macroblock: what moves in whole ones costs next to nothing
GROUND = (18, 24, 38)
RAIL = (34, 44, 66)
INK = (236, 240, 248)
SOFT = (150, 164, 190)
ACCENT = (255, 176, 46)
BARS = (
    (255, 255, 255),
    (255, 220, 40),
    (40, 210, 230),
    (60, 190, 80),
    (200, 60, 200),
    (220, 50, 50),
)

SEI = 6
X264 = {
    "preset": "veryslow",
    "crf": "32",
    "tune": "stillimage",
    "profile": "high",
    "x264-params": ":".join(
        [
            "keyint={fps}",
            "min-keyint={fps}",
            "scenecut=0",
            "bframes=0",
            "ref=1",
            "slices=1",
            "threads=1",
            "lookahead-threads=1",
            "open-gop=0",
            "aud=0",
            "colorprim=bt709",
            "transfer=bt709",
            "colormatrix=bt709",
        ]
    ),
}


def snap(pixels: float) -> int:
    """Round to the macroblock grid, one macroblock at least."""
    return max(GRID, round(pixels / GRID) * GRID)


def card(width: int, height: int, fps: int) -> Iterator[Image.Image]:
    """Draw the second: label, frame counter, a box that travels and a bar that fills."""
    unit = min(width / 1920, height / 1080)
    left = snap(width * 0.08)
    slot = max(GRID, int((width - 2 * left) / fps / GRID) * GRID)
    title, line = (ImageFont.load_default(size=round(unit * points)) for points in (132, 66))
    ground = Image.new("RGBA", (width, height), GROUND)
    draw = ImageDraw.Draw(ground)
    bar = snap(width / 30)
    for place, colour in enumerate(BARS):
        x = left + place * bar
        draw.rectangle((x, snap(height * 0.1), x + bar - 1, snap(height * 0.1) + bar - 1), colour)
    draw.text((left, snap(height * 0.22)), "falkit sample", INK, title)
    draw.text((left, snap(height * 0.40)), f"{width} x {height}, {fps} fps", SOFT, line)
    counter, track, rail = snap(height * 0.51), snap(height * 0.68), snap(height * 0.84)
    cell = math.ceil(max(line.getlength(digit) for digit in "0123456789"))
    digits = snap(left + line.getlength("frame ") + GRID)
    draw.text((left, counter), "frame", SOFT, line)
    draw.text((digits + 2 * cell, counter), f" of {fps}", SOFT, line)
    end = left + slot * fps
    draw.rectangle((left, rail, end - 1, rail + snap(unit * 32) - 1), RAIL)
    for frame in range(fps):
        picture = ground.copy()
        draw = ImageDraw.Draw(picture)
        for place, digit in enumerate(f"{frame + 1:02d}"):
            draw.text((digits + place * cell, counter), digit, ACCENT, line)
        x, side = left + slot * frame, snap(unit * 112)
        x = min(x, end - side)
        draw.rectangle((x, track, x + side - 1, track + side - 1), ACCENT)
        filled = left + slot * (frame + 1) - 1
        draw.rectangle((left, rail, filled, rail + snap(unit * 32) - 1), INK)
        yield picture


def encode_clip(width: int, height: int, fps: int) -> bytes:
    """Encode one second as Annex B: one closed group of pictures, no B-frames, one slice each."""
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, fps), Fraction(fps)
    codec.sample_aspect_ratio = Fraction(1)
    codec.thread_count = 1
    codec.options = {key: value.format(fps=fps) for key, value in X264.items()}
    packets: list[bytes] = []
    for number, picture in enumerate(card(width, height, fps)):
        frame = av.VideoFrame.from_bytes(picture.tobytes(), width, height).reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = number, Fraction(1, fps)
        packets += [bytes(packet) for packet in codec.encode(frame)]
    packets += [bytes(packet) for packet in codec.encode(None)]
    return b"".join(without_sei(packet) for packet in packets)


def without_sei(annex_b: bytes) -> bytes:
    """Drop the unit in which x264 writes its version and options."""
    units = annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    return b"".join(b"\0\0\0\1" + unit for unit in units if unit[0] & 31 != SEI)


def encode_tone() -> bytes:
    """Encode a quiet 750 Hz tone and keep one ADTS frame.

    1024 samples hold 16 whole periods, so every frame in the steady state has the same bytes.
    """
    codec = av.CodecContext.create("aac", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 48000, "mono", "fltp", 8000
    codec.thread_count = 1
    codec.time_base = Fraction(1, 48000)
    packets: list[bytes] = []
    wave = [0.03 * math.sin(2 * math.pi * n / 64) for n in range(1024)]
    for number in range(64):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(struct.pack("<1024f", *wave))
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * 1024, Fraction(1, 48000)
        packets += [bytes(packet) for packet in codec.encode(frame)]
    steady = packets[-4:]
    if len(set(steady)) != 1:
        raise SystemExit("the AAC encoder did not settle on one frame; try another bit rate")
    return adts_header(len(steady[0])) + steady[0]


def adts_header(payload: int) -> bytes:
    """Head one AAC-LC frame, 48 kHz mono, so that players and probes read the file as it is."""
    bits = f"{0xFFF1:016b}{1:02b}{3:04b}0{1:03b}0000{payload + 7:013b}{0x7FF:011b}00"
    return int(bits, 2).to_bytes(7, "big")


def parse_seed(text: str) -> tuple[int, int, int]:
    """Read `<width>x<height>-<fps>`."""
    size, _, fps = text.partition("-")
    width, _, height = size.partition("x")
    return int(width), int(height), int(fps)


def main() -> None:
    parser = argparse.ArgumentParser(description="Encode falkit's seed clips.")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("seeds", nargs="*", type=parse_seed, metavar="WIDTHxHEIGHT-FPS")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    made = {TONE: encode_tone()}
    for width, height, fps in options.seeds or SEEDS:
        made[f"{width}x{height}-{fps}.h264"] = encode_clip(width, height, fps)
    for name, data in made.items():
        (folder / name).write_bytes(data)
        print(f"{len(data):>7,}  {name}")
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted((*folder.glob("*.h264"), *folder.glob("*.aac")))
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
