from __future__ import annotations

import json
from functools import reduce
from typing import cast

import pytest
from hypothesis import given, settings, strategies as st

from falkit_spec import JSON, Catalog, Document, Endpoint, Object
from falkit_spec.schema import Compiled
from falkit_spec.types import sanitize
from falkit_spec.validation import describe_errors

FAST, RETAKE = "fal-ai/ltx-2/image-to-video/fast", "fal-ai/ltx-2/retake-video"
BODY: Object = {"image_url": "https://example.com/a.png", "prompt": "a boat"}
LTX_2 = [endpoint for endpoint in Catalog.vendored() if endpoint.app == "fal-ai/ltx-2"]
MESSAGE = "Value error, durations above 10 s need 25 fps and 1080p"


def one(endpoint_id: str, **fields: JSON) -> tuple[str, str, JSON]:
    base = {"video_url": "u", **BODY} if endpoint_id == RETAKE else BODY
    [fault] = Catalog.vendored().get(endpoint_id).validate({**base, **fields})
    [name] = fields
    assert fault["loc"] == ["body", name]
    assert fault["input"] == fields[name]
    return fault["type"], fault["msg"], fault.get("ctx")


def test_text_for_an_integer_enum_is_refused() -> None:
    assert one(FAST, duration="6") == (
        "literal_error",
        "Input should be 6, 8, 10, 12, 14, 16, 18 or 20",
        {"expected": "6, 8, 10, 12, 14, 16, 18 or 20"},
    )


def test_a_literal_of_one_value_is_named_alone() -> None:
    endpoint = Catalog.vendored("2026-01").get(FAST)
    [fault] = endpoint.validate({**BODY, "aspect_ratio": "9:16"})
    assert (fault["type"], fault["msg"]) == ("literal_error", "Input should be '16:9'")
    assert fault.get("ctx") == {"expected": "'16:9'"}


def test_texts_are_counted_in_characters() -> None:
    assert one(FAST, prompt="") == (
        "string_too_short",
        "String should have at least 1 character",
        {"min_length": 1},
    )
    assert one(FAST, prompt="x" * 5001) == (
        "string_too_long",
        "String should have at most 5000 characters",
        {"max_length": 5000},
    )
    assert Catalog.vendored().get(FAST).is_valid({**BODY, "prompt": "\N{GRINNING FACE}" * 5000})


def test_numbers_out_of_range_name_the_limit() -> None:
    assert one(RETAKE, duration=1) == (
        "greater_than_equal",
        "Input should be greater than or equal to 2",
        {"ge": 2.0},
    )
    assert one(RETAKE, start_time=20.5) == (
        "less_than_equal",
        "Input should be less than or equal to 20",
        {"le": 20.0},
    )


def test_values_that_only_lax_mode_takes_are_reported_in_strict_words() -> None:
    assert one(FAST, generate_audio="true")[:2] == ("bool_type", "Input should be a valid boolean")
    assert one(RETAKE, duration="5")[:2] == ("float_type", "Input should be a valid number")


def test_values_that_lax_mode_refuses_are_reported_in_its_words() -> None:
    assert one(FAST, generate_audio="maybe")[0] == "bool_parsing"
    assert one(RETAKE, duration="x")[0] == "float_parsing"
    assert one(RETAKE, duration="30")[0] == "less_than_equal"


def test_a_whole_number_written_with_a_point_is_an_integer() -> None:
    assert Catalog.vendored().get(FAST).validate({**BODY, "duration": 6.0}) == []


def test_fields_that_nobody_knows_are_let_pass() -> None:
    assert Catalog.vendored().get(FAST).validate({**BODY, "seed": 1, "x": None}) == []


def test_all_faults_are_reported_in_the_documents_order() -> None:
    body: Object = {"generate_audio": 5, "fps": 30, "duration": "6", "prompt": 1}
    faults = Catalog.vendored().get(FAST).validate(body)
    assert [(fault["loc"][1], fault["type"]) for fault in faults] == [
        ("image_url", "missing"),
        ("prompt", "string_type"),
        ("duration", "literal_error"),
        ("fps", "literal_error"),
        ("generate_audio", "bool_parsing"),
    ]
    assert faults[0]["input"] == body, "a missing field shows the whole body"


