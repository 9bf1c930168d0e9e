"""What `falkit spec add` fetches, from servers that mean no good; and many of it at once."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from falkit_spec.document import Document
from falkit_spec.drift.fetch import Fetcher, FetchFailed
from falkit_spec.drift.folder import Folder
from falkit_spec.lock import Lock
from spec.test_document_folders import document

GOOD = document("acme/good")
ANSWERS: dict[str, tuple[bytes, str]] = {
    "/plain": (GOOD, "identity"),
    "/gzip": (gzip.compress(GOOD), "gzip"),
    "/bomb": (gzip.compress(b" " * (1 << 26)), "gzip"),
    "/bombs": (gzip.compress(gzip.compress(b" " * (1 << 26))), "gzip, gzip"),
    "/none": (GOOD, "gzip"),
}


@pytest.fixture
def url() -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw, encoding = ANSWERS.get(self.path, (b"", "identity"))
            self.send_response(302 if self.path == "/away" else 200)
            self.send_header("location", "file:///etc/passwd")
            self.send_header("content-encoding", encoding)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_only_so_much_is_unpacked_and_a_bad_answer_says_nothing_of_the_next(url: str) -> None:
    fetcher = Fetcher()
    for path, reason in (
        ("/bomb", "has more than 16,777,216 bytes"),
        ("/bombs", "came as 'gzip, gzip'"),
        ("/none", "isn't the gzip that it says it is"),
        ("/away", "can't be fetched .*file://"),
    ):
        with pytest.raises(FetchFailed, match=reason):
            fetcher.fetch(url + path)
    assert fetcher.fetch(url + "/plain") == fetcher.fetch(url + "/gzip") == GOOD


def test_a_lock_keeps_what_others_add_at_once(tmp_path: Path) -> None:
    def add(number: int) -> None:
        folder, id = Folder(tmp_path), f"acme/e{number}"
        folder.put(Document(document(id), source="x"), "x", "2026-05-12")
        ready.wait()
        folder.save()

    count = 12
    ready = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(add, number) for number in range(count)]:
            each.result()
    assert sorted(Lock.read(tmp_path).entries) == sorted(f"acme/e{n}" for n in range(count))
    assert len(json.loads((tmp_path / "documents.lock").read_bytes())["documents"]) == count
