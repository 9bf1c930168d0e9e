"""What changed between two documents, and what of it breaks callers."""

from __future__ import annotations

import pytest

from drifting import FILE, NARROWER, NULL, TEXT, document, ref, shown, taking
from falkit_spec import JSON, Catalog, Document, Endpoint, Object
from falkit_spec.drift.compare import compare
from falkit_spec.drift.shapes import NotComparable


@pytest.mark.parametrize(("wide", "narrow", "field", "message"), NARROWER)
def test_an_input_that_takes_less_is_breaking(
    wide: JSON, narrow: JSON, field: str, message: str
) -> None:
    found = shown(document(taking(wide)), document(taking(narrow)))
    assert ("breaking", field, message) in found
    assert {kind for kind, _, _ in found} == {"breaking"}


# What can't be told counts both ways.
@pytest.mark.parametrize(("wide", "narrow", "field", "_message"), NARROWER[:-1])
def test_an_input_that_takes_more_is_widening_and_so_are_fewer_sorts_of_output(
    wide: JSON, narrow: JSON, field: str, _message: str
) -> None:
    more = shown(document(taking(narrow)), document(taking(wide)))
    assert {kind for kind, _, _ in more} == {"widening"}
    assert field in {place for _, place, _ in more}
    given_less = shown(document(None, taking(wide)), document(None, taking(narrow)))
    assert "breaking" not in {kind for kind, _, _ in given_less}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TEXT, {"anyOf": [TEXT, NULL]}, "also gives null"),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, 'also gives "b"'),
        ({"type": "integer"}, {"type": "number"}, "integer → number"),
    ],
)
def test_an_output_that_gives_what_it_never_gave_is_breaking(
    old: JSON, new: JSON, message: str
) -> None:
    assert shown(document(None, taking(old)), document(None, taking(new))) == [
        ("breaking", "x", message)
    ]


def test_fields_are_judged_by_the_direction_of_use() -> None:
    bare: Object = {"type": "object", "properties": {}}
    with_x, needing_x = taking(TEXT, required=False), taking(TEXT)
    ignored = "is gone; what is given for it is ignored"
    assert shown(document(with_x), document(bare)) == [("breaking", "x", ignored)]
    assert shown(document(bare), document(with_x)) == [("widening", "x", "is new")]
    assert shown(document(bare), document(needing_x)) == [("breaking", "x", "is new and required")]
    assert shown(document(None, with_x), document(None, bare)) == [("breaking", "x", "is gone")]
    assert shown(document(None, bare), document(None, needing_x)) == [
        ("widening", "x", "is new and required")
    ]


def test_what_becomes_required_breaks_an_input_and_what_no_longer_is_an_output() -> None:
    # With a default, since what has none may be null.
    field: JSON = {**TEXT, "default": "a"}
    may, must = taking(field, required=False), taking(field)
    assert shown(document(may), document(must)) == [("breaking", "x", "is now required")]
    assert shown(document(must), document(may)) == [("widening", "x", "is no longer required")]
    assert shown(document(None, must), document(None, may)) == [
        ("breaking", "x", "is no longer required")
    ]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [(5, 10, "breaking"), (5, None, "breaking"), (None, 5, "widening"), (5, 5.0, None)],
)
def test_a_default_that_is_another_one_is_breaking(
    before: JSON, after: JSON, kind: str | None
) -> None:
    def of(default: JSON) -> Document:
        whole: Object = {"anyOf": [{"type": "integer"}, NULL]}
        if default is not None:
            whole["default"] = default
        return document(taking(whole, required=False))

    found = [each for each in compare(of(before), of(after)) if each.kind != "prose"]
    assert [(each.kind, each.rule) for each in found] == ([(kind, "default")] if kind else [])


def test_limits_of_a_file_are_compared_wherever_they_stand() -> None:
    before: JSON = {"anyOf": [{**TEXT, "x-fal": {"max_file_size": 9, "timeout": 1}}, NULL]}
    after: JSON = {"anyOf": [TEXT, NULL], "x-fal": {"max_file_size": 5, "min_width": 3}}
    assert shown(document(taking(before)), document(taking(after))) == [
        ("breaking", "x", "max_file_size: 9 → 5"),
        ("breaking", "x", "min_width: none → 3"),
    ]