def test_the_rule_between_fields_is_reported_as_a_value_error() -> None:
    [fault] = Catalog.vendored().get(FAST).validate({**BODY, "duration": 12, "fps": 50})
    assert fault == {
        "type": "value_error",
        "loc": ["body", "duration"],
        "msg": MESSAGE,
        "input": 12,
        "ctx": {"error": {}},
    }


def test_the_rule_is_silent_while_a_field_it_reads_is_wrong() -> None:
    endpoint = Catalog.vendored().get(FAST)
    faults = endpoint.validate({**BODY, "duration": 12, "fps": 30})
    assert [fault["loc"][1] for fault in faults] == ["fps"]


def test_the_rule_is_among_the_other_faults_in_order() -> None:
    faults = (
        Catalog.vendored()
        .get(FAST)
        .validate({"image_url": "u", "duration": 12, "fps": 50, "generate_audio": None})
    )
    assert [fault["loc"][1] for fault in faults] == ["prompt", "duration", "generate_audio"]


def test_a_rule_sees_coerced_values() -> None:
    body: Object = {**BODY, "duration": 12, "fps": 50, "generate_audio": "yes"}
    faults = Catalog.vendored().get(FAST).validate(body, coerce=True)
    assert [fault["type"] for fault in faults] == ["value_error"]


def test_coercion_changes_what_is_wrong_and_nothing_else() -> None:
    endpoint = Catalog.vendored().get(RETAKE)
    body: Object = {"video_url": "u", "prompt": "p", "duration": " 5.5 ", "extra": "1"}
    assert endpoint.validate(body, coerce=True) == []
    assert endpoint.coerced(body) == {**body, "duration": 5.5}
    assert body["duration"] == " 5.5 "


def test_values_that_cannot_be_coerced_stay() -> None:
    endpoint = Catalog.vendored().get(FAST)
    assert endpoint.coerced([1]) == [1]
    assert endpoint.coerced({"duration": "6"}) == {"duration": "6"}


def test_defaults_fill_in_and_never_overwrite() -> None:
    endpoint = Catalog.vendored().get(FAST)
    full = endpoint.with_defaults({"fps": 50, "mine": 1})
    assert (full["duration"], full["fps"], full["mine"]) == (6, 50, 1)


HUGE = 10**5000
DEEP: JSON = reduce(lambda inner, _: [inner], range(100_000), cast("JSON", 1))
CYCLE: list[JSON] = []
CYCLE.append(CYCLE)
NO_JSON = [
    *(HUGE, -HUGE, 10**400, DEEP, CYCLE, [HUGE], {"a": {"b": HUGE}}, {1: 2}, {"a": {None: 1}}),
    *((1, 2), {3}, b"x", object(), float("nan"), "\ud800", [float("inf")], {"\ud800": 1}),
]


