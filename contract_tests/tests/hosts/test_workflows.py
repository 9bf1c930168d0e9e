"""Workflows: their steps as events, and their output by any way to call them (wire.md §8)."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from falkit import Settings
from falkit_spec import Catalog
from own_documents import EVIDENCE, answering, data_of, overlay, write
from serving import Mock, Serve, WatchedClock, running

STICKER, PASSED = "workflows/acme/sticker", "workflows/acme/passed"
PAINT, CUT = "acme/paint", "acme/cut/out"
PROMPT = {"type": "string"}
IMAGE = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}
# As fal's editor writes them: an output node has the fields, and input is no node.
NODES: dict[str, Any] = {
    "output": {"type": "display", "depends": ["cut-out"], "fields": {"sticker": "$cut-out.image"}},
    "cut-out": {
        "id": "cut-out",
        "type": "run",
        "depends": ["draw"],
        "app": CUT,
        "input": {"image_url": "$draw.image.url", "size": 3, "mask_url": "$draw.masks.0.url"},
    },
    "draw": {"type": "run", "depends": ["input"], "app": PAINT, "input": {"prompt": "$input.say"}},
}


def _output(field: str) -> dict[str, Any]:
    return {"type": "object", "required": [field], "properties": {field: IMAGE}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workflows of two steps each, and the documents of their steps."""
    place = tmp_path_factory.mktemp("fal")
    write(place / "1.json", data_of(PAINT, {"prompt": {**PROMPT, "maxLength": 20}}, ["prompt"]))
    fields = {"image_url": PROMPT, "size": {"type": "integer"}, "mask_url": PROMPT}
    write(place / "2.json", data_of(CUT, fields, ["image_url"]))
    say = data_of(STICKER, {"say": PROMPT}, ["say"])
    write(place / "3.json", answering(say, _output("sticker")))
    write(place / "4.json", data_of(PASSED, {"prompt": PROMPT}, ["prompt"]))
    write(place / "a.yaml", overlay(STICKER, {"workflow": {"nodes": NODES, **EVIDENCE}}))
    nodes = {"one": {"app": PAINT}, "two": {"app": "acme/llm"}}
    write(place / "b.yaml", overlay(PASSED, {"workflow": {"nodes": nodes, **EVIDENCE}}))
    return place


@pytest.fixture(scope="module")
def mock(folder: Path) -> Generator[Mock]:
    """A mock with these documents."""
    with running(Settings(timing="instant", documents=[folder])) as served:
        yield served


def _events(mock: Mock, id: str, input: object, **headers: str) -> list[dict[str, Any]]:
    url = f"/fal.run/{id}/stream"
    with mock.http.stream("POST", url, json=input, headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line]
    return [json.loads(line) for line in lines]


def test_each_step_is_told_of_and_then_the_output(mock: Mock) -> None:
    events = _events(mock, STICKER, {"say": "A boat"})
    assert [event["type"] for event in events] == [
        "submit",
        "completion",
        "submit",
        "completion",
        "output",
    ]
    first, drawn, second, cut, last = events
    assert first.keys() == second.keys() == {"type", "node_id", "app_id", "request_id"}
    assert [(one["node_id"], one["app_id"]) for one in (first, second)] == [
        ("draw", PAINT),
        ("cut-out", CUT),
    ]
    assert first["request_id"] != second["request_id"]
    assert drawn.keys() == cut.keys() == {"type", "node_id", "output"}
    assert last == {"type": "output", "output": {"sticker": cut["output"]["image"]}}


def test_the_output_is_the_same_by_the_queue_and_directly(mock: Mock) -> None:
    job = mock.submit({"say": "A boat"}, STICKER)
    assert f"/queue.fal.run/{STICKER}/requests/" in job["status_url"]
    assert mock.status(job)["status"] == "COMPLETED"
    result = mock.result(job)
    assert (result.status_code, result.json().keys()) == (200, {"sticker"})
    assert mock.run({"say": "A boat"}, STICKER).json().keys() == {"sticker"}


