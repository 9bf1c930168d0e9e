"""Files as independent readers see them: PyAV, Pillow, libsndfile, trimesh and others."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# Most of these readers have no types, or leave some of them open.
from __future__ import annotations

import io
import json
import tarfile
import zipfile
from dataclasses import dataclass, replace

import av
import safetensors.numpy
import soundfile
import trimesh
from PIL import Image


@dataclass(frozen=True)
class Opened:
    """What a reader makes of a file; zero where it has no such figure."""

    kind: str
    size: tuple[int, int] = (0, 0)
    seconds: float = 0
    fps: float = 0
    frames: int = 0
    sound: bool = False
    format: str = ""
    """The ending of the name by which it was read."""


_PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/avif": "AVIF"}
_MESHES = ("glb", "gltf", "obj", "stl", "ply")


def opened(name: str, content_type: str, data: bytes) -> Opened:
    """Read a file whole, by what its type says it is."""
    ending = name.rpartition(".")[2].lower()
    assert data, name
    return replace(_read(ending, content_type, data), format=ending)


def _read(ending: str, content_type: str, data: bytes) -> Opened:
    if content_type in _PICTURES:
        with Image.open(io.BytesIO(data), formats=[_PICTURES[content_type]]) as picture:
            picture.load()
            return Opened("image", picture.size)
    if content_type.startswith("video/") or content_type == "image/gif":
        return _clip(data)
    if content_type.startswith("audio/"):
        return _sound(ending, data)
    if ending in _MESHES:
        loaded = trimesh.load(io.BytesIO(data), file_type=ending)
        assert loaded.bounds is not None
        return Opened("model")
    if ending == "safetensors":
        assert safetensors.numpy.load(data)
        return Opened("weights")
    if ending in ("zip", "usdz"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert archive.namelist()
        return Opened("archive" if ending == "zip" else "model")
    if ending in ("tar", "tgz"):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert tar.getnames()
        return Opened("archive")
    if ending == "json":
        json.loads(data)
    elif ending == "fbx":
        assert data.startswith(b"Kaydara FBX Binary")
        return Opened("model")
    else:
        data.decode()
    return Opened("document")


def _clip(data: bytes) -> Opened:
    with av.open(io.BytesIO(data), "r") as container:
        (video,) = container.streams.video
        frames = sum(1 for packet in container.demux(video) if packet.size)
        rate = float(video.average_rate or 0)
        size = (video.width, video.height)
        sound = bool(container.streams.audio)
    return Opened("video", size, frames / rate if rate else 0, rate, frames, sound)


def _sound(ending: str, data: bytes) -> Opened:
    if ending in ("m4a", "aac"):
        with av.open(io.BytesIO(data), "r") as container:
            (stream,) = container.streams.audio
            samples = sum(frame.samples for frame in container.decode(stream))
            return Opened("audio", seconds=samples / stream.rate)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return Opened("audio", seconds=len(file.read()) / file.samplerate)