@pytest.mark.parametrize("odd", NO_JSON, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("endpoint", LTX_2, ids=lambda endpoint: endpoint.id)
@pytest.mark.parametrize(
    "field", ["prompt", "duration", "generate_audio", "resolution", "start_time", "unknown", None]
)
def test_no_python_value_crashes_validation(
    endpoint: Endpoint, field: str | None, odd: object
) -> None:
    body = cast("JSON", {**BODY, "video_url": "u", field: odd} if field else odd)
    faults = endpoint.validate(body)
    assert (faults == []) is endpoint.is_valid(body)
    assert all(fault["loc"][0] == "body" and fault["msg"] for fault in faults)
    assert isinstance(endpoint.validate(body, coerce=True), list)
    endpoint.coerced(body)
    endpoint.validate_output(body)
    if isinstance(body, dict):
        endpoint.price(body)
        endpoint.video(body)


@pytest.mark.parametrize(
    ("field", "value", "type_"),
    [  # pytest names a case by writing its values out, which the huge ones do not bear.
        ("duration", HUGE, "int_parsing_size"),
        ("prompt", DEEP, "string_type"),
        ("prompt", HUGE, "string_type"),
        ("generate_audio", HUGE, "bool_type"),
        ("fps", DEEP, "literal_error"),
    ],
    ids=range(5),
)
def test_values_that_cannot_be_printed_are_refused_in_the_usual_words(
    field: str, value: JSON, type_: str
) -> None:
    [fault] = Catalog.vendored().get(FAST).validate({**BODY, field: value})
    assert (fault["loc"], fault["type"]) == (["body", field], type_)
    json.dumps(fault["input"])


def test_keys_that_are_not_text_are_refused() -> None:
    body = cast("JSON", {**BODY, 1: 2})
    [fault] = Catalog.vendored().get(FAST).validate(body)
    assert (fault["type"], fault["loc"]) == ("invalid_key", ["body", "1"])


def taking(schema: JSON) -> Endpoint:
    properties: JSON = {"type": "object", "properties": {"v": schema}}
    body = {"content": {"application/json": {"schema": properties}}}
    data = {"paths": {"/acme/odd": {"post": {"requestBody": body}}}}
    return Endpoint(Document(json.dumps(data).encode(), source="odd.json"))


@pytest.mark.parametrize(
    ("schema", "value", "type_", "msg"),
    [
        (
            {"type": "array", "uniqueItems": True},
            [1, 1],
            "value_error",
            "Value error, does not meet 'uniqueItems'",
        ),
        (
            {"type": "object", "minProperties": 1},
            {},
            "too_short",
            "Dictionary should have at least 1 item after validation, not 0",
        ),
        (
            {"type": "object", "maxProperties": 1},
            {"a": 1, "b": 2},
            "too_long",
            "Dictionary should have at most 1 item after validation",
        ),
        ({"const": 5}, 6, "literal_error", "Input should be 5"),
        ({"type": "null"}, 6, "none_required", "Input should be None"),
        ({"not": {"type": "string"}}, "x", "value_error", "Value error, does not meet 'not'"),
        ({"type": "number"}, float("nan"), "finite_number", "Input should be a finite number"),
        (
            {"type": "number", "minimum": 1e-7},
            0,
            "greater_than_equal",
            "Input should be greater than or equal to 0.0000001",
        ),
        (
            {"type": "integer", "exclusiveMaximum": 5.0},
            5,
            "less_than",
            "Input should be less than 5",
        ),
        (
            {"type": "number", "maximum": 5},
            10**400,
            "float_type",
            "Input should be a valid number",
        ),
        (
            {"additionalProperties": False},
            {"a": 1},
            "too_long",
            "Dictionary should have at most 0 items after validation",
        ),
    ],
    ids=range(11),
)
def test_constraints_that_ltx_2_has_not_are_worded_too(
    schema: JSON, value: JSON, type_: str, msg: str
) -> None:
    [fault] = taking(schema).validate({"v": value})
    assert fault["type"] == type_
    # How many there are too many, Pydantic says since 2.9 in other words.
    assert fault["msg"].startswith(msg)


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ([1], [("too_short", ["body", "v"])]),
        (["x"], [("int_parsing", ["body", "v", 0])]),
        ([1, 2, 3, "x"], [("too_long", ["body", "v"])]),
    ],
)
def test_a_lists_items_come_before_its_least_length_and_after_its_greatest(
    value: JSON, faults: list[tuple[str, list[str | int]]]
) -> None:
    items: JSON = {"type": "integer"}
    endpoint = taking({"type": "array", "items": items, "minItems": 2, "maxItems": 3})
    said = [(fault["type"], fault["loc"]) for fault in endpoint.validate({"v": value})]
    assert said == faults


@pytest.mark.parametrize(
    ("bounds", "value", "type_"),
    [
        ({"exclusiveMaximum": 5}, float("inf"), "less_than"),
        ({"exclusiveMinimum": 5}, float("-inf"), "greater_than"),
        ({"minimum": 5}, float("nan"), "greater_than_equal"),
        ({"maximum": 5}, float("-inf"), "finite_number"),
    ],
)
def test_numbers_that_are_not_finite_break_the_bound_that_pydantic_meets_first(
    bounds: Object, value: float, type_: str
) -> None:
    [fault] = taking({"type": "number", **bounds}).validate({"v": value})
    assert fault["type"] == type_


