"""Identical work is paid for once, and nothing damaged is taken for an output."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import respx

from falkit_client import Budget, Cache, Client, Completed, Result, errors
from falkit_fixtures.images import sample

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}
URL = "https://v3b.fal.media/files/b/0/clip.mp4"
VIDEO = {"video": {"url": URL, "file_name": "../clip.mp4"}}
RUN = f"https://fal.run/{FAST}"
CLIP = b"\0\0\0\x18ftypmp42"

Do = Callable[..., Any]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def called(respx_mock: respx.MockRouter) -> respx.Route:
    """Counts the calls that are paid for."""
    respx_mock.get(URL).respond(200, content=CLIP)
    headers = {"x-fal-billable-units": "6", "x-fal-request-id": "r1"}
    return respx_mock.post(RUN).respond(json=VIDEO, headers=headers)


def run(do: Do, cache: Cache, body: Any = INPUT, **options: Any) -> Result[Any]:
    endpoint: str = options.pop("endpoint", FAST)
    result: Result[Any] = do("run", endpoint, body, settings={"cache": cache}, **options)
    return result


def entry(cache: Cache) -> Path:
    (place,) = cache.folder.glob("??/*")
    return place


def test_the_second_call_costs_nothing_and_says_so(
    do: Do, cache: Cache, called: respx.Route
) -> None:
    first, second = run(do, cache), run(do, cache)
    assert called.call_count == 1
    assert (first.cached, first.cost) == (False, Decimal("0.24"))
    assert (second.cached, second.cost) == (True, Decimal(0))
    assert second.output == first.output == VIDEO
    assert (second.request_id, second.billable_units) == ("r1", Decimal(6))


def test_files_are_kept_since_urls_expire(
    do: Do, cache: Cache, called: respx.Route, respx_mock: respx.MockRouter, tmp_path: Path
) -> None:
    first = run(do, cache)
    respx_mock.get(URL).respond(404)
    second = run(do, cache)
    assert first.files == second.files
    (kept,) = second.files.values()
    assert kept.read_bytes() == CLIP
    assert kept.parent == entry(cache)
    do("download", second, tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP
    with pytest.raises(errors.DownloadFailed, match="cannot be written"):
        do("download", second, tmp_path / "absent" / "clip.mp4")


def test_a_copy_that_is_gone_is_fetched_again(
    do: Do, cache: Cache, called: respx.Route, tmp_path: Path
) -> None:
    result = run(do, cache)
    cache.clear()
    do("download", result, tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == CLIP


def test_defaults_make_no_difference_and_values_do(
    do: Do, cache: Cache, called: respx.Route
) -> None:
    run(do, cache)
    assert run(do, cache, {**INPUT, "duration": 6, "fps": 25}).cached
    assert not run(do, cache, {**INPUT, "duration": 8}).cached
    assert not run(do, cache, {**INPUT, "prompt": "Snow"}).cached
    assert not run(do, cache, {**INPUT, "image_url": "https://example.com/b.png"}).cached


def test_a_file_counts_by_its_bytes_however_it_is_given(
    do: Do, cache: Cache, called: respx.Route, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    one.write_bytes(sample("png"))
    two.write_bytes(sample("png"))
    run(do, cache, {**INPUT, "image_url": one})
    assert run(do, cache, {**INPUT, "image_url": two}).cached
    assert run(do, cache, {**INPUT, "image_url": sample("png")}).cached
    two.write_bytes(sample("jpeg"))
    assert not run(do, cache, {**INPUT, "image_url": two}).cached
    assert called.call_count == 2


def test_outputs_of_a_stand_in_are_not_fals(
    do: Do, cache: Cache, called: respx.Route, respx_mock: respx.MockRouter
) -> None:
    run(do, cache)
    other = respx_mock.post(f"http://mock.test/fal.run/{FAST}").respond(json=VIDEO)
    do("run", FAST, INPUT, settings={"cache": cache, "base_url": "http://mock.test"})
    assert other.called


def test_an_endpoint_that_is_unknown_is_cached_too(
    do: Do, cache: Cache, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post("https://fal.run/some/model").respond(json={"n": [1]})
    body = {"a": [1, "é", "data:;base64,%%%"], "b": None}
    run(do, cache, body, endpoint="some/model", check=False)
    again = run(do, cache, body, endpoint="some/model", check=False)
    assert (again.cached, again.billable_units, again.files) == (True, None, {})


def test_fresh_calls_all_the_same_and_replaces(
    do: Do, cache: Cache, called: respx.Route, respx_mock: respx.MockRouter
) -> None:
    run(do, cache)
    respx_mock.get(URL).respond(200, content=b"newer")
    assert not run(do, cache, fresh=True).cached
    (kept,) = run(do, cache).files.values()
    assert kept.read_bytes() == b"newer"
    assert called.call_count == 2


def test_a_hit_needs_no_budget_and_no_key(
    cache: Cache, called: respx.Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAL_KEY", raising=False)
    with Client("a:b", cache=cache) as client:
        client.run(FAST, INPUT)
    budget = Budget(0)
    with Client(cache=cache, budget=budget) as client:
        assert client.run(FAST, INPUT).cached
    assert budget.left == 0


def test_a_handle_of_a_hit_is_a_job_that_has_ended(
    do: Do, cache: Cache, called: respx.Route
) -> None:
    run(do, cache)
    with Client("a:b", cache=cache) as client:
        handle = client.submit(FAST, INPUT)
        assert handle.request_id == "r1"
        assert handle.status() == Completed("r1")
        assert list(handle.iter_events()) == [Completed("r1")]
        assert handle.result().cached
        assert handle.cancel() is False
    seen: list[object] = []
    result = do("subscribe", FAST, INPUT, on_update=seen.append, settings={"cache": cache})
    assert result.cached
    assert seen == [Completed("r1")]


def test_a_submit_with_a_webhook_is_not_answered_from_the_cache(
    do: Do, cache: Cache, called: respx.Route, respx_mock: respx.MockRouter
) -> None:
    run(do, cache)
    submit = respx_mock.post(url__startswith=f"https://queue.fal.run/{FAST}")
    submit.respond(json={"request_id": "r2"})
    do("submit", FAST, INPUT, webhook_url="https://example.com/hook", settings={"cache": cache})
    assert submit.called


def test_an_output_that_breaks_the_document_is_not_kept(
    do: Do, cache: Cache, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(RUN).respond(json={"video": {"url": 7}})
    with pytest.raises(errors.BadOutput):
        run(do, cache)
    assert not cache.folder.exists()


def test_a_file_that_cannot_be_fetched_leaves_the_result_uncached(
    do: Do,
    cache: Cache,
    called: respx.Route,
    respx_mock: respx.MockRouter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    respx_mock.get(URL).respond(404)
    assert run(do, cache).output == VIDEO
    assert "was not kept" in caplog.text
    assert list((cache.folder / "tmp").iterdir()) == []
    assert not list(cache.folder.glob("??/*"))


DAMAGES: list[Callable[[Path], object]] = [
    lambda place: (place / "entry.json").write_text("{"),
    lambda place: (place / "entry.json").write_text("[]"),
    lambda place: (place / "entry.json").write_text("{}"),
    lambda place: (place / "entry.json").write_text('{"version": 0, "output": {}}'),
    lambda place: (place / "entry.json").unlink(),
    lambda place: (place / "0-clip.mp4").write_bytes(CLIP[:-1] + b"?"),
    lambda place: (place / "0-clip.mp4").unlink(),
    lambda place: place.rename(place.with_suffix(".gone")) and place.write_text("a file"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_called_again_and_replaced(
    do: Do, cache: Cache, called: respx.Route, damage: Callable[[Path], object]
) -> None:
    run(do, cache)
    damage(entry(cache))
    assert not run(do, cache).cached
    assert run(do, cache).cached
    assert called.call_count == 2


def test_the_least_recently_used_entry_makes_room(
    do: Do, tmp_path: Path, called: respx.Route
) -> None:
    small = Cache(tmp_path / "cache", max_bytes=10_000)
    bodies = [{**INPUT, "prompt": f"Rain {number}"} for number in range(4)]
    for at, body in enumerate(bodies[:3]):
        run(do, small, body)
        for place in small.folder.glob("??/*/entry.json"):
            if place.stat().st_mtime > 1000:
                os.utime(place, (at, at))
    # The first is used again, so the second is the oldest.
    assert run(do, small, bodies[0]).cached
    sizes = sum(path.stat().st_size for path in small.folder.glob("??/*/*"))
    tight = Cache(small.folder, max_bytes=sizes + 10)
    run(do, tight, bodies[3])
    kept = [run(do, Cache(small.folder), body).cached for body in bodies]
    assert kept == [True, False, True, True]


def test_an_output_larger_than_the_cache_is_not_kept(
    do: Do, tmp_path: Path, called: respx.Route
) -> None:
    tiny = Cache(tmp_path / "cache", max_bytes=10)
    assert run(do, tiny).files == {}
    assert not run(do, tiny).cached
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []


def test_leftovers_of_a_dead_process_are_removed(do: Do, cache: Cache, called: respx.Route) -> None:
    young, old = cache.room(), cache.room()
    young.mkdir(parents=True)
    old.mkdir()
    os.utime(old, (0, 0))
    run(do, cache)
    assert young.exists()
    assert not old.exists()


def test_foreign_files_in_the_folder_do_no_harm(do: Do, cache: Cache, called: respx.Route) -> None:
    stranger = cache.folder / "ab" / ("ab" * 32)
    stranger.parent.mkdir(parents=True)
    stranger.write_text("no entry")
    assert not run(do, cache).cached
    assert run(do, cache).cached
    cache.clear()
    assert not stranger.exists()
    assert list((cache.folder / "tmp").iterdir()) == []


def _write(folder: str, number: int) -> None:
    cache = Cache(folder)
    for turn in range(20):
        room = cache.room()
        room.mkdir(parents=True)
        (room / "0-a").write_text(f"{number} {turn}" * 100)
        result = Result[Any]({"by": number, "turn": turn}, "o/a", None)
        cache.keep("ab" * 32, result, room, {"https://example.com/a": room / "0-a"})
        found = cache.find("ab" * 32)
        if found is not None:
            (kept,) = found.files.values()
            assert found.output["turn"] < 20, kept


def test_processes_may_share_a_cache(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    several = [spawn.Process(target=_write, args=(str(tmp_path), number)) for number in range(2)]
    for one in several:
        one.start()
    for one in several:
        one.join(30)
    assert [one.exitcode for one in several] == [0, 0]
    found = Cache(tmp_path).find("ab" * 32)
    assert found is not None
    (kept,) = found.files.values()
    assert kept.read_text() == f"{found.output['by']} {found.output['turn']}" * 100


def test_a_place_that_cannot_be_replaced_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    room = cache.room()
    room.mkdir(parents=True)

    def refuse(self: Path, target: Path) -> Path:
        raise OSError("no")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="cannot be replaced"):
        cache.keep("ab" * 32, Result[Any]({}, "o/a", None), room, {})


def test_entries_say_what_they_are(do: Do, cache: Cache, called: respx.Route) -> None:
    run(do, cache)
    told = json.loads((entry(cache) / "entry.json").read_text())
    assert told["endpoint"] == FAST
    assert told["files"][0]["name"] == "0-clip.mp4"
    assert repr(cache) == f"Cache({str(cache.folder)!r}, max_bytes={10 * 1024**3})"


def test_a_cache_of_no_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Cache(tmp_path, max_bytes=0)
