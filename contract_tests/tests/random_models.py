"""Pydantic models drawn at random, of such types as fal's have, and their documents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from random import Random
from typing import Annotated, Any, Literal, Optional, Union, cast
from uuid import UUID

import orjson
from pydantic import UUID4, AnyUrl, BaseModel, ConfigDict, Field, create_model

from falkit_spec import JSON, Document, Endpoint, Object
from falkit_spec.types import is_array, is_object

REFERENCE = "#/components/schemas/{model}"
NAMES = (
    *("prompt", "seed", "image_url", "num_images", "strength", "sync_mode", "model_name", "fps"),
    *("Duration", "class_", "aspect_ratio", "loras", "steps", "eta", "language", "url", "ip_scale"),
    *("frames", "schema_name", "tags", "data", "callback", "range", "mode", "extra", "when"),
)
DIALECTS = ("2", "siblings in allOf", "plain optionals", "properties in another order")
"""As Pydantic 2 writes it, and what else fal's documents have of it."""


def drawn_model(deal: Random) -> type[BaseModel]:
    """Draw a model of three to nine fields, some of them of other models."""
    return _Drawing(deal).model("DrawnInput", 0)


class _Drawing:
    """Draws one model; a class that was drawn may be used again."""

    def __init__(self, deal: Random) -> None:
        self.deal = deal
        self.models: list[type[BaseModel]] = []
        self.number = 0

    def name(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.number}"

    def model(self, name: str, depth: int) -> type[BaseModel]:
        count = self.deal.randint(3, 9) if depth == 0 else self.deal.randint(1, 4)
        fields = {one: self.field(depth) for one in self.deal.sample(NAMES, count)}
        extra = self.deal.choice(["ignore", "ignore", "ignore", "forbid", "allow"])
        title = self.deal.choice([None, None, "Some model's title"])
        made: type[BaseModel] = create_model(
            name,
            __config__=ConfigDict(extra=cast("Any", extra), title=title, protected_namespaces=()),
            **cast("Any", fields),
        )
        self.models.append(made)
        return made

    def field(self, depth: int) -> tuple[Any, Any]:
        """Draw a field's type and what stands behind it."""
        kind, default = self.type(depth)
        notes: dict[str, Any] = {}
        if self.deal.random() < 0.3:
            notes["title"] = self.deal.choice(["Prompt", "The image", "LoRA weights"])
        if self.deal.random() < 0.3:
            notes["description"] = "What it is for."
        if self.deal.random() < 0.1:
            notes["deprecated"] = True
        if self.deal.random() < 0.1:
            notes["alias"] = self.deal.choice("abcdef") + self.name("_given")
        match self.deal.choice(["must", "must", "none", "default", "null"]):
            case "none":
                return Optional[kind], Field(default=None, **notes)  # noqa: UP045  # Kinds are values
            case "null":
                return Optional[kind], Field(**notes)  # noqa: UP045
            case "default" if default == []:
                return kind, Field(default_factory=list, **notes)
            case "default" if default is not None:
                return kind, Field(default=default, **notes)
            case _:
                return kind, Field(**notes)

    def type(self, depth: int) -> tuple[Any, Any]:
        """Draw a type and a default of it, if there is a plain one."""
        if depth and self.deal.random() < 0.15:
            return Optional[self.type(depth)[0]], None  # noqa: UP045
        kinds = [self.scalar] * 7 + [self.literal] * 3
        if depth < 3:
            kinds += [self.many, self.nested, self.union, self.union, self.fixed, self.mapping]
        return self.deal.choice(kinds)(depth)

    def scalar(self, depth: int) -> tuple[Any, Any]:
        deal = self.deal
        low, high = deal.choice([0, 1, -5, 2]), deal.choice([4, 20, 100])
        plain: list[tuple[Any, Any]] = [
            *((str, "a text"), (int, 3), (float, 0.5), (bool, True), (Any, None)),
            *((str, ""), (int, None), (float, None), (bool, False)),
            (Annotated[int, Field(ge=low, le=high)], 3),
            (Annotated[int, Field(gt=low, multiple_of=deal.choice([2, 8]))], 8),
            (Annotated[float, Field(ge=low, le=high)], 2.5),
            (Annotated[float, Field(gt=low, lt=high)], 2.5),
            (Annotated[float, Field(multiple_of=deal.choice([0.25, 0.5]), le=high)], 2),
            (Annotated[str, Field(min_length=1, max_length=high)], "text"),
            (Annotated[str, Field(max_length=high)], ""),
            *((AnyUrl, None), (bytes, None), (UUID, None), (UUID4, None)),
            *((datetime, None), (date, None), (time, None)),
        ]
        return deal.choice(plain)

    def literal(self, depth: int) -> tuple[Any, Any]:
        choices: list[tuple[JSON, ...]] = [
            *(("auto", "16:9", "9:16"), (6, 8, 10), (5, "auto"), ("only",), (25, 50)),
            *((True,), (False, True), ("5", "10"), ("it's", 'a "b"'), (0, 1, 2)),
        ]
        values = self.deal.choice(choices)
        return Literal[values], values[0]

    def nested(self, depth: int) -> tuple[Any, Any]:
        if self.models and self.deal.random() < 0.3:
            return self.deal.choice(self.models), None
        return self.model(self.name(self.deal.choice(["Size", "Lora_", "File"])), depth + 1), None

    def many(self, depth: int) -> tuple[Any, Any]:
        inner, _ = self.type(depth + 1)
        limits: list[dict[str, Any]] = [
            *({}, {}, {"min_length": 1}, {"max_length": 3}, {"min_length": 2, "max_length": 2})
        ]
        limit = self.deal.choice(limits)
        return (Annotated[_of(list, inner), Field(**limit)] if limit else _of(list, inner)), []

    def fixed(self, depth: int) -> tuple[Any, Any]:
        places = [self.scalar(0)[0] for _ in range(self.deal.randint(1, 3))]
        fixed = _of(tuple, *places)
        return self.deal.choice([fixed, _of(list, fixed)]), None

    def mapping(self, depth: int) -> tuple[Any, Any]:
        inner, _ = self.type(depth + 1)
        return _of(dict, str, self.deal.choice([inner, float, Any])), None

    def union(self, depth: int) -> tuple[Any, Any]:
        kinds = [self.scalar, self.literal, self.nested, self.many]
        parts = [self.deal.choice(kinds)(depth + 1)[0] for _ in range(self.deal.choice([2, 2, 3]))]
        # Two branches of one schema are one in a document.
        return Union[tuple({repr(part): part for part in parts}.values())], None  # noqa: UP007


