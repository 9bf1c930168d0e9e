"""Documents made of the types in fal's own client: more than a thousand models' shapes.

The types name what documents name: fields, choices, and in comments defaults and descriptions. They
lack examples, bounds and integers; of these the ones by whose names nothing else is meant are told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from falkit_spec import JSON, Document, Endpoint, Object
from falkit_spec.schema import ordered
from falkit_spec.types import is_object

TYPES = Path(__file__).parent / "clients/javascript/node_modules/@fal-ai/client/src/types"
_TOKEN = re.compile(
    r'/\*\*.*?\*/|"(?:[^"\\]|\\.)*"|[A-Za-z_$][\w$]*|-?\d+(?:\.\d+)?|[{}<>|;:?=,]', re.S
)
_WHOLE = re.compile(r"width|height|seed|num_\w+|file_size|steps|\w+_tokens|max_images")
_PLAIN = {"string": "string", "number": "number", "boolean": "boolean"}
_NOTHING = ("null", "void", "undefined")


def typed_endpoints() -> Iterator[Endpoint]:
    """Yield an endpoint for each that the client has types of."""
    types = _Types((TYPES / "endpoints.d.ts").read_text("utf-8")).read()
    for endpoint_id, named in ordered(types.pop("EndpointTypeMap")).items():
        assert is_object(named)
        yield Endpoint(_document(endpoint_id, ordered(named), types))


def _document(endpoint_id: str, parts: Object, types: dict[str, Object]) -> Document:
    needed: dict[str, Object] = {}
    names = _refs(parts)
    while names:
        name = names.pop()
        if name not in needed:
            needed[name] = types.get(name, {"type": "object"})
            names |= _refs(needed[name])

    def content(schema: JSON) -> Object:
        return {"content": {"application/json": {"schema": schema}}}

    data: Object = {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": endpoint_id}},
        "components": {"schemas": {**needed}},
        "paths": {
            f"/{endpoint_id}": {"post": {"requestBody": content(parts["input"])}},
            f"/{endpoint_id}/requests/{{request_id}}": {
                "get": {"responses": {"200": content(parts["output"])}}
            },
        },
    }
    return Document(json.dumps(data).encode(), source=f"{endpoint_id}.json")


def _refs(value: object) -> set[str]:
    return set(re.findall(r'#/components/schemas/(\w+)"', json.dumps(value)))


class _Types:
    """Reads TypeScript as it is generated for fal's client: nothing but types, and comments."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)
        self._at = 0

    def read(self) -> dict[str, Object]:
        found: dict[str, Object] = {}
        while self._at < len(self._tokens):
            if self._next() == "type":
                name = self._next()
                assert self._next() == "=", name
                found[name] = self._union()
        return found

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _sees(self, token: str) -> bool:
        """Tell whether a token comes next, and if so, go past it."""
        seen = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += seen
        return seen

    def _union(self) -> Object:
        parts = [self._one()]
        while self._sees("|"):
            parts.append(self._one())
        if {} in parts[1:]:
            # `string | Blob | File`: what is sent is a URL.
            return {"type": "string"}
        values = [part["const"] for part in parts if "const" in part]
        others: list[JSON] = [part for part in parts if "const" not in part]
        if values:
            text = isinstance(values[0], str)
            others.append({"type": "string" if text else "integer", "enum": values})
        whole: Object = {"anyOf": others}
        only = others[0]
        assert isinstance(only, dict)
        return whole if len(others) > 1 else only

    def _one(self) -> Object:
        token = self._next()
        if token == "|":
            return self._one()
        if token == "{":
            return self._object()
        if token[0] == '"' or token.lstrip("-")[0].isdigit():
            return {"const": json.loads(token)}
        if token in ("true", "false"):
            return {"type": "boolean"}
        if token in _PLAIN:
            return {"type": _PLAIN[token]}
        if token in _NOTHING:
            return {"type": "null"}
        if token in ("Array", "Record"):
            assert self._sees("<")
            first = self._union()
            second = self._union() if self._sees(",") else {}
            assert self._sees(">")
            if token == "Array":
                return {"type": "array", "items": first}
            return {"type": "object", "additionalProperties": second}
        if token in ("unknown", "any", "never", "Blob"):
            return {}
        return {"$ref": f"#/components/schemas/{token}"}

    def _object(self) -> Object:
        fields: Object = {}
        required: list[JSON] = []
        comment = ""
        while not self._sees("}"):
            name = self._next()
            if name.startswith("/**"):
                comment = " ".join(line.strip(" */") for line in name.splitlines()).strip()
                continue
            optional = self._sees("?")
            assert self._sees(":"), name
            schema = {**self._union(), **_noted(comment)}
            if schema.get("type") == "number" and _WHOLE.fullmatch(name):
                schema["type"] = "integer"
            fields[name.strip('"')] = schema
            comment = ""
            if not optional:
                required.append(name.strip('"'))
            self._sees(";")
        return {"type": "object", "properties": fields, "required": required}


def _noted(comment: str) -> Object:
    found: Object = {"description": comment} if comment else {}
    if default := re.search(r"Default value: `(.*?)`", comment):
        with suppress(ValueError):
            found["default"] = json.loads(default[1])
    return found
