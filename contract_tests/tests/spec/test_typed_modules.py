"""Generated Python is valid, and the same each time, whatever a document names."""

from __future__ import annotations

import json
import sys
import types
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings, strategies as st

from falkit_spec import JSON, Document, Endpoint, Object
from falkit_spec.schema import ordered
from falkit_spec.typed.clients import module, package

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
VALUES: st.SearchStrategy[JSON] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(-9, 9), NAMES
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "object", "array"])
UNIONS = st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"])


def under(keyword: str, value: JSON) -> Object:
    return {keyword: value}


def shape(title: str, about: str, fields: Object, must: list[JSON]) -> Object:
    named: Object = {"title": title, "description": about}
    return {**named, "type": "object", "properties": fields, "required": must}


def array_of(items: Object) -> Object:
    return {"type": "array", "items": items}


def table_of(values: Object) -> Object:
    return {"type": "object", "additionalProperties": values}


def listed(values: st.SearchStrategy[Any], least: int, most: int) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=least, max_size=most)


PLAIN: st.SearchStrategy[Object] = st.one_of(
    st.builds(under, st.just("type"), KINDS),
    st.builds(under, st.just("enum"), listed(VALUES, 1, 4)),
    st.builds(under, st.just("const"), VALUES),
    st.builds(under, st.just("$ref"), st.sampled_from([f"#/components/schemas/{n}" for n in "AB"])),
    st.builds(under, st.just("title"), NAMES),
)


def larger(inner: st.SearchStrategy[Object]) -> st.SearchStrategy[Object]:
    fields = st.dictionaries(NAMES, inner, max_size=4)
    return st.one_of(
        st.builds(shape, NAMES, NAMES, fields, listed(NAMES, 0, 2)),
        st.builds(array_of, inner),
        st.builds(table_of, inner),
        st.builds(under, UNIONS, listed(inner, 1, 3)),
    )


SCHEMAS: st.SearchStrategy[Object] = st.recursive(PLAIN, larger, max_leaves=12)
IDS = st.lists(
    st.sampled_from(["a/b", "a/b/c", "a/b-c", "a/b_c", "a/b/Async-c", "class/3d", "workflows/x/y"]),
    min_size=1,
    unique=True,
)


def endpoint(endpoint_id: str, takes: Object, gives: Object, schemas: Object) -> Endpoint:
    def body(schema: Object) -> Object:
        return {"content": {"application/json": {"schema": schema}}}

    submit: Object = {"post": {"requestBody": body(takes)}}
    result: Object = {"get": {"responses": {"200": body(gives)}}}
    data: Object = {
        "openapi": "3.0.4",
        "components": {"schemas": schemas},
        "paths": {
            f"/{endpoint_id}": submit,
            f"/{endpoint_id}/requests/{{request_id}}": result,
        },
    }
    raw = json.dumps(data).encode()
    return Endpoint(Document(raw, source="a test", endpoint_id=endpoint_id))


# Hypothesis writes the strategy out where it says what a failure was drawn from.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@settings(deadline=None, max_examples=30)
@given(IDS, st.data())
def test_any_document_becomes_python(ids: list[str], data: st.DataObject) -> None:
    drawn: list[tuple[str, Object, Object, Object]] = [
        (id, data.draw(SCHEMAS), data.draw(SCHEMAS), {n: data.draw(SCHEMAS) for n in "AB"})
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
