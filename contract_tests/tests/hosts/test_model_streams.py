"""Streams of a model: partial events, and a last one that is the output (wire.md §8)."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from falkit import Settings
from falkit_spec import Catalog
from falkit_spec.protocol import Protocol
from own_documents import EVIDENCE, answering, data_of, overlay, write
from serving import PATIENCE, Mock, Serve, WatchedClock, running

CHAT, PAINT, SAY, PLAIN = "acme/chat", "acme/paint/stream", "acme/say", "acme/plain"
COMPLETIONS = "openrouter/router/openai/v1/chat/completions"
# As the protocol's document has any stream.
OPERATION = Protocol.vendored().operations(Catalog.vendored().get("fal-ai/flux/dev"))["stream"]
TEXT = "Rain falls on the lighthouse, and the keeper sleeps."
ASKED = {"prompt": "A lighthouse", "duration": 6}
CONTENT = {"prompt": "falkit:content_policy_violation"}


def _text(**more: Any) -> dict[str, Any]:
    output = {"type": "string", "examples": [TEXT]}
    return {"type": "object", "required": ["output"], "properties": {"output": output, **more}}


def _file(name: str, kind: str) -> dict[str, Any]:
    url = {"type": "string", "examples": [f"https://v3.fal.media/files/x.{kind.partition('/')[2]}"]}
    typed = {"type": "string", "examples": [kind]}
    file = {
        "type": "object",
        "required": ["url"],
        "properties": {"url": url, "content_type": typed},
    }
    many = {"type": "array", "items": file, "minItems": 1} if name.endswith("s") else file
    return {"type": "object", "required": [name], "properties": {name: many}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of models that stream, and of one that doesn't."""
    place = tmp_path_factory.mktemp("fal")
    optional = {"partial": {"type": "boolean", "default": False}, "usage": {"type": "object"}}
    outputs = {
        CHAT: _text(**optional),
        PAINT: _file("images", "image/png"),
        SAY: _file("audio", "audio/mpeg"),
        PLAIN: _text(),
    }
    for number, (id, output) in enumerate(outputs.items()):
        write(place / f"{number}.json", answering(data_of(id), output))
    stream = {"stream": EVIDENCE}
    write(place / "chat.yaml", overlay(CHAT, stream))
    write(place / "say.yaml", overlay(SAY, {"stream": {"events": 2, **EVIDENCE}}))
    return place


@pytest.fixture(scope="module")
def served(folder: Path) -> Generator[Mock]:
    """The mock of `mock`."""
    with running(Settings(timing="instant", documents=[folder])) as served:
        yield served


@pytest.fixture
def mock(served: Mock) -> Mock:
    """A reset mock with these documents."""
    assert served.http.post("/__falkit/reset").status_code == 200
    return served


