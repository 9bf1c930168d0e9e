"""Files of this machine go out as data URIs; what cannot go is named before anything is sent."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import respx

from falkit_client import Client, errors
from falkit_client.media import sniff
from falkit_fixtures.images import KINDS, Kind, others, sample
from falkit_spec import Catalog

FAST = "fal-ai/ltx-2/image-to-video/fast"
RETAKE = "fal-ai/ltx-2/retake-video"

Do = Callable[..., Any]


def sent(do: Do, respx_mock: respx.MockRouter, body: dict[str, Any], **options: Any) -> Any:
    route = respx_mock.post(url__startswith="https://queue.fal.run/").respond(
        json={"request_id": "r1"}
    )
    do("submit", options.pop("endpoint", FAST), body, **options)
    return json.loads(route.calls.last.request.content)


def faults(do: Do, body: dict[str, Any], endpoint: str = FAST, **options: Any) -> list[Any]:
    with pytest.raises(errors.InvalidInput) as caught:
        do("submit", endpoint, body, **options)
    assert caught.value.status is None
    return list(caught.value.faults)


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_becomes_a_data_uri_of_its_contents_type(
    do: Do, respx_mock: respx.MockRouter, tmp_path: Path, kind: Kind
) -> None:
    file = tmp_path / "mislabelled.txt"
    file.write_bytes(sample(kind))
    body = sent(do, respx_mock, {"prompt": "Rain", "image_url": file})
    encoded = base64.b64encode(sample(kind)).decode()
    assert body["image_url"] == f"data:image/{kind};base64,{encoded}"


def test_bytes_and_open_files_do_as_well(do: Do, respx_mock: respx.MockRouter) -> None:
    png = sample("png")
    opened = [png, bytearray(png), memoryview(png), io.BytesIO(png)]
    bodies = [sent(do, respx_mock, {"prompt": "Rain", "image_url": one}) for one in opened]
    assert {body["image_url"][:22] for body in bodies} == {"data:image/png;base64,"}
    assert len({body["image_url"] for body in bodies}) == 1


def test_files_are_found_at_any_depth_of_an_unknown_endpoint(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    body = {"scenes": [{"images": (sample("png"), "https://example.com/a.png")}], "raw": b"%PDF"}
    written = sent(do, respx_mock, body, endpoint="some/model", check=False)
    assert written["scenes"][0]["images"][0].startswith("data:image/png;base64,")
    assert written["scenes"][0]["images"][1] == "https://example.com/a.png"
    assert written["raw"] == "data:application/octet-stream;base64,JVBERg=="


def test_unreadable_files_are_named(do: Do, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a named pipe is POSIX's")
    os.mkfifo(tmp_path / "pipe")
    closed = io.BytesIO()
    closed.close()
    wrong = {
        "file_not_found": tmp_path / "absent.png",
        "file_is_directory": tmp_path,
        "file_unreadable": tmp_path / "pipe",
        "file_url": "file:///etc/hostname",
    }
    for kind, value in wrong.items():
        (fault,) = faults(do, {"prompt": "Rain", "image_url": value})
        assert (fault["type"], fault["loc"]) == (kind, ["body", "image_url"])
        assert fault["input"] == str(value)
    for value, why in ((closed, "closed file"), (io.StringIO("a"), "mode 'rb'")):
        (fault,) = faults(do, {"prompt": "Rain", "image_url": value})
        assert fault["type"] == "file_unreadable"
        assert why in fault["msg"]
    (fault,) = faults(do, {"prompt": "Rain", "image_url": Path("a\0b")})
    assert fault["type"] == "file_unreadable"


def test_strings_are_never_read_as_files(
    do: Do, respx_mock: respx.MockRouter, tmp_path: Path
) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(sample("png"))
    assert sent(do, respx_mock, {"prompt": "", "image_url": str(file)}, check=False)[
        "image_url"
    ] == str(file)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (others("gif"), "the bytes are gif; give png, jpeg, webp, avif or heif"),
        (others("text"), "the bytes are not image data"),
        (others("mp4"), "the bytes are not image data"),
        (b"", "the file is empty"),
    ],
)
def test_unsupported_images_are_refused(do: Do, data: bytes, says: str) -> None:
    (fault,) = faults(do, {"prompt": "Rain", "image_url": data})
    assert fault["type"] == "unsupported_image_format"
    assert says in fault["msg"]
    assert fault["ctx"]["supported_formats"] == [".png", ".jpeg", ".webp", ".avif", ".heif"]


def test_a_file_above_the_limit_is_refused_unread(do: Do, tmp_path: Path) -> None:
    limit = Catalog.vendored().get(FAST).media_inputs[0].max_bytes
    assert limit is not None
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(limit + 1)
    for value in (large, bytes(limit + 1)):
        (fault,) = faults(do, {"prompt": "Rain", "image_url": value})
        assert fault["type"] == "file_too_large"
        assert fault["ctx"] == {"max_size": limit}
        assert "10,485,760" in fault["msg"]


def test_a_video_input_takes_a_video_and_a_moving_gif(do: Do, respx_mock: respx.MockRouter) -> None:
    for data, mime in ((others("mp4"), "video/mp4"), (others("gif"), "image/gif")):
        body = sent(do, respx_mock, {"prompt": "R", "video_url": data}, endpoint=RETAKE)
        assert body["video_url"].startswith(f"data:{mime};base64,")
    (fault,) = faults(do, {"prompt": "Rain", "video_url": sample("png")}, RETAKE)
    assert fault["type"] == "unsupported_video_format"


def test_all_faults_of_files_and_document_come_together(do: Do) -> None:
    found = faults(do, {"prompt": b"Rain", "image_url": Path("absent.png"), "duration": 7})
    assert {fault["loc"][-1] for fault in found} == {"prompt", "image_url", "duration"}
    assert len(found) == 3
    assert found[0]["msg"] == "prompt takes no file"


def test_unchecked_only_what_cannot_be_read_is_refused(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    assert sent(do, respx_mock, {"image_url": others("gif")}, check=False)
    (fault,) = faults(do, {"image_url": Path("absent.png")}, check=False)
    assert fault["type"] == "file_not_found"


def test_the_price_needs_no_file() -> None:
    with Client("a:b") as client:
        body = {"prompt": "Rain", "image_url": Path("absent.png"), "more": [Path("b"), {"c": b""}]}
        assert client.price(FAST, body) == client.price(FAST, {})


def test_check_says_what_is_wrong_and_sends_nothing(do: Do, respx_mock: respx.MockRouter) -> None:
    with pytest.raises(errors.InvalidInput, match="duration"):
        do("check", FAST, {"prompt": "Rain", "image_url": sample("png"), "duration": 7})
    assert do("check", FAST, {"prompt": "Rain", "image_url": sample("png")}) is None
    assert not respx_mock.calls


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "mov"),
        (b"\0\0\0\x18ftypM4V \0\0\0\0", "m4v"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "m4a"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif"),
        (b"\x1aE\xdf\xa3\x01webm", "webm"),
        (b"\x1aE\xdf\xa3\x01matroska", "mkv"),
        (b"RIFF\0\0\0\0AVI ", "avi"),
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"RIFF\0\0\0\0ACON", None),
        (others("bmp"), "bmp"),
        (others("tiff"), "tiff"),
        (b"ID3\x04", "mp3"),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"\xff\xf1", "aac"),
        (others("svg"), None),
    ],
)
def test_formats_are_recognized_by_their_first_bytes(data: bytes, format: str | None) -> None:
    found = sniff(data)
    assert (found.format if found else None) == format
