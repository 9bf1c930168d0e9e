"""Workflows: the steps one after the other, what each is given, and what comes out (wire.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import orjson

from falkit_mock.core import NotJson, dumps, parse_body
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ModelRequest, Outcome, ParsedRequest, Refused
from falkit_mock.service.lengths import measured
from falkit_mock.service.successes import complete, fill, success
from falkit_mock.settings import Settings
from falkit_mock.store import Store
from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered
from falkit_spec.streams import Node, Workflow, fill_in
from falkit_spec.types import Object, is_object

Read: TypeAlias = Callable[[ModelRequest, Settings], "ParsedRequest | Refused"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a workflow: what its stream tells, in order, and what it comes to."""

    # Two of each step, but for the last event and for a step that fails.
    events: tuple[Object, ...]
    outcome: Outcome


class Workflows:
    """Runs workflows; the same run twice is alike."""

    def __init__(self, settings: Settings, store: Store, identity: Identity, read: Read) -> None:
        self._settings = settings
        self._store = store
        self._identity = identity
        self._read = read

    def run(self, request_id: str, parsed: ParsedRequest, request: ModelRequest) -> Run:
        """Run a workflow's steps, and keep their files with those of its job."""
        workflow = parsed.endpoint.workflow
        assert workflow is not None
        events: list[Object] = []
        known: dict[str, JSON] = {"input": parsed.input}
        for number, node in enumerate(workflow.nodes, 1):
            endpoint = request.nodes[node.id]
            id = self._identity.node_id(request_id, number)
            submitted: Object = {"node_id": node.id, "app_id": endpoint.id, "request_id": id}
            events.append({"type": "submit", **submitted})
            call = _call(node, endpoint, known, request)
            checked = self._read(call, self._settings)
            if isinstance(checked, Refused):
                events.append(failed(node.id, id, checked.outcome))
                return Run(tuple(events), checked.outcome)
            outcome = self._success(id, measured(checked, {}), call, request_id)
            output = orjson.loads(outcome.body)
            events.append({"type": "completion", "node_id": node.id, "output": output})
            known[node.id] = output
        own = self._success(request_id, parsed, request, request_id)
        output = _output(workflow, parsed.endpoint, orjson.loads(own.body), known)
        events.append({"type": "output", "output": output})
        return Run(tuple(events), replace(own, body=dumps(output)))

    def would_be(self, request_id: str, parsed: ParsedRequest, request: ModelRequest) -> Outcome:
        """Return what a call would have come to that fails on its way; no file of it is kept."""
        return self._success(request_id, measured(parsed, {}), request, None)

    def _success(
        self, request_id: str, parsed: ParsedRequest, request: ModelRequest, owner: str | None
    ) -> Outcome:
        made = complete(parsed, request, request_id, self._identity, self._settings)
        fill(made)
        outcome, records = success(made, parsed, request)
        if owner is not None:
            for record in records:
                self._store.add_file(replace(record, request_id=owner))
        return outcome


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
