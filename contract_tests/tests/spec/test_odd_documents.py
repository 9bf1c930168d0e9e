"""The loader bears what fal's documents really hold: slips, both dialects, missing parts.

Each document here is small and made by hand; whatever cannot be read accepts anything.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from falkit_spec import JSON, BadDocument, Document, Endpoint, Object


def endpoint(
    input: JSON = None, output: JSON = None, schemas: Object | None = None, **more: JSON
) -> Endpoint:
    def body(schema: JSON) -> JSON:
        return {"content": {"application/json": {"schema": schema}}}

    data: Object = {
        "openapi": "3.0.4",
        "components": {"schemas": schemas or {}},
        "paths": {
            "/acme/odd/requests/{request_id}/status": {"get": {}},
            "/acme/odd": {"post": {"requestBody": body(input)}},
            "/acme/odd/requests/{request_id}": {"get": {"responses": {"200": body(output)}}},
        },
        **more,
    }
    return Endpoint(Document(json.dumps(data).encode(), source="odd.json"))


def ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


ANYTHING: list[JSON] = [None, 1, "x", [], {}, {"a": [1]}]


@pytest.mark.parametrize("value", ANYTHING)
@pytest.mark.parametrize("schema", [None, {}, ref("Gone"), {"$ref": "http://x/y"}, {"$ref": 5}, 7])
def test_a_missing_schema_accepts_anything(schema: JSON, value: JSON) -> None:
    odd = endpoint(schema, schema)
    assert odd.is_valid(value) is isinstance(value, dict)
    said = [fault["type"] for fault in odd.validate(value)]
    assert said == ([] if isinstance(value, dict) else ["model_attributes_type"])
    assert odd.validate_output(value) == []
    assert odd.example_output() == {}


@pytest.mark.parametrize("paths", [None, [], {}, {"/acme/odd": None}, {"/acme/odd": {"post": 1}}])
def test_a_document_without_paths_accepts_anything(paths: JSON) -> None:
    metadata: JSON = {"x-fal-metadata": {"endpointId": "acme/odd"}}
    odd = endpoint(paths=paths, info=metadata)
    assert odd.input_schema == {}
    assert odd.output_schema == {}
    assert odd.is_valid({"a": 1})
    assert odd.category == ""


def test_the_input_is_found_through_the_paths_and_not_by_its_name() -> None:
    schemas: Object = {"FirstInput": {"type": "string"}, "Other": {"type": "object"}}
    assert endpoint(ref("Other"), schemas=schemas).is_valid({})


def test_an_inner_dangling_reference_accepts_anything() -> None:
    schemas: Object = {"In": {"type": "object", "properties": {"a": ref("Gone")}}}
    odd = endpoint(ref("In"), schemas=schemas)
    assert all(odd.is_valid({"a": value}) for value in ANYTHING)


def test_a_reference_may_point_deeper_and_hold_escapes() -> None:
    schemas: Object = {"A/b ~%": {"properties": {"x": {"type": "integer"}}}}
    way = "#/components/schemas/A~1b%20~0%25/properties/x"
    odd = endpoint({"properties": {"y": {"$ref": way}}}, schemas=schemas)
    assert odd.is_valid({"y": 1})
    assert [fault["type"] for fault in odd.validate({"y": "n"})] == ["int_parsing"]


def test_a_reference_may_lead_through_a_list() -> None:
    schemas: Object = {"A": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}
    second: JSON = {"$ref": "#/components/schemas/A/anyOf/1"}
    beyond: JSON = {"$ref": "#/components/schemas/A/anyOf/2"}
    odd = endpoint({"properties": {"x": second, "y": beyond}, "required": ["x"]}, schemas=schemas)
    assert odd.is_valid({"x": 1, "y": "anything"})
    assert not odd.is_valid({"x": None})


def test_a_schema_that_refers_to_itself_is_followed() -> None:
    node: JSON = {"type": "object", "properties": {"next": ref("Node"), "v": {"type": "integer"}}}
    odd = endpoint(ref("Node"), schemas={"Node": node})
    assert odd.is_valid({"next": {"next": {"v": 1}}})
    [fault] = odd.validate({"next": {"next": {"v": "x"}}})
    assert fault["loc"] == ["body", "next", "next", "v"]


def test_a_reference_to_nothing_but_itself_crashes_nothing() -> None:
    odd = endpoint(ref("Loop"), ref("Loop"), {"Loop": ref("Loop")})
    assert isinstance(odd.validate({"a": 1}), list)
    assert odd.example_output() == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [ref("File")], "title": "Old", "examples": [{"url": "e"}]},
        {**ref("File"), "title": "New", "examples": [{"url": "e"}]},
    ],
)
def test_siblings_of_a_reference_are_read_in_both_dialects(schema: JSON) -> None:
    file: JSON = {
        "type": "object",
        "properties": {"url": {"type": "string", "examples": ["own.png"]}},
        "required": ["url"],
    }
    output: JSON = {"type": "object", "properties": {"file": schema}, "required": ["file"]}
    assert endpoint(None, output, {"File": file}).example_output() == {"file": {"url": "e"}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "nullable": True},
        {"type": "integer", "enum": [1, 2], "nullable": True},
        {"allOf": [ref("Int")], "nullable": True},
        {**ref("Int"), "nullable": True, "title": "t"},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"type": ["integer", "null"]},
    ],
)
def test_null_is_allowed_in_every_dialect(schema: JSON) -> None:
    odd = endpoint({"properties": {"a": schema}}, schemas={"Int": {"type": "integer"}})
    assert odd.is_valid({"a": None})
    assert odd.is_valid({"a": 1})
    [fault] = odd.validate({"a": []})
    assert fault["loc"] == ["body", "a"]


@pytest.mark.parametrize(
    ("schema", "taken"),
    [
        ({"type": "string", "title": "t", "maxLength": 3}, True),
        ({"type": "integer", "enum": [1, 2]}, True),
        ({"type": "number", "minimum": 1}, True),
        ({"type": "boolean"}, True),
        (ref("Int"), True),
        ({"allOf": [ref("Int")], "title": "t"}, True),
        ({"anyOf": [{"type": "string", "enum": ["auto"]}, {"type": "integer"}]}, True),
        ({"type": "integer", "default": 1}, False),
        ({"allOf": [ref("Int")], "default": 1}, False),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"type": "object"}, False),
        (ref("File"), False),
        ({"anyOf": [ref("File"), {"type": "string"}]}, False),
    ],
)
def test_only_an_optional_scalar_without_default_may_be_null_unsaid(
    schema: JSON, taken: bool
) -> None:
    schemas: Object = {
        "Int": {"type": "integer"},
        "File": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
    }
    holder: Object = {"type": "object", "properties": {"a": schema}}
    odd = endpoint(holder, holder, schemas)
    assert odd.is_valid({"a": None}) is taken
    assert (odd.validate_output({"a": None}) == []) is taken
    nested = endpoint({"properties": {"in": holder}}, schemas=schemas)
    assert nested.is_valid({"in": {"a": None}}) is taken
    required = endpoint({**holder, "required": ["a"]}, schemas=schemas)
    assert not required.is_valid({"a": None})


def test_nullable_without_a_type_accepts_anything() -> None:
    odd = endpoint({"properties": {"a": {"nullable": True, "title": "t"}}})
    assert all(odd.is_valid({"a": value}) for value in ANYTHING)


@pytest.mark.parametrize(
    "items",
    [
        {"prefixItems": [{"type": "integer"}, {"type": "string"}]},
        {"items": {"1": {"type": "string"}, "0": {"type": "integer"}}},
        {"items": [{"type": "integer"}, {"type": "string"}]},
    ],
)
def test_tuples_are_read_in_all_three_spellings(items: Object) -> None:
    odd = endpoint({"properties": {"t": {"type": "array", "minItems": 2, **items}}})
    assert odd.is_valid({"t": [1, "a"]})
    faults = odd.validate({"t": ["x", 1]})
    assert [(fault["loc"][2:], fault["type"]) for fault in faults] == [
        ([0], "int_parsing"),
        ([1], "string_type"),
    ]
    [missing] = odd.validate({"t": [1]})
    assert (missing["loc"], missing["type"]) == (["body", "t", 1], "missing")
    [no_list] = odd.validate({"t": 1})
    assert no_list["type"] == "tuple_type"


@pytest.mark.parametrize(
    "bounds",
    [
        {"minimum": 1, "exclusiveMinimum": True},
        {"exclusiveMinimum": 1},
        {"minimum": 1, "exclusiveMinimum": 1},
    ],
)
def test_an_exclusive_bound_is_read_in_both_dialects(bounds: Object) -> None:
    odd = endpoint({"properties": {"n": {"type": "number", **bounds}}})
    assert odd.is_valid({"n": 1.5})
    assert not odd.is_valid({"n": 1})


@pytest.mark.parametrize(
    "slip",
    [
        {"type": "file"},
        {"type": ["string", "file"]},
        {"minimum": "3", "maxLength": "x", "multipleOf": 0},
        {"minItems": -1, "maxItems": 1.5, "uniqueItems": "yes"},
        {"enum": []},
        {"enum": "a"},
        {"required": True},
        {"properties": []},
        {"anyOf": []},
        {"anyOf": {}},
        {"items": 5},
        {"$schema": "http://nowhere/", "$id": "x", "pattern": "("},
        {"step": 1, "min": 3, "max": 4, "x-fal": {"max_file_size": 1}, "_fal_ui_field": "image"},
        {"x-fal-order-properties": "a"},
    ],
)
def test_a_malformed_keyword_is_ignored(slip: Object) -> None:
    odd = endpoint({"type": "object", "properties": {"a": slip}})
    assert all(odd.is_valid({"a": value}) for value in ANYTHING)


def test_a_limit_written_as_a_float_is_a_whole_number() -> None:
    odd = endpoint({"type": "object", "properties": {"a": {"type": "string", "minLength": 2.0}}})
    [fault] = odd.validate({"a": "x"})
    assert (fault["msg"], fault.get("ctx")) == (
        "String should have at least 2 characters",
        {"min_length": 2},
    )


def test_an_order_with_unknown_or_missing_fields_is_accepted() -> None:
    odd = endpoint(
        {
            "type": "object",
            "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}},
            "x-fal-order-properties": ["c", "gone", 5, "b"],
        }
    )
    faults = odd.validate({"a": 1, "b": 1, "c": 1})
    assert [fault["loc"][1] for fault in faults] == ["c", "b", "a"]


FILE: Object = {
    "type": "object",
    "properties": {
        "url": {"type": "string"},
        "file_name": {"anyOf": [{"type": "string"}, {"type": "null"}], "examples": ["n.png"]},
        "file_data": {"type": "string", "format": "binary"},
    },
    "required": ["url"],
}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({**ref("File"), "examples": ["http://u"]}, {"url": "http://u"}),
        ({"type": "array", "items": ref("File"), "examples": [{"url": "u"}]}, [{"url": "u"}]),
        ({"type": "array", "items": ref("File"), "examples": ["u"]}, [{"url": "u"}]),
        (
            {"type": "array", "items": ref("File"), "examples": [["u", "v"]]},
            [{"url": "u"}, {"url": "v"}],
        ),
        ({"type": "array", "items": {"type": "string"}, "examples": ["u"]}, ["u"]),
        ({"type": "integer", "examples": ["many"], "default": 3}, 3),
        ({"type": "integer", "default": "many", "enum": [4]}, 4),
        ({"type": "integer", "example": 5}, 5),
        ({"const": "c"}, "c"),
        (ref("File"), {"url": "text", "file_name": "n.png"}),
        ({"anyOf": [{"type": "null"}, ref("File")]}, {"url": "text", "file_name": "n.png"}),
        ({"type": "array", "items": {"type": "boolean"}}, [False]),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"type": "number"}]}, [None, 0]),
        ({"type": ["string", "null"], "minLength": 6, "format": "uri"}, "https://example.com/file"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "minLength": 6}, "text.."),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "integer", "exclusiveMinimum": 7}, 8),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "number", "maximum": -2}, -2),
        ({"type": "number", "exclusiveMaximum": -2}, -3),
        ({"type": "object"}, {}),
        ({}, None),
    ],
)
def test_an_output_is_repaired_or_made_so_that_it_is_valid(schema: JSON, made: JSON) -> None:
    output: JSON = {"type": "object", "properties": {"out": schema}, "required": ["out"]}
    odd = endpoint(None, output, {"File": FILE})
    assert odd.example_output() == {"out": made}
    assert odd.validate_output(odd.example_output()) == []


def test_an_output_that_cannot_be_made_is_empty() -> None:
    output: JSON = {"type": "object", "properties": {"a": {"not": {}}}, "required": ["a"]}
    assert endpoint(None, output).example_output() == {}


def test_output_faults_are_reported_with_their_path() -> None:
    odd = endpoint(None, {"type": "object", "properties": {"file": ref("File")}}, {"File": FILE})
    assert odd.validate_output({"file": {"url": 1}}) == ["$.file.url: 1 is not of type 'string'"]
    assert odd.validate_output({"file": {"url": "u", "file_name": None}}) == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "names no endpoint"),
    ],
)
def test_a_file_that_is_not_a_document_is_refused_with_its_name(raw: bytes, reason: str) -> None:
    with pytest.raises(BadDocument, match=f"x.json: .*{reason}"):
        Endpoint(Document(raw, source="x.json"))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "string", "0", "#/x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "$ref", "allOf", "anyOf", "items", "properties", "required", "enum"),
                    *("nullable", "minimum", "exclusiveMinimum", "minLength", "default", "const"),
                    *("examples", "additionalProperties", "prefixItems", "multipleOf", "0", "a"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(schema=JUNK, value=JUNK)
def test_no_schema_however_broken_crashes_anything(schema: JSON, value: JSON) -> None:
    odd = endpoint(schema, schema)
    assert (odd.validate(value) == []) is odd.is_valid(value)
    assert isinstance(odd.validate(value, coerce=True), list)
    assert isinstance(odd.validate_output(value), list)
    assert odd.validate_output(odd.example_output()) == [] or odd.example_output() == {}
    assert isinstance(odd.with_defaults({}), dict)
