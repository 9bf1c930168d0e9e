"""`falkit check` judges recorded calls, in whichever form they were recorded."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings, strategies as st

from falkit_contract.strategies import inputs
from falkit_mock.cli import falkit
from falkit_spec import Catalog
from falkit_spec.cli.check import judge
from falkit_spec.drift import recordings
from falkit_spec.drift.recordings import Call, Recordings, read_recordings
from serving import Mock

PRO = "fal-ai/ltx-2/image-to-video"
GOOD = {"prompt": "a", "image_url": "https://example.com/a.png"}
WRONG = {**GOOD, "duration": 7}
OUTPUT = {"video": {"url": "https://example.com/a.mp4"}}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FALKIT_DOCUMENTS", raising=False)


def check(recorded: Any, *words: str, name: str = "calls.json") -> Result:
    text = recorded if isinstance(recorded, str) else json.dumps(recorded)
    Path(name).write_text(text)
    result = CliRunner().invoke(falkit, ["check", name, *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ({"endpoint_id": PRO, "input": GOOD, "output": OUTPUT}, []),
        ([{"endpoint": PRO, "input": GOOD}], []),
        (GOOD, ["--endpoint", PRO]),
        ([{"input": GOOD, "output": OUTPUT}], ["--endpoint", PRO]),
        (OUTPUT, ["--endpoint", PRO, "--outputs"]),
        # Pydantic takes it, and so does fal.
        ({"endpoint_id": PRO, "input": {**GOOD, "generate_audio": "true"}}, []),
        # A client's cache entry.
        ({"version": 1, "endpoint": PRO, "output": OUTPUT, "files": []}, []),
    ],
)
def test_what_is_right_in_any_form_exits_with_0(recorded: Any, words: list[str]) -> None:
    result = check(recorded, *words)
    assert result.output == "1 call judged, 0 of them wrong\n"
    assert result.exit_code == 0


def test_what_is_wrong_is_named_by_file_place_endpoint_and_field() -> None:
    lines = [
        {"endpoint_id": PRO, "input": GOOD},
        {"endpoint_id": PRO, "input": WRONG, "output": {}},
    ]
    result = check("\n".join(map(json.dumps, lines)), name="calls.jsonl")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"calls.jsonl: line 2: {PRO}: input duration: Input should be 6, 8 or 10 (literal_error)",
        f"calls.jsonl: line 2: {PRO}: output as a whole: 'video' is a required property",
        "2 calls judged, 1 of them wrong",
    ]
    told = json.loads(check(lines, "--format", "json").output)
    assert [(one["part"], one["field"], one["type"]) for one in told["wrong"]] == [
        ("input", "duration", "literal_error"),
        ("output", "", ""),
    ]


def test_what_was_right_at_a_date_may_be_wrong_today() -> None:
    older, newer = Path("docs/2026-01"), Path("docs/2026-05")
    for folder, values in ((older, ["a", "b"]), (newer, ["a"])):
        folder.mkdir(parents=True)
        schema = {"type": "object", "properties": {"x": {"enum": values}}}
        body = {"content": {"application/json": {"schema": schema}}}
        paths = {"/acme/x": {"post": {"requestBody": body}}}
        (folder / "x.json").write_text(json.dumps({"paths": paths}))
    recorded = {"endpoint_id": "acme/x", "input": {"x": "b"}}
    assert check(recorded, "--documents", "docs").exit_code == 1
    for date in ("2026-01", "2026-03-04"):
        assert check(recorded, "--documents", "docs", "--as-of", date).exit_code == 0
    assert "as-of: 'March' is" in check(recorded, "--as-of", "March").output


@pytest.mark.parametrize(
    "recorded",
    [
        {"endpoint_id": "acme/unknown", "input": {}},
        {"endpoint_id": PRO},
        {"input": {}},
        [],
        [1],
        "{",
        "",
        '{"a": 1}\n{',
        "[" * 5000,
        {"log": {"entries": []}},
    ],
)
def test_what_cannot_be_judged_is_never_clean(recorded: Any) -> None:
    result = check(recorded)
    assert result.exit_code == 3, result.output
    assert "calls.json" in result.output


def test_what_is_printed_is_text() -> None:
    result = check({"endpoint_id": "acme/\x1b[31mred\n", "input": {}})
    assert "\x1b" not in result.output
    assert len(result.output.splitlines()) == 2


def test_files_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "MOST_BYTES", 100)
    Path("large.json").write_text(" " * 200)
    found = read_recordings([Path("large.json"), Path("gone.json"), Path()])
    assert found.calls == []
    for why in ("more than 100 bytes", "cannot be read", "is a folder"):
        assert any(why in problem for problem in found.problems)


def exchange(method: str, url: str, body: Any, reply: Any, status: int = 200) -> dict[str, Any]:
    content = base64.b64encode(json.dumps(reply).encode()).decode()
    request: dict[str, Any] = {"method": method, "url": url, "headers": []}
    if body is not None:
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(body)}
    response = {"status": status, "content": {"encoding": "base64", "text": content}}
    return {"request": request, "response": response}


def test_the_calls_in_a_har_file_are_followed_from_submit_to_result() -> None:
    queue = "https://queue.fal.run"
    proxied = exchange("POST", "http://localhost:3000/api/fal/proxy", WRONG, OUTPUT)
    proxied["request"]["headers"] = [
        {"name": "X-Fal-Target-Url", "value": f"https://fal.run/{PRO}?a=b"}
    ]
    entries = [
        exchange("POST", f"{queue}/{PRO}", GOOD, {"request_id": "r1"}),
        exchange("GET", f"{queue}/fal-ai/ltx-2/requests/r1/status?logs=1", None, {"logs": None}),
        exchange("GET", f"{queue}/fal-ai/ltx-2/requests/r1", None, {"video": 5}),
        exchange("POST", f"http://127.0.0.1:4325/fal.run/{PRO}", WRONG, {"detail": []}, 422),
        proxied,
        exchange("GET", "https://example.com/", None, {}),
    ]
    found = read_recordings([har(entries)])
    assert found.problems == []
    findings, judged, refused = judge(Catalog.vendored(), found)
    assert (judged, refused) == (2, 1)
    assert [(one.where, one.part, one.field) for one in findings] == [
        ("a.har: entries[0]", "output", "video"),
        ("a.har: entries[4]", "input", "duration"),
    ]


def har(entries: Any) -> Path:
    path = Path("a.har")
    path.write_text(json.dumps({"log": {"entries": entries}}))
    return path


def test_a_result_without_its_start_is_named() -> None:
    url = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"
    found = read_recordings([har([exchange("GET", url, None, OUTPUT)])])
    assert found.calls == []
    assert "whose start isn't in the file" in found.problems[0]


def test_the_jobs_that_falkit_prints_are_read(mock: Mock) -> None:
    reply = mock.http.post(f"/fal.run/{PRO}", json=GOOD, headers={"authorization": "Key falkit"})
    listed = mock.http.get("/__falkit/jobs").json()
    shown = [
        mock.http.get(f"/__falkit/jobs/{each['request_id']}").json() for each in listed["jobs"]
    ]
    mine = [one for one in shown if one["request_id"] == reply.headers["x-fal-request-id"]]
    assert check(mine).exit_code == 0
    lines = [one for one in listed["jobs"] if one["request_id"] == mine[0]["request_id"]]
    assert "has neither input nor output" in check({"jobs": lines}).output


@settings(max_examples=20)
@given(input=inputs(PRO))
def test_legal_inputs_are_judged_legal(input: Any) -> None:
    call = Call("x", PRO, input=input, has_input=True)
    assert judge(Catalog.vendored(), Recordings([call])) == ([], 1, 0)


JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just(PRO),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["endpoint_id", "input", "output", "outcome", "status_code", "body", "jobs"]
            ),
            inner,
            max_size=4,
        )
    ),
)
URLS = [f"https://queue.fal.run/{PRO}", "https://queue.fal.run/a/b/requests/r", "["]
Values: TypeAlias = st.SearchStrategy[Any]


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """Give entries of a HAR file, some of them damaged."""
    posted: Values = st.fixed_dictionaries({"text": JSONS | st.just("{}")}) | JSONS
    request: dict[str, Values] = {
        "method": st.sampled_from(["POST", "GET", 5]),
        "url": st.sampled_from(URLS),
        "headers": JSONS,
        "postData": posted,
    }
    response: dict[str, Values] = {
        "status": st.sampled_from([200, 422, None]),
        "content": st.just({"text": '{"request_id": "r"}'}) | JSONS,
    }
    parts = {"request": request, "response": response}
    entry: dict[str, Any] = {
        part: {name: draw(values) for name, values in fields.items() if draw(st.booleans())}
        for part, fields in parts.items()
    }
    return {**entry, draw(st.sampled_from(["x", "x", "x", "request", "response"])): draw(JSONS)}


def har_of(found: list[Any]) -> dict[str, Any]:
    return {"log": {"entries": found}}


@given(recorded=JSONS | st.lists(entries() | JSONS, max_size=4).map(har_of))
def test_no_recording_breaks_it(recorded: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(recorded))
    found = read_recordings([path])
    findings, judged, refused = judge(Catalog.vendored(), found)
    assert judged + refused <= len(found.calls)
    assert findings or found.problems or judged or refused
