"""Uploads of both clients, to the mock on a real socket."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from falkit import Settings
from falkit_client import uploads
from falkit_client.errors import BadReply, Refused, Unauthorized
from falkit_fixtures import images
from serving import I2V_FAST, PROMPT, Mock, WatchedClock, running

Do = Callable[..., Any]


@pytest.fixture
def mock() -> Generator[Mock]:
    with running(Settings(timing="instant", seed=1), WatchedClock()) as served:
        yield served


@pytest.fixture
def send(do: Do, mock: Mock) -> Do:
    """Upload with one of the clients; return the URL."""

    def upload(source: object, **options: Any) -> str:
        url: str = do("upload", source, settings={"base_url": mock.url}, **options)
        return url

    return upload


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files of more than 1000 bytes go in parts of 300."""
    monkeypatch.setattr(uploads, "WHOLE", 1000)
    monkeypatch.setattr(uploads, "PART", 300)


def read(url: str) -> tuple[str, bytes]:
    reply = httpx.get(url)
    assert reply.status_code == 200, reply.text
    return reply.headers["content-type"], reply.content


def test_bytes_are_uploaded_as_what_they_are(send: Do) -> None:
    assert read(send(images.sample("webp"))) == ("image/webp", images.sample("webp"))


def test_a_path_gives_its_name(send: Do, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")
    url = send(path)
    assert url.endswith("_notes.txt")
    assert read(url) == ("text/plain", b"hello")


def test_an_open_file_is_read_to_its_end(send: Do, tmp_path: Path) -> None:
    path = tmp_path / "clip.bin"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(5)
        url = send(file)
        assert not file.closed
    assert url.endswith("_clip.bin")
    assert read(url)[1] == b"56789"


def test_name_and_type_may_be_given(send: Do) -> None:
    url = send(b"{}", file_name="a.json", content_type="application/json")
    assert url.endswith("_a.json")
    assert read(url)[0] == "application/json"


def test_the_empty_file_is_a_file(send: Do) -> None:
    assert read(send(b""))[1] == b""


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1001, 1200, 3333])
def test_large_files_go_in_parts(send: Do, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    for source in (data, path):
        url = send(source)
        assert read(url)[1] == data
        assert httpx.head(url).headers["etag"].endswith(f'-{-(-size // 300)}"')


class Dripping(BytesIO):
    """A pipe: it never gives all that is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 7, 7))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [0, 299, 300, 301, 2000])
def test_streams_of_any_length_are_uploaded(send: Do, size: int) -> None:
    data = os.urandom(size)
    assert read(send(Dripping(data)))[1] == data


@pytest.mark.usefixtures("small_parts")
def test_progress_counts_the_bytes_that_were_taken(send: Do) -> None:
    told: list[tuple[int, int | None]] = []

    def tell(there: int, total: int | None) -> None:
        told.append((there, total))

    send(bytes(2000), progress=tell)
    assert told[-1] == (2000, 2000)
    assert [there for there, _ in told] == sorted(there for there, _ in told)
    assert len(told) == 7


@pytest.mark.parametrize("expires", [60, timedelta(minutes=1)])
def test_a_lifetime_is_asked_for(send: Do, mock: Mock, expires: object) -> None:
    url = send(b"x", expires_in=expires)
    mock.advance(59)
    assert httpx.get(url).status_code == 200
    mock.advance(1)
    assert httpx.get(url).status_code == 404


def test_access_is_asked_for(send: Do) -> None:
    assert httpx.get(send(b"x", access="forbid")).status_code == 403


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        ("picture.png", {}, TypeError, "give a pathlib.Path"),
        (StringIO("text"), {}, TypeError, "mode 'rb'"),
        (Path("/no/such/file"), {}, FileNotFoundError, "/no/such/file"),
        (b"x", {"expires_in": 0}, ValueError, "more than 0"),
        (b"x", {"access": "none"}, ValueError, "'allow', 'forbid' or 'hide'"),
    ],
)
def test_unsupported_uploads_are_named(
    send: Do, source: object, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        send(source, **options)


def answering(do: Do, answer: Callable[[httpx.Request], httpx.Response]) -> Do:
    """Upload over a transport that answers by itself."""

    def upload(source: object, **options: Any) -> Any:
        settings = {"transport": httpx.MockTransport(answer), "base_url": "http://fal.test"}
        return do("upload", source, settings=settings, **options)

    return upload


class Storage:
    """Fal's storage as JavaScript knows it; the first tries of each part fail."""

    def __init__(self, failures: int = 0, code: int = 503) -> None:
        self.failures = failures
        self.code = code
        self.requests: list[httpx.Request] = []
        self._lock = threading.Lock()
        self._tries: dict[str, int] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.requests.append(request)
            tries = self._tries[str(request.url)] = self._tries.get(str(request.url), 0) + 1
        if "initiate" in request.url.path:
            urls = {"upload_url": "http://cdn.test/up?sig=a", "file_url": "http://cdn.test/f"}
            return httpx.Response(200, json=urls)
        if tries <= self.failures:
            return httpx.Response(self.code, json={"detail": "no"})
        number = request.url.path.rpartition("/")[2]
        return httpx.Response(200, json={"partNumber": number, "etag": f"e{number}"})


@pytest.mark.usefixtures("small_parts")
def test_parts_are_tried_again_and_named_by_their_etags(do: Do) -> None:
    storage = Storage(failures=2)
    assert answering(do, storage)(bytes(1500)) == "http://cdn.test/f"
    done = storage.requests[-1]
    assert (done.method, str(done.url)) == ("POST", "http://cdn.test/up/complete?sig=a")
    parts = [{"partNumber": number, "etag": f"e{number}"} for number in range(1, 6)]
    assert json.loads(done.content) == {"parts": parts}


@pytest.mark.usefixtures("small_parts")
def test_the_key_goes_to_fal_and_not_to_the_signed_urls(do: Do) -> None:
    storage = Storage()
    answering(do, storage)(bytes(1500))
    for request in storage.requests:
        assert ("authorization" in request.headers) is ("initiate" in request.url.path)


@pytest.mark.usefixtures("small_parts")
def test_a_part_that_is_refused_ends_the_upload(do: Do) -> None:
    storage = Storage(failures=99, code=403)
    with pytest.raises(Refused) as refused:
        answering(do, storage)(bytes(30_000))
    assert refused.value.status == 403
    assert len(storage.requests) < 20
    assert not [request for request in storage.requests if request.url.path.endswith("complete")]


def test_an_answer_without_urls_is_strange(do: Do) -> None:
    upload = answering(do, lambda request: httpx.Response(200, json={"file_url": "x"}))
    with pytest.raises(BadReply, match="no upload_url"):
        upload(b"x")


@pytest.mark.parametrize(
    "url", ["/relative", "ftp://cdn.test/up", "http://cdn.test:x/up", "http:///up"]
)
def test_an_address_that_nothing_can_be_sent_to_is_strange(do: Do, url: str) -> None:
    urls = {"upload_url": url, "file_url": "http://cdn.test/f"}
    upload = answering(do, lambda request: httpx.Response(200, json=urls))
    with pytest.raises(BadReply, match=r"upload_url: .* isn't an http URL"):
        upload(b"x")


def test_a_missing_key_is_reported_by_the_host(do: Do, mock: Mock) -> None:
    with pytest.raises(Unauthorized, match="Authorization header is required"):
        do("upload", b"x", settings={"base_url": mock.url, "key": None})


def test_a_large_picture_in_an_input_is_uploaded_first(
    do: Do, mock: Mock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "EMBEDDED", 100)
    path = tmp_path / "picture.png"
    path.write_bytes(images.sample("png"))
    body = {**PROMPT, "image_url": path}
    told: list[tuple[int, int | None]] = []

    def tell(there: int, total: int | None) -> None:
        told.append((there, total))

    result = do(
        *("subscribe", I2V_FAST, body),
        settings={"base_url": mock.url},
        upload_progress=tell,
    )
    size = path.stat().st_size
    assert told == [(0, size), (size, size)]
    sent = mock.service.store.input(result.request_id)
    assert b"/v3b.fal.media/files/b/" in sent
    assert b"base64" not in sent


def test_a_small_picture_stays_in_its_input(do: Do, mock: Mock) -> None:
    body = {**PROMPT, "image_url": images.sample("png")}
    result = do("run", I2V_FAST, body, settings={"base_url": mock.url})
    assert b"data:image/png;base64," in mock.service.store.input(result.request_id)
