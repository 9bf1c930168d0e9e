"""Measure how long each kind of file takes to make, and how large it is, at three sizes or lengths.

The median of several rounds, each with another request, after one that reads seeds and fills
caches; in processor time, which a busy machine changes least. With `--markdown` it prints tables
for documentation.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted

ROUNDS = 7
_REQUEST = "764cabcf-b745-4b3e-ae38-1200304cf45b"
wanted = partial(Wanted, endpoint="fal-ai/some/model", request_id=_REQUEST, digest="d1g3st")
# A format, and the files that are made in it.
Row = tuple[str, list[Wanted]]


def kinds() -> Iterator[tuple[str, tuple[str, ...], list[Row]]]:
    """Yield each kind of file with what its three sizes or lengths are called, and its formats."""
    sides = (256, 1024, 4096)
    yield (
        "pictures",
        tuple(f"{side}x{side}" for side in sides),
        [
            (format, [wanted(format, width=side, height=side) for side in sides])
            for format in ("png", "jpg", "webp", "avif")
        ],
    )
    sizes = ((640, 360), (1920, 1080), (4096, 4096))
    yield (
        "clips of 5 s at 25",
        tuple(f"{width}x{height}" for width, height in sizes),
        [(format, [clip(format, size, 25, 5) for size in sizes]) for format in _CLIPS],
    )
    lengths = (5, 60, 600)
    yield (
        "clips of 1280x720 at 25",
        tuple(f"{seconds} s" for seconds in lengths),
        [
            (format, [clip(format, (1280, 720), 25, seconds) for seconds in lengths])
            for format in _CLIPS
        ],
    )
    yield (
        "clips of 4096x4096 at 60",
        tuple(f"{seconds} s" for seconds in lengths),
        [("mp4", [clip("mp4", (4096, 4096), 60, seconds) for seconds in lengths])],
    )
    yield (
        "sounds",
        tuple(f"{seconds} s" for seconds in lengths),
        [
            (format, [wanted(format, seconds=seconds) for seconds in lengths])
            for format in ("wav", "flac", "mp3", "ogg", "m4a", "aac")
        ],
    )
    counts = (1, 25, 121)
    yield (
        "archives of frames, 512x512",
        tuple(map(str, counts)),
        [
            (format, [wanted(format, width=512, height=512, frames=count) for count in counts])
            for format in ("zip", "tar", "tgz")
        ],
    )
    yield (
        "subtitles",
        tuple(f"{seconds} s" for seconds in lengths),
        [
            (format, [wanted(format, seconds=seconds) for seconds in lengths])
            for format in ("srt", "vtt", "csv")
        ],
    )
    # What has one size.
    others = ("glb", "gltf", "obj", "fbx", "stl", "ply", "usdz", "safetensors", "json", "txt")
    yield "others", ("",), [(format, [wanted(format)]) for format in others]


_CLIPS = ("mp4", "mov", "webm", "gif")


def clip(format: str, size: tuple[int, int], fps: int, seconds: int) -> Wanted:
    return wanted(
        format, width=size[0], height=size[1], fps=fps, frames=fps * seconds, sound=format != "gif"
    )


def measure(one: Wanted) -> tuple[float, int]:
    """Return the milliseconds that a file takes, and its bytes."""
    size = len(make(one))
    times: list[float] = []
    for number in range(ROUNDS):
        other = replace(one, request_id=f"{_REQUEST[:-2]}{number:02}", digest=f"d{number}")
        began = time.process_time()
        make(other)
        times.append(time.process_time() - began)
    return 1000 * statistics.median(times), size


def cell(took: float, size: int) -> str:
    """Say what a file takes: milliseconds, bytes, and of a large one how many a second."""
    shown = f"{took:.{1 if took < 100 else 0}f} ms, {_bytes(size)}"
    return f"{shown}, {size / took / 1000:,.0f} MB/s" if size > 1_000_000 else shown


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{size / 1000:.1f} kB"


def main() -> None:
    markdown = "--markdown" in sys.argv
    print(f"files made, on {processor()}: processor time, median of {ROUNDS}; bytes\n")
    for kind, names, rows in kinds():
        lines = [(kind, *names), *([("---",) * (1 + len(names))] if markdown else [])]
        for format, files in rows:
            lines.append((format, *(cell(*measure(one)) for one in files)))
        for first, *others in lines:
            if markdown:
                print(f"| {' | '.join((first, *others))} |")
            else:
                print(f"{first:28}" + "".join(f"{one:>30}" for one in others), flush=True)
        print()


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
