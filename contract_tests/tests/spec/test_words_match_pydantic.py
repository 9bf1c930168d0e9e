"""The words for what is wrong, held against Pydantic 2 itself.

Each endpoint has its model here, written from the same facts as its document.
What lax Pydantic (which FastAPI runs) refuses must be refused in its words; what only the
document forbids must be refused in strict Pydantic's.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings, strategies as st
from pydantic import BaseModel

from falkit_spec import Catalog, Fault
from pydantic_models import MODELS, by_field, said_by_pydantic

TELLING = st.sampled_from(
    [
        *(6, 8, 10, 12, 25, 50, 6.0, 6.5, 0, 1, 2, -1, 20.5, 1e30, 10**30, -(2**63), 2**63),
        *(True, False, None, "", " ", "6", "5", "1", "30", "-1", "x", "true", "maybe", "YES"),
        *("nan", "inf", "-inf", "1_000", " 5 ", "1e1", "1e999", "٣", "5.", ".5", "0x1"),
        *("1080p", "16:9", "9:16", "replace_audio", "a" * 5000, "a" * 5001, "😀"),
        *(float("nan"), float("inf"), float("-inf"), [], [1], {}, {"url": "x"}),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = TELLING | SCALARS | st.lists(SCALARS, max_size=2)


def bodies(model: type[BaseModel]) -> st.SearchStrategy[dict[str, object]]:
    fields = dict.fromkeys(model.model_fields, VALUES)
    return st.fixed_dictionaries({}, optional={**fields, "unknown": VALUES})


def same(ours: Fault, theirs: Fault) -> bool:
    # NaN is no equal of itself: inputs are compared as they are written.
    return repr(sorted(ours.items())) == repr(sorted(theirs.items()))


@pytest.mark.parametrize("endpoint_id", MODELS)
@settings(deadline=None)
@given(data=st.data())
def test_every_fault_is_reported_as_by_pydantic(endpoint_id: str, data: st.DataObject) -> None:
    endpoint, model = Catalog.vendored().get(endpoint_id), MODELS[endpoint_id]
    body = data.draw(bodies(model))
    rules = {rule.message for rule in endpoint.rules}
    ours = [
        fault
        for fault in endpoint.validate(body)  # type: ignore[arg-type]  # may be no JSON at all
        if fault["msg"].removeprefix("Value error, ") not in rules
    ]
    lax = by_field(said_by_pydantic(model, body, strict=False))
    strict = by_field(said_by_pydantic(model, body, strict=True))
    for name, fault in by_field(ours).items():
        expected = lax.get(name) or strict[name]
        assert same(fault, expected), (fault, expected)
    # Nothing that Pydantic refuses passes, and the order is the model's.
    assert set(lax) <= set(by_field(ours))
    order = list(model.model_fields)
    places = [order.index(str(fault["loc"][1])) for fault in ours]
    assert places == sorted(places)


@pytest.mark.parametrize("endpoint_id", MODELS)
@settings(deadline=None)
@given(data=st.data())
def test_coercion_takes_exactly_what_lax_pydantic_takes(
    endpoint_id: str, data: st.DataObject
) -> None:
    endpoint, model = Catalog.vendored().get(endpoint_id), MODELS[endpoint_id]
    body = data.draw(bodies(model))
    rules = {rule.message for rule in endpoint.rules}
    ours = [
        fault
        for fault in endpoint.validate(body, coerce=True)  # type: ignore[arg-type]  # as above
        if fault["msg"].removeprefix("Value error, ") not in rules
    ]
    theirs = said_by_pydantic(model, body, strict=False)
    assert len(ours) == len(theirs)
    assert all(same(one, other) for one, other in zip(ours, theirs, strict=True)), (ours, theirs)
    if not ours:
        held = model.model_validate(body).model_dump()
        coerced = endpoint.with_defaults(endpoint.coerced(body))  # type: ignore[arg-type]  # same
        assert {name: coerced.get(name) for name in held} == held


@pytest.mark.parametrize("endpoint_id", MODELS)
@settings(deadline=None)
@given(body=SCALARS | st.lists(SCALARS, max_size=2))
@example(body=None)
def test_a_body_that_is_not_an_object_is_refused_in_fastapis_words(
    endpoint_id: str, body: object
) -> None:
    endpoint, model = Catalog.vendored().get(endpoint_id), MODELS[endpoint_id]
    [fault] = endpoint.validate(body)  # type: ignore[arg-type]  # NaN and the like
    [expected] = said_by_pydantic(model, body, strict=False)
    expected.pop("ctx", None)
    assert same(fault, expected)
