"""The folder of documents: `falkit spec add`, `diff` and `update`, with a server in fal's place."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from click.testing import CliRunner, Result

from falkit_spec import JSON, Catalog
from falkit_spec.cli.spec import spec
from falkit_spec.drift.fetch import Fetcher, FetchFailed
from falkit_spec.sources import MOST_BYTES, read_sources

IMAGE = "acme/image"
OURS = "fal-ai/ltx-2/image-to-video"


def document(endpoint_id: str, **fields: JSON) -> bytes:
    """Return a document whose input has these fields."""
    body: JSON = {"type": "object", "properties": fields}
    content: JSON = {"content": {"application/json": {"schema": body}}}
    data: JSON = {
        "info": {"x-fal-metadata": {"endpointId": endpoint_id}},
        "paths": {f"/{endpoint_id}": {"post": {"requestBody": content}}},
    }
    return json.dumps(data).encode()


FIRST = document(IMAGE, size={"enum": ["a", "b"], "default": "a"})
SECOND = document(IMAGE, size={"enum": ["a"], "default": "a"})
THIRD = document(IMAGE, size={"enum": ["a", "b", "c"], "default": "a"})


class Fal:
    """A server that has documents by id; `answers` are bodies and statuses."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.url = ""

    def has(self, endpoint_id: str, raw: bytes, status: int = 200) -> None:
        self.answers[endpoint_id] = (status, raw)


