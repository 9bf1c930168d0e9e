"""Uploads of the official Python client, unmodified, to the mock."""

# The client's own types leave open what its paths are of, hence the ignores of upload_file.
from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import fal_client
import httpx
import pytest

from rerouting import AsyncTransports, rerouted
from serving import Mock, Serve

# More than 100 MiB go in parts of 10 MiB; zeros, since it is the way that is tried.
LARGE = bytes(101 * 1024 * 1024)


@pytest.fixture
def async_transports() -> AsyncTransports:
    """What an asynchronous test has to close."""
    return []


@pytest.fixture
def mock(timed: Serve) -> Mock:
    """A mock on a clock that the test moves."""
    return timed()


@pytest.fixture
def placed(
    mock: Mock, async_transports: AsyncTransports, monkeypatch: pytest.MonkeyPatch
) -> Generator[Mock]:
    """A mock in fal's place, for clients of the test's own process."""
    with rerouted(mock, monkeypatch, async_transports):
        yield mock


def read(url: str) -> tuple[str, bytes]:
    """Return a file's type and its bytes."""
    reply = httpx.get(url)
    assert reply.status_code == 200, reply.text
    return reply.headers["content-type"], reply.content


def test_upload_by_the_older_repository(placed: Mock) -> None:
    client = fal_client.SyncClient(key="id:secret")
    url = client.upload(b"hello", "text/plain", repository="fal")
    assert read(url) == ("text/plain", b"hello")


def test_upload_with_a_lifecycle(placed: Mock) -> None:
    life = fal_client.StorageSettings(expires_in="1h")
    url = fal_client.SyncClient(key="id:secret").upload(b"x", "text/plain", lifecycle=life)
    placed.advance(3599)
    assert httpx.get(url).status_code == 200
    placed.advance(1)
    assert httpx.get(url).status_code == 404


def test_a_large_upload_in_parts(placed: Mock) -> None:
    url = fal_client.SyncClient(key="id:secret").upload(LARGE, "video/mp4", "large.mp4")
    assert read(url) == ("video/mp4", LARGE)
    assert httpx.head(url).headers["etag"].endswith('-11"')


def test_a_large_file_in_parts(placed: Mock, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        os.truncate(file.fileno(), len(LARGE))
    client = fal_client.SyncClient(key="id:secret")
    url = client.upload_file(path)  # pyright: ignore[reportUnknownMemberType]
    assert httpx.head(url).headers["content-length"] == str(len(LARGE))
