"""Models that datamodel-code-generator makes of documents, and inputs to compare them on."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from random import Random
from types import ModuleType
from typing import Any, cast

from datamodel_code_generator import InputFileType, LiteralType, generate
from datamodel_code_generator.enums import DataModelType
from pydantic import BaseModel, ValidationError

from falkit_spec import JSON, Endpoint, Fault, Object
from falkit_spec.document import input_of
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import copy_json, dig, is_array, is_number, is_object


def model_of(endpoint: Endpoint, *, in_order: bool = True) -> type[BaseModel] | None:
    """Generate the model of an endpoint's input; None where the document's reference is broken.

    `in_order` has its fields in fal's order, which the generator doesn't know of.
    """
    data = endpoint.document.data
    if in_order:
        data = cast("Object", _in_order(data))
    node = input_of(data)
    ref = node.get("$ref") if is_object(node) else None
    name = ref.rpartition("/")[2] if isinstance(ref, str) else "WholeInput"
    schemas = dig(data, "components", "schemas")
    if ref is None and is_object(schemas):
        # The generator makes models of components alone.
        data = {**data, "components": {"schemas": {**schemas, name: node}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = generate(
            json.dumps(data),
            input_file_type=InputFileType.OpenAPI,
            output_model_type=DataModelType.PydanticV2BaseModel,
            # As fal's models are: values of an enum are Literals, what is optional has a default
            # or may be null, limits stand where the type does.
            enum_field_as_literal=LiteralType.All,
            strict_nullable=True,
            collapse_root_models=True,
            disable_timestamp=True,
            formatters=[],
        )
    module = ModuleType("generated")
    sys.modules[module.__name__] = module
    exec(compile(cast("str", source), "generated.py", "exec"), module.__dict__)
    made = {_plain(key): value for key, value in vars(module).items() if isinstance(value, type)}
    found = made.get(_plain(name))
    return found if found is not None and issubclass(found, BaseModel) else None


def _in_order(node: JSON) -> JSON:
    """Return a document with the properties of each schema in the order that fal names."""
    if is_array(node):
        return [_in_order(part) for part in node]
    if not is_object(node):
        return node
    read: Object = {name: _in_order(part) for name, part in node.items()}
    return {**read, "properties": ordered(read)} if "x-fal-order-properties" in read else read


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def said_by(model: type[BaseModel], body: object) -> list[Fault]:
    """Return what a model says of a body, as FastAPI sends it."""
    try:
        model.model_validate(body, from_attributes=True)
    except ValidationError as error:
        items = cast("list[Any]", error.errors(include_url=False))
        for item in items:
            item["loc"] = ["body", *item["loc"]]
            if isinstance(item.get("ctx", {}).get("error"), Exception):
                item["ctx"]["error"] = {}
        return items
    return []


ODD: list[JSON] = [
    *(None, True, False, 0, 1, -1, 2, 7, 1.0, 0.5, -2.5, 1e20, 10**20, 2**63, 1e308),
    *("", " ", "a", "auto", "6", "6.0", "0.5", "-1", " 5 ", "1_000", "true", "off", "None", "nan"),
    *("https://example.com/a.png", "data:image/png;base64,AAAA", "//x", "http://", "x" * 6000),
    *([], [1], ["a"], [None], [[]], [{}], {}),  # type: ignore[list-item]  # JSON, all of it
    *({"url": "x"}, {"url": 1}, {"width": 1, "height": "x"}),  # type: ignore[list-item]  # too
]


def mutated(endpoint: Endpoint, count: int, seed: int) -> Iterator[Object]:
    """Yield inputs with one to three things changed in them, some of them still legal."""
    deal, schema = Random(f"{endpoint.id} {seed}"), endpoint.input_schema
    fields, example = ordered(schema), endpoint.example_input()
    names = [*fields]
    for _ in range(count):
        body = cast("Object", copy_json(example))
        for name in deal.sample(names, min(len(names), deal.choice([1, 1, 1, 2, 3]))):
            if name in body and deal.random() < 0.1:
                del body[name]
            else:
                body[name] = _value(fields[name], schema, deal, body.get(name), 0)
        if deal.random() < 0.05:
            body["unknown"] = deal.choice(ODD)
        yield body


def _value(node: JSON, root: Object, deal: Random, old: JSON, depth: int) -> JSON:
    """Return a value beside what a schema takes, or one that it takes, or any."""
    schema = resolve(node, root)
    branches = schema.get("anyOf", schema.get("oneOf"))
    if is_array(branches) and deal.random() < 0.8:
        return _value(deal.choice(branches), root, deal, old, depth)
    if deal.random() < 0.25 or depth > 4:
        return copy_json(deal.choice(ODD))
    values, kind = schema.get("enum"), schema.get("type")
    if is_array(values):
        return deal.choice([*values, *map(str, values), *(f"{value}x" for value in values)])
    if is_array(kind):
        kind = deal.choice(kind)
    limits = [limit for key in _LIMITS if is_number(limit := schema.get(key))]
    if kind in ("integer", "number") and limits:
        return deal.choice(limits) + deal.choice([0, 1, -1, 0.5, -0.25, 1e-9])
    if kind == "string" and limits:
        return "é" * max(0, int(deal.choice(limits)) + deal.choice([-1, 0, 1]))
    if kind == "array":
        size = deal.choice([0, 1, 2, 3, *(int(limit) + 1 for limit in limits if limit < 50)])
        places, rest = schema.get("prefixItems"), schema.get("items", {})
        nodes = places if is_array(places) else [rest]
        return [_value(nodes[n % len(nodes)], root, deal, None, depth + 1) for n in range(size)]
    if kind == "object" and (fields := ordered(schema)):
        kept = [name for name in fields if deal.random() < 0.8]
        return {name: _value(fields[name], root, deal, None, depth + 1) for name in kept}
    if kind == "object":
        rest = schema.get("additionalProperties", {})
        return {key: _value(rest, root, deal, None, depth + 1) for key in deal.sample("abcd", 2)}
    return copy_json(deal.choice([old, *ODD]))


_LIMITS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems"),
)
