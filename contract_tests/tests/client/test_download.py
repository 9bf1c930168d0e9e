"""A file comes whole or not at all, and from where it broke off."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from falkit_client import Result, Retries, SavedFile, errors
from falkit_client.download import files_of

URL = "https://v3b.fal.media/files/b/0/clip.mp4"
DATA = bytes(range(256)) * 4000
HALF = len(DATA) // 2
VIDEO: dict[str, Any] = {"video": {"url": URL, "file_name": "ltxv-2-i2v-output.mp4"}}

Do = Callable[..., Any]


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Pieces of bytes; the connection breaks off after `most` of them."""

    def __init__(self, data: bytes, most: int | None = None) -> None:
        self.data = data[:most]
        self.breaks = most is not None

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self.data), 65536):
            yield self.data[at : at + 65536]
        if self.breaks:
            raise httpx.ReadError("gone")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Host:
    """Hosts one file with ranges, as fal's media hosts do, and breaks off as often as told."""

    def __init__(self, *breaks: int, etag: str = '"v1"', data: bytes = DATA) -> None:
        self.breaks = list(breaks)
        self.etag = etag
        self.data = data
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        most = self.breaks.pop(0) if self.breaks else None
        headers = {"etag": self.etag, "content-type": "video/mp4"}
        found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if found is None or request.headers["if-range"] != self.etag:
            headers["content-length"] = str(len(self.data))
            return httpx.Response(200, headers=headers, stream=Body(self.data, most))
        start, size = int(found[1]), len(self.data)
        if start >= size:
            return httpx.Response(416, headers={**headers, "content-range": f"bytes */{size}"})
        headers["content-range"] = f"bytes {start}-{size - 1}/{size}"
        return httpx.Response(206, headers=headers, stream=Body(self.data[start:], most))

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("range") for request in self.asked]


def fetch(
    do: Do,
    host: Callable[[httpx.Request], httpx.Response],
    path: Path,
    source: Any = URL,
    attempts: int = 4,
    **options: Any,
) -> SavedFile:
    settings = {"transport": httpx.MockTransport(host), "retries": Retries(attempts=attempts)}
    saved = do("download", source, path, settings=settings, **options)
    assert isinstance(saved, SavedFile)
    return saved


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_saved_without_a_key(do: Do, tmp_path: Path) -> None:
    host = Host()
    saved = fetch(do, host, tmp_path / "clip.mp4")
    assert saved == SavedFile(tmp_path / "clip.mp4", len(DATA), URL, "video/mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == DATA
    assert left(tmp_path) == ["clip.mp4"]
    assert "authorization" not in host.asked[0].headers
    assert host.asked[0].headers["accept-encoding"] == "identity"


def test_a_result_is_saved_under_its_name_in_a_folder(do: Do, tmp_path: Path) -> None:
    saved = fetch(do, Host(), tmp_path, Result(VIDEO, "o/a", "r1"))
    assert saved.path == tmp_path / "ltxv-2-i2v-output.mp4"
    assert fetch(do, Host(), tmp_path, URL).path == tmp_path / "clip.mp4"


def test_a_name_that_leads_elsewhere_stays_in_the_folder(do: Do, tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "..\\..\\passwd"):
        output = {"video": {"url": URL, "file_name": name}}
        assert fetch(do, Host(), tmp_path, Result(output, "o/a", "r1")).path == tmp_path / "passwd"


def test_an_existing_file_is_replaced(do: Do, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"old")
    fetch(do, Host(), tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == DATA


def test_a_break_goes_on_where_it_ended(do: Do, tmp_path: Path, slept: list[float]) -> None:
    host, seen = Host(HALF), list[tuple[int, int | None]]()

    def progress(received: int, total: int | None) -> None:
        seen.append((received, total))

    fetch(do, host, tmp_path / "clip.mp4", progress=progress)
    assert (tmp_path / "clip.mp4").read_bytes() == DATA
    assert host.ranges == [None, f"bytes={HALF}-"]
    assert host.asked[1].headers["if-range"] == '"v1"'
    assert slept == [0.5]
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))
    assert seen == sorted(seen)


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(do: Do, tmp_path: Path) -> None:
    path, host = tmp_path / "clip.mp4", Host(HALF)
    with pytest.raises(errors.DownloadFailed, match=r"512,000 of 1,024,000 bytes") as caught:
        fetch(do, host, path, attempts=1)
    failed = caught.value
    assert (failed.url, failed.path, failed.received, failed.total) == (URL, path, HALF, len(DATA))
    partial = tmp_path / "clip.mp4.part"
    assert failed.partial == partial
    assert partial.stat().st_size == HALF
    assert not path.exists()
    fetch(do, host, path)
    assert host.ranges == [None, f"bytes={HALF}-"]
    assert path.read_bytes() == DATA
    assert left(tmp_path) == ["clip.mp4"]