@contextmanager
def _streamed(
    mock: Mock, path: str, input: object = ASKED, **headers: str
) -> Generator[Iterator[str]]:
    """Yield the lines of a stream as they come, without the empty ones."""
    url = f"/fal.run/{path}"
    with mock.http.stream("POST", url, json=input, headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        assert OPERATION.faults(200, reply.headers, b"") == []
        yield (line for line in reply.iter_lines() if line)


def _event(line: str) -> dict[str, Any]:
    assert line.startswith("data: "), line
    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
    assert OPERATION.event_faults(event) == []
    return event


def _events(mock: Mock, path: str, input: object = ASKED, **headers: str) -> list[dict[str, Any]]:
    with _streamed(mock, path, input, **headers) as lines:
        return [_event(line) for line in lines]


def test_a_text_grows_word_by_word(mock: Mock) -> None:
    *before, last = _events(mock, f"{CHAT}/stream")
    assert last["output"] == mock.run(ASKED, CHAT).json()["output"]
    assert last["partial"] is False
    texts = [event["output"] for event in before]
    assert len(texts) == len(last["output"].split())
    assert all(later.startswith(text) for text, later in itertools.pairwise(texts))
    assert texts[-1] == last["output"]
    assert all(event == {"output": event["output"], "partial": True} for event in before)


def test_each_event_may_bring_only_what_is_new(serve: Serve, folder: Path, tmp_path: Path) -> None:
    new = {"stream": {"text": "new", "events": 3, **EVIDENCE}}
    write(tmp_path / "new.yaml", overlay(CHAT, new))
    mock = serve(documents=[folder, tmp_path])
    *before, last = _events(mock, f"{CHAT}/stream")
    assert len(before) == 3
    assert "".join(event["output"] for event in before) == last["output"]


def test_pictures_come_as_previews(mock: Mock) -> None:
    *before, last = _events(mock, PAINT)
    widths: list[int] = []
    for event in before:
        (image,) = event["images"]
        assert image["content_type"] == "image/jpeg"
        data = base64.b64decode(image["url"].removeprefix("data:image/jpeg;base64,"))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.format == "JPEG"
            widths.append(picture.width)
    assert widths == [85, 170, 256]
    assert last["images"][0]["url"].startswith("http")


def test_other_files_come_last(mock: Mock) -> None:
    *before, last = _events(mock, f"{SAY}/stream")
    assert [event["progress"] for event in before] == [0.33, 0.67]
    assert last.keys() == {"audio"}


def test_a_models_own_stream_is_no_other_models(mock: Mock) -> None:
    for path in (f"{PLAIN}/stream", f"{PAINT}/stream"):
        reply = mock.http.post(f"/fal.run/{path}", json=ASKED)
        inside = path.split("/", 2)[2]
        assert (reply.status_code, reply.json()) == (404, {"detail": f"Path /{inside} not found"})


def test_the_queue_takes_it_too_and_its_result_is_the_output(mock: Mock) -> None:
    for path in (f"{CHAT}/stream", PAINT):
        job = mock.submit(ASKED, path)
        result = mock.result(job)
        assert (result.status_code, result.headers["content-type"]) == (200, "application/json")
    assert [job["endpoint_id"] for job in mock.jobs()] == [PAINT, CHAT]


def test_what_is_refused_is_no_stream(mock: Mock) -> None:
    reply = mock.http.post(f"/fal.run/{CHAT}/stream", json={"prompt": 7})
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/json")
    assert reply.json()["detail"][0]["loc"] == ["body", "prompt"]
    reply = mock.http.get(f"/fal.run/{CHAT}/stream")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


def test_events_come_over_the_time_that_the_job_runs(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed("0,40", documents=[folder])
    with _streamed(mock, PAINT) as lines:
        for _ in range(3):
            clock.until_waited_for()
            mock.advance(10)
            assert _event(next(lines))["images"][0]["url"].startswith("data:")
        clock.until_waited_for()
        mock.advance(10)
        assert _event(next(lines))["images"][0]["url"].startswith("http")
        assert next(lines, "the end") == "the end"


def test_a_comment_comes_after_15_silent_seconds(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed("0,100", documents=[folder])
    with _streamed(mock, PAINT) as lines:
        for seconds in (14.9, 0.1, 10):
            clock.until_waited_for()
            mock.advance(seconds)
        assert next(lines) == ": keep-alive"
        assert "images" in _event(next(lines))


@pytest.mark.parametrize("path", [f"{CHAT}/stream", PAINT])
def test_a_failure_on_the_way_is_the_last_event(mock: Mock, path: str) -> None:
    *before, last = _events(mock, path, **{"x-falkit-fault": "content_policy_violation"})
    assert before
    assert last["detail"][0]["type"] == "content_policy_violation"
    (job,) = mock.jobs()
    assert mock.job(job)["outcome"]["status_code"] == 422


def test_a_failure_may_come_in_the_place_of_the_stream(serve: Serve, folder: Path) -> None:
    mock = serve(documents=[folder], assumptions=["stream-error=reply"])
    fault = {"x-falkit-fault": "content_policy_violation"}
    reply = mock.http.post(f"/fal.run/{CHAT}/stream", json=ASKED, headers=fault)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/json")


@pytest.mark.parametrize(
    ("fault", "status"), [("bad_key on=run", 401), ("account_locked", 403), ("ingress_error", 503)]
)
def test_faults_of_a_call_apply(mock: Mock, fault: str, status: int) -> None:
    headers = {"x-falkit-fault": fault}
    reply = mock.http.post(f"/fal.run/{CHAT}/stream", json=ASKED, headers=headers)
    assert reply.status_code == status


def test_a_cut_connection_leaves_a_whole_event_and_a_part(mock: Mock) -> None:
    seen: list[str] = []
    fault = {"x-falkit-fault": "half_reply"}
    url = f"/fal.run/{CHAT}/stream"
    with (
        pytest.raises(Exception, match=r"incomplete|closed"),
        mock.http.stream("POST", url, json=ASKED, headers=fault) as reply,
    ):
        seen.extend(reply.iter_text())
    text = "".join(seen)
    whole, _, part = text.partition("\n\n")
    assert _event(whole)["partial"]
    assert part.startswith("data: ")
    assert not part.endswith("\n\n")


def test_a_caller_who_hangs_up_ends_the_job(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed("0,100", documents=[folder])
    with _streamed(mock, PAINT):
        clock.until_waited_for()
    with mock.http.stream("GET", "/__falkit/events?kind=job_changed&since=0") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        changes = (json.loads(line.removeprefix("data: ")) for line in lines)
        ended = next(change for change in changes if change["change"] == "ended")
    assert ended["error"]["error_type"] == "client_disconnected"


def test_a_stream_ends_with_the_mock(timed: Serve, folder: Path, clock: WatchedClock) -> None:
    mock = timed("held", documents=[folder])
    with _streamed(mock, PAINT) as lines:
        clock.until_waited_for()
        mock.stop()
        assert next(lines, "the end") == "the end"


def test_a_held_stream_ends_as_a_test_has_it(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed("0,100", documents=[folder])
    with _streamed(mock, f"{CHAT}/stream") as lines:
        clock.until_waited_for()
        (job,) = mock.jobs()
        url = f"/__falkit/jobs/{job['request_id']}/fail"
        assert mock.http.post(url, json={"fault": "internal_server_error"}).status_code == 200
        events = [_event(line) for line in lines]
    assert events[-1]["detail"][0]["type"] == "internal_server_error"


def test_a_chat_is_streamed_as_openai_does(mock: Mock) -> None:
    asked = {"model": "some/model", "messages": [{"role": "user", "content": "Hi"}]}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with _streamed(mock, COMPLETIONS, {**asked, **options}) as lines:
        *before, done = lines
    assert done == "data: [DONE]"
    first, *said, stop, usage = map(_event, before)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    whole = mock.run(asked, COMPLETIONS).json()
    words = "".join(one["choices"][0]["delta"]["content"] for one in said)
    assert len(words.split()) == len(said)
    assert stop["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"].keys() == whole["usage"].keys()
    assert {one["object"] for one in (first, *said, stop, usage)} == {"chat.completion.chunk"}


def test_a_stream_by_ws_fal_run(mock: Mock) -> None:
    from websockets.sync.client import connect

    url = f"{mock.url.replace('http', 'ws')}/ws.fal.run/{CHAT}/stream"
    key = {"authorization": "Key id:secret"}
    with connect(url, additional_headers=key, proxy=None) as socket:
        socket.send(json.dumps(ASKED))
        start, pieces = json.loads(socket.recv(PATIENCE)), list[bytes]()
        while isinstance(piece := socket.recv(PATIENCE), bytes):
            pieces.append(piece)
        assert json.loads(piece)["type"] == "end"
    assert start["headers"]["Content-Type"].startswith("text/event-stream")
    events = b"".join(pieces).decode().split("\n\n")
    assert json.loads(events[-2].removeprefix("data: "))["partial"] is False


@pytest.mark.parametrize(
    "facts",
    [{"text": "all"}, {"events": -1}, {"events": 1.5}, {"certainty": "sure"}],
)
def test_a_fact_that_cannot_be_is_named_and_left_out(
    folder: Path, tmp_path: Path, facts: dict[str, Any]
) -> None:

    write(tmp_path / "odd.yaml", overlay(PLAIN, {"stream": {**EVIDENCE, **facts}}))
    catalog = Catalog.read([folder, tmp_path])
    assert [note for note in catalog.notes if f"{PLAIN}: stream: " in note]
    assert catalog.endpoints[PLAIN].stream is None


def test_events_of_vendored_models_meet_the_schema_of_the_output(mock: Mock) -> None:
    for endpoint in Catalog.vendored():
        if endpoint.stream is None:
            continue
        path = f"{endpoint.id.removesuffix('/stream')}/stream"
        for event in _events(mock, path, endpoint.example_input()):
            assert endpoint.validate_output(event) == [], path


@pytest.mark.parametrize(("allowed", "status"), [(f"{CHAT}/stream", 200), (f"{CHAT}/other", 401)])
def test_a_browsers_token_opens_a_stream(mock: Mock, allowed: str, status: int) -> None:
    body = {"allowed_apps": [allowed]}
    token = mock.http.post("/rest.fal.ai/tokens/realtime", json=body).json()["token"]
    url = f"{mock.url}/fal.run/{CHAT}/stream?fal_jwt_token={token}"
    assert httpx.post(url, json=ASKED, trust_env=False).status_code == status