def test_steps_without_inputs_are_given_what_the_workflow_was(mock: Mock) -> None:
    events = _events(mock, PASSED, {"prompt": "A boat"})
    assert [event.get("node_id") for event in events] == ["one", "one", "two", "two", None]
    # Of a step that has no document the output is a guess.
    assert events[3]["output"].keys() == {"output"}
    assert events[-1]["output"]["image"] == events[1]["output"]["image"]


def test_hints_of_steps_are_the_workflows(mock: Mock) -> None:
    hint = mock.run({"prompt": "A boat"}, PASSED).headers["x-falkit-hint"]
    assert "two: guessed: falkit has no document for 'acme/llm'" in hint
    url = f"/fal.run/{PASSED}/stream"
    with mock.http.stream("POST", url, json={"prompt": "A boat"}) as reply:
        assert reply.headers["x-falkit-hint"] == hint


def test_what_a_step_refuses_ends_the_workflow(mock: Mock) -> None:
    wrong = {"say": "A boat that is longer than it may be"}
    submit, error = _events(mock, STICKER, wrong)
    assert error.keys() == {"type", "node_id", "message", "error"}
    assert (error["type"], error["node_id"]) == ("error", "draw")
    assert submit["request_id"] in error["message"]
    assert error["error"]["status"] == 422
    assert error["error"]["body"]["detail"][0]["type"] == "string_too_long"
    assert mock.run(wrong, STICKER).status_code == 422
    assert mock.result(mock.submit(wrong, STICKER)).status_code == 422


def test_what_the_workflow_itself_refuses_is_no_stream(mock: Mock) -> None:
    reply = mock.http.post(f"/fal.run/{STICKER}/stream", json={})
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/json")


def test_a_fault_is_an_error_of_the_step_at_work(mock: Mock) -> None:
    fault = {"x-falkit-fault": "content_policy_violation"}
    *before, error = _events(mock, STICKER, {"say": "A boat"}, **fault)
    assert [event["type"] for event in before] == ["submit"]
    assert (error["type"], error["node_id"], error["error"]["status"]) == ("error", "draw", 422)


# As fal's guide to custom workflows has it: the nodes alone, the input among them.
DEFINITION: dict[str, Any] = {
    "input": {"id": "input", "type": "input", "depends": [], "input": {"say": "A bridge"}},
    **NODES,
}
EXECUTE = "workflows/execute"


def _executed(input: object, workflow: object = DEFINITION) -> dict[str, Any]:
    return {"input": input, "workflow": workflow}


@pytest.mark.parametrize(
    "workflow", [DEFINITION, {"nodes": NODES, "output": {"sticker": "$cut-out.image"}}]
)
def test_a_workflow_may_be_sent(mock: Mock, workflow: dict[str, Any]) -> None:
    asked = _executed({"say": "A boat"}, workflow)
    events = _events(mock, EXECUTE, asked)
    told = [(event["type"], event.get("node_id")) for event in events]
    assert told == [
        *((kind, node) for node in ("draw", "cut-out") for kind in ("submit", "completion")),
        ("output", None),
    ]
    assert events[-1]["output"] == {"sticker": events[3]["output"]["image"]}
    assert mock.http.get(events[-1]["output"]["sticker"]["url"]).status_code == 200
    assert mock.run(asked, EXECUTE).json().keys() == {"sticker"}
    job = mock.submit(asked, EXECUTE)
    assert f"/queue.fal.run/{EXECUTE}/requests/" in job["status_url"]
    assert mock.result(job).json().keys() == {"sticker"}


def test_a_workflow_that_is_sent_has_its_own_usual_input(mock: Mock) -> None:
    submit, *_ = _events(mock, EXECUTE, _executed({}))
    assert submit["type"] == "submit"
    wrong = {"say": "A boat that is longer than it may be"}
    *_, error = _events(mock, EXECUTE, _executed(wrong))
    assert (error["type"], error["error"]["status"]) == ("error", 422)


