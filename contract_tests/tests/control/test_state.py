"""The whole state by the control API: reset, exported as a file, imported into another mock."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest

from control.taking import until_taken
from falkit import Settings
from falkit_mock.store.blobs import Sink
from serving import KEY, PATIENCE, PROMPT, T2V, Mock, running

# No page of another site can send it.
CLIENT = {"x-falkit-client": "test"}
UPLOAD = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
PIXELS = b"\x89PNG" + bytes(range(256)) * 5000


@pytest.fixture
def fresh() -> Generator[Mock]:
    """Another mock: other seed, other time, running."""
    with running(Settings(timing="10,20", seed=99)) as served:
        yield served


def upload(mock: Mock, data: bytes = PIXELS) -> str:
    """Store a file; return its path on the media host."""
    body = {"file_name": "a.png", "content_type": "image/png"}
    opened = mock.http.post(UPLOAD, json=body).json()
    assert mock.http.put(opened["upload_url"], content=data).status_code == 200
    url: str = opened["file_url"]
    return url.partition("/v3b.fal.media")[2]


def export(mock: Mock) -> bytes:
    reply = mock.http.get("/__falkit/state", headers=CLIENT)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-tar")
    assert int(reply.headers["content-length"]) == len(reply.content)
    return reply.content


def test_no_link_leads_to_the_state_without_a_token() -> None:
    with running(Settings(control_token="t")) as guarded, running() as open_to_all:
        refused = open_to_all.http.get("/__falkit/state")
        assert (refused.status_code, "X-Falkit-Client" in refused.json()["detail"]) == (403, True)
        token = {"authorization": "Bearer t"}
        assert guarded.http.get("/__falkit/state", headers=token).status_code == 200


def test_a_full_disk_is_507_and_changes_nothing(
    manual: Mock, fresh: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(manual)
    archive, job = export(manual), fresh.submit()
    before, write_for_real = fresh.jobs(), Sink.write
    for size in (1000, len(archive) + 1000):
        room = [size]

        def write(sink: Sink, data: bytes, room: list[int] = room) -> None:
            room[0] -= len(data)
            if room[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            write_for_real(sink, data)

        with monkeypatch.context() as patched:
            patched.setattr(Sink, "write", write)
            reply = restore(fresh, archive)
        assert (reply.status_code, "No space left" in reply.text) == (507, True)
        assert (fresh.jobs(), fresh.status(job)["status"]) == (before, "IN_QUEUE")
        assert [*fresh.service.store.uploads.blobs.folder.iterdir()] == []


def test_a_state_that_lacks_an_upload_is_not_exported(manual: Mock) -> None:
    path = upload(manual)
    (blob,) = manual.service.store.uploads.blobs.folder.iterdir()
    blob.unlink()
    reply = manual.http.get("/__falkit/state", headers=CLIENT)
    assert reply.status_code == 409
    assert f"isn't whole: bytes of {path} were deleted; put them back" in reply.json()["detail"]
    manual.http.post("/__falkit/reset", json={})
    assert manual.http.get("/__falkit/state", headers=CLIENT).status_code == 200


def restore(mock: Mock, archive: bytes) -> httpx.Response:
    return mock.http.put("/__falkit/state", content=archive)


def at(mock: Mock, url: str) -> str:
    """Return another mock's URL as it is here."""
    return mock.url + "/" + url.split("/", 3)[3]


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in found.items() if file is not None}


