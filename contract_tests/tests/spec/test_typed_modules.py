"""Generated Python is valid, and the same each time, whatever a document names."""

from __future__ import annotations

import json
import sys
import types
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings, strategies as st

from falkit_spec import JSON, Document, Endpoint
from falkit_spec.schema import ordered
from falkit_spec.typed_clients import module, package

WORDS = st.sampled_from(
    [
        "prompt",
        "class",
        "3d",
        "Image",
        "image size",
        "list",
        "Any",
        "__x",
        "self",
        "a.b",
        "画像",
        '"""',
    ]
)
NAMES = WORDS | st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | NAMES
PLAIN: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from(["string", "integer", "number", "boolean", "object", "array"]).map(
        lambda kind: {"type": kind}
    ),
    st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
    st.sampled_from(["A", "B"]).map(lambda name: {"$ref": f"#/components/schemas/{name}"}),
    st.just({}),
)


def larger(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.builds(
        lambda title, about, fields, must: {
            "type": "object", "title": title, "description": about, "properties": fields,
            "required": must,
        },
        NAMES, NAMES, st.dictionaries(NAMES, inner, max_size=4), st.lists(NAMES, max_size=2),
    )  # fmt: skip
    lists = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        objects,
        inner.map(lambda one: {"type": "array", "items": one}),
        inner.map(lambda one: {"type": "object", "additionalProperties": one}),
        st.builds(
            lambda keyword, parts: {keyword: parts},
            st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]), lists,
        ),
    )  # fmt: skip


SCHEMAS = st.recursive(PLAIN, larger, max_leaves=12)
IDS = st.lists(
    st.sampled_from(["a/b", "a/b/c", "a/b-c", "a/b_c", "a/b/Async-c", "class/3d", "workflows/x/y"]),
    min_size=1,
    unique=True,
)


def endpoint(endpoint_id: str, takes: JSON, gives: JSON, schemas: dict[str, JSON]) -> Endpoint:
    def body(schema: JSON) -> JSON:
        return {"content": {"application/json": {"schema": schema}}}

    result = {"get": {"responses": {"200": body(gives)}}}
    data: dict[str, JSON] = {
        "openapi": "3.0.4",
        "components": {"schemas": dict(schemas)},
        "paths": {
            f"/{endpoint_id}": {"post": {"requestBody": body(takes)}},
            f"/{endpoint_id}/requests/{{request_id}}": {**result},
        },
    }
    raw = json.dumps(data).encode()
    return Endpoint(Document(raw, source="a test", endpoint_id=endpoint_id))


# Hypothesis writes the strategy out where it says what a failure was drawn from.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@settings(deadline=None, max_examples=30)
@given(IDS, st.data())
def test_any_document_becomes_python(ids: list[str], data: st.DataObject) -> None:
    drawn = [
        (id, *(data.draw(SCHEMAS) for _ in range(2)), {n: data.draw(SCHEMAS) for n in "AB"})
        for id in ids
    ]
    text = module([endpoint(*one) for one in drawn])
    assert text == module([endpoint(*one) for one in drawn])
    assert all(one.isprintable() or one == "\n" for one in text)
    made = types.ModuleType("made")
    sys.modules["made"] = made
    exec(compile(text, "made.py", "exec"), vars(made))
    for name, one in vars(made).items():
        if name.endswith(("Input", "Output")):
            get_type_hints(one) if isinstance(one, type) else None
    fields = {*ordered(endpoint(*drawn[0]).input_schema)} - {""}
    if fields and len(ids) == 1:
        [shape] = [one for name, one in vars(made).items() if name.endswith("Input")]
        assert {*get_type_hints(shape)} == fields
    for path, part in package([endpoint(*one) for one in drawn]).items():
        compile(part, path.name, "exec")
