"""Documents that differ, and what is told of the difference."""

from __future__ import annotations

import json

from falkit_spec import JSON, Document, Object
from falkit_spec.drift.compare import compare

SIZE: Object = {
    "type": "object",
    "properties": {"width": {"type": "integer", "maximum": 512}},
    "required": ["width"],
}


def document(input: JSON = None, output: JSON = None, **schemas: JSON) -> Document:
    def body(schema: JSON) -> JSON:
        return {"content": {"application/json": {"schema": schema}}}

    data: Object = {
        "components": {"schemas": {"Size": SIZE, **schemas}},
        "paths": {
            "/acme/odd": {"post": {"requestBody": body(input)}},
            "/acme/odd/requests/{request_id}": {"get": {"responses": {"200": body(output)}}},
        },
    }
    return Document(json.dumps(data).encode(), source="odd.json")


def taking(field: JSON, *, required: bool = True) -> Object:
    """Return the schema of an object with one field."""
    return {"type": "object", "properties": {"x": field}, "required": ["x"] if required else []}


def shown(old: Document, new: Document) -> list[tuple[str, str, str]]:
    return [(c.kind, c.field, c.message) for c in compare(old, new) if c.kind != "prose"]


def ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Object = {"type": "string"}
NULL: Object = {"type": "null"}
FILE: Object = {"type": "object", "properties": {"url": TEXT}, "required": ["url"]}
# From a schema to one that takes less, with what is said of an input that takes it no longer.
NARROWER: list[tuple[JSON, JSON, str, str]] = [
    ({"enum": ["a", "b"]}, {"enum": ["b"]}, "x", 'no longer takes "a"'),
    ({"enum": [6, "auto"]}, {"enum": [6]}, "x", "no longer takes string"),
    (TEXT, {"enum": ["a"]}, "x", 'now takes "a" alone'),
    ({"enum": [1, 2]}, {"const": 2}, "x", "no longer takes 1"),
    ({"type": "integer"}, {"type": "integer", "minimum": 3}, "x", "minimum: none → 3"),
    ({"type": "number"}, {"type": "integer"}, "x", "number → integer"),
    (
        {"type": "number", "minimum": 0},
        {"type": "number", "minimum": 0, "exclusiveMinimum": 0},
        "x",
        "minimum: 0 → above 0",
    ),
    (
        {"type": "number", "maximum": 9.5},
        {"type": "number", "maximum": 9},
        "x",
        "maximum: 9.5 → 9",
    ),
    (
        {"type": "integer", "multipleOf": 2},
        {"type": "integer", "multipleOf": 8},
        "x",
        "multiple of: 2 → 8",
    ),
    (TEXT, {"type": "string", "maxLength": 9}, "x", "maxLength: none → 9"),
    (TEXT, {"type": "string", "format": "uri"}, "x", 'format: none → "uri"'),
    ({"anyOf": [TEXT, NULL]}, TEXT, "x", "no longer takes null"),
    ({"anyOf": [TEXT, {"type": "integer"}]}, TEXT, "x", "no longer takes integer"),
    ({}, TEXT, "x", "no longer takes anything but string"),
    (
        {"type": "array", "items": TEXT},
        {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
        "x",
        "minItems: none → 1",
    ),
    (
        {"type": "array", "items": {"enum": ["a", "b"]}},
        {"type": "array", "items": {"enum": ["b"]}},
        "x[]",
        'no longer takes "a"',
    ),
    (
        {"type": "array", "prefixItems": [TEXT, {"type": "number"}]},
        {"type": "array", "prefixItems": [TEXT, {"type": "integer"}]},
        "x[1]",
        "number → integer",
    ),
    (
        {"type": "object", "additionalProperties": {"type": "number"}},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        "x.*",
        "number → integer",
    ),
    (
        {"anyOf": [{"enum": ["square"]}, ref("Size")]},
        {
            "anyOf": [
                {**SIZE, "properties": {"width": {"type": "integer", "maximum": 99}}},
                {"enum": ["square"]},
            ]
        },
        "x.width",
        "maximum: 512 → 99",
    ),
    ({"not": {"type": "null"}}, {"not": {"type": "string"}}, "x", "not changed"),
]
