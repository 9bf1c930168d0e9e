"""Uploads, deliveries and keys, in every store alike."""

from __future__ import annotations

import math
from dataclasses import replace

from falkit_mock.store import KeyRecord, Store
from falkit_mock.store.blobs import Piece
from falkit_mock.store.redis.blobs import RedisBlobs
from store.items import delivery, piece, upload


def kept(store: Store, data: bytes) -> Piece:
    sink = store.uploads.blobs.sink()
    sink.write(data)
    return sink.keep()


def blobs(store: Store) -> list[str]:
    """Return the names of the blobs that there are."""
    found = store.uploads.blobs
    if isinstance(found, RedisBlobs):
        return found.names()
    return [blob.name for blob in found.folder.iterdir()]


def test_an_upload_is_had_by_its_id_and_its_path(store: Store) -> None:
    one = upload("one")
    store.uploads.add(one)
    assert store.uploads.get("one") == store.uploads.at("/files/one") == one
    assert store.uploads.get("two") is store.uploads.at("/files/two") is None
    done = replace(one, done=True, expires=math.inf, acl="{}")
    store.uploads.update(done)
    assert store.uploads.get("one") == store.uploads.at("/files/one") == done
    store.uploads.update(upload("two"))
    assert store.uploads.get("two") is None


def test_uploads_are_due_from_their_expiry_on(store: Store) -> None:
    store.uploads.add(upload("one", expires=110.0))
    store.uploads.add(upload("two", expires=math.inf))
    assert store.uploads.due(109.0) == []
    assert store.uploads.due(110.0) == ["one"]
    assert sorted(store.uploads.due(math.inf)) == ["one", "two"]


def test_pieces_are_in_order_and_one_sent_again_replaces_the_first(store: Store) -> None:
    store.uploads.add(upload("one"))
    second, first, again = (kept(store, data) for data in (b"2", b"1", b"3"))
    store.uploads.put_piece("one", 2, second)
    store.uploads.put_piece("one", 1, first)
    assert [*store.uploads.pieces("one").items()] == [(1, first), (2, second)]
    store.uploads.put_piece("one", 1, again)
    assert store.uploads.pieces("one") == {1: again, 2: second}
    assert sorted(blobs(store)) == sorted([again.blob, second.blob])


def test_pieces_that_are_not_kept_and_their_blobs_go(store: Store) -> None:
    store.uploads.add(upload("one"))
    for number in (1, 2, 3):
        store.uploads.put_piece("one", number, kept(store, b"%d" % number))
    store.uploads.keep_pieces("one", {2})
    assert [*store.uploads.pieces("one")] == [2]
    assert len(blobs(store)) == 1
    store.uploads.remove("one")
    assert store.uploads.get("one") is store.uploads.at("/files/one") is None
    assert (store.uploads.pieces("one"), blobs(store)) == ({}, [])
    store.uploads.remove("one")


def test_deliveries_are_picked_and_the_newest_is_the_last(store: Store) -> None:
    log = store.deliveries
    first, second = delivery("d1"), delivery("d2", "job-2", url="http://127.0.0.1/other")
    third = delivery("d3", status="acknowledged", cause="resend")
    for each in (first, second, third):
        log.add(each)
    assert log.get("d2") == second
    assert log.get("d9") is None
    assert log.select() == [first, second, third]
    assert log.select(request_id="job-1") == [first, third]
    assert log.select(request_id="job-1", verdict="retry") == [first]
    assert log.select(url="http://127.0.0.1/other") == [second]
    assert log.select(request_id="job-9") == []
    assert log.select(limit=2) == [second, third]
    assert log.select(limit=0) == []
    assert log.select(before="d3") == [first, second]
    assert log.select(request_id="job-1", before="d3") == [first]
    assert log.select(before="d3", limit=1) == [second]
    assert log.select(before="d9") == []
    assert (log.count(), log.count(request_id="job-1"), log.count(verdict="failed")) == (3, 2, 0)
    assert log.last("job-1") == first
    assert log.last("job-9") is None


def test_keys_are_had_by_their_number(store: Store) -> None:
    second, first = KeyRecord(2, 101.0, withdrawn=False), KeyRecord(1, 100.0, withdrawn=False)
    store.deliveries.put_key(second)
    store.deliveries.put_key(first)
    assert store.deliveries.keys() == [first, second]
    gone = replace(first, withdrawn=True)
    store.deliveries.put_key(gone)
    assert store.deliveries.keys() == [gone, second]


def test_pieces_are_known_by_their_own_upload(store: Store) -> None:
    store.uploads.add(upload("one"))
    store.uploads.put_piece("one", 1, piece("a"))
    assert store.uploads.pieces("two") == {}