def test_text_of_thousands_of_digits_is_not_an_integer() -> None:
    endpoint = taking({"type": "integer"})
    [fault] = endpoint.validate({"v": "9" * 5000})
    assert fault["type"] == "int_parsing_size"
    [fault] = endpoint.validate({"v": float("inf")})
    assert fault["type"] == "finite_number"


def test_union_branches_are_named_as_pydantic_names_them() -> None:
    branches: JSON = [{"const": 1}, {"type": "number", "minimum": 3}, {"maxLength": 0}]
    faults = taking({"anyOf": branches}).validate({"v": "x"})
    assert [fault["loc"][2] for fault in faults] == ["literal[1]", "constrained-float", "any"]


def test_values_inside_lists_are_coerced() -> None:
    endpoint = taking({"type": "array", "items": {"type": "integer"}})
    assert endpoint.coerced({"v": [1, "2", 3]}) == {"v": [1, 2, 3]}


def test_values_that_are_not_json_are_named_with_their_place() -> None:
    made, odd = sanitize({"a": [object()], "b": {"c": 1.5, "d": (1,)}})
    assert made == {"a": [None], "b": {"c": 1.5, "d": None}}
    assert [(path, type_) for path, (type_, _) in odd] == [
        (("a", 0), "invalid-json-value"),
        (("b", "d"), "invalid-json-value"),
    ]


def test_a_union_of_types_is_worded_branch_by_branch() -> None:
    faults = taking({"type": ["integer", "string"]}).validate({"v": []})
    assert [fault["loc"] for fault in faults] == [["body", "v", "int"], ["body", "v", "str"]]


def test_0_3_is_a_multiple_of_0_1() -> None:
    endpoint = taking({"type": "number", "multipleOf": 0.1})
    assert endpoint.is_valid({"v": 0.3})
    assert [fault["type"] for fault in endpoint.validate({"v": 0.35})] == ["multiple_of"]


NUMBERS = st.integers() | st.floats() | st.sampled_from([0.3, 6, 6.0, 2**63, 10**400, 1e300])
LEAVES: st.SearchStrategy[JSON] = st.none() | st.booleans() | NUMBERS | st.text(max_size=4)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=6
)
SCHEMAS: list[Object] = [
    {"type": "number", "minimum": -2, "maximum": 5.5},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 7},
    {"type": "integer", "minimum": 0},
    {"type": "number", "multipleOf": 0.1},
    {"type": "integer", "multipleOf": 3},
    {"enum": [6, "6", None, True, 1.5]},
    {"const": 0},
    {"type": "string", "minLength": 1, "maxLength": 2},
    {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2},
    {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
    {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}},
    {"anyOf": [{"type": "string"}, {"type": "integer", "maximum": 3}, {"type": "null"}]},
]


@settings(deadline=None, max_examples=300)
@given(schema=st.sampled_from(SCHEMAS), value=VALUES)
def test_the_compiled_validator_and_jsonschema_agree(schema: Object, value: JSON) -> None:
    assert Compiled(schema).is_valid(value) is (describe_errors(schema, value) == [])


@settings(deadline=None, max_examples=20)
@pytest.mark.parametrize("endpoint", Catalog.vendored(), ids=lambda endpoint: endpoint.id)
@given(data=st.data())
def test_validate_finds_something_exactly_where_is_valid_says_no(
    endpoint: Endpoint, data: st.DataObject
) -> None:
    example = endpoint.example_input()
    changes = data.draw(
        st.dictionaries(st.sampled_from([*endpoint.defaults, *example, "x"]), VALUES, max_size=2)
    )
    body: Object = {**example, **changes}
    assert endpoint.is_valid(body) is (endpoint.validate(body) == [])
    schema_only = describe_errors(endpoint.input_schema, body) == []
    assert Compiled(endpoint.input_schema).is_valid(body) is schema_only