@pytest.mark.parametrize(
    ("body", "loc", "says"),
    [
        ({}, ["body", "input"], "Field required"),
        (_executed({}, []), ["body", "workflow"], "valid dictionary"),
        (_executed({}, {}), ["body", "workflow"], "an object of 1 to 100"),
        (
            _executed(
                {}, {"a": {"app": PAINT, "depends": ["b"]}, "b": {"app": PAINT, "depends": ["a"]}}
            ),
            ["body", "workflow"],
            "wait for one another",
        ),
        (
            _executed({}, {str(number): {"app": PAINT} for number in range(101)}),
            ["body", "workflow"],
            "an object of 1 to 100",
        ),
        (
            _executed({}, {"a": {"app": PAINT, "input": {"x": ["$input.say"] * 1001}}}),
            ["body", "workflow"],
            "1001 references",
        ),
        (
            _executed(
                {"say": "x" * 1_000_000}, {"a": {"app": PAINT, "input": {"x": ["$input"] * 99}}}
            ),
            ["body", "workflow"],
            "more than falkit follows",
        ),
    ],
)
def test_a_workflow_that_is_sent_and_cannot_be_is_refused(
    mock: Mock, body: dict[str, Any], loc: list[str], says: str
) -> None:
    for reply in (
        mock.run(body, EXECUTE),
        mock.http.post(f"/fal.run/{EXECUTE}/stream", json=body),
        mock.result(mock.submit(body, EXECUTE)),
    ):
        assert reply.status_code == 422
        found = reply.json()["detail"][0]
        assert found["loc"] == loc
        assert says in found["msg"]


def test_outputs_of_steps_are_bounded(mock: Mock) -> None:
    # Each has the whole picture in it.
    app, drawn = "fal-ai/flux/dev", {"prompt": "A boat", "sync_mode": True, "num_images": 4}
    size = {"width": 4096, "height": 4096}
    first = {"app": app, "input": {**drawn, "image_size": size}}
    many = {"app": PAINT, "input": {"prompt": "A boat", "more": ["$a.images"] * 900}}
    *_, error = _events(mock, EXECUTE, _executed({}, {"a": first, "b": many}))
    assert (error["type"], error["node_id"]) == ("error", "a")
    assert "64 MiB" in error["error"]["body"]["detail"][0]["msg"]


def test_a_definition_is_sent_by_post_alone(mock: Mock) -> None:
    assert mock.http.get(f"/fal.run/{EXECUTE}").status_code == 405
    assert mock.http.get("/fal.run/workflows/nobody").status_code == 404


def test_steps_take_their_share_of_the_time(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed("0,50", documents=[folder])
    url = f"/fal.run/{STICKER}/stream"
    with mock.http.stream("POST", url, json={"say": "A boat"}) as reply:
        lines = (line for line in reply.iter_lines() if line)
        for kind in ("submit", "completion", "submit", "completion", "output"):
            clock.until_waited_for()
            mock.advance(10)
            assert json.loads(next(lines).removeprefix("data: "))["type"] == kind


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"nodes": {}}, "an object of 1 to 100"),
        ({"nodes": {"a": {"app": "no id"}}}, "'no id' is no endpoint's id"),
        ({"nodes": {"a": {}}}, "a node is an object with `app`"),
        ({"nodes": {"a": 1}}, "a node is an object with `app`"),
        ({"nodes": {"a": {"app": PAINT, "depends": ["b"]}}}, "there is no node 'b'"),
        ({"nodes": {"a": {"app": PAINT, "input": {"x": "$b.c"}}}}, "there is no node 'b'"),
        ({"nodes": {"a": {"app": PAINT, "depends": ["a"]}}}, "wait for one another: a -> a"),
        ({"nodes": {"input": {"type": "input"}}}, "so nothing would be made"),
        ({"nodes": {"a": {"app": PAINT}}, "output": 1}, "`output` is an object"),
    ],
)
def test_a_workflow_that_cannot_be_is_named_and_left_out(
    tmp_path: Path, facts: dict[str, Any], says: str
) -> None:
    write(tmp_path / "odd.json", data_of(STICKER))
    write(tmp_path / "odd.yaml", overlay(STICKER, {"workflow": {**facts, **EVIDENCE}}))
    catalog = Catalog.read([tmp_path])
    (note,) = [note for note in catalog.notes if "workflow" in note]
    assert says in note
    assert catalog.endpoints[STICKER].workflow is None