def packed(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_a_mock_goes_on_from_an_imported_state(manual: Mock, fresh: Mock) -> None:
    path = upload(manual)
    done = manual.submit()
    manual.advance(40)
    failed = manual.submit({})
    runs, waits = manual.submit(), manual.submit()
    manual.advance(15)
    manual.http.post(f"/__falkit/jobs/{waits['request_id']}/hold")
    fresh.submit()
    reply = restore(fresh, export(manual))
    assert (reply.status_code, reply.json()) == (200, {"seed": 1, "jobs": 4})
    for job in (done, failed, runs, waits):
        there, here = manual.status(job), fresh.http.get(at(fresh, job["status_url"])).json()
        assert (here["status"], here["metrics"]) == (there["status"], there["metrics"])
    ended = fresh.http.get(at(fresh, done["response_url"])).json()
    assert ended == manual.result(done).json()
    clip = ended["video"]["url"]
    assert fresh.http.get(at(fresh, clip)).content == manual.http.get(clip).content
    refused = fresh.http.get(at(fresh, failed["response_url"]))
    assert (refused.status_code, refused.json()) == (422, manual.result(failed).json())
    assert fresh.http.get(f"/v3b.fal.media{path}").content == PIXELS
    # Time is what it was, and goes on as it did: it stands.
    assert fresh.http.get("/__falkit/clock").json() == manual.http.get("/__falkit/clock").json()


def test_ids_after_an_import_are_those_that_would_have_come(manual: Mock, fresh: Mock) -> None:
    ids = [manual.submit()["request_id"] for _ in range(3)]
    restore(fresh, export(manual))
    assert fresh.submit()["request_id"] == manual.submit()["request_id"]
    assert fresh.submit()["request_id"] not in ids
    assert upload(fresh) == upload(manual)


def test_a_signed_upload_url_works_after_an_import(manual: Mock, fresh: Mock) -> None:
    body = {"file_name": "late.png", "content_type": "image/png"}
    opened = manual.http.post(UPLOAD, json=body).json()
    restore(fresh, export(manual))
    assert fresh.http.put(at(fresh, opened["upload_url"]), content=b"x").status_code == 200
    assert fresh.http.get(at(fresh, opened["file_url"])).content == b"x"


def test_rules_and_their_counts_are_exported(manual: Mock, fresh: Mock) -> None:
    rule = {"rule": {"fault": "generation_timeout", "times": 2}}
    assert manual.http.post("/__falkit/rules", json=rule).status_code == 201
    manual.submit()
    restore(fresh, export(manual))
    assert fresh.http.get("/__falkit/rules").json() == manual.http.get("/__falkit/rules").json()


def test_a_mock_imports_its_own_export(manual: Mock) -> None:
    path = upload(manual)
    job = manual.submit()
    archive = export(manual)
    manual.advance(3600)
    manual.http.delete(f"/v3b.fal.media{path}")
    assert restore(manual, archive).status_code == 200
    assert manual.status(job)["status"] == "IN_QUEUE"
    assert manual.http.get(f"/v3b.fal.media{path}").content == PIXELS
    # What the uploads were in before is gone.
    blobs = manual.service.store.uploads.blobs.folder
    assert len(list(blobs.iterdir())) == 1


def _not_a_tar(_: bytes) -> bytes:
    return b"PK\x03\x04 no tar at all" * 100


def _cut_off(archive: bytes) -> bytes:
    return archive[: len(archive) // 2]


def _empty(_: bytes) -> bytes:
    return b""


def _without(name: str) -> Callable[[bytes], bytes]:
    def without(archive: bytes) -> bytes:
        return packed({key: data for key, data in members(archive).items() if name not in key})

    return without


def _flipped(name: str) -> Callable[[bytes], bytes]:
    def flipped(archive: bytes) -> bytes:
        parts = members(archive)
        (key,) = [key for key in parts if name in key]
        data = bytearray(parts[key])
        data[len(data) // 2] ^= 0xFF
        return packed({**parts, key: bytes(data)})

    return flipped


def _meta(**changed: Any) -> Callable[[bytes], bytes]:
    def other(archive: bytes) -> bytes:
        parts = members(archive)
        meta = {**json.loads(parts["meta.json"]), **changed}
        return packed({**parts, "meta.json": json.dumps(meta).encode()})

    return other


def _store(data: bytes) -> Callable[[bytes], bytes]:
    """Put other bytes in the database's place, and name them in the meta data."""

    def other(archive: bytes) -> bytes:
        parts = members(archive)
        meta = {**json.loads(parts["meta.json"]), "store": hashlib.sha256(data).hexdigest()}
        return packed({**parts, "store.sqlite": data, "meta.json": json.dumps(meta).encode()})

    return other


def _foreign() -> bytes:
    with sqlite3.connect(":memory:") as other:
        other.execute("CREATE TABLE jobs (id TEXT)")
        return other.serialize()


def _torn_store(archive: bytes) -> bytes:
    data = bytearray(members(archive)["store.sqlite"])
    # The second page is no page any more; the first, which has the tables' names, is as it was.
    data[4096:8192] = bytes(4096)
    return _store(bytes(data))(archive)


def _written_as_meta(data: bytes) -> Callable[[bytes], bytes]:
    return lambda archive: packed({**members(archive), "meta.json": data})


def _twice(archive: bytes) -> bytes:
    buffer = io.BytesIO(archive)
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        tar.addfile(tarfile.TarInfo("meta.json"))
    return buffer.getvalue()


def _one_more(name: str) -> Callable[[bytes], bytes]:
    return lambda archive: packed({**members(archive), name: b"x"})


def _sparse(archive: bytes) -> bytes:
    head = bytearray(tarfile.TarInfo("blobs/a").tobuf(tarfile.GNU_FORMAT))
    head[156:157] = tarfile.GNUTYPE_SPARSE
    # One piece of nothing at a gibibyte, and the size that the file would have.
    head[386:410] = b"%011o\0%011o\0" % (1 << 30, 0)
    head[483:495] = b"%011o\0" % (1 << 30)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    return bytes(head) + archive


def _link(archive: bytes) -> bytes:
    buffer = io.BytesIO(archive)
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        info = tarfile.TarInfo("blobs/0")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_not_a_tar, "isn't an export"),
        (_empty, "isn't an export"),
        (_cut_off, ""),
        (_without("meta.json"), "has no meta.json"),
        (_without("store.sqlite"), "has no store.sqlite"),
        (_without("blobs/"), "lacks blobs/"),
        (_flipped("store.sqlite"), "damaged"),
        (_flipped("blobs/"), "damaged"),
        (_meta(format=1), "has format 1"),
        (_meta(clock={"now": "soon", "running": True}), "clock.now: 'soon'"),
        (_meta(identity={"seeds": [], "counts": {}}), "identity.seeds: []"),
        (_meta(identity={"seeds": [[0, 1]], "counts": {"id": -1}}), "identity.counts.id: -1"),
        (_meta(tokens="xyz"), "meta.json"),
        (_meta(uploads={"initial_acl": 5}), "uploads"),
        (_meta(parts={"weather": {}}), "'weather'"),
        (_meta(parts={"rules": {"rules": [{"fault": "no_such"}]}}), "meta.json"),
        (_store(_foreign()), "other tables"),
        (_store(b"SQLite format 3, or so it says"), "no sqlite database"),
        (_torn_store, "store.sqlite"),
        (_written_as_meta(b"{"), "isn't JSON"),
        (_written_as_meta(b"[]"), "no format"),
        (_meta(uploads=None), "uploads: None"),
        (_twice, "twice"),
        (_one_more("../../evil"), "'../../evil'"),
        (_one_more("blobs/../../evil"), "belongs to no upload"),
        (_link, "isn't a plain file"),
        (_sparse, "isn't a plain file"),
    ],
)
def test_importing_a_broken_export_is_refused_and_changes_nothing(
    manual: Mock, change: Callable[[bytes], bytes], words: str
) -> None:
    path = upload(manual)
    job = manual.submit()
    archive = change(export(manual))
    blobs = manual.service.store.uploads.blobs.folder
    before = sorted(blobs.iterdir())
    reply = restore(manual, archive)
    detail = reply.json()["detail"]
    assert (reply.status_code, words in detail, "nothing has changed" in detail) == (
        422,
        True,
        True,
    ), detail
    assert manual.status(job)["status"] == "IN_QUEUE"
    assert manual.http.get(f"/v3b.fal.media{path}").content == PIXELS
    assert sorted(blobs.iterdir()) == before


