"""Users' documents without bounds: deep, endless, huge. They load, harm nothing, and are noted.

What can't be read accepts anything. Without bounds most of these raise, hang, or end the process.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from falkit_spec import JSON, BadDocument, Document, Endpoint, Object
from falkit_spec.cli.spec import spec
from falkit_spec.lint import lint
from falkit_spec.types import dig
from spec.test_odd_documents import endpoint, ref


def used(odd: Endpoint) -> Endpoint:
    """Do all with an endpoint that a mock and a client do."""
    inputs: list[JSON] = [{}, {"a": 1, "x": "1"}, {"x": {"x": {"x": []}}}, [], None]
    for input in inputs:
        assert (odd.validate(input) == []) is odd.is_valid(input)
        odd.validate(input, coerce=True)
        odd.validate_output(input)
    assert odd.example_output() == {} or odd.validate_output(odd.example_output()) == []
    assert odd.example_input() == {} or odd.is_valid(odd.example_input())
    assert isinstance((odd.defaults, odd.file_fields), tuple)
    assert all(len(line) <= 200 and line.isprintable() for line in lint(odd.document))
    return odd


def nested(keyword: str, levels: int) -> JSON:
    node: JSON = {"type": "string"}
    for _ in range(levels):
        one: Object = {"a": node}
        node = {keyword: [node] if keyword.endswith("Of") else one}
        if keyword == "items":
            node = {"items": dig(one, "a")}
    return node


def chain(length: int, **link: str) -> Object:
    """Schemas of which each refers to the next, twice or as told."""
    schemas: Object = {}
    for place in range(length):
        following: JSON = ref(f"A{place + 1}")
        shape: dict[str, JSON] = {
            "ref": following,
            "object": {"properties": {"x": following, "y": following}, "required": ["x", "y"]},
            "allOf": {"allOf": [following, {"title": "t", **ref(f"A{place + 1}")}]},
            "anyOf": {"anyOf": [following, {"title": "t", **ref(f"A{place + 1}")}]},
        }
        schemas[f"A{place}"] = shape[link["by"]]
    return {**schemas, f"A{length}": {"type": "object"}}


CIRCLES: dict[str, Object] = {
    "references": {"A": ref("B"), "B": ref("C"), "C": ref("A")},
    "allOf": {"A": {"allOf": [ref("B")]}, "B": {"allOf": [ref("A")]}},
    "allOf with itself": {"A": {"type": "object", "allOf": [ref("A"), ref("A")]}},
    "anyOf": {"A": {"anyOf": [ref("A"), {"type": "null"}]}},
    "not": {"A": {"not": ref("A")}},
}


@pytest.mark.parametrize("name", CIRCLES)
def test_what_is_defined_by_itself_alone_accepts_anything(name: str) -> None:
    holder: JSON = {"type": "object", "properties": {"x": ref("A")}, "required": ["x"]}
    odd = used(endpoint(holder, holder, CIRCLES[name]))
    assert odd.is_valid({"x": [1, "a"]})
    assert odd.combinations() == []
    used(endpoint(ref("A"), ref("A"), CIRCLES[name]))


def having(**fields: JSON) -> Object:
    return {"type": "object", "properties": {**fields}}


A = ref("A")
DOUBLING: dict[str, Object] = {
    "two branches": {"A": {"anyOf": [{**having(a=A), "required": ["b"]}, having(a=A, b=True)]}},
    "two classes": {"A": {"anyOf": [ref("B"), ref("C")]}, "B": having(a=A), "C": having(a=A)},
    "any field": {"A": {**having(a=A), "allOf": [{"additionalProperties": A}, having()]}},
    "any item": {"A": {"anyOf": [{"items": A}, {"prefixItems": [A, A]}]}},
    "a part": {"A": {"anyOf": [having(a=A), having(a=having(a=A))]}},
}
SINGLE: dict[str, Object] = {
    "JSON": {"A": {"anyOf": [{"type": "string"}, {"items": A}, {"additionalProperties": A}]}},
    "a tree": {"A": having(left={"anyOf": [A, {"type": "null"}]}, right=A)},
    "and, or": {"A": {"anyOf": [ref("B"), ref("C")]}, "B": having(**{"and": A}), "C": having(o=A)},
    "a pair": {"A": {"anyOf": [{"prefixItems": [A, A]}, {"type": "integer"}]}},
}


def deep(*, a: str = "a", levels: int = 60) -> JSON:
    value: JSON = 5
    for _ in range(levels):
        value = {a: value}
    return value


@pytest.mark.parametrize("name", DOUBLING)
def test_what_takes_twice_as_long_with_each_level_accepts_anything(name: str) -> None:
    odd = used(endpoint(having(x=A), having(x=A), DOUBLING[name]))
    assert "input: A holds itself twice at one place; anything is accepted there" in odd.notes
    inputs: list[JSON] = [{"x": deep()}, {"x": {"a": deep()}}]
    for input in inputs:
        assert odd.validate(input) == []
        assert odd.validate_output(input) == []


@pytest.mark.parametrize("name", SINGLE)
def test_what_holds_itself_at_places_of_its_own_is_read(name: str) -> None:
    odd = used(endpoint(having(x=A), having(x=A), SINGLE[name]))
    assert odd.notes == ()
    assert odd.validate({"x": deep(a="left")}) == [] or name != "JSON"


def test_many_wrong_items_are_refused_by_the_first() -> None:
    # Pydantic writes the 9,000 names into what it says of each item.
    names: JSON = [f"v{number}" for number in range(9000)]
    odd = endpoint(having(xs={"type": "array", "items": {"enum": names}}, n={"type": "integer"}))
    few: JSON = {"xs": ["v0", "w", "w"], "n": "x"}
    assert [fault["loc"][1:] for fault in odd.validate(few)] == [["xs", 1], ["xs", 2], ["n"]]
    for coerce in (False, True):
        many: JSON = {"xs": ["v0", *(["w"] * 50_000)], "n": "x"}
        faults = odd.validate(many, coerce=coerce)
        assert [fault["loc"][1:] for fault in faults] == [["xs", 1], ["n"]]
    right: JSON = {"xs": names}
    assert odd.coerced(right) == right


def test_many_faults_of_few_values_are_bounded() -> None:
    branches: JSON = [{**having(), "required": [f"k{number}"]} for number in range(400)]
    odd = endpoint(having(xs={"type": "array", "items": {"anyOf": branches}}))
    few: list[JSON] = [having()] * 10
    assert len(odd.validate({"xs": few})) == 4000
    assert len(odd.validate({"xs": few * 10})) == 400


@pytest.mark.parametrize("by", ["ref", "object", "allOf", "anyOf"])
@pytest.mark.parametrize("length", [50, 5000])
def test_references_that_unfold_without_end_are_not_read(by: str, length: int) -> None:
    odd = used(endpoint(ref("A0"), ref("A0"), chain(length, by=by)))
    assert odd.is_valid({"x": 1})
    if by != "ref" or length > 50:
        assert any("anything is accepted" in note for note in odd.notes)


@pytest.mark.parametrize("keyword", ["properties", "allOf", "anyOf", "items"])
@pytest.mark.parametrize("levels", [40, 90, 180, 300])
def test_deep_nesting_is_bounded(keyword: str, levels: int) -> None:
    odd = used(endpoint({"properties": {"x": nested(keyword, levels)}}, nested(keyword, levels)))
    assert any("levels deep" in note for note in odd.notes) is (levels > 64)


@pytest.mark.parametrize("keyword", ["default", "examples", "enum", "const", "x-fal"])
def test_deep_values_are_left_out(keyword: str) -> None:
    deep: JSON = []
    for _ in range(90):
        deep = [deep]
    odd = used(endpoint({"properties": {"x": {"type": "array", keyword: deep}}}))
    [note] = [one for one in odd.notes if one.startswith(f"input: x: `{keyword}`")]
    assert "can't be read" in note


def test_more_schemas_than_anybody_has_are_not_read() -> None:
    fields: Object = {f"p{number}": {"type": "integer"} for number in range(30_000)}
    odd = used(endpoint({"type": "object", "properties": fields}))
    assert odd.notes[0] == "input: unfolds to more than 20,000 schemas; anything is accepted"


@pytest.mark.parametrize("keyword", ["enum", "required", "x-fal-order-properties"])
def test_endless_lists_of_names_are_left_out(keyword: str) -> None:
    names: JSON = [f"p{number}" for number in range(200_000)]
    odd = used(endpoint({"type": "object", "properties": {"x": {keyword: names}}, keyword: names}))
    assert odd.is_valid({"x": 5})


@pytest.mark.parametrize(
    "node",
    [
        {"type": "string", "minLength": 10**15},
        {"type": "array", "minItems": 10**15, "items": {"type": "integer"}},
        {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"enum": [1, 2, 3]}},
        {"type": "integer", "minimum": 1e15, "multipleOf": 1e-300},
        {"type": "string", "maxLength": 1e308},
        {"minimum": 10**25, "maximum": -(10**25)},
        {"items": {"²": {"type": "string"}}},
        {"items": {"9" * 5000: {"type": "string"}}},
        {"$ref": "#/paths/²/³"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"pattern": "(a+)+$", "patternProperties": {"(": True}},
        {"properties": {"../../etc": {}, "\x00": {"type": "string"}, "": {}, "$ref": {}}},
        {"x-\x1b[31m": 1, "\u202e": {"a": 1}, "type": "\x1b]0;title\x07"},
    ],
)
def test_limits_and_names_of_any_size_break_nothing(node: JSON) -> None:
    holder: JSON = {"type": "object", "properties": {"x": node}, "required": ["x"]}
    used(endpoint(holder, holder))


def test_a_schema_of_unread_keywords_says_so() -> None:
    odd = endpoint(
        {"properties": {"x": {"type": "string", "pattern": "^a"}, "y": {"type": "file"}}}
    )
    assert odd.notes == (
        "input: x: `pattern` isn't read; more is accepted than it allows",
        "input: y: `type` file can't be read; it is left out",
    )


@pytest.mark.parametrize(
    "root", [{"type": "array"}, {"type": "string"}, {"enum": [1]}, {"anyOf": [{"type": "null"}]}]
)
def test_an_input_that_is_no_object_accepts_any(root: JSON) -> None:
    odd = used(endpoint(root))
    assert odd.is_valid({"a": 1})
    assert odd.notes == ("input: is not one object's schema; anything is accepted there",)
    assert [fault["type"] for fault in odd.validate([1])] == ["model_attributes_type"]


def test_the_objects_of_an_all_of_are_one_object() -> None:
    seed: Object = {"type": "object", "properties": {"seed": {"type": "integer", "default": 1}}}
    more: Object = {"type": "object", "properties": {"seed": {"maximum": 9}, "b": {"const": 1}}}
    odd = endpoint({"allOf": [ref("S"), {**more, "required": ["b"]}]}, schemas={"S": seed})
    assert odd.input_schema["required"] == ["b"]
    assert odd.is_valid({"b": 1, "seed": 9})
    assert not odd.is_valid({"b": 1, "seed": 10})
    assert not odd.is_valid({"seed": 9})


def test_long_and_odd_lists_of_all_of_are_joined_in_time() -> None:
    names: list[JSON] = [f"v{number}" for number in range(9000)]
    both: JSON = {"allOf": [{"enum": names}, {"type": "string", "enum": [*names[4000:], "w"]}]}
    odd = endpoint(having(x=both))
    assert "Input should be 'v4000', " in odd.validate({"x": "v0"})[0]["msg"]
    parts: list[JSON] = [
        {**having(), "required": [*names, {}, []]},
        {**having(), "required": [*names, "w", {}]},
        {"required": 7},
    ]
    assert len(endpoint({"allOf": parts}).validate({})) == 9001


def document(paths: JSON, **more: JSON) -> Document:
    return Document(json.dumps({"openapi": "3.1.0", "paths": paths, **more}).encode(), source="x")


BODY: Object = {"content": {"application/json": {"schema": {"required": ["a"]}}}}
POST: Object = {"post": {"requestBody": BODY}}


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ({"/b/b": {"post": {}}, "/a/a": POST}, "a/a"),
        ({"/b/b": {"post": {}}, "/c/c": POST, "/c/c/requests/{request_id}": {}}, "c/c"),
        ({"/d/d/": POST}, "d/d"),
        ({"/e/e": {"$ref": "#/x-item"}}, "e/e"),
        ({"/f/f": {"post": {"requestBody": {"$ref": "#/x-body"}}}}, "f/f"),
        ({"/g/g": {"post": {"requestBody": {"content": {"multipart/x": 1, **BODY}}}}}, ""),
    ],
)
def test_the_path_of_the_input_is_found(paths: Object, found: str) -> None:
    named: Object = {"info": {"x-fal-metadata": {"endpointId": "a/a"}}} if "/a/a" in paths else {}
    one = Endpoint(document(paths, **{"x-item": POST, "x-body": BODY}, **named))
    assert one.id == found or not found
    assert one.is_valid({}) is (not found)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/x+json", "*/*"])
def test_json_is_known_by_any_of_its_names(kind: str) -> None:
    post: JSON = {"post": {"requestBody": {"content": {"text/x": {}, kind: {"schema": {}}}}}}
    assert Endpoint(document({"/a/b": post})).input_schema == {}


@pytest.mark.parametrize("code", ["200", "201", "2XX", "default"])
def test_a_result_of_any_success_is_read(code: str) -> None:
    result: JSON = {"get": {"responses": {"404": {}, code: BODY}}}
    one = Endpoint(document({"/a/b": POST, "/a/b/requests/{request_id}": result}))
    assert one.output_schema == {"required": ["a"]}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"swagger": "2.0", "paths": {}}', "is Swagger 2; fal's documents are OpenAPI 3"),
        ('{"paths": {}}'.encode("utf-16"), "is written in UTF-16; save it as UTF-8"),
        (b'{"paths": {"/a/b": {"post": {}}, "/a/c": {"post": {}}}}', "nor one POST path"),
        (b'{"paths": {"/pets": {"post": {}}}}', "'pets' is no endpoint id"),
        (b'{"x": 1e400}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\0" * 100, "not JSON"),
    ],
)
def test_what_is_no_document_of_fals_is_refused_in_a_line(raw: bytes, reason: str) -> None:
    with pytest.raises(BadDocument) as refused:
        Endpoint(Document(raw, source="x.json"))
    assert reason in str(refused.value)
    assert len(str(refused.value)) <= 250
    assert str(refused.value).isprintable()


def test_a_byte_order_mark_is_no_fault() -> None:
    raw = b"\xef\xbb\xbf" + json.dumps({"paths": {"/a/b": POST}}).encode()
    assert Endpoint(Document(raw, source="x.json")).id == "a/b"


def test_a_document_that_is_gone_when_it_is_needed_accepts_anything() -> None:
    one = Endpoint(Document(b"{", source="x.json", endpoint_id="a/b"))
    assert used(one).notes[0].startswith("not JSON")


# Red, the right-to-left override, a bell and the start of the line.
ODD = "\x1b[31m\u202e\x07\r"
OVERLAY = {
    "overlay": "1.0.0",
    "info": {"title": ODD, "version": "1"},
    "actions": [
        {
            "target": "$.paths['/acme/odd'].post",
            "update": {
                "x-falkit": {
                    "rules": [
                        {
                            "loc": ["n"],
                            "message": f"no {ODD}",
                            "when": {"properties": {"n": {"const": 2}}},
                            "require": {"properties": {"n": {"const": 1}}},
                            "certainty": "confirmed",
                            "source": ODD,
                        }
                    ]
                }
            },
        }
    ],
}


@pytest.mark.parametrize("command", ["list", "show acme/odd", "combinations acme/odd"])
def test_whatever_names_are_printed_do_nothing_to_a_terminal(tmp_path: Path, command: str) -> None:
    fields: JSON = {
        "n": {"enum": [1, 2], "default": 1},
        f"a{ODD}": {"title": ODD, "description": ODD, "enum": [f"x{ODD}", "y"]},
    }
    odd = endpoint({"type": "object", "title": ODD, "properties": fields}).document.data
    info: JSON = {"x-fal-metadata": {"endpointId": "acme/odd", "category": ODD}}
    (tmp_path / "odd.json").write_text(json.dumps({**odd, "info": info}))
    (tmp_path / "overlay.json").write_text(json.dumps(OVERLAY))
    words = [*command.split(), "--documents", str(tmp_path)]
    result = CliRunner().invoke(spec, words, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert not {*ODD[:1], *ODD[5:]} & {*result.output}
    assert "\\x1b[31m" in result.stdout
    if command != "list":
        assert "no \\x1b" in result.stdout
