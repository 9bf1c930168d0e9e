"""Files of any document, over a socket: in lists, objects and unions, of every kind."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections.abc import Generator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from PIL import Image

from falkit import Client, Settings
from falkit_fixtures import images, mp4
from falkit_mock.service import outcomes
from falkit_spec import Catalog, Document, Object
from serving import Mock, running

TEXT: Object = {"type": "string"}
FILE: Object = {"type": "object", "properties": {"url": TEXT}, "required": ["url"]}
ID = "acme/any/model"
PRIVATE = "http://localhost/x.png"
PUBLIC = "https://example.com/x.png"
ELEMENT: Object = {
    "type": "object",
    "properties": {
        "image_url": TEXT,
        "reference_image_urls": {"type": "array", "items": TEXT},
        "clip": {"anyOf": [TEXT, FILE, {"type": "null"}]},
    },
}


def limited(**limits: float) -> Object:
    return {**TEXT, "x-fal": dict(limits)}


FIELDS: Object = {
    "image_urls": {"type": "array", "items": TEXT},
    "image": {"anyOf": [FILE, {"type": "null"}]},
    "elements": {"anyOf": [{"type": "array", "items": ELEMENT}, {"type": "null"}]},
    "loras": {"type": "array", "items": {"type": "object", "properties": {"path": TEXT}}},
    "training_data_url": TEXT,
    "model_url": TEXT,
    "pdf_url": TEXT,
    "media_url": TEXT,
    "webhook_url": TEXT,
    "mask_url": {**TEXT, "default": "data:,none"},
    "small_image_url": limited(min_width=300, min_height=200, max_width=400, max_height=300),
    "wide_image_url": limited(min_width=300),
    "ratio_image_url": limited(min_aspect_ratio=0.5, max_aspect_ratio=2),
    "flat_image_url": limited(min_aspect_ratio=2),
    "light_image_url": limited(max_file_size=1000),
    "video_url": limited(min_fps=24, max_fps=60, min_duration=1, max_duration=3),
    "framed_video_url": limited(min_width=1920, max_height=1080),
}


def catalog(fields: Object = FIELDS) -> Catalog:
    schema: Object = {"type": "object", "properties": fields}
    post: Object = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    nothing: Object = {"type": "object", "properties": {}}
    result: Object = {"responses": {"200": {"content": {"application/json": {"schema": nothing}}}}}
    paths = {f"/{ID}": {"post": post}, f"/{ID}/requests/{{request_id}}": {"get": result}}
    data = json.dumps({"paths": paths}).encode()
    return Catalog.from_documents([Document(data, source="any.json")])


@pytest.fixture(scope="module")
def any_mock() -> Generator[Mock]:
    with running(Settings(timing="instant"), catalog=catalog()) as mock:
        yield mock


def inline(data: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"


def uploaded(mock: Mock, data: bytes) -> str:
    begun = mock.http.post(
        "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3",
        json={"file_name": "x.bin", "content_type": "application/octet-stream"},
    ).json()
    assert mock.http.put(begun["upload_url"], content=data).is_success
    url: str = begun["file_url"]
    return url


def detail(mock: Mock, **input: Any) -> list[Any]:
    """Return what is wrong with an input, by fal.run and by the queue alike."""
    reply = mock.run(input, ID)
    queued = mock.result(mock.submit(input, ID))
    assert queued.content == reply.content
    if reply.status_code == 200:
        return []
    assert reply.status_code == 422, reply.text
    assert len(reply.headers["x-falkit-hint"]) <= 600
    found: list[Any] = reply.json()["detail"]
    return found


def one(mock: Mock, **input: Any) -> tuple[str, Any]:
    [item] = detail(mock, **input) or [{"type": "taken"}]
    return item["type"], item.get("ctx")


def test_of_a_list_each_wrong_file_is_named_at_its_place(any_mock: Mock) -> None:
    urls = [PUBLIC, PRIVATE, images.data_uri("png"), images.data_uri("text")]
    first, second = detail(any_mock, image_urls=urls)
    assert first == {
        "loc": ["body", "image_urls", 1],
        "msg": "Failed to download the file. Please check if the URL is accessible and try again.",
        "type": "file_download_error",
        "url": "https://docs.fal.ai/errors#file_download_error",
        "input": PRIVATE,
    }
    assert (second["loc"], second["type"]) == (["body", "image_urls", 3], "image_load_error")
    assert second["input"] == urls[3]
    hint = any_mock.run({"image_urls": urls}, ID).headers["x-falkit-hint"]
    assert "image_urls[1]: fal can't reach localhost" in hint
    assert "image_urls[3]: the bytes don't load" in hint


@pytest.mark.parametrize(
    ("input", "loc"),
    [
        ({"image": {"url": PRIVATE}}, ["image", "url"]),
        ({"elements": [{}, {"image_url": PRIVATE}]}, ["elements", 1, "image_url"]),
        (
            {"elements": [{"reference_image_urls": [PUBLIC, PRIVATE]}]},
            ["elements", 0, "reference_image_urls", 1],
        ),
        ({"elements": [{"clip": PRIVATE}]}, ["elements", 0, "clip"]),
        ({"elements": [{"clip": {"url": PRIVATE}}]}, ["elements", 0, "clip", "url"]),
        ({"loras": [{"path": PUBLIC}, {"path": PRIVATE}]}, ["loras", 1, "path"]),
        ({"training_data_url": PRIVATE}, ["training_data_url"]),
        ({"media_url": "ftp://example.com/x"}, ["media_url"]),
        ({"media_url": "data:;base64,x"}, ["media_url"]),
        ({"pdf_url": "x.pdf"}, ["pdf_url"]),
    ],
)
def test_a_file_that_cannot_be_had_is_refused_wherever_it_is(
    any_mock: Mock, input: dict[str, Any], loc: list[str | int]
) -> None:
    [item] = detail(any_mock, **input)
    assert (item["type"], item["loc"]) == ("file_download_error", ["body", *loc])


@pytest.mark.parametrize(
    "input",
    [
        {"webhook_url": PRIVATE},
        {"mask_url": "data:,none"},
        {"loras": [{"path": "owner/name"}, {"path": "https://example.com/x.safetensors"}]},
        {"loras": [{"path": inline(b"anything")}]},
        {"media_url": "data:,anything"},
        {"pdf_url": inline(b"")},
        {"elements": None, "image": None},
        {"other_url": PRIVATE},
    ],
)
def test_what_is_no_file_or_of_no_known_kind_is_not_judged_by_its_bytes(
    any_mock: Mock, input: dict[str, Any]
) -> None:
    assert detail(any_mock, **input) == []


def test_uploads_are_read_wherever_they_are_named(any_mock: Mock) -> None:
    good, bad = uploaded(any_mock, images.sample("png")), uploaded(any_mock, b"text")
    assert detail(any_mock, elements=[{"reference_image_urls": [good]}], image={"url": good}) == []
    [item] = detail(any_mock, elements=[{"reference_image_urls": [good, bad]}])
    assert item["type"] == "image_load_error"
    assert item["loc"] == ["body", "elements", 0, "reference_image_urls", 1]
    gone = f"{good.rpartition('/')[0]}/gone.png"
    assert one(any_mock, image_urls=[good, gone])[0] == "file_download_error"


def picture(width: int, height: int) -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "PNG")
    return inline(out.getvalue())


SIZE = {"min_height": 200, "min_width": 300}
MOST = {"max_height": 300, "max_width": 400}


@pytest.mark.parametrize(
    ("field", "size", "type", "ctx"),
    [
        ("small", (300, 200), "taken", None),
        ("small", (400, 300), "taken", None),
        ("small", (299, 200), "image_too_small", SIZE),
        ("small", (300, 199), "image_too_small", SIZE),
        ("small", (401, 300), "image_too_large", MOST),
        ("small", (400, 301), "image_too_large", MOST),
        ("wide", (299, 1), "image_too_small", {"min_height": None, "min_width": 300}),
        ("wide", (300, 1), "taken", None),
        ("ratio", (100, 200), "taken", None),
        ("ratio", (200, 100), "taken", None),
        ("ratio", (99, 200), "image_aspect_ratio_error", {}),
        ("ratio", (201, 100), "image_aspect_ratio_error", {}),
        ("flat", (2, 1), "taken", None),
        ("flat", (1, 1), "image_aspect_ratio_error", {}),
    ],
)
def test_a_picture_keeps_the_limits_of_its_field(
    any_mock: Mock, field: str, size: tuple[int, int], type: str, ctx: dict[str, Any] | None
) -> None:
    found = one(any_mock, **{f"{field}_image_url": picture(*size)})
    if ctx == {}:
        most = 2 if field == "ratio" else None
        ctx = {"min_aspect_ratio": 0.5 if field == "ratio" else 2, "max_aspect_ratio": most}
    assert found == (type, ctx)


def test_limits_are_told_in_fals_words(any_mock: Mock) -> None:
    said = {
        "small": "Image dimensions are too small. Minimum dimensions are 300x200 pixels.",
        "wide": "Image dimensions are too small. Minimum width is 300 pixels.",
        "ratio": "The aspect ratio of the image should be between 0.5 and 2.",
        "flat": "The aspect ratio of the image should be greater than 2.",
    }
    for field, words in said.items():
        [item] = detail(any_mock, **{f"{field}_image_url": picture(1, 4)})
        assert item["msg"] == words
    [item] = detail(any_mock, light_image_url=inline(bytes(1001)))
    assert item["msg"].startswith("File size exceeds the maximum allowed size of 1000 bytes.")
    assert item["ctx"] == {"max_size": 1000}


def clip(fps: int, frames: int, width: int = 1920, height: int = 1080) -> str:
    return inline(mp4.render(mp4.Clip(width, height, fps, frames, audio=False)))


def test_a_video_keeps_the_limits_of_its_field(any_mock: Mock) -> None:
    assert one(any_mock, video_url=clip(25, 25)) == ("taken", None)
    assert one(any_mock, video_url=clip(25, 75)) == ("taken", None)
    short = {"min_duration": 1, "provided_duration": 0.96}
    assert one(any_mock, video_url=clip(25, 24)) == ("video_duration_too_short", short)
    [item] = detail(any_mock, video_url=clip(25, 100))
    assert item["ctx"] == {"max_duration": 3, "provided_duration": 4.0}
    assert item["msg"] == (
        "Video duration exceeds the maximum allowed. Maximum is 3 seconds, provided is 4.0 seconds."
    )
    assert one(any_mock, framed_video_url=clip(25, 25)) == ("taken", None)
    too_high = {"max_height": 1080, "max_width": None}
    large = clip(25, 25, 3840, 2160)
    assert one(any_mock, framed_video_url=large) == ("image_too_large", too_high)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.png", images.sample("png"))
    return out.getvalue()


def test_an_archive_is_judged_as_one(any_mock: Mock) -> None:
    listed = {"supported_extensions": [".zip", ".tar", ".tar.gz"]}
    png = images.sample("png")
    for good, bad in (
        (inline(zipped()), inline(png)),
        (uploaded(any_mock, zipped()), uploaded(any_mock, png)),
    ):
        assert one(any_mock, training_data_url=good) == ("taken", None)
        assert one(any_mock, training_data_url=bad) == ("invalid_archive", listed)
        assert one(any_mock, model_url=bad) == ("input_value_error", None)


def test_a_hundred_thousand_urls_are_taken_in_bounded_time(any_mock: Mock) -> None:
    urls = [f"http://localhost/{n}.png" for n in range(100_000)]
    started = perf_counter()
    reply = any_mock.run({"image_urls": urls}, ID)
    assert perf_counter() - started < 3
    assert len(reply.json()["detail"]) == 256
    reply = any_mock.run({"image_urls": [PUBLIC] * 257}, ID)
    hint = "files behind the first 256 aren't looked at"
    assert (reply.status_code, reply.headers["x-falkit-hint"]) == (200, hint)
    reply = any_mock.run({"image_urls": [PUBLIC] * 256}, ID)
    assert "x-falkit-hint" not in reply.headers


def test_no_more_bytes_of_an_input_are_read_than_there_is_room_for(
    any_mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = images.data_uri("text"), images.data_uri("png")
    monkeypatch.setattr(outcomes, "FILE_BYTES", 2 * len(bad) + len(good) - 1)
    reply = any_mock.run({"image_urls": [bad, bad]}, ID)
    assert len(reply.json()["detail"]) == 2
    reply = any_mock.run({"image_urls": [bad, good, bad]}, ID)
    assert [item["loc"] for item in reply.json()["detail"]] == [["body", "image_urls", 0]]
    reply = any_mock.run({"image_urls": [good, good, good, bad]}, ID)
    assert "not all files were looked at" in reply.headers["x-falkit-hint"]


def test_the_client_sends_files_of_this_machine_from_any_place(
    any_mock: Mock, tmp_path: Path
) -> None:
    photo, pack = tmp_path / "photo.png", tmp_path / "pack.zip"
    photo.write_bytes(images.sample("png"))
    pack.write_bytes(zipped())
    # More than is sent within the input.
    broken = tmp_path / "broken.zip"
    broken.write_bytes(bytes(5_000_000))
    with Client("id:secret", base_url=any_mock.url, catalog=catalog()) as client:
        input: dict[str, object] = {
            "image_urls": [photo, PUBLIC],
            "elements": [{"reference_image_urls": [photo], "clip": {"url": PUBLIC}}],
            "training_data_url": pack,
        }
        assert client.run(ID, input).output == {}
        with pytest.raises(Exception, match="image_urls") as caught:
            client.run(ID, {"image_urls": [photo, pack, tmp_path / "none.png"]})
        faults: list[Any] = getattr(caught.value, "faults", [])
        assert [fault["loc"] for fault in faults] == [["body", "image_urls", 2]]
        with pytest.raises(Exception, match="wrong") as caught:
            client.run(ID, {"elements": [{"reference_image_urls": [mp4_bytes()]}]})
        [fault] = getattr(caught.value, "faults", [])
        assert fault["type"] == "unsupported_image_format"
        assert fault["loc"] == ["body", "elements", 0, "reference_image_urls", 0]
        with pytest.raises(Exception, match="archive") as caught:
            client.run(ID, {"training_data_url": broken})


def mp4_bytes() -> bytes:
    return mp4.render(mp4.Clip(1920, 1080, 25, 25, audio=False))


def test_every_file_of_fals_documents_is_judged_where_it_is() -> None:
    folder = os.environ.get("DOCS")
    if folder is None:
        pytest.skip("DOCS names no folder with fal's documents")
    read = [Document.from_path(path) for path in sorted(Path(folder).rglob("*.json"))]
    newest = Catalog.from_documents([*{each.endpoint_id: each for each in read}.values()])
    asked = 0
    with running(Settings(timing="instant"), catalog=newest) as mock:
        for endpoint in newest:
            example = endpoint.example_input()
            assert mock.run(example, endpoint.id).status_code == 200, endpoint.id
            for wanted, place, _ in endpoint.files(example):
                broken: Any = endpoint.example_input()
                inner = broken
                for step in place[:-1]:
                    inner = inner[step]
                inner[place[-1]] = PRIVATE
                [item] = mock.run(broken, endpoint.id).json()["detail"]
                assert item["type"] == "file_download_error", (endpoint.id, wanted)
                assert item["loc"] == ["body", *place]
                asked += 1
    assert asked > len(newest) / 4
