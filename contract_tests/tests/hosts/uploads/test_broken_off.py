"""Uploads that end before their end, and folders that end with the mock."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from falkit import Settings
from falkit_mock.store.blobs import Sink
from serving import PATIENCE, Mock, running


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a blob was dropped."""
    event = threading.Event()
    drop = Sink.drop

    def told(self: Sink) -> None:
        drop(self)
        event.set()

    monkeypatch.setattr(Sink, "drop", told)
    return event


def hang_up(mock: Mock, path: str, headers: dict[str, str], body: bytes) -> None:
    """Announce more than is sent, and hang up."""
    method = "PUT" if "multipart/" in path else "POST"
    with announced(mock, f"{method} {path}", headers, 99_999_999) as line:
        line.sendall(body)


def open_part(mock: Mock, path: str, headers: dict[str, str], size: int) -> socket.socket:
    """Announce a part, and return once the mock waits for its bytes."""
    line = announced(mock, f"PUT {path}", {**headers, "expect": "100-continue"}, size)
    # Said when the body is first asked for.
    assert line.recv(65536).startswith(b"HTTP/1.1 100 ")
    return line


def announced(mock: Mock, what: str, headers: dict[str, str], size: int) -> socket.socket:
    """Send a request's head."""
    at = urlsplit(mock.url)
    head = f"{what} HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-length: {size}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    line = socket.create_connection((str(at.hostname), at.port or 0), PATIENCE)
    line.sendall(head.encode() + b"\r\n")
    return line


@pytest.mark.parametrize("size", [0, 10, 3 * 1024 * 1024])
def test_a_whole_file_that_breaks_off_leaves_nothing(
    mock: Mock,
    cdn: dict[str, str],
    blobs: Callable[[], int],
    dropped: threading.Event,
    size: int,
) -> None:
    hang_up(mock, "/v3.fal.media/files/upload", cdn, b"x" * size)
    assert dropped.wait(PATIENCE)
    mock.inside(lambda: None)
    assert blobs() == 0
    assert mock.service.store.uploads.due(float("inf")) == []


def test_a_part_that_breaks_off_leaves_the_one_before(
    mock: Mock, cdn: dict[str, str], blobs: Callable[[], int], dropped: threading.Event
) -> None:
    begun: dict[str, str] = mock.http.post(
        "/v3.fal.media/files/upload/multipart", headers=cdn
    ).json()
    part = f"{urlsplit(begun['access_url']).path}/multipart/{begun['uploadId']}/1"
    etag = mock.http.put(part, content=b"whole", headers=cdn).headers["etag"]
    hang_up(mock, part, cdn, b"x" * 3_000_000)
    assert dropped.wait(PATIENCE)
    assert blobs() == 1
    named = {"parts": [{"partNumber": 1, "etag": etag}]}
    url = f"{begun['access_url']}/multipart/{begun['uploadId']}/complete"
    assert mock.http.post(url, json=named, headers=cdn).status_code == 200
    assert mock.http.get(begun["access_url"]).content == b"whole"


def test_a_full_disk_is_reported(
    mock: Mock, cdn: dict[str, str], blobs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("falkit_mock.store.blobs.Sink.write", full)
    reply = mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=cdn)
    assert reply.status_code == 507
    assert "No space left on device" in reply.json()["detail"]
    assert blobs() == 0


def test_the_folder_goes_with_the_mock() -> None:
    with running(Settings()) as mock:
        token = mock.http.post("/rest.fal.ai/storage/auth/token", json={}).json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=headers)
        folder = mock.service.store.uploads.blobs.folder
        assert len(list(folder.iterdir())) == 1
    assert not folder.exists()


def test_a_part_that_comes_too_late_changes_nothing(
    mock: Mock, cdn: dict[str, str], blobs: Callable[[], int]
) -> None:
    begun: dict[str, str] = mock.http.post(
        "/v3.fal.media/files/upload/multipart", headers=cdn
    ).json()
    parts = f"{urlsplit(begun['access_url']).path}/multipart/{begun['uploadId']}"
    etag = mock.http.put(f"{parts}/1", content=b"first", headers=cdn).headers["etag"]
    with open_part(mock, f"{parts}/1", cdn, 5) as late:
        named = {"parts": [{"partNumber": 1, "etag": etag}]}
        assert mock.http.post(f"{parts}/complete", json=named, headers=cdn).status_code == 200
        late.sendall(b"later")
        assert late.recv(65536).startswith(b"HTTP/1.1 404 ")
    assert mock.http.get(begun["access_url"]).content == b"first"
    assert blobs() == 1


def test_a_folder_that_cannot_be_made_is_507(
    mock: Mock, cdn: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(prefix: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    reply = mock.http.post("/v3.fal.media/files/upload", content=b"x", headers=cdn)
    assert reply.status_code == 507
    assert "Permission denied" in reply.json()["detail"]
