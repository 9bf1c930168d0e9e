"""What Pydantic is given of a document: whatever its names, its depth and its size."""

from __future__ import annotations

import json

import pytest

from falkit_spec import JSON, Document, Endpoint, Object

INTEGER: Object = {"type": "integer"}
TEXT: Object = {"type": "string"}


def endpoint(input: JSON, schemas: Object | None = None) -> Endpoint:
    body = {"content": {"application/json": {"schema": input}}}
    paths = {"/acme/odd": {"post": {"requestBody": body}}}
    data = {"components": {"schemas": schemas or {}}, "paths": paths}
    return Endpoint(Document(json.dumps(data).encode(), source="odd.json"))


def ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    "name", ["class", "4x", "a-b c", "_x", "model_config", "schema", "__class__", "", "a\0b", "😀"]
)
def test_a_field_may_have_any_name_and_shows_it(name: str) -> None:
    node: Object = {"type": "object", "title": name, "properties": {name: {"type": "integer"}}}
    odd = endpoint({"properties": {name: {"anyOf": [node, {"type": "boolean"}]}}})
    assert odd.is_valid({name: {name: 1}})
    found = odd.validate({name: {name: "x"}})
    assert [fault["loc"][:2] for fault in found] == [["body", name]] * 2
    assert found[0]["loc"][3:] == [name]


def test_parts_of_an_allof_are_one_model() -> None:
    parts: JSON = [
        {"properties": {"a": {"type": "integer", "minimum": 2}}, "required": ["a"]},
        {"properties": {"a": {"maximum": 5}, "b": {"type": "string"}}, "required": ["b"]},
    ]
    odd = endpoint({"properties": {"v": {"type": "object", "allOf": parts}}})
    assert odd.is_valid({"v": {"a": 3, "b": ""}})
    assert [fault["type"] for fault in odd.validate({"v": {}})] == ["missing", "missing"]
    for number, said in ((1, "greater_than_equal"), (9, "less_than_equal")):
        [fault] = odd.validate({"v": {"a": number, "b": ""}})
        assert (fault["type"], fault["loc"]) == (said, ["body", "v", "a"])


def test_what_is_nested_deeper_than_a_model_is_judged_by_the_document() -> None:
    node: JSON = {"type": "integer"}
    value: JSON = "x"
    for _ in range(31):
        node, value = {"type": "object", "properties": {"a": node}}, {"a": value}
    [fault] = endpoint(node).validate(value)
    assert len(fault["loc"]) == 32


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ({"prefixItems": [INTEGER, TEXT]}, ["tuple_type", "missing", "too_long"]),
        ({"items": {"0": INTEGER, "1": TEXT}}, ["list_type", "too_short", "too_long"]),
        ({"items": TEXT}, ["list_type", "too_short", "too_long"]),
    ],
)
def test_only_what_pydantic_writes_of_a_tuple_is_one(items: Object, said: list[str]) -> None:
    odd = endpoint({"properties": {"t": {"type": "array", "minItems": 2, "maxItems": 2, **items}}})
    values: list[JSON] = [1, ["1"] if said[0] == "list_type" else [1], [1, "a", 2]]
    found = [fault for value in values for fault in odd.validate({"t": value})]
    assert [fault["type"] for fault in found] == said
