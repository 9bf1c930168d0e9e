"""Measure how long each kind of file takes to make, and how large it is, at three sizes or lengths.

The best of several rounds, after one that reads seeds and fills caches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted

ROUNDS = 7
_REQUEST = "764cabcf-b745-4b3e-ae38-1200304cf45b"


def kinds() -> Iterator[tuple[str, list[tuple[str, Wanted]]]]:
    """Yield each format with three files: what each is called, and its description."""
    for format in ("png", "jpg", "webp", "avif"):
        yield format, [(f"{side}x{side}", wanted(format, width=side, height=side))
                       for side in (256, 1024, 2048)]  # fmt: skip
    for format in ("mp4", "mov", "webm", "gif"):
        yield format, [(f"{seconds} s", wanted(format, width=1280, height=720, fps=25.0,
                                               frames=25 * seconds, sound=True))
                       for seconds in (5, 60, 600)]  # fmt: skip
    for format in ("wav", "flac", "mp3", "ogg", "m4a", "aac"):
        yield format, [(f"{seconds} s", wanted(format, seconds=seconds))
                       for seconds in (5, 60, 3600)]  # fmt: skip
    for format in ("zip", "tar", "tgz"):
        yield format, [(f"{count} frames", wanted(format, width=512, height=512, frames=count))
                       for count in (1, 25, 121)]  # fmt: skip
    for format in ("srt", "vtt", "csv"):
        yield format, [(f"{seconds} s", wanted(format, seconds=seconds))
                       for seconds in (5, 60, 3600)]  # fmt: skip
    # What has one size.
    for format in ("glb", "gltf", "obj", "mtl", "fbx", "stl", "ply", "usdz", "safetensors", "json"):
        yield format, [("", wanted(format))]


def wanted(
    format: str,
    *,
    width: int = 0,
    height: int = 0,
    fps: float = 0,
    frames: int = 0,
    sound: bool = False,
    seconds: float = 0,
) -> Wanted:
    return Wanted(
        format=format,
        endpoint="fal-ai/some/model",
        request_id=_REQUEST,
        digest="d1g3st",
        width=width,
        height=height,
        fps=fps,
        frames=frames,
        sound=sound,
        seconds=seconds,
    )


def measure(one: Wanted) -> tuple[float, int]:
    """Return the milliseconds that a file takes, and its bytes."""
    size = len(make(one))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        make(one)
        best = min(best, time.perf_counter() - began)
    return 1000 * best, size


def main() -> None:
    print(f"{'':12}{'':>12}{'ms':>9}{'bytes':>14}")
    for format, sizes in kinds():
        for name, one in sizes:
            took, size = measure(one)
            print(f"{format:12}{name:>12}{took:>9.2f}{size:>14,}")


if __name__ == "__main__":
    main()
