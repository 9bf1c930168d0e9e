"""Sounds as independent readers hear them: libsndfile and PyAV."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# soundfile has no types, PyAV leaves some of its own open.
from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """What a reader makes of a sound; `samples` has a row for each channel, from -1 to 1."""

    codec: str
    rate: int
    samples: Samples
    tags: dict[str, str]
    # What the container says, in seconds.
    duration: float

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def length(self) -> int:
        return int(self.samples.shape[1])

    @property
    def peak(self) -> float:
        """In decibels below full scale."""
        return decibels(float(np.abs(self.samples).max(initial=0)))

    def ends(self) -> tuple[float, float]:
        """Return the loudest of the first and of the last eight samples, in decibels."""
        first, last = self.samples[:, :8], self.samples[:, -8:]
        return decibels(float(np.abs(first).max())), decibels(float(np.abs(last).max()))

    def levels(self) -> Samples:
        """Return the level of each twentieth of a second but for the ends, in decibels."""
        step = self.rate // 20
        mono = self.samples[0][4 * step : -4 * step]
        rows = mono[: len(mono) // step * step].reshape(-1, step)
        return cast("Samples", 10 * np.log10(np.maximum((rows**2).mean(axis=1), 1e-12)))

    def spectrum(self) -> tuple[float, float]:
        """Return the loudest pitch of the middle, in hertz, and the next loudest, in decibels."""
        middle = self.samples[0][self.length // 4 : self.length // 4 * 3]
        powers = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        top = int(powers.argmax())
        others = powers.copy()
        others[max(top - 8, 0) : top + 9] = 0
        pitch = top * self.rate / len(middle)
        return pitch, decibels(float(others.max() / powers.max()))


def decibels(share: float) -> float:
    return float(20 * np.log10(max(share, 1e-9)))


def by_soundfile(data: bytes) -> Heard:
    """Read all with libsndfile."""
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        tags = {str(key): str(value) for key, value in file.copy_metadata().items()}
        samples = cast("Samples", file.read(dtype="float64", always_2d=True).T)
        rate = int(file.samplerate)
        return Heard(f"{file.format} {file.subtype}", rate, samples, tags, file.frames / rate)


def by_av(data: bytes) -> Heard:
    """Read all with PyAV (FFmpeg)."""
    with av.open(io.BytesIO(data), "r") as container:
        (stream,) = container.streams.audio
        parts = list[Samples]()
        for frame in container.decode(stream):
            part = cast("Any", frame.to_ndarray())
            if not frame.format.is_planar:
                part = part.reshape(-1, stream.channels).T
            scale = 1.0 if part.dtype.kind == "f" else float(np.iinfo(part.dtype).max) + 1
            parts.append(part.astype(np.float64) / scale)
        duration = (container.duration or 0) / av.time_base
        tags = {**container.metadata, **stream.metadata}
        samples = np.concatenate(parts, axis=1)
        return Heard(stream.codec_context.name, stream.rate, samples, tags, duration)
