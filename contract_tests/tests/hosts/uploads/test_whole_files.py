"""Files uploaded in one request, and how they are read back."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from serving import Mock

NAMES = {"content_type": "image/png", "file_name": "a b.png"}


def initiated(mock: Mock, query: str = "?storage_type=fal-cdn-v3") -> dict[str, str]:
    reply = mock.http.post(f"/rest.fal.ai/storage/upload/initiate{query}", json=NAMES)
    assert reply.status_code == 200, reply.text
    urls: dict[str, str] = reply.json()
    return urls


def test_an_upload_is_read_back_with_its_type_and_without_a_key(upload: Callable[..., str]) -> None:
    url = upload(b"hello", "text/markdown; charset=utf-8", x_fal_file_name="notes.md")
    assert url.endswith("_notes.md")
    reply = httpx.get(url, headers={"origin": "https://example.com"})
    assert (reply.status_code, reply.content) == (200, b"hello")
    assert reply.headers["content-type"] == "text/markdown; charset=utf-8"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["accept-ranges"] == "bytes"


def test_head_answers_all_but_the_bytes(upload: Callable[..., str]) -> None:
    url = upload(b"hello")
    head, whole = httpx.head(url), httpx.get(url)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("left", [None, b"hel"], ids=["deleted", "cut"])
def test_an_upload_whose_bytes_are_gone_is_an_error_from_its_first_line_on(
    mock: Mock, upload: Callable[..., str], left: bytes | None
) -> None:
    url = upload(b"hello")
    (blob,) = mock.service.store.uploads.blobs.folder.iterdir()
    blob.unlink()
    if left is not None:
        blob.write_bytes(left)
    for ask in (httpx.get, httpx.head):
        reply = ask(url)
        assert reply.status_code == 500
        hint = reply.headers["x-falkit-hint"]
        assert f"upload {urlsplit(url).path.removeprefix('/v3b.fal.media')} were deleted" in hint
    assert httpx.get(url).json() == {"detail": "Internal Server Error"}


@pytest.mark.parametrize(
    ("wanted", "code", "data", "said"),
    [
        ("bytes=1-3", 206, b"ell", "bytes 1-3/5"),
        ("bytes=3-", 206, b"lo", "bytes 3-4/5"),
        ("bytes=-2", 206, b"lo", "bytes 3-4/5"),
        ("bytes=0-99", 206, b"hello", "bytes 0-4/5"),
        ("bytes=5-", 416, b"", "bytes */5"),
        ("bytes=a-b", 200, b"hello", None),
    ],
)
def test_ranges(
    upload: Callable[..., str], wanted: str, code: int, data: bytes, said: str | None
) -> None:
    reply = httpx.get(upload(b"hello"), headers={"range": wanted})
    assert (reply.status_code, reply.content) == (code, data)
    assert reply.headers.get("content-range") == said


def test_a_known_etag_spares_the_bytes(upload: Callable[..., str]) -> None:
    url = upload(b"hello")
    etag = httpx.get(url).headers["etag"]
    assert httpx.get(url, headers={"if-none-match": etag}).status_code == 304


def test_the_empty_file_is_a_file(upload: Callable[..., str]) -> None:
    reply = httpx.get(upload(b""))
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("../../etc/passwd", "_passwd"),
        ("C:\\films\\clip.mp4", "_clip.mp4"),
        ("%E2%82%AC uro?.png", "_uro.png"),
        ("%E5%86%99%E7%9C%9F.png", "_upload.png"),
        ("写真.png".encode(), "_upload.png"),
        ("фото 1.JPG".encode(), "_1.JPG"),
        ("a" * 200 + ".webp", "_" + "a" * 95 + ".webp"),
        ("photo.写真".encode(), "_photo"),
        (".png", "_upload.png"),
        ("...", "_upload.txt"),
        ("", "_upload.txt"),
    ],
)
def test_file_names_are_made_safe_and_keep_their_extension(
    upload: Callable[..., str], name: str | bytes, end: str
) -> None:
    url = upload(b"x", x_fal_file_name=name)
    assert url.endswith(end)
    assert httpx.get(url).content == b"x"


@pytest.mark.parametrize("name", ["写真.png", "%E5%86%99%E7%9C%9F.png", "\u0000.png"])
def test_a_name_in_json_keeps_its_extension_too(mock: Mock, name: str) -> None:
    body = {"content_type": "image/png", "file_name": name}
    reply = mock.http.post("/rest.fal.ai/storage/upload/initiate", json=body)
    assert reply.json()["file_url"].endswith("_upload.png")


def test_a_malformed_type_becomes_bytes(upload: Callable[..., str]) -> None:
    assert httpx.get(upload(b"x", "nonsense")).headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("query", ["?storage_type=fal-cdn-v3", "?storage_type=gcs", ""])
def test_a_signed_url_takes_the_file_without_a_key(mock: Mock, query: str) -> None:
    found = initiated(mock, query)
    assert sorted(found) == ["file_url", "upload_url"]
    assert httpx.get(found["file_url"]).status_code == 404
    headers = {"content-type": "image/png"}
    reply = httpx.put(found["upload_url"], content=b"PNG", headers=headers)
    assert reply.status_code == 200
    read = httpx.get(found["file_url"])
    assert (read.content, read.headers["content-type"]) == (b"PNG", "image/png")


def test_a_signed_url_may_be_written_to_again(mock: Mock, blobs: Callable[[], int]) -> None:
    found = initiated(mock)
    httpx.put(found["upload_url"], content=b"first")
    httpx.put(found["upload_url"], content=b"second")
    assert httpx.get(found["file_url"]).content == b"second"
    assert blobs() == 1


def test_a_signature_is_for_one_file(mock: Mock) -> None:
    one, other = initiated(mock), initiated(mock)
    query = urlsplit(one["upload_url"]).query
    reply = httpx.put(f"{other['file_url']}?{query}", content=b"x")
    assert (reply.status_code, reply.json()) == (403, {"detail": "Forbidden"})
    assert httpx.put(other["file_url"], content=b"x").status_code == 403


def test_a_signature_ends(mock: Mock) -> None:
    found = initiated(mock)
    mock.advance(3600)
    reply = httpx.put(found["upload_url"], content=b"x")
    assert reply.status_code == 403
    assert "expired" in reply.headers["x-falkit-hint"]


@pytest.mark.parametrize(
    ("body", "locs"),
    [
        ({}, [["body", "file_name"], ["body", "content_type"]]),
        ({"file_name": "x", "content_type": 1}, [["body", "content_type"]]),
    ],
)
def test_missing_fields_of_initiate_are_named(
    mock: Mock, body: object, locs: list[list[str]]
) -> None:
    reply = mock.http.post("/rest.fal.ai/storage/upload/initiate", json=body)
    assert reply.status_code == 422
    assert [item["loc"] for item in reply.json()["detail"]] == locs


def test_a_type_with_a_line_break_makes_no_header(mock: Mock) -> None:
    body = {"file_name": "x", "content_type": "text/plain\r\nx-forged: 1"}
    found = mock.http.post("/rest.fal.ai/storage/upload/initiate", json=body).json()
    httpx.put(found["upload_url"], content=b"x")
    reply = httpx.get(found["file_url"])
    assert reply.headers["content-type"] == "application/octet-stream"
    assert "x-forged" not in reply.headers


def test_urls_follow_the_way_that_the_caller_came(mock: Mock) -> None:
    body = dict(NAMES)
    target = "https://rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
    proxied = mock.http.post("/api/fal/proxy", json=body, headers={"x-fal-target-url": target})
    assert proxied.json()["upload_url"].startswith(f"{mock.url}/v3b.fal.media/files/b/")
    path = "/storage/upload/initiate"
    by_name = mock.http.post(path, json=body, headers={"host": "rest.fal.ai:4325"})
    assert by_name.json()["file_url"].startswith("http://v3b.fal.media:4325/files/b/")


def test_upload_addresses_take_post_alone(mock: Mock) -> None:
    reply = mock.http.get("/v3.fal.media/files/upload")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("image/png", "sandbox"),
        ("video/mp4", "sandbox"),
        ("image/svg+xml", "sandbox; default-src 'none'"),
        ("IMAGE/SVG+XML", "sandbox; default-src 'none'"),
        ("text/html; charset=utf-8", "sandbox; default-src 'none'"),
        ("application/json", "sandbox; default-src 'none'"),
    ],
)
def test_a_browser_is_told_to_run_nothing_of_it(
    mock: Mock, upload: Callable[..., str], kind: str, policy: str
) -> None:
    reply = mock.http.get(upload(b"<script>1</script>", kind))
    assert reply.headers["content-security-policy"] == policy
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.skipif(os.name != "posix", reason="others have no such modes")
def test_uploads_are_for_their_user_alone(mock: Mock, upload: Callable[..., str]) -> None:
    upload(b"x")
    assert stat.S_IMODE(mock.service.store.uploads.blobs.folder.stat().st_mode) == 0o700
