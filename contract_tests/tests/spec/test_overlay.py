from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from falkit_spec import JSON, BadOverlay, Catalog, Document, Object, Overlay
from falkit_spec.catalog import vendored_overlays
from falkit_spec.types import dig


def overlay(*actions: JSON) -> Overlay:
    info: Object = {"title": "t", "version": "1"}
    return Overlay.from_data(
        {"overlay": "1.0.0", "info": info, "actions": list(actions)}, source="o.yaml"
    )


def test_objects_merge_arrays_grow_and_plain_values_are_replaced() -> None:
    document: Object = {"a": {"b": 1, "c": [1], "d": {"e": 1}}}
    update: Object = {"b": 2, "c": [2], "d": {"f": 2}, "g": {"new": True}}
    laid = overlay({"target": "$.a", "update": update}).apply(document)
    assert laid == {"a": {"b": 2, "c": [1, 2], "d": {"e": 1, "f": 2}, "g": {"new": True}}}
    assert document == {"a": {"b": 1, "c": [1], "d": {"e": 1}}}, "the document stays as it was"


def test_an_update_of_an_array_is_appended() -> None:
    laid = overlay({"target": "$.tags", "update": {"name": "x"}}).apply({"tags": []})
    assert laid == {"tags": [{"name": "x"}]}


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("$.paths", {}),
        ("$.paths['/a/b']", {"paths": {"/c": {"get": 2}}}),
        ('$["paths"]["/c"].get', {"paths": {"/a/b": {"get": 1}, "/c": {}}}),
        ("$.paths[*].get", {"paths": {"/a/b": {}, "/c": {}}}),
        ("$.paths.*", {"paths": {}}),
        ("$.nowhere.at.all", {"paths": {"/a/b": {"get": 1}, "/c": {"get": 2}}}),
    ],
)
def test_remove_deletes_what_its_target_selects(target: str, left: Object) -> None:
    document: Object = {"paths": {"/a/b": {"get": 1}, "/c": {"get": 2}}}
    assert overlay({"target": target, "remove": True}).apply(document) == left


def test_each_selected_item_of_an_array_is_removed() -> None:
    laid = overlay({"target": "$.a[*]", "remove": True}).apply({"a": [{"x": 1}, {"x": 1}, 2, 2]})
    assert laid == {"a": []}


def test_actions_are_done_in_order() -> None:
    laid = overlay({"target": "$.a", "remove": True}, {"target": "$", "update": {"a": [1]}}).apply(
        {"a": {}}
    )
    assert laid == {"a": [1]}


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({}, "needs a `target`"),
        ({"target": "$.a"}, "needs an `update` or `remove: true`"),
        ({"target": "a.b", "update": {}}, "does not begin with"),
        ({"target": "$..a", "update": {}}, r"not understood from '\.\.a' on"),
        ({"target": "$.a[?@.b]", "update": {}}, r"not understood from '\[\?@\.b\]' on"),
        ({"target": "$.a[0]", "update": {}}, "not understood"),
        ({"target": "$", "remove": True}, "cannot be removed"),
        ({"target": "$.a", "remove": "yes"}, "`remove` is true or false"),
    ],
)
def test_an_action_that_is_not_understood_is_refused(action: JSON, reason: str) -> None:
    with pytest.raises(BadOverlay, match=reason):
        overlay(action)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "overlay: 2.0.0",
        "overlay: 1.0.0\ninfo: {title: t}\nactions: [{target: $, update: {}}]",
        "overlay: 1.0.0\ninfo: {title: t, version: 1}\nactions: []",
        "a: [",
    ],
)
def test_a_file_that_is_not_an_overlay_is_refused(text: str) -> None:
    with pytest.raises(BadOverlay, match=r"o\.yaml"):
        Overlay.from_text(text, source="o.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested more than 200 levels deep"),
        ("- " * 100_000, "nested more than 200 levels deep"),
        (
            "a0: &a0 [x, x]\n"
            + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
            "unfolds to more than 1,000,000 values",
        ),
    ],
)
def test_a_file_without_measure_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    # At the first two libyaml would end the process.
    (tmp_path / "o.yaml").write_text(text)
    with pytest.raises(BadOverlay, match=reason):
        Overlay.from_path(tmp_path / "o.yaml")


