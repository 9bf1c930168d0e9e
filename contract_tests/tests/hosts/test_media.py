"""The media host: files for players as well as programs (wire.md §7)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from threading import Event

import pytest

from falkit_fixtures import making
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.limits import AT_ONCE
from serving import PROMPT, Mock


@pytest.fixture(scope="module")
def file(mock: Mock) -> tuple[str, bytes]:
    """A file's URL and its bytes."""
    url: str = mock.run(PROMPT).json()["video"]["url"]
    return url, mock.http.get(url).content


File = tuple[str, bytes]


def test_get_gives_the_whole_file_with_its_headers(mock: Mock, file: File) -> None:
    url, data = file
    reply = mock.http.get(url)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert data[4:8] == b"ftyp"
    assert int(reply.headers["content-length"]) == len(data)
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["etag"].startswith('"')
    assert "immutable" in reply.headers["cache-control"]


def test_no_key_is_asked_for(mock: Mock, file: File) -> None:
    assert mock.http.get(file[0], headers={"authorization": ""}).status_code == 200


def test_head_has_the_same_headers_and_no_body(mock: Mock, file: File) -> None:
    url, data = file
    reply = mock.http.head(url, headers={"range": "bytes=0-9"})
    assert (reply.status_code, reply.content) == (200, b"")
    assert int(reply.headers["content-length"]) == len(data)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=0-999999999", 0, None),
        ("bytes=-999999999", 0, None),
        ("bytes= 5-9", 5, 10),
    ],
)
def test_a_range_is_206_with_its_place(
    mock: Mock, file: File, asked: str, start: int, end: int | None
) -> None:
    url, data = file
    reply = mock.http.get(url, headers={"range": asked})
    wanted = data[start:end]
    assert (reply.status_code, reply.content) == (206, wanted)
    first = data.index(wanted) if start >= 0 else len(data) + start
    place = f"bytes {first}-{first + len(wanted) - 1}/{len(data)}"
    assert reply.headers["content-range"] == place


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0", "bytes=99999999-999999999"])
def test_a_range_beyond_the_end_is_416_with_the_size(mock: Mock, file: File, asked: str) -> None:
    url, data = file
    reply = mock.http.get(url, headers={"range": asked})
    assert (reply.status_code, reply.content) == (416, b"")
    assert reply.headers["content-range"] == f"bytes */{len(data)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-9", "bytes=9-5", "bytes=-", "items=0-5", "bytes", "bytes=0-" + "9" * 5000],
)
def test_a_range_that_is_several_or_none_is_ignored(mock: Mock, file: File, asked: str) -> None:
    url, data = file
    reply = mock.http.get(url, headers={"range": asked})
    assert (reply.status_code, reply.content) == (200, data)


def test_if_range_decides_between_part_and_whole(mock: Mock, file: File) -> None:
    url, _ = file
    etag = mock.http.head(url).headers["etag"]
    for tag, code in ((etag, 206), ('"another"', 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)):
        reply = mock.http.get(url, headers={"range": "bytes=0-9", "if-range": tag})
        assert reply.status_code == code, tag


def test_a_known_etag_is_304_without_a_body(mock: Mock, file: File) -> None:
    url, _ = file
    etag = mock.http.head(url).headers["etag"]
    for tag in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        reply = mock.http.get(url, headers={"if-none-match": tag})
        assert (reply.status_code, reply.content) == (304, b""), tag
        assert reply.headers["etag"] == etag
    assert mock.http.get(url, headers={"if-none-match": '"x"'}).status_code == 200


def test_different_files_have_different_etags(mock: Mock, file: File) -> None:
    other = mock.run(PROMPT).json()["video"]["url"]
    assert mock.http.head(other).headers["etag"] != mock.http.head(file[0]).headers["etag"]


def test_an_unknown_file_is_404_in_json(mock: Mock) -> None:
    reply = mock.http.get("/v3b.fal.media/files/b/00000000/none.mp4")
    assert (reply.status_code, reply.json()) == (404, {"detail": "File not found"})


def test_a_query_does_not_matter(mock: Mock, file: File) -> None:
    url, data = file
    assert mock.http.get(url, params={"identity": "x"}).content == data


def test_other_methods_are_405_with_the_allowed_ones(mock: Mock, file: File) -> None:
    reply = mock.http.delete(file[0])
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")


def test_a_page_of_another_origin_may_read_ranges(mock: Mock, file: File) -> None:
    headers = {"origin": "https://app.example.com", "range": "bytes=0-9"}
    reply = mock.http.get(file[0], headers=headers)
    assert reply.headers.get_list("access-control-allow-origin") == ["*"]
    exposed = reply.headers["access-control-expose-headers"].lower()
    assert "content-range" in exposed
    assert "content-length" in exposed


def test_two_files_are_made_at_a_time_and_nothing_else_waits_for_them(
    mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = Queue[Wanted](), Event()

    def slow(wanted: Wanted) -> bytes:
        begun.put(wanted)
        free.wait(10)
        return b"made"

    urls = [mock.run(PROMPT).json()["video"]["url"] for _ in range(12)]
    monkeypatch.setattr(making, "make", slow)
    with ThreadPoolExecutor(12) as readers:
        replies = [readers.submit(mock.http.get, url) for url in urls]
        for _ in range(2):
            begun.get(timeout=10)
        # A body of that size is read by a thread, too.
        assert mock.run({"prompt": "a" * 2 * AT_ONCE}).status_code == 422
        assert begun.empty()
        free.set()
        assert [reply.result().content for reply in replies] == [b"made"] * 12
