"""Inputs as data URIs: judged by their bytes, never by their label (wire.md §6.1)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from falkit_fixtures import images
from falkit_fixtures.images import Kind, Other
from serving import I2V_FAST, PROMPT, RETAKE, Mock, Serve

FORMATS = ["png", "jpeg", "webp", "avif", "heif"]


def _refusal(mock: Mock, value: str, *, endpoint: str = I2V_FAST) -> dict[str, Any]:
    field = "video_url" if endpoint == RETAKE else "image_url"
    reply = mock.run({**PROMPT, field: value}, endpoint)
    assert reply.status_code == 422, reply.text
    assert reply.headers["x-falkit-hint"].startswith(f"{field}: ")
    (fault,) = reply.json()["detail"]
    assert fault["loc"] == ["body", field]
    assert fault["url"] == f"https://docs.fal.ai/errors#{fault['type']}"
    assert fault["input"] == value
    found: dict[str, Any] = fault
    return found


@pytest.mark.parametrize("kind", images.KINDS)
@pytest.mark.parametrize("label", [None, "image/gif", "text/plain", ""])
def test_every_format_that_the_model_takes_is_taken_under_any_label(
    mock: Mock, kind: Kind, label: str | None
) -> None:
    value = images.data_uri(kind, label)
    assert mock.run({**PROMPT, "image_url": value}, I2V_FAST).status_code == 200


@pytest.mark.parametrize("other", ["gif", "bmp", "tiff"])
@pytest.mark.parametrize("label", [None, "image/png"])
def test_a_sound_picture_of_another_format_is_unsupported(
    mock: Mock, other: Other, label: str | None
) -> None:
    fault = _refusal(mock, images.data_uri(other, label))
    assert fault["type"] == "unsupported_image_format"
    assert fault["ctx"] == {"supported_formats": FORMATS}


@pytest.mark.parametrize(
    "other", ["svg", "text", "json", "mp4", "empty", "truncated-png", "broken-png"]
)
def test_data_that_does_not_load_as_a_picture_is_a_load_error(mock: Mock, other: Other) -> None:
    fault = _refusal(mock, images.data_uri(other, "image/png"))
    assert fault["type"] == "image_load_error"
    assert "ctx" not in fault


def test_a_decompression_bomb_is_too_large(mock: Mock) -> None:
    fault = _refusal(mock, images.data_uri("huge-png"))
    assert fault["type"] == "image_too_large"
    assert list(fault["ctx"]) == ["max_height", "max_width"]


def test_a_file_above_the_documents_limit_is_too_large(mock: Mock) -> None:
    most = 10 * 1024 * 1024
    data = images.sample("png") + bytes(most)
    fault = _refusal(mock, f"data:image/png;base64,{base64.b64encode(data).decode()}")
    assert (fault["type"], fault["ctx"]) == ("file_too_large", {"max_size": most})


@pytest.mark.parametrize(
    "value",
    [
        "data:image/png;base64,@@@@",
        "data:image/png;base64,iVBORw0KGgo",
        "data:image/png;base64",
        "data:",
    ],
    ids=["not base64", "cut short", "no comma", "nothing"],
)
def test_a_data_uri_that_cannot_be_decoded_cannot_be_had(mock: Mock, value: str) -> None:
    assert _refusal(mock, value)["type"] == "file_download_error"


def test_a_percent_encoded_data_uri_is_read(mock: Mock) -> None:
    data = "".join(f"%{byte:02X}" for byte in images.sample("png"))
    value = f"DATA:image/png,{data}"
    assert mock.run({**PROMPT, "image_url": value}, I2V_FAST).status_code == 200


def test_the_queue_refuses_at_the_result(mock: Mock) -> None:
    job = mock.submit({**PROMPT, "image_url": images.data_uri("gif")}, I2V_FAST)
    assert mock.status(job)["error"] == "Invalid status code: 422"
    assert mock.result(job).json()["detail"][0]["type"] == "unsupported_image_format"


def test_a_bad_picture_is_refused_at_once_by_a_held_mock(
    serve: Serve,
) -> None:
    mock = serve("held")
    assert _refusal(mock, images.data_uri("gif"))["type"] == "unsupported_image_format"


def test_a_video_is_known_by_its_container(mock: Mock) -> None:
    value = images.data_uri("mp4", "image/png")
    assert mock.run({**PROMPT, "video_url": value}, RETAKE).status_code == 200
    fault = _refusal(mock, images.data_uri("png", "video/mp4"), endpoint=RETAKE)
    assert fault["type"] == "unsupported_video_format"
    assert "mp4" in fault["ctx"]["supported_formats"]


@pytest.mark.parametrize(
    ("head", "taken"),
    [
        (b"\0\0\0\x14ftypqt  ", True),
        (b"\x1aE\xdf\xa3\x01\0\0\0\x42\x82\x84webm", True),
        (b"GIF89a", True),
        (b"\0\0\0\x08moov", True),
        (b"\x1aE\xdf\xa3\x01\0\0\0\x42\x82\x88matroska", False),
        (b"RIFF\0\0\0\0AVI ", False),
        (b"RIFF\0\0\0\0WAVE", False),
        (b"plain text", False),
    ],
)
def test_video_containers_that_the_model_lists_are_taken(
    mock: Mock, head: bytes, taken: bool
) -> None:
    value = f"data:video/mp4;base64,{base64.b64encode(head + bytes(64)).decode()}"
    reply = mock.run({**PROMPT, "video_url": value}, RETAKE)
    assert reply.status_code == (200 if taken else 422)