@pytest.fixture
def fal() -> Generator[Fal]:
    served = Fal()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = parse_qs(parts.query).get("endpoint_id", [parts.path.lstrip("/")])[0]
            served.asked.append(asked)
            status, raw = served.answers.get(asked, (404, b"null"))
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with nothing of the user's around."""
    monkeypatch.chdir(tmp_path)
    for name in ("FALKIT_DOCUMENTS", "FALKIT_GATEWAY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(spec, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def lock(folder: str = "fal-documents") -> dict[str, Any]:
    read: dict[str, Any] = json.loads(Path(folder, "documents.lock").read_bytes())["documents"]
    return read


def test_an_id_is_fetched_and_kept_byte_for_byte_with_its_digest(fal: Fal) -> None:
    fal.has(IMAGE, FIRST)
    result = run("add", IMAGE, "--from", fal.url)
    assert result.exit_code == 0
    assert result.stdout.endswith("\nfalkit serve\n"), "which takes that folder by itself"
    assert Path("fal-documents/acme/image.json").read_bytes() == FIRST
    [(endpoint_id, entry)] = lock().items()
    assert (endpoint_id, entry["file"]) == (IMAGE, "acme/image.json")
    assert entry["sha256"] == hashlib.sha256(FIRST).hexdigest()
    assert entry["source"] == f"{fal.url}?endpoint_id={IMAGE}"
    assert not [*Path("fal-documents").rglob("*.part")]
    assert [one.date for one in read_sources(["fal-documents"]).documents] == [entry["date"]]


def test_a_mirror_may_have_the_id_in_its_path_and_a_models_page_names_its_id(fal: Fal) -> None:
    fal.has(f"{IMAGE}.json", FIRST)
    page = f"https://fal.ai/models/{IMAGE}/api"
    assert run("add", page, "--from", f"{fal.url}/{{id}}.json").exit_code == 0
    assert lock()[IMAGE]["source"] == f"{fal.url}/{IMAGE}.json"


def test_files_and_addresses_are_added_under_the_ids_that_they_name(fal: Fal) -> None:
    fal.has("anywhere", document("acme/other"))
    Path("2026-01").mkdir()
    Path("2026-01/flux.json").write_bytes(FIRST)
    assert run("add", "2026-01/flux.json", f"{fal.url}/anywhere", "--into", "mine").exit_code == 0
    assert {id: each["date"] for id, each in lock("mine").items()}[IMAGE] == "2026-01"
    assert lock("mine")[IMAGE]["source"] == "../2026-01/flux.json"
    assert Path("mine/acme/other.json").is_file()


def test_the_folder_is_the_one_that_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("flux.json").write_bytes(FIRST)
    monkeypatch.setenv("FALKIT_DOCUMENTS", "ours")
    assert "falkit serve --documents ours" in run("add", "flux.json").stdout
    monkeypatch.setenv("FALKIT_DOCUMENTS", os.pathsep.join(["one", "two"]))
    assert "falkit serve --documents fal-documents\ndocuments = [" in run("add", "flux.json").stdout


def test_a_document_of_an_id_of_falkits_own_is_said_to_count_in_its_place() -> None:
    Path("own.json").write_bytes(Catalog.vendored().get(OURS).document.raw)
    assert "in place of falkit's own of 2026-05" in run("add", "own.json").stdout


BROKEN: list[tuple[bytes, int, str]] = [
    (b"<html>", 200, "not JSON"),
    (b"[1]", 200, "not an object"),
    (b"{}", 200, "names no endpoint"),
    (b"null", 404, "no such document (404)"),
    (b"", 503, "answered 503"),
    (document("acme/else"), 200, "is the document of acme/else, not of acme/image"),
]


@pytest.mark.parametrize(("raw", "status", "why"), BROKEN)
def test_what_is_broken_is_refused_with_the_reason_and_the_others_are_added(
    fal: Fal, raw: bytes, status: int, why: str
) -> None:
    fal.has(IMAGE, raw, status)
    fal.has("acme/good", document("acme/good"))
    result = run("add", IMAGE, "acme/good", "--from", fal.url)
    assert result.exit_code == 1
    assert why in result.stderr
    assert [*lock()] == ["acme/good"]
    assert not Path("fal-documents/acme/image.json").exists()


def test_a_document_too_large_is_not_read_to_its_end(
    fal: Fal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_spec.drift.fetch.MOST_BYTES", 1000)
    assert MOST_BYTES > 1000
    fal.has(IMAGE, b" " * 5000)
    assert "has more than 1,000 bytes" in run("add", IMAGE, "--from", fal.url).stderr


def test_a_host_that_cannot_be_reached_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    fetcher, tried = Fetcher(), list[str]()
    stream = httpx.Client.stream

    def counted(self: httpx.Client, method: str, url: str, **more: Any) -> Any:
        tried.append(url)
        return stream(self, method, url, **more)

    monkeypatch.setattr(httpx.Client, "stream", counted)
    for name in ("a", "b"):
        with pytest.raises(FetchFailed, match=f"{name}: can't be reached .* [(]add FILE"):
            fetcher.fetch(f"{address}/{name}")
    assert tried == [f"{address}/a"]
    result = run("add", IMAGE, "--from", address)
    assert result.exit_code == 1
    assert "can't be reached" in result.stderr
    assert not Path("fal-documents").exists()


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "http://[", "http:///x", "https://a b/", "http://x:99999/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert run("add", url).exit_code == 1
    assert run("add", IMAGE, "--from", url).exit_code == 1


def test_within_falkit_run_nothing_is_taken_for_fals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALKIT_GATEWAY", "http://127.0.0.1:9")
    result = run("add", OURS)
    assert result.exit_code == 1
    assert "falkit itself answers for fal.ai here" in result.stderr


@pytest.mark.parametrize(
    "endpoint_id",
    ["acme/con", "aux/x", "acme/nul.txt", "acme/x.", "node_modules/x", "2026-05/x"],
)
def test_an_id_that_is_no_name_for_a_file_is_refused(fal: Fal, endpoint_id: str) -> None:
    fal.has(endpoint_id, document(endpoint_id))
    result = run("add", endpoint_id, "--from", fal.url)
    assert result.exit_code == 1
    assert endpoint_id in result.stderr
    assert not Path("fal-documents").exists()


@pytest.mark.parametrize(
    "word", ["../x/y", "/etc/x", "a", "acme/../../x", "acme//x", "~nobody/x.json", ".", "x/" * 3000]
)
def test_what_is_neither_id_nor_file_is_refused(word: str) -> None:
    assert run("add", word).exit_code == 1
    assert [*Path().iterdir()] == []


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Path("mine").mkdir()
    Path("mine/acme").symlink_to(outside, target_is_directory=True)
    Path("flux.json").write_bytes(FIRST)
    result = run("add", "flux.json", "--into", "mine")
    assert result.exit_code == 1
    assert "a link leads out of mine" in result.stderr
    assert [*outside.iterdir()] == []


def test_what_is_there_already_is_replaced_only_when_asked_for() -> None:
    Path("a.json").write_bytes(FIRST)
    Path("b.json").write_bytes(SECOND)
    place = Path("fal-documents/acme/image.json")
    assert run("add", "a.json", "--date", "2026-01").exit_code == 0
    assert "unchanged" in run("add", "a.json").stdout
    refused = run("add", "b.json")
    assert (refused.exit_code, place.read_bytes()) == (1, FIRST)
    assert "another document is there already" in refused.stderr
    assert "replaced" in run("add", "b.json", "--force").stdout
    assert place.read_bytes() == SECOND
    assert Path("fal-documents/2026-01/acme/image.json").read_bytes() == FIRST


def test_an_older_document_goes_under_its_date() -> None:
    Path("a.json").write_bytes(FIRST)
    Path("b.json").write_bytes(SECOND)
    run("add", "b.json", "--date", "2026-05")
    assert "kept as that of 2026-01" in run("add", "a.json", "--date", "2026-01").stdout
    catalog = Catalog.read(["fal-documents"], "2026-01")
    assert catalog.get(IMAGE).document.raw == FIRST
    assert Catalog.read(["fal-documents"]).get(IMAGE).document.raw == SECOND


def test_diff_exits_by_what_it_finds(fal: Fal) -> None:
    fal.has(IMAGE, FIRST)
    run("add", IMAGE, "--from", fal.url)
    assert run("diff", "--from", fal.url).exit_code == 0
    fal.has(IMAGE, THIRD)
    assert run("diff", "--from", fal.url).exit_code == 0
    fal.has(IMAGE, SECOND)
    found = run("diff", "--from", fal.url)
    assert found.exit_code == 1
    assert 'breaking  input size: no longer takes "b"' in found.stdout
    for raw, status in ((b"null", 404), (b"<html>", 200), (document("acme/else"), 200)):
        fal.has(IMAGE, raw, status)
        failed = run("diff", "--from", fal.url)
        assert failed.exit_code == 3
        assert f"{IMAGE}: couldn't be compared" in failed.stdout
    assert run("diff", "acme/unknown", "--from", fal.url).exit_code == 3


def test_diff_tells_programs_what_it_tells_people(fal: Fal) -> None:
    fal.has(IMAGE, FIRST)
    run("add", IMAGE, "--from", fal.url)
    fal.has(IMAGE, SECOND)
    told = json.loads(run("diff", "--from", fal.url, "--format", "json").stdout)
    [row] = told["documents"]
    assert (row["endpoint_id"], row["verdict"], row["error"]) == (IMAGE, "breaking", None)
    [change] = row["changes"]
    assert change["before"] == ["a", "b"]
    assert change["after"] == ["a"]


def test_diff_compares_folders_and_dates_and_a_broken_file_is_never_clean() -> None:
    for date, raw in (("2026-01", FIRST), ("2026-05", SECOND)):
        Path("docs", date).mkdir(parents=True)
        Path("docs", date, "x.json").write_bytes(raw)
    assert run("diff", "--documents", "docs/2026-01", "--against", "docs/2026-05").exit_code == 1
    dated = ("diff", "--documents", "docs", "--as-of", "2026-01", "--against")
    assert "(2026-01 → 2026-05)" in run(*dated, "2026-05").stdout
    assert run(*dated, "2026-02-03").exit_code == 0
    Path("docs/2026-05/broken.json").write_bytes(b"{")
    assert run(*dated, "2026-02-03").exit_code == 3
    nowhere = run("diff", "--documents", "docs", "--against", "nowhere")
    assert (nowhere.exit_code, "against: nowhere: isn't there" in nowhere.stderr) == (2, True)


def test_diff_compares_falkits_own_where_the_user_has_none() -> None:
    result = run("diff", OURS, "--as-of", "2026-01", "--against", "2026-05")
    assert result.exit_code == 1
    assert "input aspect_ratio: is gone" in result.stdout


def test_update_replaces_keeps_the_old_and_shows_what_changed(fal: Fal) -> None:
    fal.has(IMAGE, FIRST)
    run("add", IMAGE, "--from", fal.url, "--date", "2026-01")
    fal.has(IMAGE, SECOND)
    # The source is the one in the lock.
    result = run("update")
    assert result.exit_code == 0
    assert 'breaking  input size: no longer takes "b"' in result.stdout
    assert Path("fal-documents/acme/image.json").read_bytes() == SECOND
    assert Catalog.read(["fal-documents"], "2026-01").get(IMAGE).document.raw == FIRST
    assert lock()[IMAGE]["sha256"] == hashlib.sha256(SECOND).hexdigest()
    before = Path("fal-documents/documents.lock").read_bytes()
    assert run("update").exit_code == 0
    assert Path("fal-documents/documents.lock").read_bytes() == before


def test_update_copies_a_file_again_from_where_it_is_each_time() -> None:
    for raw, words in ((FIRST, ("add", "mine.json")), (SECOND, ("update",)), (THIRD, ("update",))):
        Path("mine.json").write_bytes(raw)
        assert run(*words).exit_code == 0
        assert Path("fal-documents/acme/image.json").read_bytes() == raw


def test_update_leaves_what_was_edited_by_hand_and_what_is_gone(fal: Fal) -> None:
    for name in ("acme/gone", IMAGE):
        fal.has(name, document(name))
        run("add", name, "--from", fal.url)
    place = Path("fal-documents/acme/image.json")
    place.write_bytes(THIRD)
    fal.has(IMAGE, SECOND)
    fal.has("acme/gone", b"null", 404)
    result = run("update")
    assert result.exit_code == 3
    assert "was edited since it was added" in result.stdout
    assert "no such document (404)" in result.stdout
    assert place.read_bytes() == THIRD
    assert "was edited since" in run("diff", IMAGE, "--from", fal.url).stderr
    assert run("update", IMAGE, "--force").exit_code == 0
    assert place.read_bytes() == SECOND


def test_update_takes_a_file_from_where_it_was_copied() -> None:
    Path("flux.json").write_bytes(FIRST)
    run("add", "flux.json")
    Path("flux.json").write_bytes(THIRD)
    assert "replaced" in run("update").stdout
    Path("flux.json").unlink()
    assert run("update").exit_code == 3


ENTRY = {"file": "acme/image.json", "sha256": "0", "date": "yesterday", "source": "x"}
LOCKS = [
    *(b"", b"{", b"[]", b'{"version": 9}', b'{"version": 1, "documents": {"a/b": {"file": 5}}}'),
    json.dumps({"version": 1, "documents": {IMAGE: ENTRY}}).encode(),
    b'{"version": 1, "documents": ' + b"[" * 3000,
]


@pytest.mark.parametrize("raw", LOCKS)
def test_a_lock_that_cannot_be_used_is_named_and_harms_nothing(raw: bytes) -> None:
    Path("fal-documents/acme").mkdir(parents=True)
    Path("fal-documents/acme/image.json").write_bytes(FIRST)
    Path("fal-documents/documents.lock").write_bytes(raw)
    catalog = Catalog.read(["fal-documents"])
    assert catalog.get(IMAGE).document.date == ""
    assert any("documents.lock" in note for note in catalog.notes)
    result = run("update")
    assert (result.exit_code, "documents.lock" in result.stderr) == (2, True)
    assert Path("fal-documents/documents.lock").read_bytes() == raw


def test_a_lock_names_no_files_but_those_of_its_folder() -> None:
    Path("fal-documents").mkdir()
    Path("outside.json").write_bytes(FIRST)
    entry = {"file": "../outside.json", "sha256": "0", "date": "2026-01", "source": "x"}
    locked = json.dumps({"version": 1, "documents": {IMAGE: entry}})
    Path("fal-documents/documents.lock").write_text(locked)
    assert read_sources(["fal-documents"]).documents == []
    assert run("update").exit_code == 2