def _of(kind: Any, *parts: Any) -> Any:
    """Return a list, tuple or dict of such parts."""
    return kind[parts]


def document_of(model: type[BaseModel], dialect: str, deal: Random) -> Document:
    """Write a model's document as fal does, in one of the dialects."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    definitions = schema.pop("$defs", {})
    schemas: Object = {**definitions, model.__name__: schema}
    for one in schemas.values():
        if is_object(one) and is_object(fields := one.get("properties")):
            one["x-fal-order-properties"] = [*fields]
            if dialect == "properties in another order":
                one["properties"] = {
                    name: fields[name] for name in deal.sample([*fields], len(fields))
                }
    told = cast("Object", _told(schemas, dialect))
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}}
    data: Object = {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": "drawn/model"}},
        "components": {"schemas": told},
        "paths": {"/drawn/model": {"post": {"requestBody": {"content": cast("JSON", content)}}}},
    }
    return Document(orjson.dumps(data), source="drawn")


def _told(node: JSON, dialect: str) -> JSON:
    """Return a schema in a dialect."""
    if is_array(node):
        return [_told(one, dialect) for one in node]
    if not is_object(node):
        return node
    node = {key: _told(value, dialect) for key, value in node.items()}
    if dialect == "siblings in allOf" and len(node) > 1 and "$ref" in node:
        return {**{k: v for k, v in node.items() if k != "$ref"}, "allOf": [{"$ref": node["$ref"]}]}
    if dialect != "plain optionals":
        return node
    if "const" in node:
        node["enum"] = [node.pop("const")]
    branches = node.get("anyOf")
    if is_array(branches) and node.get("default", 0) is None:
        plain = [one for one in branches if is_object(one) and one.get("type") != "null"]
        if all(one.get("type") in _SCALARS for one in plain):
            del node["default"]
            node["anyOf"] = [*plain]
            if len(plain) == 1:
                del node["anyOf"]
                node.update(plain[0])
    return node


_SCALARS = ("string", "integer", "number", "boolean")


def drawn_endpoints(count: int, seed: int) -> Iterator[tuple[Endpoint, type[BaseModel]]]:
    """Yield endpoints and the models that their documents are of."""
    for number in range(count):
        deal = Random(f"{seed} {number}")
        model = drawn_model(deal)
        dialect = DIALECTS[number % len(DIALECTS)]
        yield Endpoint(document_of(model, dialect, deal)), model
