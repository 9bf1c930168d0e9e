"""The protocol's document: read once, and filled in for one endpoint."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import cast

from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownSchema
from falkit_spec.protocol.operation import Operation
from falkit_spec.types import JSON, Object, dig, is_array, is_object

_ENDPOINT, _APP = "{endpoint_id}", "{app}"
_DEFINITIONS = "#/$defs/"


class Protocol:
    """An OpenAPI 3.1 document whose paths begin with fal's hosts.

    Its paths have `{endpoint_id}` and `{app}` where several segments stand; `for_endpoint`
    makes a document of it that any OpenAPI tool understands.
    """

    def __init__(self, data: Object) -> None:
        self.data = data

    @classmethod
    def vendored(cls) -> Protocol:
        """Return the protocol as falkit has it: one per process."""
        return _vendored()

    @property
    def schema_names(self) -> tuple[str, ...]:
        """The names that `schema` takes."""
        return tuple(self._schemas)

    def schema(self, name: str) -> Object:
        """Return a named schema as JSON Schema 2020-12 that stands on its own.

        UnknownSchema, with the names there are, if none has this one.
        """
        if name not in self._schemas:
            raise UnknownSchema(name, self.schema_names)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{name}",
            "components": {"schemas": copy.deepcopy(self._schemas)},
        }

    def for_endpoint(self, endpoint: Endpoint) -> Object:
        """Return the whole document for one endpoint, the caller's own to change.

        Its paths are the endpoint's, in the short and the long form, and its schemas `Input`
        and `Output` are the endpoint's, with the overlays applied.
        """
        data = copy.deepcopy(self.data)
        data["paths"] = self._paths(endpoint)
        components = cast(Object, data["components"])
        parameters = cast(Object, components["parameters"])
        del parameters["EndpointId"], parameters["App"]
        _set(parameters, "EndpointQuery", "example", endpoint.id)
        schemas = cast(Object, components["schemas"])
        for name, schema in (("Input", endpoint.input_schema), ("Output", endpoint.output_schema)):
            schemas |= _moved(name, schema, dict(cast(Object, schemas[name])))
        _set(schemas, "Input", "examples", [endpoint.example_input()])
        return data

    def operations(self, endpoint: Endpoint) -> dict[str, Operation]:
        """Return an endpoint's operations by their id, such as `submit` or `statusLongForm`."""
        data = self.for_endpoint(endpoint)
        found: dict[str, Operation] = {}
        for path, item in cast(Object, data["paths"]).items():
            for method, node in cast(Object, item).items():
                if is_object(node) and isinstance(named := node.get("operationId"), str):
                    found[named] = Operation(named, method.upper(), path, node, data)
        return found

    @property
    def _schemas(self) -> Object:
        return cast(Object, dig(self.data, "components", "schemas"))

    def _paths(self, endpoint: Endpoint) -> Object:
        paths: Object = {}
        for path, item in cast("dict[str, Object]", self.data["paths"]).items():
            if _ENDPOINT in path:
                paths[path.replace(_ENDPOINT, endpoint.id)] = _without(item, "EndpointId")
            elif _APP in path:
                short = _without(item, "App")
                paths[path.replace(_APP, endpoint.app)] = short
                if endpoint.app != endpoint.id:
                    paths[path.replace(_APP, endpoint.id)] = _renamed(short, "LongForm")
            else:
                paths[path] = copy.deepcopy(item)
        return paths


def _set(parent: Object, name: str, key: str, value: JSON) -> None:
    cast(Object, parent[name])[key] = value


def _without(item: Object, parameter: str) -> Object:
    """Return a path item without one of its parameters, which the path now says itself."""
    named: JSON = {"$ref": f"#/components/parameters/{parameter}"}
    parameters = cast("list[JSON]", item["parameters"])
    return copy.deepcopy({**item, "parameters": [each for each in parameters if each != named]})


def _renamed(item: Object, suffix: str) -> Object:
    """Return a path item whose operations have ids of their own."""
    return {
        key: {**copy.deepcopy(node), "operationId": f"{node['operationId']}{suffix}"}
        if is_object(node) and "operationId" in node
        else copy.deepcopy(node)
        for key, node in item.items()
    }


def _moved(name: str, schema: Object, facts: Object) -> Object:
    """Return a schema and its `$defs` as components, keeping what is said of its certainty."""
    inner = schema.get("$defs")
    definitions = inner if is_object(inner) else {}
    marks = {key: value for key, value in facts.items() if key.startswith("x-falkit-")}
    whole = {key: value for key, value in schema.items() if key not in ("$defs", "$schema")}
    found: Object = {name: {**marks, **cast(Object, _pointed_anew(whole, name))}}
    for key, value in definitions.items():
        below = cast(Object, _pointed_anew(value, name))
        found[f"{name}.{key}"] = {**marks, **below}
    return found


def _pointed_anew(node: JSON, name: str) -> JSON:
    if is_array(node):
        return [_pointed_anew(each, name) for each in node]
    if not is_object(node):
        return node
    moved: Object = {key: _pointed_anew(value, name) for key, value in node.items()}
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith(_DEFINITIONS):
        moved["$ref"] = f"#/components/schemas/{name}.{ref.removeprefix(_DEFINITIONS)}"
    return moved


@cache
def _vendored() -> Protocol:
    # Lazy, as everywhere: few who import the package want the protocol.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (Path(__file__).parent / "openapi.yaml").read_text(encoding="utf-8")
    # Copied apart, since YAML's aliases make one object of several.
    return Protocol(cast(Object, _pointed_anew(yaml.load(text, Loader=loader), "")))
