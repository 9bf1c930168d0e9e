"""The words for what is wrong, and their order, beside Pydantic's own.

Of models that datamodel-code-generator makes of our documents and, with DOCS, of a folder of fal's:
what differs must be of a kind that is known. Of models drawn at random, by what Pydantic wrote of
them: nothing may differ. A few thousand changed inputs each; many more with FALKIT_NIGHTLY=1.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from contract.constructs import endpoint_taking
from falkit_spec import JSON, Catalog, Document, Endpoint, Fault, Object
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import is_array, is_object
from generated_models import ODD, model_of, mutated, said_by
from nights import NIGHTLY
from random_models import drawn_endpoints

EACH = 300 if NIGHTLY else 20
SHAPES: Object = {
    "image_size": {
        "anyOf": [{"$ref": "#/components/schemas/Size"}, {"enum": ["auto", "square"]}],
        "default": "auto",
    },
    "loras": {"type": "array", "items": {"$ref": "#/components/schemas/Lora"}, "default": []},
    "scale": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "number"}, {"type": "null"}]},
    "either": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "boolean"}]},
    "points": {
        "type": "array",
        "items": {
            "type": "array",
            "prefixItems": [{"type": "number"}, {"type": "integer"}],
            "minItems": 2,
            "maxItems": 2,
        },
        "default": [],
    },
    "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    "tags": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}, "maxItems": 2},
    "closed": {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "boolean"}],
        "items": False,
        "minItems": 2,
        "maxItems": 2,
    },
    "style_id": {"anyOf": [{"type": "string", "format": "uuid4"}, {"type": "null"}]},
    "callback": {"type": "string", "format": "uri"},
    "data": {"type": "string", "format": "binary"},
    "flags": {"type": "object", "additionalProperties": {"type": "boolean"}, "default": {}},
    "steps": {"type": "integer", "exclusiveMinimum": 2, "multipleOf": 4, "maximum": 64.0},
    "strength": {"type": "number", "exclusiveMaximum": 1, "multipleOf": 0.25, "default": 0.5},
    "switch": {"enum": [True, False]},
    "count": {"enum": [0, 1, 2, "auto"]},
    "file": {"allOf": [{"$ref": "#/components/schemas/File"}], "title": "A file"},
    # Names that are no identifiers of Python's, or that its models have themselves.
    **{
        name: {"type": "integer", "maximum": 3}
        for name in ("class", "4x", "a-b c", "_seen", "model_config", "schema", "copy", "json")
    },
}


OWN = [*Catalog.vendored(), *Catalog.vendored("2026-01"), endpoint_taking(SHAPES, "class", "loras")]


def key(fault: Fault) -> str:
    return repr((fault["loc"], fault["type"], fault["msg"], fault.get("ctx") or None))


def by_title(fault: Fault, endpoint: Endpoint) -> Fault:
    """Name a union's classes by their titles, which Pydantic makes of the classes' own names."""
    definitions = endpoint.input_schema.get("$defs")
    titles = {
        _plain(name): str(node.get("title", name))
        for name, node in (definitions.items() if is_object(definitions) else ())
        if is_object(node)
    }
    body, *rest = fault["loc"]
    named = [titles.get(_plain(str(part)), part) for part in rest[1:]]
    return {**fault, "loc": [body, *rest[:1], *named]}


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def why(endpoint: Endpoint, body: Object, ours: list[Fault], theirs: list[Fault]) -> str:
    """Say of which known kind a difference is; empty where it is of none."""
    theirs = [by_title(fault, endpoint) for fault in theirs]
    left = {key(fault): fault for fault in ours}
    if left.keys() == {key(fault) for fault in theirs}:
        return "classes named as the component, not as the class"
    schema = endpoint.input_schema
    required = schema.get("required")
    fields = {str(fault["loc"][1]) for fault in [*ours, *theirs] if len(fault["loc"]) > 1}
    same = [
        {key(fault) for fault in faults if fault["loc"][1:2] == [name]}
        for name in fields
        for faults in (ours, theirs)
    ]
    differ = {
        name for name, one, other in zip(fields, same[::2], same[1::2], strict=True) if one != other
    }
    if all(_is_null(body, name) and name not in (required or ()) for name in differ):  # type: ignore[operator]  # a list
        return "null for an optional list or object without default"
    nodes = [resolve(ordered(schema)[name], schema) for name in differ]
    if all(is_array(node.get("anyOf")) and "maxItems" in str(node) for node in nodes):
        return "a list's limits within a union, which the generator leaves out"
    return ""


def _is_null(body: JSON, name: str) -> bool:
    return is_object(body) and name in body and body[name] is None


def compared(endpoints: Iterable[Endpoint], each: int, *, in_order: bool = True) -> Counter[str]:
    """Count inputs by how what we say of them differs from what the generated models say.

    `in_order` has the models' fields in fal's order, not in that of `properties`.
    """
    counts = Counter[str]()
    for endpoint in endpoints:
        model = model_of(endpoint, in_order=in_order)
        if model is None:
            continue
        rules = {rule.message for rule in endpoint.rules}
        for body in mutated(endpoint, each, seed=1):
            ours = [
                fault
                for fault in endpoint.validate(body, coerce=True)
                if fault["msg"].removeprefix("Value error, ") not in rules
            ]
            theirs = said_by(model, body)
            if [*map(key, ours)] == [*map(key, theirs)]:
                counts["same"] += 1
                if not theirs and not endpoint.validate(body):
                    counts["legal"] += 1
                continue
            if sorted(map(key, ours)) == sorted(map(key, theirs)):
                counts["another order"] += 1
                continue
            kind = why(endpoint, body, ours, theirs)
            assert kind, (endpoint.id, body, ours, theirs)
            counts[kind] += 1
    return counts


def share(counts: Counter[str]) -> float:
    counts = Counter({kind: count for kind, count in counts.items() if kind != "legal"})
    return counts["same"] / max(1, counts.total())


def test_our_own_documents_are_worded_as_by_generated_models() -> None:
    counts = compared(OWN, 150)
    assert counts["legal"] > 100
    assert share(counts) >= 0.998, counts


@pytest.mark.skipif(not os.environ.get("DOCS"), reason="DOCS names no folder of fal's documents")
def test_fals_documents_are_worded_as_by_generated_models() -> None:
    paths = sorted(Path(os.environ["DOCS"]).rglob("*.json"))
    endpoints = [Endpoint(Document.from_path(path)) for path in paths]
    counts = compared(endpoints, EACH)
    print(f"{counts.total() - counts['legal']} inputs of {len(paths)} documents: {counts}")
    assert counts["legal"] > counts["same"] / 10
    assert counts["another order"] == 0
    assert share(counts) >= 0.998, counts
    # The generator itself has fields in the order of `properties`, which isn't the model's.
    print(f"in the order of `properties`: {compared(endpoints, EACH, in_order=False)}")


def test_drawn_models_are_judged_and_worded_as_pydantic_does() -> None:
    legal = 0
    for endpoint, model in drawn_endpoints(3000 if NIGHTLY else 300, seed=1):
        for body in [*mutated(endpoint, 60 if NIGHTLY else 20, seed=2), *ODD]:
            said = said_by(model, body)
            assert endpoint.validate(body, coerce=True) == said, (endpoint.document.raw, body)
            assert not (said and endpoint.is_valid(body)), (endpoint.document.raw, body)
            legal += not said
    assert legal > 300
