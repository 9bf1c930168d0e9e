"""What holds of the comparison of any two documents."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from drifting import NARROWER, TEXT, document, ref
from falkit_contract import UnsupportedSchema
from falkit_contract.strategies import inputs
from falkit_spec import JSON, Document, Endpoint
from falkit_spec.drift.compare import Change, compare
from falkit_spec.drift.shapes import NotComparable

FIELDS: list[JSON] = [
    *(schema for pair in NARROWER for schema in pair[:2]),
    *(dict(field, default=value) for field, value in ((TEXT, "a"), ({"type": "integer"}, 2))),
]
_FIELD = st.sampled_from(FIELDS)


def breaking(found: list[Change]) -> set[str]:
    return {change.field for change in found if change.kind == "breaking"}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Document, Document]:
    """Give two documents that differ in one field, and perhaps in what is required."""
    fields = draw(st.dictionaries(st.sampled_from("abc"), _FIELD, min_size=1))
    changed = {**fields, draw(st.sampled_from("abcd")): draw(_FIELD)}
    if draw(st.booleans()):
        del changed[draw(st.sampled_from([*changed]))]
    found: list[Document] = []
    for properties in (fields, changed):
        required: list[JSON] = [name for name in properties if draw(st.booleans())]
        found.append(document({"type": "object", "properties": properties, "required": required}))
    return found[0], found[1]


@given(data=st.data(), pair=pairs())
def test_inputs_that_were_legal_are_legal_where_nothing_is_breaking(
    data: st.DataObject, pair: tuple[Document, Document]
) -> None:
    old, new = pair
    broken = breaking(compare(old, new))
    # Whatever breaks one way is told the other way.
    assert broken <= {change.field for change in compare(new, old)}
    if broken:
        return
    try:
        drawn = data.draw(inputs(Endpoint(old)))
    except UnsupportedSchema:
        return
    assert Endpoint(new).validate(drawn) == []


_WORDS = ("type", "properties", "items", "anyOf", "allOf", "enum", "minimum", "multipleOf", "$ref")
_MORE = ("required", "format", "default", "nullable", "prefixItems", "x-fal", "not", "maxItems")
_ATOMS = st.sampled_from([None, True, -1.5, 10**18, 1e300, "integer", "null", "object", "array"])
_SCHEMAS = st.recursive(
    _ATOMS | st.sampled_from([ref("A"), ref("B"), ref("C")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*_WORDS, *_MORE, "a"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(old=_SCHEMAS, new=_SCHEMAS, a=_SCHEMAS, b=_SCHEMAS)
def test_no_document_breaks_the_comparison(old: JSON, new: JSON, a: JSON, b: JSON) -> None:
    first, second = document(old, a, A=a, B=b), document(new, b, A=b, B=a)
    try:
        json.dumps([change.to_json() for change in compare(first, second)])
        assert compare(first, Document(first.raw, source="again")) == []
    except NotComparable:
        pass


def folder() -> Path:
    named = os.environ.get("DOCS")
    if not named:
        pytest.skip("DOCS names no folder with fal's documents")
    return Path(named)


@settings(max_examples=2)
@given(data=st.data())
def test_legal_inputs_stay_legal_between_two_dates_of_fals_documents(data: st.DataObject) -> None:
    root = folder()
    for path in sorted((root / "2026-01").rglob("*.json")):
        newer = root / "2026-05" / path.relative_to(root / "2026-01")
        old = Document.from_path(path)
        assert compare(old, Document.from_path(path)) == []
        if not newer.exists():
            continue
        for first, second in ((path, newer), (newer, path)):
            before, after = Document.from_path(first), Document.from_path(second)
            if any(c.kind == "breaking" and c.part == "input" for c in compare(before, after)):
                continue
            drawn = data.draw(inputs(Endpoint(before)))
            assert Endpoint(after).validate(drawn) == [], path
