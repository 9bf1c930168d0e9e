"""The models that are built from documents, held against those of which Pydantic wrote them.

The document is made from the model's own JSON Schema, as fal's are. What lax Pydantic (which
FastAPI runs) refuses must be refused in its words; what only the document forbids must be refused
in strict Pydantic's.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, cast

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel, Field, ValidationError

from falkit_spec import JSON, Document, Endpoint, Fault


class File(BaseModel):
    url: str
    size: int | None = None


class Lora(BaseModel):
    path: str
    scale: Annotated[float, Field(ge=0, le=4)] = 1
    layers: list[Literal["up", "down"]] = []


class Odd(BaseModel):
    text: Annotated[str, Field(min_length=2, max_length=3)] | None = None
    count: Annotated[int, Field(gt=2, lt=20, multiple_of=3)] = 3
    ratio: Annotated[float, Field(gt=0.5, lt=2.25, multiple_of=0.25)] = 1
    size: Literal["a", "b"] | Annotated[int, Field(ge=1)] | None = None
    either: int | bool | str = 1
    file: File
    files: Annotated[list[File], Field(min_length=1, max_length=2)]
    image: str | File | list[File] = ""
    loras: list[Lora] | None = None
    exact: Literal["it's"] = "it's"
    table: dict[str, int] = {}
    deep: list[list[Annotated[int, Field(le=3)]]] = []


class Paired(BaseModel):
    pair: tuple[int, str]


def endpoint_of(model: type[BaseModel]) -> Endpoint:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = {**schema.pop("$defs", {}), "OddInput": schema}
    ref = {"schema": {"$ref": "#/components/schemas/OddInput"}}
    post = {"requestBody": {"content": {"application/json": ref}}}
    data = {"components": {"schemas": schemas}, "paths": {"/acme/odd": {"post": post}}}
    return Endpoint(Document(json.dumps(data).encode(), source="odd.json"))


ODD, PAIRED = endpoint_of(Odd), endpoint_of(Paired)

SCALARS = st.sampled_from(
    [
        *(None, True, False, 0, 1, 2, 3, 4, 6, 21, 3.0, 2.5, 0.75, 0.8, 9.5, -1, 10**30),
        *("", "a", "b", "ab", "abcd", "3", "6", "1.5", "x", "true", "it's", "up", "nan"),
    ]
)
FILES = st.fixed_dictionaries({}, optional={"url": SCALARS, "size": SCALARS})
LORAS = st.fixed_dictionaries(
    {},
    optional={
        "path": SCALARS,
        "scale": SCALARS,
        "layers": SCALARS | st.lists(SCALARS, max_size=2),
    },
)
VALUES = {
    "file": FILES,
    "files": st.lists(FILES | SCALARS, max_size=3),
    "image": FILES | st.lists(FILES | SCALARS, max_size=2),
    "loras": st.lists(LORAS | SCALARS, max_size=2),
    "table": st.dictionaries(st.sampled_from("abc"), SCALARS, max_size=2),
    "deep": st.lists(SCALARS | st.lists(SCALARS, max_size=2), max_size=2),
}
BODIES = st.fixed_dictionaries(
    {}, optional={name: SCALARS | VALUES.get(name, SCALARS) for name in Odd.model_fields}
)


def said(model: type[BaseModel], body: object, *, strict: bool) -> dict[str, str]:
    try:
        model.model_validate(body, strict=strict, from_attributes=True)
    except ValidationError as error:
        return written(cast("list[Fault]", error.errors(include_url=False)))
    return {}


def written(faults: list[Fault]) -> dict[str, str]:
    found: dict[str, str] = {}
    for fault in faults:
        loc = [part for part in fault["loc"] if part != "body"]
        found[str(loc)] = repr(sorted((k, v) for k, v in fault.items() if k != "loc"))
    return found


@settings(deadline=None)
@given(body=BODIES)
def test_nested_faults_are_reported_as_by_pydantic(body: dict[str, JSON]) -> None:
    ours = written(ODD.validate(body))
    lax, strict = said(Odd, body, strict=False), said(Odd, body, strict=True)
    assert ours == {loc: lax.get(loc) or strict[loc] for loc in ours}
    assert set(lax) <= set(ours)


@settings(deadline=None)
@given(body=BODIES)
def test_nested_values_are_coerced_as_lax_pydantic_coerces_them(body: dict[str, JSON]) -> None:
    ours = written(ODD.validate(body, coerce=True))
    assert ours == said(Odd, body, strict=False)
    assert list(ours) == list(said(Odd, body, strict=False)), "and in the same order"


@settings(deadline=None)
@given(pair=SCALARS | st.lists(SCALARS, max_size=4))
def test_a_tuples_faults_are_reported_as_by_pydantic(pair: JSON) -> None:
    assert written(PAIRED.validate({"pair": pair}, coerce=True)) == said(
        Paired, {"pair": pair}, strict=False
    )


@settings(deadline=None)
@given(body=BODIES)
def test_coerced_values_are_valid_and_are_the_models(body: dict[str, JSON]) -> None:
    if not ODD.validate(body, coerce=True):
        coerced = ODD.coerced(body)
        assert ODD.is_valid(coerced)
        assert coerced == Odd.model_validate(body).model_dump(exclude_unset=True)


@pytest.mark.parametrize("half", ["\ud83d", {"\ud83d": 1}], ids=["text", "name"])
def test_half_a_character_is_one_like_any_other(half: JSON) -> None:
    class Style(BaseModel):
        style: Literal["a"] | str | dict[str, int] = "a"
        tags: list[str] = []

    one = endpoint_of(Style)
    Style.model_validate({"style": half})
    assert one.validate({"style": half}) == []
    assert one.is_valid({"style": half})
    assert [fault["loc"] for fault in one.validate({"style": half, "tags": [1]})] == [
        ["body", "tags", 0]
    ]
