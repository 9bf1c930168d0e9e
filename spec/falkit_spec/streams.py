"""What overlays say of other ways to call an endpoint: a stream, a socket, the steps of a workflow.

```yaml
stream: {}                          {id}/stream answers events; so does any id that ends so
realtime: {timings: true}           {id}/realtime is a WebSocket; so is any id that ends so
workflow:                           as in the workflow that fal's editor writes
  nodes:
    draw: {app: fal-ai/flux/dev, input: {prompt: $input.prompt}}
    cut:
      app: fal-ai/bria/background/remove
      depends: [draw]
      input: {image_url: $draw.images.0.url}
  output: {image: $cut.image}
```

Each has `certainty` and `source` beside it, as every fact of an overlay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Literal, NamedTuple

from falkit_spec.document import is_id
from falkit_spec.errors import BadOverlay
from falkit_spec.overlay import ARRAY, EVIDENCE, OBJECT, TEXT, Shape, expect, having
from falkit_spec.types import JSON, Object, is_array, is_object

STREAM, REALTIME = "stream", "realtime"
WAYS = (STREAM, REALTIME)
"""Last segments by which an endpoint is called in another way."""
EXECUTE = "workflows/execute"
"""The endpoint that is sent a workflow's definition."""
_MOST_NODES = 100
# A whole text of this form stands for what the input or a node before has there.
_REFERENCE = re.compile(r"\$([\w-]+)((?:\.[^.\s]+)*)")


class Stream(NamedTuple):
    """How a stream of events comes."""

    text: Literal["so_far", "new"] = "so_far"
    """Whether an event has the text up to there, or what is new since the one before."""
    events: int | None = None
    """The most partial events; None where falkit decides."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Stream:
        """Take the overlay's `stream`; BadOverlay if it isn't understood."""
        shape: Shape = {
            "`stream` is an object": OBJECT,
            "`text` is so_far or new": _optional(text={"enum": ["so_far", "new"]}),
            "`events` is a number from 0 to 1000": _optional(events=_count(0, 1000)),
            **EVIDENCE,
        }
        read = expect(facts, where, shape)
        return cls(read.get("text", "so_far"), read.get("events"))


class Realtime(NamedTuple):
    """How a model answers on a socket of its own."""

    timings: bool = False
    """Whether a message with the time taken follows each answer."""
    idle: float | None = None
    """Seconds without an input after which the socket is closed; None for never."""
    images: Literal["content", "url"] = "content"
    """Whether pictures come as bytes in msgpack, or by URL as elsewhere."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Realtime:
        """Take the overlay's `realtime`; BadOverlay if it isn't understood."""
        seconds: Object = {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400}
        shape: Shape = {
            "`realtime` is an object": OBJECT,
            "`timings` is true or false": _optional(timings={"type": "boolean"}),
            "`idle` is a number of seconds above 0": _optional(idle=seconds),
            "`images` is content or url": _optional(images={"enum": ["content", "url"]}),
            **EVIDENCE,
        }
        read = expect(facts, where, shape)
        return cls(read.get("timings", False), read.get("idle"), read.get("images", "content"))


class Node(NamedTuple):
    """A step of a workflow: a call of an endpoint."""

    id: str
    app: str
    """The endpoint's id, as fal's definitions call it."""
    input: Object | None
    """Its input, with references in it; None where what the workflow was given is passed on."""


@dataclass(frozen=True)
class Workflow:
    """The steps of a workflow, each behind those that it depends on, and what comes out."""

    nodes: tuple[Node, ...]
    output: Object | None
    """The output's fields, with references in them; None where the steps' own fields are taken."""

    @classmethod
    def from_facts(cls, facts: JSON, where: str) -> Workflow:
        """Take the overlay's `workflow`; BadOverlay if it isn't understood."""
        named: Object = {**OBJECT, "minProperties": 1, "maxProperties": _MOST_NODES}
        shape: Shape = {
            f"`workflow` needs `nodes`, an object of 1 to {_MOST_NODES} by name": having(
                nodes=named
            ),
            "`output` is an object, by field": _optional(output=OBJECT),
            **EVIDENCE,
        }
        read = expect(facts, where, shape)
        written: dict[str, Object] = {}
        output: JSON = read.get("output")
        for name, node in read["nodes"].items():
            kind = node.get("type", "run") if is_object(node) else "run"
            if kind == "display" and is_object(fields := node.get("fields")):
                output = fields
            elif kind != "input":
                written[name] = expect(node, f"{where}.nodes.{name}", _NODE)
        if not written:
            raise BadOverlay(where, "none of its nodes has an `app`, so nothing would be made")
        nodes = [
            Node(name, str(node["app"]), _object(node.get("input")))
            for name in _in_order(written, where)
            for node in (written[name],)
        ]
        for node in nodes:
            if not is_id(node.app):
                raise BadOverlay(f"{where}.nodes.{node.id}", f"{node.app!r} is no endpoint's id")
        return cls(tuple(nodes), _object(output))

    @cached_property
    def references(self) -> int:
        """How many references there are in all inputs and in the output."""
        found: list[str] = []

        def note(name: str, _steps: list[str]) -> JSON:
            found.append(name)
            return None

        _replaced([*(node.input for node in self.nodes), self.output], note)
        return len(found)


def _optional(**properties: JSON) -> Object:
    return {"properties": properties}


def _count(least: int, most: int) -> Object:
    return {"type": "integer", "minimum": least, "maximum": most}


_NODE: Shape = {
    "a node is an object with `app`, an endpoint's id": having(app=TEXT),
    "`input` is an object": _optional(input=OBJECT),
    "`depends` is a list of nodes' names": _optional(depends={**ARRAY, "items": TEXT}),
}


def _object(value: JSON) -> Object | None:
    return value if is_object(value) else None


def _in_order(nodes: Mapping[str, Object], where: str) -> list[str]:
    """Return the nodes' names, each behind those that it names; else in their own order."""
    needs: dict[str, list[str]] = {}
    for name, node in nodes.items():
        depends = node.get("depends")
        found = {str(one) for one in depends} if is_array(depends) else set[str]()
        found |= references(node.get("input"))
        if lacking := sorted(found - nodes.keys() - {"input"}):
            raise BadOverlay(f"{where}.nodes.{name}", f"there is no node {lacking[0]!r}")
        needs[name] = [one for one in nodes if one in found]
    try:
        return [*TopologicalSorter(needs).static_order()]
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise BadOverlay(where, f"its nodes wait for one another: {circle}") from None


def references(value: JSON) -> set[str]:
    """Return what the references in a value name: nodes, and `input`."""
    found = set[str]()

    def note(name: str, _steps: list[str]) -> JSON:
        found.add(name)
        return None

    _replaced(value, note)
    return found


def fill_in(value: JSON, known: Mapping[str, JSON]) -> JSON:
    """Return a value with what its references lead to; null where they lead nowhere."""

    def look_up(name: str, steps: list[str]) -> JSON:
        at = known.get(name)
        for step in steps:
            if is_array(at):
                at = at[int(step)] if step.isdecimal() and int(step) < len(at) else None
            else:
                at = at.get(step) if is_object(at) else None
        return at

    return _replaced(value, look_up)


def _replaced(value: JSON, look_up: Callable[[str, list[str]], JSON]) -> JSON:
    if isinstance(value, str):
        match = _REFERENCE.fullmatch(value)
        return value if match is None else look_up(match[1], match[2].split(".")[1:])
    if is_array(value):
        return [_replaced(one, look_up) for one in value]
    if is_object(value):
        return {name: _replaced(one, look_up) for name, one in value.items()}
    return value