SAME: list[tuple[JSON, JSON]] = [
    (taking(TEXT, required=False), taking({"anyOf": [TEXT, NULL]}, required=False)),
    (taking(TEXT, required=False), taking({**TEXT, "nullable": True}, required=False)),
    (taking({"type": ["string", "null"]}), taking({"anyOf": [NULL, TEXT]})),
    (
        taking({"allOf": [ref("Size")], "title": "Old"}, required=False),
        taking({"anyOf": [{**ref("Size"), "title": "New"}, NULL]}, required=False),
    ),
    (taking({"enum": ["a", "b"]}), taking({"anyOf": [{"const": "b"}, {"enum": ["a"]}]})),
    (
        taking({"type": "number", "minimum": 1, "exclusiveMinimum": True}),
        taking({"type": "number", "exclusiveMinimum": 1}),
    ),
    (
        taking({"type": "integer", "exclusiveMinimum": 1}),
        taking({"type": "integer", "minimum": 2}),
    ),
    (taking({"items": {"0": TEXT}}), taking({"prefixItems": [TEXT]})),
    (taking({"allOf": [TEXT, {"maxLength": 4}]}), taking({**TEXT, "maxLength": 4})),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_another_dialect_is_no_change(old: JSON, new: JSON) -> None:
    for one, other in ((old, new), (old, new)):
        assert shown(document(one), document(other)) == []
        assert shown(document(None, one), document(None, other)) == []


def test_null_within_a_field_is_no_dialect_of_the_field() -> None:
    def of(inner: JSON) -> Document:
        return document(None, taking(taking(inner), required=False))

    found = shown(of(TEXT), of({"anyOf": [TEXT, NULL]}))
    assert found == [("breaking", "x.x", "also gives null")]


def test_null_where_both_documents_write_it_is_told() -> None:
    also: Object = {"anyOf": [{"type": "integer"}, NULL]}

    def of(field: JSON) -> Document:
        both: Object = {"x": field, "y": also}
        return document(None, {"type": "object", "properties": both})

    found = shown(of(ref("Size")), of({"anyOf": [ref("Size"), NULL]}))
    assert found == [("breaking", "x", "also gives null")]


def test_an_input_of_which_nothing_is_said_is_an_object() -> None:
    assert shown(document(ref("Gone")), document({"type": "object"})) == []
    assert shown(document(), document(taking(TEXT))) == [("breaking", "x", "is new and required")]


def test_bytes_that_no_reply_holds_may_go() -> None:
    older: Object = {**FILE, "properties": {"url": TEXT, "data": {**TEXT, "format": "binary"}}}
    assert shown(document(None, taking(older)), document(None, taking(FILE))) == []


def test_prose_and_order_are_told_apart() -> None:
    old: Object = {**TEXT, "title": "A", "description": "a", "examples": ["a"]}
    new: Object = {**TEXT, "title": "B", "description": "b", "_fal_ui_field": "image"}
    found = compare(document(taking(old)), document(taking(new)))
    assert {change.kind for change in found} == {"prose"}
    assert {change.rule for change in found} == {
        "title",
        "description",
        "examples",
        "_fal_ui_field",
    }


def test_a_schema_within_itself_is_compared_once() -> None:
    def of(most: int) -> Document:
        node: Object = {
            "type": "object",
            "properties": {
                "next": {"anyOf": [ref("Node"), NULL]},
                "also": {"type": "array", "items": ref("Node")},
                "v": {"type": "integer", "maximum": most},
            },
            "required": ["v"],
        }
        return document(ref("Node"), ref("Node"), Node=node)

    assert compare(of(3), of(3)) == []
    assert ("breaking", "v", "maximum: 3 → 2") in shown(of(3), of(2))


def test_what_is_too_much_is_named_and_not_called_clean() -> None:
    # Each level holds the next one twice, under different words.
    def of(most: int) -> Document:
        levels: Object = {
            f"L{n}": {
                "type": "object",
                "properties": {
                    side: {**ref(f"L{n + 1}"), "description": side} for side in ("left", "right")
                },
                "required": ["left", "right"],
            }
            for n in range(40)
        }
        return document(ref("L0"), L40={"type": "integer", "maximum": most}, **levels)

    with pytest.raises(NotComparable):
        compare(of(2), of(1))


@pytest.mark.parametrize("endpoint", Catalog.vendored(), ids=lambda one: str(one.id))
def test_no_document_differs_from_itself(endpoint: Endpoint) -> None:
    assert compare(endpoint.document, Document(endpoint.document.raw, source="again")) == []
