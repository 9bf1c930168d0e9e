"""Uploads that are a model's input: judged by their bytes, as every other input is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from falkit_fixtures import images, mp4
from serving import I2V_FAST, PROMPT, RETAKE, Mock


def refusal(mock: Mock, input: dict[str, Any], endpoint: str = I2V_FAST) -> str | None:
    reply = mock.run({**PROMPT, **input}, endpoint)
    return None if reply.status_code == 200 else reply.json()["detail"][0]["type"]


@pytest.mark.parametrize("kind", images.KINDS)
def test_an_uploaded_picture_is_taken_whatever_its_label(
    mock: Mock, upload: Callable[..., str], kind: images.Kind
) -> None:
    assert refusal(mock, {"image_url": upload(images.sample(kind), "text/plain")}) is None


def test_an_uploaded_clip_is_taken(mock: Mock, upload: Callable[..., str]) -> None:
    url = upload(mp4.render(mp4.Clip(1920, 1080, 25, 50, audio=False)), "video/mp4")
    assert refusal(mock, {"video_url": url}, RETAKE) is None


def test_an_uploaded_clip_is_read_wherever_its_index_is(
    mock: Mock, upload: Callable[..., str]
) -> None:
    clip = mp4.render(mp4.Clip(1920, 1080, 25, 50, audio=False))
    start, end = clip.index(b"moov") - 4, clip.index(b"mdat") - 4
    behind = clip[:start] + clip[end:] + clip[start:end]
    assert refusal(mock, {"video_url": upload(behind)}, RETAKE) is None
    for cut in (clip[:-1], behind[:-1], behind[: len(behind) // 2], clip[:100]):
        assert refusal(mock, {"video_url": upload(cut)}, RETAKE) == "unsupported_video_format"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gif", "unsupported_image_format"),
        ("text", "image_load_error"),
        ("empty", "image_load_error"),
        ("truncated-png", "image_load_error"),
        ("huge-png", "image_too_large"),
    ],
)
def test_data_that_is_not_a_picture_is_refused_under_any_label(
    mock: Mock, upload: Callable[..., str], name: images.Other, error: str
) -> None:
    assert refusal(mock, {"image_url": upload(images.others(name), "image/png")}) == error


def test_a_picture_that_is_too_large_is_refused_unread(
    mock: Mock, upload: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = upload(bytes(10 * 1024 * 1024 + 1), "image/png")
    monkeypatch.delattr("falkit_mock.store.blobs.Blobs.read")
    assert refusal(mock, {"image_url": url}) == "file_too_large"


def test_a_picture_in_parts_is_joined_to_be_checked(mock: Mock, cdn: dict[str, str]) -> None:
    begun = mock.http.post("/v3.fal.media/files/upload/multipart", headers=cdn).json()
    base = f"{begun['access_url']}/multipart/{begun['uploadId']}"
    data = images.sample("jpeg")
    named: list[Any] = []
    for number, part in enumerate((data[:100], data[100:]), 1):
        named.append(mock.http.put(f"{base}/{number}", content=part, headers=cdn).json())
    assert refusal(mock, {"image_url": begun["access_url"]}) == "file_download_error"
    mock.http.post(f"{base}/complete", json={"parts": named}, headers=cdn)
    assert refusal(mock, {"image_url": begun["access_url"]}) is None


def test_an_upload_that_has_expired_cannot_be_had(mock: Mock, upload: Callable[..., str]) -> None:
    life = '{"expiration_duration_seconds": 60}'
    url = upload(images.sample("png"), x_fal_object_lifecycle=life)
    mock.advance(60)
    assert refusal(mock, {"image_url": url}) == "file_download_error"


def test_an_upload_that_vanishes_before_it_is_read_cannot_be_had(
    mock: Mock, upload: Callable[..., str]
) -> None:
    url = upload(images.sample("png"))
    for blob in mock.service.store.uploads.blobs.folder.iterdir():
        blob.unlink()
    assert refusal(mock, {"image_url": url}) == "file_download_error"


def test_a_forbidden_file_is_its_owners_to_use(mock: Mock, upload: Callable[..., str]) -> None:
    life = '{"initial_acl": {"default": "forbid"}}'
    url = upload(images.sample("png"), x_fal_object_lifecycle=life)
    assert refusal(mock, {"image_url": url}) is None
