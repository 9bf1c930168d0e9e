"""Videos and sounds as inputs: what falkit says of a file, held against ffprobe (wire.md §6.1)."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given, settings, strategies as st

from falkit import Mock
from falkit_fixtures import images, mp4
from falkit_mock.core.jobs import MediaValue
from falkit_mock.service.checks import Rejected, check_bytes, check_source, identify
from falkit_mock.service.containers import Source, Unreadable
from falkit_spec import Catalog, Document, MediaInput
from falkit_spec.media import MediaKind
from processes import found

FORMATS = (
    *("mp4", "mov", "m4v", "3gp", "webm", "mkv", "avi", "gif", "ogv"),
    *("m4a", "mp3", "wav", "flac", "ogg", "aac", "aiff"),
)
H264 = ("-map", "0:v", "-c:v", "libx264", "-pix_fmt", "yuv420p")
SOUND = ("-map", "1:a")
WRITTEN: dict[str, tuple[str, ...]] = {
    "plain.mp4": H264,
    "faststart.mp4": (*H264, "-movflags", "faststart"),
    "both.mp4": (*H264, *SOUND, "-c:a", "aac"),
    "fragments.mp4": (*H264, "-movflags", "frag_keyframe+empty_moov"),
    "quicktime.mov": H264,
    "apple.m4v": H264,
    "phone.3gp": H264,
    "vp8.webm": ("-map", "0:v", "-c:v", "libvpx"),
    "live.webm": ("-map", "0:v", "-c:v", "libvpx", "-live", "1"),
    "matroska.mkv": (*H264, *SOUND),
    "old.avi": ("-map", "0:v", "-c:v", "mpeg4"),
    "theora.ogv": ("-map", "0:v", "-c:v", "libtheora"),
    "moving.gif": ("-map", "0:v"),
    "sound.m4a": (*SOUND, "-c:a", "aac"),
    "sound.mp4": (*SOUND, "-c:a", "aac"),
    "sound.mov": (*SOUND, "-c:a", "pcm_s16le"),
    "sound.webm": (*SOUND, "-c:a", "libopus"),
    "sound.mka": (*SOUND, "-c:a", "flac", "-f", "matroska"),
    "sound.mp3": (*SOUND, "-b:a", "64k"),
    "variable.mp3": (*SOUND, "-q:a", "4", "-id3v2_version", "0"),
    "low.mp3": (*SOUND, "-ar", "16000", "-write_xing", "0"),
    "sound.wav": SOUND,
    "sound.flac": SOUND,
    "vorbis.ogg": (*SOUND, "-c:a", "libvorbis"),
    "opus.ogg": (*SOUND, "-c:a", "libopus"),
    "flac.ogg": (*SOUND, "-c:a", "flac"),
    "sound.aac": (*SOUND, "-c:a", "aac"),
    "sound.aiff": SOUND,
}
# Of these a part is left out at the end, in per cent of what is kept.
CUT = {
    **dict.fromkeys(("plain.mp4", "faststart.mp4", "fragments.mp4", "quicktime.mov"), 60),
    **dict.fromkeys(("vp8.webm", "live.webm", "matroska.mkv", "old.avi", "moving.gif"), 70),
    **dict.fromkeys(
        ("sound.m4a", "sound.webm", "sound.wav", "sound.mp3", "sound.aac", "sound.flac"), 60
    ),
}
OTHER = {
    "picture.heic": images.sample("heif"),
    "picture.avif": images.sample("avif"),
    "picture.png": images.sample("png"),
    "made here.mp4": mp4.render(mp4.Clip(1920, 1080, 25, 5, audio=True)),
    "no index.mp4": images.others("mp4"),
    "text.mp4": images.others("text"),
    "empty.mp4": b"",
}
# What ffprobe reads and falkit refuses, and why.
REFUSED = {
    "picture.png": "ffprobe counts a picture as a video of one frame",
    "picture.avif": "the same, in the container of a video",
    "picture.heic": "the same, from ffprobe 7.1 on",
    "cut moving.gif": "ffprobe shows the pictures that are left",
    "cut old.avi": "the same",
}


@dataclass(frozen=True)
class Probed:
    """What ffprobe says: the kinds of the streams that hold something, and the length."""

    kinds: frozenset[str]
    seconds: float | None
    # Width, height and frames per second of the first picture.
    frame: tuple[int, int, float] | None = None


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the files: one second of a test picture and a tone in each container."""
    folder = tmp_path_factory.mktemp("media")
    command = [found("ffmpeg", package="ffmpeg"), "-v", "error", "-bitexact"]
    for maker in ("testsrc=size=64x36:rate=10:duration=1", "sine=duration=1"):
        command += ["-f", "lavfi", "-i", maker]
    for name, options in WRITTEN.items():
        command += [*options, str(folder / name)]
    subprocess.run(command, check=True, capture_output=True)
    for name, percent in CUT.items():
        data = (folder / name).read_bytes()
        (folder / f"cut {name}").write_bytes(data[: len(data) * percent // 100])
    for name, data in OTHER.items():
        (folder / name).write_bytes(data)
    return {path.name: path for path in folder.iterdir()}


@cache
def probe(path: Path) -> Probed:
    """Ask ffprobe; where it complains, there is nothing that can be used."""
    wanted = "stream=codec_type,nb_read_packets,width,height,avg_frame_rate:format=duration"
    options = ["-v", "error", "-count_packets", "-show_entries", wanted, "-of", "json"]
    program = found("ffprobe", package="ffmpeg")
    run = subprocess.run([program, *options, path], capture_output=True, check=False)
    if run.returncode or run.stderr:
        return Probed(frozenset(), None)
    said = json.loads(run.stdout)
    seconds, streams = said["format"].get("duration"), said.get("streams", [])
    pictures = [each for each in streams if each["codec_type"] == "video"]
    frame = None
    if pictures:
        over, under = map(int, pictures[0]["avg_frame_rate"].split("/"))
        frame = pictures[0]["width"], pictures[0]["height"], over / (under or 1)
    return Probed(
        frozenset(each["codec_type"] for each in streams if int(each.get("nb_read_packets", 0))),
        None if seconds is None else float(seconds),
        frame,
    )


def medium(
    kind: MediaKind,
    *formats: str,
    min_seconds: float | None = None,
    max_seconds: float | None = None,
    **bounds: float,
) -> MediaValue:
    name = f"{kind}_url"
    wanted = MediaInput(
        name,
        kind,
        (name,),
        formats,
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        bounds=bounds,
    )
    return MediaValue(wanted, (name,), "data:,")


def judged(medium: MediaValue, data: bytes) -> str:
    """Return `taken`, or the type of the error."""
    try:
        check_bytes(medium, data)
    except Rejected as error:
        return str(error.item["type"])
    return "taken"


NAMES = [*WRITTEN, *(f"cut {name}" for name in CUT), *OTHER]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_taken_where_ffprobe_finds_the_track(files: dict[str, Path], name: str) -> None:
    data, probed = files[name].read_bytes(), probe(files[name])
    for kind in ("video", "audio"):
        expected = kind in probed.kinds and name not in REFUSED
        refusal = f"unsupported_{kind}_format"
        assert judged(medium(kind, *FORMATS), data) == ("taken" if expected else refusal)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_length_is_that_which_ffprobe_names(files: dict[str, Path], name: str) -> None:
    seconds = identify(Source.of(files[name].read_bytes())).seconds
    if seconds is None:
        assert name in ("fragments.mp4", "live.webm", "theora.ogv", "sound.aiff")
    else:
        assert seconds == pytest.approx(probe(files[name]).seconds, abs=0.05)


@pytest.mark.parametrize("name", [name for name in WRITTEN if "sound" not in name])
def test_a_frame_is_that_which_ffprobe_names(files: dict[str, Path], name: str) -> None:
    found, frame = identify(Source.of(files[name].read_bytes())), probe(files[name]).frame
    if frame is None:
        assert (found.width, found.height, found.fps) == (None, None, None)
    elif name != "theora.ogv":
        assert (found.width, found.height) == frame[:2]
        # A fragment's frames aren't counted.
        assert name == "fragments.mp4" or found.fps == pytest.approx(frame[2], abs=0.2)


def test_a_rate_outside_its_limits_is_refused(files: dict[str, Path]) -> None:
    for name in ("plain.mp4", "vp8.webm", "old.avi"):
        data = files[name].read_bytes()
        assert judged(medium("video", min_fps=10, max_fps=10, min_width=64), data) == "taken"
        assert judged(medium("video", min_fps=10.1), data) == "input_value_error"
        assert judged(medium("video", max_fps=9.9), data) == "input_value_error"
        assert judged(medium("video", min_width=65), data) == "image_too_small"
        assert judged(medium("video", max_height=35), data) == "image_too_large"


def test_a_file_of_a_format_that_is_not_listed_is_refused(files: dict[str, Path]) -> None:
    only = medium("video", "mp4")
    for name in ("quicktime.mov", "apple.m4v", "vp8.webm", "matroska.mkv", "old.avi"):
        with pytest.raises(Rejected) as refused:
            check_bytes(only, files[name].read_bytes())
        assert refused.value.item["ctx"] == {"supported_formats": [".mp4"]}
    # Of an MP4 the sound alone is an M4A.
    sound = medium("audio", "m4a")
    for name in ("both.mp4", "sound.mp4", "sound.mov", "sound.m4a"):
        assert judged(sound, files[name].read_bytes()) == "taken"


@pytest.mark.parametrize(
    ("limits", "error", "ctx"),
    [
        ({"min_seconds": 2}, "audio_duration_too_short", {"min_duration": 2}),
        ({"max_seconds": 0.5}, "audio_duration_too_long", {"max_duration": 0.5}),
        ({"min_seconds": 1, "max_seconds": 1}, None, {}),
    ],
)
def test_a_length_outside_its_limits_is_refused(
    files: dict[str, Path], limits: dict[str, float], error: str | None, ctx: dict[str, float]
) -> None:
    data = files["sound.wav"].read_bytes()
    if error is None:
        found = check_bytes(medium("audio", *FORMATS, **limits), data)
        assert found is not None
        assert found.seconds == 1.0
        return
    with pytest.raises(Rejected) as refused:
        check_bytes(medium("audio", *FORMATS, **limits), data)
    item = refused.value.item
    assert (item["type"], item["ctx"]) == (error, {**ctx, "provided_duration": 1.0})


def test_of_a_large_file_only_the_headers_are_read() -> None:
    clip = mp4.render(mp4.Clip(1920, 1080, 25, 25, audio=True))
    size, read = 10**12, list[int]()
    free = struct.pack(">I4sQ", 1, b"free", size - len(clip))

    def at(start: int, end: int) -> bytes:
        read.append(end - start)
        return (clip + free)[start:end] if start < len(clip) + 16 else b""

    found = check_source(medium("video", *FORMATS), Source(size, at))
    assert found is not None
    assert found.seconds == 1.0
    assert sum(read) < 100_000


# Beginnings from which every reader goes on.
HEADS = (
    *(b"\0\0\0\x14ftypisom\0\0\2\0isom", b"\0\0\0\x08moov", b"\x1aE\xdf\xa3\x80\x18S\x80g\xff"),
    *(b"RIFF\xff\xff\xff\xffAVI ", b"RIFF\xff\xff\xff\xffWAVE", b"GIF89a\1\0\1\0\xff\0\0"),
    *(b"PK\5\6", b"PK\3\4", b"\x1f\x8b\x08", b"glTF\2\0\0\0", b"solid ", b"# obj\nv "),
    *(b"fLaC", b"OggS\0\2", b"ID3\4\0\0\0\0\0\0\xff\xfb\x90\x64", b"\xff\xf1\x50\x80", b"FORM"),
)
BOX = struct.pack(">I4s", 8, b"free")


def read_or_refuse(data: bytes) -> None:
    for kind in ("video", "audio"):
        assert judged(medium(kind, *FORMATS), data) in ("taken", f"unsupported_{kind}_format")


@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=200))
@example(HEADS[0], b"\0\0\0\1moov" + bytes(8))
@example(HEADS[0], b"\0\0\0\0moov")
@example(HEADS[2], b"\x16T\xaek\xff" + b"\xae\xff" * 200)
@example(HEADS[3], b"LIST\x04\0\0\0hdrl")
@example(HEADS[4], b"fmt \x10\0\0\0" + bytes(16) + b"data\0\0\0\0")
@example(HEADS[7], bytes(20) + b"\x01\x1e\x01vorbis" + bytes(30))
def test_any_bytes_behind_a_known_beginning_are_read_or_refused(head: bytes, rest: bytes) -> None:
    read_or_refuse(head + rest)