def test_a_changed_file_is_fetched_from_the_beginning(do: Do, tmp_path: Path) -> None:
    path, newer = tmp_path / "clip.mp4", Host(etag='"v2"', data=DATA[::-1])
    with pytest.raises(errors.DownloadFailed):
        fetch(do, Host(HALF), path, attempts=1)
    fetch(do, newer, path)
    assert newer.ranges == [f"bytes={HALF}-"]
    assert path.read_bytes() == DATA[::-1]


def test_a_part_of_another_url_is_not_resumed(do: Do, tmp_path: Path) -> None:
    path, other = tmp_path / "clip.mp4", Host()
    with pytest.raises(errors.DownloadFailed):
        fetch(do, Host(HALF), path, attempts=1)
    fetch(do, other, path, "https://v3b.fal.media/files/b/1/clip.mp4")
    assert other.ranges == [None]


@pytest.mark.parametrize("etag", ["", 'W/"v1"'])
def test_without_a_sure_version_nothing_is_resumed(do: Do, tmp_path: Path, etag: str) -> None:
    path, host = tmp_path / "clip.mp4", Host(HALF, etag=etag)
    with pytest.raises(errors.DownloadFailed) as caught:
        fetch(do, host, path, attempts=1)
    assert caught.value.partial is None
    fetch(do, host, path)
    assert host.ranges == [None, None]
    assert path.read_bytes() == DATA


def test_a_part_that_is_all_there_is_taken_as_it_is(do: Do, tmp_path: Path) -> None:
    path, host = tmp_path / "clip.mp4", Host()
    (tmp_path / "clip.mp4.part").write_bytes(DATA)
    (tmp_path / "clip.mp4.part.json").write_text(json.dumps({"url": URL, "validator": '"v1"'}))
    assert fetch(do, host, path).size == len(DATA)
    assert host.ranges == [f"bytes={len(DATA)}-"]
    assert path.read_bytes() == DATA


def test_a_part_that_is_too_long_is_thrown_away(do: Do, tmp_path: Path) -> None:
    path, host = tmp_path / "clip.mp4", Host()
    (tmp_path / "clip.mp4.part").write_bytes(DATA + b"more")
    (tmp_path / "clip.mp4.part.json").write_text(json.dumps({"url": URL, "validator": '"v1"'}))
    fetch(do, host, path)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("facts", ["", "[]", '{"url": 7}'])
def test_facts_that_are_damaged_count_as_absent(do: Do, tmp_path: Path, facts: str) -> None:
    host = Host()
    (tmp_path / "clip.mp4.part").write_bytes(b"junk")
    (tmp_path / "clip.mp4.part.json").write_text(facts)
    fetch(do, host, tmp_path / "clip.mp4")
    assert host.ranges == [None]


