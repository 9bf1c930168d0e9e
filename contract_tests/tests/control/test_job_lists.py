"""Lists of jobs by the control API: what a line shows, filters, places and counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serving import I2V_FAST, PROMPT, T2V, Mock


def page(mock: Mock, **query: Any) -> dict[str, Any]:
    reply = mock.http.get("/__falkit/jobs", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def ids(mock: Mock, **query: Any) -> list[str]:
    return [job["request_id"] for job in page(mock, **query)["jobs"]]


@pytest.fixture
def mixed(manual: Mock) -> tuple[Mock, dict[str, str]]:
    """One job of each end, in order of submission; and one that waits."""
    long = {**PROMPT, "prompt": "Straße " * 400}
    bodies = {"ok": PROMPT, "failed": {}, "cancelled": PROMPT, "long": long}
    found = {name: manual.submit(body) for name, body in bodies.items()}
    manual.cancel(found["cancelled"])
    manual.advance(100)
    found["open"] = manual.submit(PROMPT, headers={"authorization": "Key other:secret"})
    return manual, {name: job["request_id"] for name, job in found.items()}


def test_a_line_tells_what_came_of_a_job_what_it_cost_and_what_it_shows(
    mixed: tuple[Mock, dict[str, str]],
) -> None:
    mock, made = mixed
    lines = {job["request_id"]: job for job in page(mock)["jobs"]}
    by = {name: lines[id] for name, id in made.items()}
    assert {name: line["result"] for name, line in by.items()} == {
        "ok": "ok",
        "failed": "failed",
        "cancelled": "cancelled",
        "long": "ok",
        "open": None,
    }
    assert (by["ok"]["cost"], by["open"]["cost"], by["failed"]["cost"]) == ("0.36", None, None)
    assert by["ok"]["prompt"] == PROMPT["prompt"]
    assert by["long"]["prompt"] == ("Straße " * 400)[:200] + "…"
    assert by["failed"]["prompt"] is None
    assert by["failed"]["error"] == "prompt: Field required"
    assert by["ok"]["error"] is None
    assert by["failed"]["thumbnail"] is by["open"]["thumbnail"] is None
    shown = by["ok"]["thumbnail"]
    assert shown["content_type"] == "video/mp4"
    reply = mock.http.get(shown["url"])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")


def test_a_job_that_was_given_up_is_not_told_of_as_the_success_that_it_would_have_been(
    manual: Mock,
) -> None:
    for _ in range(2):
        manual.submit()
    job = manual.submit(headers={"x-fal-request-timeout": "1"})
    manual.advance(30)
    line = next(one for one in page(manual)["jobs"] if one["request_id"] == job["request_id"])
    assert (line["result"], line["status_code"], line["thumbnail"]) == ("failed", 504, None)
    assert ids(manual, result="failed") == [job["request_id"]]


def test_the_prompt_of_a_long_input_is_found_without_reading_all_of_it(manual: Mock) -> None:
    image = "data:image/png;base64," + "A" * 100_000
    manual.submit({"image_url": image, "prompt": 'Say "hi" \n twice'}, I2V_FAST)
    (line,) = page(manual)["jobs"]
    assert line["prompt"] == 'Say "hi" \n twice'


def test_jobs_are_found_by_what_came_of_them(mixed: tuple[Mock, dict[str, str]]) -> None:
    mock, made = mixed
    for result, names in {
        "ok": ["long", "ok"],
        "failed": ["failed"],
        "cancelled": ["cancelled"],
    }.items():
        wanted = [made[name] for name in names]
        assert ids(mock, result=result) == wanted
        counted = page(mock, result=result, total=True, limit=1)
        assert (counted["total"], len(counted["jobs"])) == (len(wanted), 1)
    assert page(mock, status="COMPLETED", total=True)["total"] == 4
    assert page(mock, status="IN_QUEUE", total=True)["total"] == 1
    assert page(mock, status="IN_QUEUE", result="ok", total=True)["total"] == 0


def test_jobs_are_found_by_a_text_of_their_id_endpoint_or_prompt(
    mixed: tuple[Mock, dict[str, str]],
) -> None:
    mock, made = mixed
    assert ids(mock, text="LIGHTHOUSE") == [made["open"], made["cancelled"], made["ok"]]
    assert ids(mock, text="STRASSE") == [made["long"]]
    assert ids(mock, text=made["failed"][:30].upper()) == [made["failed"]]
    assert len(ids(mock, text="ltx-2/text")) == 5
    assert page(mock, text="lighthouse", total=True, limit=1)["total"] == 3
    # What comes later is found too, and nothing of before once all is gone.
    late = mock.submit({"prompt": "another lighthouse"})["request_id"]
    assert page(mock, text="lighthouse", total=True)["total"] == 4
    assert ids(mock, text="lighthouse", key="id", offset=0, total=True)[0] == late
    mock.http.post("/__falkit/reset")
    assert page(mock, text="lighthouse", total=True)["total"] == 0
    mock.submit()
    assert page(mock, text="lighthouse", total=True)["total"] == 1


def test_jobs_are_found_by_the_test_in_which_they_were_submitted(manual: Mock) -> None:
    mock, made = manual, dict[str, str]()
    one, other, third = "tests/a.py::test_b[x-1]", "tests/a.py::test_b[y-2]", "Tests/c.js > c?"
    for test in (one, other, third, "\ud83d half", ""):
        reply = mock.http.put("/__falkit/test", content=json.dumps({"test": test}))
        assert reply.json() == {"test": "? half" if "half" in test else test}
        headers = {"authorization": "Key other:secret", "x-fal-queue-priority": "low"}
        made[test] = mock.submit(headers=headers if test == other else {})["request_id"]
    assert [line["test"] for line in page(mock)["jobs"]] == [None, "? half", third, other, one]
    told = mock.job({"request_id": made[other]})
    assert (told["test"], "test" in told["options"]) == (other, False)
    for glob, tests in {
        one: [one],
        "tests/*": [other, one],
        "*[?-?]": [other, one],
        # Brackets stand for themselves, and letters are what they are.
        "tests/a.py::test_[b]*": [],
        "TESTS/*": [],
        third: [third],
        "*": ["\ud83d half", third, other, one],
        "tests/a.py": [],
    }.items():
        wanted = [made[test] for test in tests]
        assert ids(mock, test=glob) == wanted
        counted = page(mock, test=glob, total=True, limit=1)
        assert (counted["total"], len(counted["jobs"])) == (len(wanted), min(1, len(wanted)))
        assert ids(mock, test=glob, status="IN_QUEUE") == wanted
    assert page(mock, test="tests/*", text="lighthouse", key="other", total=True)["total"] == 1
    assert page(mock, test="tests/*", text="dune", total=True)["total"] == 0
    # What comes later is found too; nothing of before once all is gone, but the test goes on.
    mock.http.put("/__falkit/test", json={"test": other})
    mock.submit()
    assert page(mock, test=other, total=True)["total"] == 2
    mock.http.post("/__falkit/reset")
    assert page(mock, test=other, total=True)["total"] == 0
    mock.submit()
    assert page(mock, test=other, total=True)["total"] == 1


@pytest.mark.parametrize("filters", [{}, {"endpoint": T2V}, {"text": "rain"}, {"key": "id"}])
def test_a_page_begins_at_any_place(mock: Mock, filters: dict[str, str]) -> None:
    every = [mock.submit()["request_id"] for _ in range(12)][::-1]
    for offset in (0, 1, 5, 11, 12, 50):
        found = page(mock, offset=offset, limit=4, total=True, **filters)
        assert [job["request_id"] for job in found["jobs"]] == every[offset : offset + 4]
        assert found["total"] == 12
        assert (found["next_cursor"] is not None) == (offset + 4 < 12)
    behind = page(mock, offset=2, limit=3, **filters)["next_cursor"]
    assert ids(mock, cursor=behind, limit=3, total=True, **filters) == every[5:8]


def test_places_are_of_the_jobs_that_there_are(mock: Mock) -> None:
    made = [mock.submit()["request_id"] for _ in range(6)]
    mock.inside(lambda: mock.service.store.drop({made[4], made[1]}))
    left = [made[n] for n in (5, 3, 2, 0)]
    for filters in ({}, {"endpoint": T2V}):
        found = page(mock, offset=1, total=True, **filters)
        assert [job["request_id"] for job in found["jobs"]] == left[1:]
        assert found["total"] == 4


def test_open_jobs_are_paged_too(manual: Mock) -> None:
    every = [manual.submit()["request_id"] for _ in range(5)][::-1]
    found = page(manual, status="IN_QUEUE", offset=1, limit=2, total=True)
    assert [job["request_id"] for job in found["jobs"]] == every[1:3]
    assert found["total"] == 5
    assert ids(manual, status="IN_QUEUE", cursor=found["next_cursor"]) == every[3:]


def test_a_total_is_told_where_it_is_asked_for_alone(mock: Mock) -> None:
    mock.submit()
    assert page(mock)["total"] is None
    assert page(mock, total=True)["total"] == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"offset": 1, "cursor": 3}, ["offset: 1", "cursor"]),
        ({"offset": -1}, ["offset: '-1'"]),
        ({"result": "done"}, ["result: 'done'", "ok or failed or cancelled"]),
        ({"text": "x" * 201}, ["text: ", "at most 200"]),
        ({"test": "x" * 1001}, ["test: ", "at most 1000"]),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(
    mock: Mock, query: dict[str, Any], words: list[str]
) -> None:
    reply = mock.http.get("/__falkit/jobs", params=query)
    assert reply.status_code == 422
    assert all(word in reply.json()["detail"] for word in words), reply.text


def test_an_output_that_is_no_json_and_one_without_files_have_no_thumbnail(manual: Mock) -> None:
    for output in ({"text": "hi", "url": "https://example.com/a.png"}, {}):
        job = manual.submit()
        url = f"/__falkit/jobs/{job['request_id']}/complete"
        manual.http.post(url, content=json.dumps({"output": output}))
    assert [job["thumbnail"] for job in page(manual)["jobs"]] == [None, None]


def test_certain_jobs_are_listed_by_their_ids(manual: Mock) -> None:
    made = [manual.submit()["request_id"] for _ in range(4)]
    asked = ",".join((made[0], "nobody", made[3], made[0]))
    assert ids(manual, ids=asked) == [made[3], made[0]]
    found = page(manual, ids=", ".join(made), limit=1, offset=1, total=True)
    assert ([job["request_id"] for job in found["jobs"]], found["total"]) == ([made[2]], 4)
    assert ids(manual, ids=",".join(made), cursor=found["next_cursor"]) == made[:2][::-1]
    manual.cancel(manual.submit())
    assert ids(manual, ids=",".join(made), result="cancelled") == []