def packed(form: str) -> bytes:
    """Return an archive of two small files."""
    out = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a.txt", "a")
            archive.writestr("b.txt", "b" * 100)
    else:
        with tarfile.open(fileobj=out, mode="w:gz" if form == "gz" else "w") as tar:
            for name in ("a", "b"):
                entry = tarfile.TarInfo(name)
                entry.size = 100
                tar.addfile(entry, io.BytesIO(bytes(100)))
    return out.getvalue()


ARCHIVES = [packed(form) for form in ("zip", "tar", "gz")]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject, files: dict[str, Path]) -> None:
    written = st.sampled_from([*WRITTEN]).map(lambda name: files[name].read_bytes()[:6000])
    whole = bytearray(data.draw(written | st.sampled_from(ARCHIVES)))
    for _ in range(data.draw(st.integers(0, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEADS[0] + BOX * 300_000, id="boxes without end"),
        pytest.param(
            HEADS[0] + struct.pack(">I4s", 8 + 8 * 300_000, b"moov") + BOX * 300_000,
            id="boxes in the index without end",
        ),
        pytest.param(HEADS[2] + b"\x16T\xaek\xff" + b"\xae\xff" * 60_000, id="nested tracks"),
        pytest.param(HEADS[3] + b"junk\0\0\0\0" * 300_000, id="chunks without end"),
        pytest.param(b"ID3\4\0\0\0\0\0\0" * 300_000, id="tags without end"),
        pytest.param(b"OggS\0\0" * 100_000, id="pages without end"),
    ],
)
def test_a_file_of_headers_alone_is_given_up(data: bytes) -> None:
    with pytest.raises(Unreadable):
        identify(Source.of(data))