def test_what_an_overlay_adds_is_bounded() -> None:
    document: Object = {"a": {f"b{number}": {} for number in range(2000)}}
    some: Object = {f"k{number}": number for number in range(400)}
    laid = overlay({"target": "$.a[*]", "update": some}).apply(document)
    assert dig(laid, "a", "b1999", "k399") == 399
    twice: list[JSON] = [{"target": "$.a[*]", "update": some}] * 2
    with pytest.raises(BadOverlay, match="adds more than 1,000,000 values"):
        overlay(*twice).apply(document)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOverlay, match="cannot be read"):
        Overlay.from_path(tmp_path / "none.yaml")


@pytest.mark.parametrize("update", [{"a": {"b": 1}}, {"a": 1}])
def test_a_value_of_another_kind_is_not_merged(update: Object) -> None:
    with pytest.raises(BadOverlay, match="remove it first"):
        overlay({"target": "$", "update": update}).apply({"a": [1]})


def test_an_update_cannot_merge_into_a_plain_value() -> None:
    with pytest.raises(BadOverlay, match="neither object nor array"):
        overlay({"target": "$.a", "update": {"b": 1}}).apply({"a": 1})


def evidence(node: JSON) -> list[Object]:
    if isinstance(node, list):
        return [found for item in node for found in evidence(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "certainty" in node else []
    return own + [found for item in node.values() for found in evidence(item)]


def test_every_vendored_fact_has_its_certainty_and_source() -> None:
    facts = [
        fact
        for file in vendored_overlays()
        for act in file.actions
        for fact in evidence(act.update)
    ]
    assert len(facts) > 20
    assert all(fact["certainty"] in ("confirmed", "inferred") for fact in facts)
    assert all(isinstance(fact["source"], str) and fact["source"] for fact in facts)


def endpoint_with(facts: JSON) -> Catalog:
    data = {"paths": {"/a/b": {"post": {"x-falkit": facts}}}}
    return Catalog.from_documents([Document(json.dumps(data).encode(), source="d.json")])


EVIDENCE: Object = {"certainty": "confirmed", "source": "a test"}
PNG: Object = {"value": ["png"], **EVIDENCE}
SOUND: Object = {
    "kind": "audio",
    "formats": {"value": ["mp3"], **EVIDENCE},
    "max_bytes": {"value": None, **EVIDENCE},
}


def lasting(seconds: JSON) -> JSON:
    return {"inputs": {"a": {**SOUND, "seconds": seconds}}}


def nested(depth: int) -> JSON:
    figure: JSON = {"value": 1}
    for _ in range(depth):
        figure = {"sum": [figure, {"value": 1}]}
    return figure


BAD_FACTS: list[tuple[JSON, str]] = [
    ({"pricing": []}, "`pricing` needs a unit"),
    ({"pricing": {"unit": "s", "amount": {"value": 0.1}}}, "0.1 is not a price"),
    ({"pricing": {"unit": "s", "amount": {"value": "NaN"}}}, "'NaN' is not a price"),
    ({"pricing": {"unit": "s", "amount": {"value": "x"}}}, "'x' is not a price"),
    (
        {"pricing": {"unit": "s", "amount": {"value": "1"}, "quantity": {"x": 1}}},
        "quantity: needs `value`",
    ),
    ({"pricing": {"unit": "s", "quantity": {"value": 1}}}, "needs a unit and an amount"),
    ({"pricing": {"unit": "s", "amount": {"value": "1"}, "counted": 1}}, "`counted` is true"),
    (
        {"pricing": {"unit": "s", "amount": {"by": ["a", "b"], "values": {"x": "1"}}}},
        r"amount.values: is a table for each field of `by`",
    ),
    (
        {"pricing": {"unit": "s", "amount": {"product": [{"value": "1"}]}}},
        "amount: needs `value`",
    ),
    (
        {"pricing": {"unit": "s", "amount": {"sum": [{"value": "1"}, {"value": 2}]}}},
        "amount: 2 is not a price",
    ),
    (
        {"pricing": {"unit": "s", "amount": {"value": "1"}, "quantity": nested(11)}},
        "at most 10 deep",
    ),
    (
        {
            "pricing": {
                "unit": "s",
                "amount": {"value": "1"},
                "quantity": {"megapixels_of": "size", "pixels": 0},
            }
        },
        "`pixels` is a whole number above 0",
    ),
    (
        {"pricing": {"unit": "s", "amount": {"value": "1"}, "quantity": {"field": "s"}}},
        "`certainty` is confirmed or inferred",
    ),
    ({"rules": {}}, "`rules` is a list"),
    ({"rules": [1]}, "a rule is an object"),
    ({"rules": [{}]}, "`when` and `require` are JSON Schemas"),
    ({"rules": [{"when": {}, "require": {}}]}, "`loc` is a list"),
    ({"rules": [{"when": {}, "require": {}, "loc": ["a"]}]}, "`message` says"),
    (
        {"rules": [{"when": {}, "require": {}, "loc": ["a"], "message": "m"}]},
        "`certainty` is confirmed or inferred",
    ),
    (
        {
            "video": {
                name: {"field": "f", "certainty": "confirmed"}
                for name in ("size", "fps", "seconds", "audio")
            }
        },
        "`source` says",
    ),
    ({"video": 1}, "`video` is an object"),
    ({"video": {}}, "size: needs `value`"),
    ({"inputs": 1}, "`inputs` is an object"),
    ({"inputs": {"a": {}}}, "`kind` is image, video, audio, "),
    ({"inputs": {"a": {"kind": "picture"}}}, "`kind` is image, video, audio, "),
    ({"inputs": {"a": {"kind": "image", "formats": ["png"]}}}, "`formats` needs a list"),
    ({"inputs": {"a": {"kind": "image", "formats": {"value": ["png"]}}}}, "`certainty` is"),
    (
        {"inputs": {"a": {"kind": "image", "formats": PNG, "max_bytes": {"value": "x"}}}},
        "`max_bytes` needs a whole number",
    ),
    (lasting(1), "`seconds` needs numbers"),
    (lasting({}), "`seconds` needs numbers"),
    (lasting({"min": "2"}), "`seconds` needs numbers"),
    (lasting({"max": -1}), "`seconds` needs numbers"),
    (lasting({"min": 2}), "`certainty` is"),
]


@pytest.mark.parametrize(("facts", "reason"), BAD_FACTS)
def test_a_fact_that_is_not_understood_is_refused_by_name(facts: JSON, reason: str) -> None:
    [endpoint] = endpoint_with(facts)
    with pytest.raises(BadOverlay, match=f"a/b: .*{reason}"):
        _ = (endpoint.rules, endpoint.pricing, endpoint.media_inputs, endpoint.video({}))


def test_a_rule_of_another_type_keeps_its_message() -> None:
    [endpoint] = endpoint_with(
        {
            "rules": [
                {
                    "loc": ["prompt"],
                    "type": "missing",
                    "message": "Field required",
                    "when": {"not": {"anyOf": [{"required": ["image_url"]}, True]}},
                    "require": {"required": ["prompt"]},
                    "certainty": "inferred",
                    "source": "a test",
                }
            ]
        }
    )
    [rule] = endpoint.rules
    assert rule.reads == {"prompt", "image_url"}
    assert rule.fault({}) == {
        "type": "missing",
        "loc": ["body", "prompt"],
        "msg": "Field required",
        "input": None,
    }


def test_an_endpoint_without_facts_has_neither_rule_nor_price() -> None:
    [endpoint] = endpoint_with(None)
    assert endpoint.rules == ()
    assert endpoint.media_inputs == ()
    assert endpoint.price({}) is None
    assert endpoint.billable_units({}) is None
    assert endpoint.video({}) is None


def test_the_vendored_overlays_serve_a_document_from_elsewhere(tmp_path: Path) -> None:
    fast = Catalog.vendored().get("fal-ai/ltx-2/image-to-video/fast")
    copy = tmp_path / "downloaded.json"
    shutil.copy(fast.document.source, copy)
    own = Catalog.from_documents([Document.from_path(copy)], vendored_overlays())
    assert own.get(fast.id).price({}) == fast.price({})


def test_a_length_may_have_one_limit_or_two() -> None:
    bounds: list[Object] = [{"min": 2, "max": 10.5}, {"min": 2}, {"max": 10.5}]
    for limits in bounds:
        [endpoint] = endpoint_with(lasting({**limits, **EVIDENCE}))
        [medium] = endpoint.media_inputs
        assert (medium.min_seconds, medium.max_seconds) == (limits.get("min"), limits.get("max"))
