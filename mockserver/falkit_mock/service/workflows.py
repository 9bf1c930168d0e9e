"""Workflows: the steps one after the other, what each is given, and what comes out (wire.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import orjson

from falkit_mock.core import HINT, NotJson, dumps, header_text, parse_body
from falkit_mock.core.fal_errors import error_text, refusal
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ModelRequest, Outcome, ParsedRequest, Refused, as_input
from falkit_mock.service.guesses import hint_of, is_guess, written
from falkit_mock.service.lengths import measured
from falkit_mock.service.successes import complete, fill, success
from falkit_mock.settings import Settings
from falkit_mock.store import FileRecord
from falkit_spec import JSON, BadOverlay, Endpoint
from falkit_spec.schema import ordered
from falkit_spec.streams import EXECUTE, Node, Workflow, fill_in
from falkit_spec.types import Object, is_object

_MOST_REFERENCES = 1000
_MOST_BYTES = 64 * 1024 * 1024

Read: TypeAlias = Callable[[ModelRequest, Settings], "ParsedRequest | Refused"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a workflow: what its stream tells, in order, and what it comes to."""

    # Two of each step, but for the last event and for a step that fails.
    events: tuple[Object, ...]
    outcome: Outcome
    files: tuple[FileRecord, ...]


class Workflows:
    """Runs workflows; the same run twice is alike."""

    def __init__(self, settings: Settings, identity: Identity, read: Read) -> None:
        self._settings = settings
        self._identity = identity
        self._read = read

    def run(self, request_id: str, parsed: ParsedRequest, request: ModelRequest) -> Run:
        """Run a workflow's steps; their files are those of its job. It may take seconds."""
        workflow = request.workflow
        assert workflow is not None
        events: list[Object] = []
        files: list[FileRecord] = []
        hints: list[str] = []
        known: dict[str, JSON] = {"input": _input(parsed)}
        size = 0
        for number, node in enumerate(workflow.nodes, 1):
            endpoint = request.nodes[node.id]
            id = self._identity.node_id(request_id, number)
            submitted: Object = {"node_id": node.id, "app_id": endpoint.id, "request_id": id}
            events.append({"type": "submit", **submitted})
            call = _call(node, endpoint, known, request)
            checked = self._read(call, self._settings)
            if isinstance(checked, Refused):
                events.append(failed(node.id, id, checked.outcome))
                return Run(tuple(events), checked.outcome, tuple(files))
            outcome, made = self._success(id, measured(checked, {}), call)
            # Each reference may have it written once more.
            size = max(size + len(outcome.body), workflow.references * len(outcome.body))
            if size > _MOST_BYTES:
                message = f"the outputs of its steps take more than {_MOST_BYTES >> 20} MiB"
                outcome = refused(message, None, self._settings)
                events.append(failed(node.id, id, outcome))
                return Run(tuple(events), outcome, tuple(files))
            if HINT in outcome.headers:
                hints.append(f"{node.id}: {outcome.headers[HINT]}")
            files += (replace(record, request_id=request_id) for record in made)
            output = orjson.loads(outcome.body)
            events.append({"type": "completion", "node_id": node.id, "output": output})
            known[node.id] = output
        own, made = self._success(request_id, parsed, request)
        files += made
        output = _output(workflow, parsed.endpoint, orjson.loads(own.body), known)
        events.append({"type": "output", "output": output})
        headers = {**own.headers}
        if hint := "; ".join([*filter(None, [headers.get(HINT)]), *hints]):
            headers[HINT] = header_text(hint)
        return Run(tuple(events), replace(own, body=dumps(output), headers=headers), tuple(files))

    def would_be(self, request_id: str, parsed: ParsedRequest, request: ModelRequest) -> Outcome:
        """Return what a call would have come to that fails on its way; no file of it is kept."""
        return self._success(request_id, measured(parsed, {}), request)[0]

    def _success(
        self, request_id: str, parsed: ParsedRequest, request: ModelRequest
    ) -> tuple[Outcome, list[FileRecord]]:
        made = complete(parsed, request, request_id, self._identity, self._settings)
        fill(made)
        return success(made, parsed, request)