def test_files_of_a_document_that_no_overlay_knows_are_judged_too(files: dict[str, Path]) -> None:
    names, text = ("image_url", "video_url", "audio_url"), {"type": "string"}
    fields = dict.fromkeys(names, text) | {"end_image_url": {**text, "default": "none"}}
    schema = {"schema": {"type": "object", "properties": fields}}
    post = {"requestBody": {"content": {"application/json": schema}}}
    document = json.dumps({"paths": {"/acme/odd": {"post": post}}}).encode()
    catalog = Catalog.from_documents([Document(document, source="odd.json")])
    given = {
        "image_url": (images.sample("png"), images.sample("heif"), images.others("gif")),
        "video_url": tuple(files[name].read_bytes() for name in ("both.mp4", "matroska.mkv")),
        "audio_url": tuple(files[name].read_bytes() for name in ("both.mp4", "sound.aiff")),
    }
    broken = {
        "image_url": "image_load_error",
        "video_url": "unsupported_video_format",
        "audio_url": "unsupported_audio_format",
    }
    with Mock(catalog=catalog, timing="instant") as mock:
        url, key = f"{mock.url}/fal.run/acme/odd", {"authorization": "Key falkit"}
        for name in names:
            for data in given[name]:
                value = f"data:;base64,{base64.b64encode(data).decode()}"
                assert httpx.post(url, json={name: value}, headers=key).status_code == 200, name
            reply = httpx.post(url, json={name: "data:,text"}, headers=key)
            assert reply.json()["detail"][0]["type"] == broken[name]
            reply = httpx.post(url, json={name: "http://localhost/x"}, headers=key)
            assert reply.json()["detail"][0]["type"] == "file_download_error"
