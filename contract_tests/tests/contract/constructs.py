"""A document that holds every construct seen in fal's documents, slips included."""

from __future__ import annotations

import json

from falkit_spec import JSON, Document, Endpoint, Object

_FILE: Object = {
    "title": "File",
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "format": "uri"},
        "file_size": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
        "file_data": {"type": "string", "format": "binary"},
    },
}
_LORA: Object = {
    "type": "object",
    "required": ["path", "scale"],
    "properties": {
        "path": {"type": "string", "minLength": 3},
        "scale": {"type": "number", "exclusiveMinimum": 0, "maximum": 4, "multipleOf": 0.25},
    },
}
PROPERTIES: Object = {
    "prompt": {"type": "string", "minLength": 2, "maxLength": 12},
    "title": {"type": "string", "nullable": True},
    "open": {"description": "no type at all"},
    "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}], "step": 1},
    "steps": {"type": "integer", "minimum": 1, "maximum": 50, "multipleOf": 3},
    "strength": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "old_bounds": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 8.5},
    "guidance": {"type": "number", "minimum": 1.5, "multipleOf": 0.1, "maximum": 20},
    "mixed": {"enum": [6, 8, 10, "auto"], "default": "auto"},
    "one": {"const": "only"},
    "either": {
        "anyOf": [{"type": "string", "enum": ["square"]}, {"$ref": "#/components/schemas/Size"}]
    },
    "image": {"allOf": [{"$ref": "#/components/schemas/File"}], "title": "Image"},
    "mask": {"$ref": "#/components/schemas/File", "description": "siblings"},
    "images": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/File"},
        "minItems": 1,
        "maxItems": 2,
    },
    "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 3},
    "loras": {
        "anyOf": [
            {"type": "array", "items": {"$ref": "#/components/schemas/Lora"}},
            {"type": "null"},
        ]
    },
    "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
    "old_pair": {"type": "array", "items": {"0": {"type": "number"}, "1": {"type": "boolean"}}},
    "table": {"type": "object", "additionalProperties": {"type": "integer", "maximum": 9}},
    "anything": {"type": "object", "additionalProperties": True},
    "when": {"type": "string", "format": "date-time"},
    "id": {"type": "string", "format": "uuid4"},
    "audio_url": {"type": "string", "x-fal": {"max_duration": 30}, "_fal_ui_field": "audio"},
    "dangling": {"$ref": "#/components/schemas/Gone"},
    "several": {"type": ["string", "integer", "null"]},
    "tight": {"type": "number", "minimum": 1, "exclusiveMinimum": 1, "maximum": 3},
    "untyped": {"minLength": 1, "maxLength": 3, "type": "string", "x-fal": {}},
    "limited": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "minProperties": 1,
        "maxProperties": 1,
    },
    "sized": {
        "type": "object",
        "additionalProperties": {"type": "boolean"},
        "minProperties": 1,
        "maxProperties": 2,
    },
    "closed": {"type": "object", "additionalProperties": False},
    "tail": {
        "type": "array",
        "prefixItems": [{"type": "integer"}],
        "items": {"type": "integer"},
        "uniqueItems": True,
        "minItems": 2,
        "maxItems": 3,
    },
    "meeting": {"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}]},
    "joined": {
        "allOf": [
            {
                "type": "object",
                "title": "A",
                "required": ["a"],
                "properties": {"a": {"type": "integer", "minimum": 1}},
            },
            {
                "type": "object",
                "title": "B",
                "required": ["b"],
                "properties": {"a": {"type": "number", "maximum": 3}, "b": {"enum": [1, 2]}},
            },
        ]
    },
    "clash": {"allOf": [{"type": "integer", "multipleOf": 2}, {"multipleOf": 3}]},
    "one_of": {"oneOf": [{"type": "integer", "maximum": 4}, {"type": "integer", "minimum": 3}]},
    "nothing": {"type": "null"},
    "agreed": {"enum": [True, False]},
    "narrowed": {"allOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"minimum": 3}]},
    "narrowed_twice": {"allOf": [{"minimum": 5, "maximum": 9}, {"minimum": 3, "maximum": 7}]},
    "odd_choices": {"enum": [None, True, 2.5, [1], {"a": 1}]},
    "unique": {
        "type": "array",
        "uniqueItems": True,
        "maxItems": 2,
        "items": {
            "anyOf": [
                {"type": "array", "items": {"type": "number"}},
                {"type": "object", "additionalProperties": {"type": "integer"}},
            ]
        },
    },
    "bare_bound": {"minimum": 2},
    "bare_list": {"items": {"type": "boolean"}},
    "bare_object": {"required": ["any"]},
    "both": {"allOf": [{"type": "integer", "minimum": 2}, {"type": "number", "maximum": 5}]},
}
REQUIRED = ("prompt", "image", "strength")
_SIZE: Object = {
    "type": "object",
    "required": ["width", "height"],
    "properties": {"width": {"type": "integer", "minimum": 1}, "height": {"type": "integer"}},
}


def endpoint_of(schema: JSON, endpoint_id: str = "acme/odd") -> Endpoint:
    """Make an endpoint whose input is this schema."""
    body = {"content": {"application/json": {"schema": schema}}}
    schemas = {"File": _FILE, "Lora": _LORA, "Size": _SIZE}
    post = {"post": {"requestBody": body}}
    data = {"components": {"schemas": schemas}, "paths": {f"/{endpoint_id}": post}}
    return Endpoint(Document(json.dumps(data).encode(), source="odd.json"))


def endpoint_taking(properties: Object, *required: str) -> Endpoint:
    """Make an endpoint whose input has these properties."""
    return endpoint_of({"type": "object", "properties": properties, "required": list(required)})


EVERY = endpoint_taking(PROPERTIES, *REQUIRED)