def executed(
    body: JSON | NotJson, size: int, settings: Settings
) -> tuple[Workflow | None, Refused | None]:
    """Return the workflow that a request to EXECUTE sends, or why there is none.

    Neither where the body has no definition, which its schema tells.
    """
    definition = as_input(body).get("workflow")
    if not is_object(definition):
        return None, None
    # As fal's editor exports it, or its nodes alone, as its guide has it.
    nodes = definition.get("nodes")
    whole = definition if is_object(nodes) and "app" not in nodes else {"nodes": definition}
    evidence: Object = {"certainty": "confirmed", "source": "the request"}
    try:
        workflow = Workflow.from_facts({**whole, **evidence}, "workflow")
    except BadOverlay as error:
        return None, Refused(refused(str(error), definition, settings))
    count = workflow.references
    if count > _MOST_REFERENCES or count * size > _MOST_BYTES:
        message = f"{count} references in {size} bytes are more than falkit follows"
        return None, Refused(refused(message, None, settings))
    return workflow, None


def refused(message: str, definition: JSON, settings: Settings) -> Outcome:
    """Return the answer to a definition that can't be run."""
    item: Object = {
        "type": "value_error",
        "loc": ["body", "workflow"],
        "msg": f"Value error, {message}",
        "input": definition,
        "ctx": {"error": {}},
    }
    return refusal([item], error=error_text(422, settings.assumptions))


@cache
def execution() -> Endpoint:
    """Return the endpoint that runs a workflow which is sent to it."""
    anything: Object = {"type": "object"}
    input: Object = {
        "title": "Input",
        **anything,
        "required": ["input", "workflow"],
        "properties": {"input": anything, "workflow": anything},
    }
    output: Object = {**anything, "additionalProperties": True}
    return written(EXECUTE, input, output, source="falkit")


def _input(parsed: ParsedRequest) -> Object:
    """Return the input that a workflow's steps refer to."""
    if parsed.endpoint.id != EXECUTE:
        return parsed.input
    given, definition = parsed.input["input"], parsed.input["workflow"]
    node = definition.get("input") if is_object(definition) else None
    usual = node.get("input") if is_object(node) else None
    return {**(usual if is_object(usual) else {}), **(given if is_object(given) else {})}


def failed(node_id: str, request_id: str, outcome: Outcome) -> Object:
    """Return the event of a step that failed."""
    body = parse_body(outcome.body)
    told: JSON = outcome.body.decode("utf-8", "replace") if isinstance(body, NotJson) else body
    status: Object = {"status": outcome.status_code, "body": told}
    message = f"Error while fetching the result of the request {request_id}"
    return {"type": "error", "node_id": node_id, "message": message, "error": status}


def _call(
    node: Node, endpoint: Endpoint, known: Mapping[str, JSON], request: ModelRequest
) -> ModelRequest:
    """Return what a step sends to its endpoint."""
    if node.input is None:
        given, fields = known["input"], ordered(endpoint.input_schema)
        assert is_object(given)
        passed = {name: value for name, value in given.items() if name in fields}
        filled: Object = {**endpoint.example_input(), **passed}
    else:
        # What a reference doesn't find is left out, as an optional input would be.
        found = {name: fill_in(value, known) for name, value in node.input.items()}
        filled = {name: value for name, value in found.items() if value is not None}
    return ModelRequest(
        path=endpoint.id,
        app=endpoint.app,
        endpoint=endpoint,
        body=dumps(filled),
        parsed_body=filled,
        content_type="application/json",
        media_base=request.media_base,
        hint=hint_of(endpoint) if is_guess(endpoint) else None,
        options=request.options,
    )


def _output(
    workflow: Workflow, endpoint: Endpoint, own: Object, known: Mapping[str, JSON]
) -> Object:
    """Return what comes out: the fields that the overlay names, or those that the steps have."""
    if workflow.output is not None:
        filled = fill_in(workflow.output, known)
        assert is_object(filled)
        return {**own, **filled}
    steps = [known[node.id] for node in reversed(workflow.nodes)]
    found: Object = {}
    for name in ordered(endpoint.output_schema):
        for step in steps:
            if is_object(step) and name in step:
                found[name] = step[name]
                break
    if not found and [*own] == ["output"] and is_object(own["output"]):
        # All that the document says is that there is an object.
        found["output"] = steps[0]
    merged = {**own, **found}
    return own if endpoint.validate_output(merged) else merged