def test_a_reset_mock_gives_the_same_ids_again(manual: Mock) -> None:
    first, path = manual.submit(), upload(manual)
    manual.http.put("/__falkit/seed", json={"seed": 5})
    manual.submit()
    assert manual.http.post("/__falkit/reset").json() == {"seed": 1, "jobs": 0}
    assert manual.http.get(f"/v3b.fal.media{path}").status_code == 404
    assert not list(manual.service.store.uploads.blobs.folder.iterdir())
    assert manual.http.get("/__falkit/requests").json()["last"] == 1
    assert manual.submit()["request_id"] == first["request_id"]
    assert upload(manual) == path


def test_a_reset_keeps_rules_only_with_keep_rules(manual: Mock) -> None:
    manual.http.post("/__falkit/rules", json={"rule": "generation_timeout"})
    manual.http.post("/__falkit/reset", json={"keep_rules": True})
    assert len(manual.http.get("/__falkit/rules").json()["rules"]) == 1
    manual.http.post("/__falkit/reset")
    assert manual.http.get("/__falkit/rules").json()["rules"] == []


def test_a_reset_ends_streams_and_waiting_calls(manual: Mock) -> None:
    codes: list[int] = []
    caller = threading.Thread(target=lambda: codes.append(manual.run(PROMPT).status_code))
    caller.start()
    until_taken(manual)
    with httpx.Client(base_url=manual.url, headers=KEY, trust_env=False) as client:
        job = client.post(f"/queue.fal.run/{T2V}", json=PROMPT).json()
        with client.stream("GET", f"{job['status_url']}/stream") as stream:
            lines = stream.iter_lines()
            next(lines)
            manual.http.post("/__falkit/reset")
            assert [line for line in lines if line.startswith("data: ")] == []
    caller.join(PATIENCE)
    assert codes == [503]
    assert manual.submit()["status"] == "IN_QUEUE"