@pytest.mark.parametrize("part", ["bytes 7-9/10", "nonsense"])
def test_a_part_that_was_not_asked_for_is_not_taken(do: Do, tmp_path: Path, part: str) -> None:
    def confused(request: httpx.Request) -> httpx.Response:
        return httpx.Response(206, headers={"content-range": part}, content=b"abc")

    with pytest.raises(errors.DownloadFailed, match="another part"):
        fetch(do, confused, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize("length", ["bytes 0-2/5", "bytes 0-2/*"])
def test_the_length_is_checked_where_it_is_known(do: Do, tmp_path: Path, length: str) -> None:
    def short(request: httpx.Request) -> httpx.Response:
        return httpx.Response(206, headers={"content-range": length}, content=b"abc")

    if length.endswith("*"):
        assert fetch(do, short, tmp_path / "a").size == 3
        return
    with pytest.raises(errors.DownloadFailed, match="broke off") as caught:
        fetch(do, short, tmp_path / "a")
    assert caught.value.total == 5
    assert not (tmp_path / "a").exists()


def test_a_host_that_compresses_all_the_same_is_read(do: Do, tmp_path: Path) -> None:
    def host(request: httpx.Request) -> httpx.Response:
        import gzip

        data = gzip.compress(DATA)
        headers = {"content-encoding": "gzip", "etag": '"v1"', "content-length": str(len(data))}
        return httpx.Response(200, headers=headers, stream=Body(data))

    assert fetch(do, host, tmp_path / "clip.mp4").size == len(DATA)


def test_trouble_is_tried_again_and_a_refusal_is_not(
    do: Do, tmp_path: Path, slept: list[float]
) -> None:
    answers = [503, 403]
    with pytest.raises(errors.DownloadFailed, match=r"v3b\.fal\.media answered 403") as caught:
        fetch(do, lambda request: httpx.Response(answers.pop(0)), tmp_path / "clip.mp4")
    assert len(slept) == 1
    assert isinstance(caught.value.__cause__, errors.Forbidden)
    with pytest.raises(errors.DownloadFailed, match="answered 503"):
        fetch(do, lambda request: httpx.Response(503), tmp_path / "clip.mp4")
    assert left(tmp_path) == []


def test_no_connection_is_a_failed_download(do: Do, tmp_path: Path) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(errors.DownloadFailed) as caught:
        fetch(do, nobody, tmp_path / "clip.mp4")
    assert isinstance(caught.value.__cause__, errors.Unreachable)


def test_a_folder_that_is_not_there_is_named(do: Do, tmp_path: Path) -> None:
    with pytest.raises(errors.DownloadFailed, match=r"clip\.mp4\.part cannot be written"):
        fetch(do, Host(), tmp_path / "absent" / "clip.mp4")


def test_a_data_uri_is_written_out(do: Do, tmp_path: Path) -> None:
    saved = fetch(do, Host(), tmp_path / "a.txt", "data:text/plain;base64,aGk=")
    assert (saved.size, saved.path.read_bytes()) == (2, b"hi")
    assert fetch(do, Host(), tmp_path, "data:,h%20i").path == tmp_path / "file"


def test_an_ambiguous_file_is_refused(do: Do, tmp_path: Path) -> None:
    many = {"images": [{"url": URL}, {"url": "https://v3.fal.media/files/b.png"}]}
    for source, says in (
        ("ftp://example.com/a", "not the URL of a file"),
        ("http://[", "not the URL of a file"),
        (Result({"text": "no file", "n": 3}, "o/a", "r1"), "the output of o/a"),
        (Result(many, "o/a", "r1"), r"names 2 files.*b\.png"),
    ):
        with pytest.raises(ValueError, match=says):
            fetch(do, Host(), tmp_path, source)


def test_files_are_found_anywhere_in_an_output() -> None:
    output = {"a": [{"b": {"url": URL, "file_name": None}}, 7], "c": {"url": "data:,x"}}
    assert [(file.url, file.name) for file in files_of(output)] == [
        (URL, "clip.mp4"),
        ("data:,x", "c"),
    ]
