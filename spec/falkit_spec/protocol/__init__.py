"""The protocol around the models, as an OpenAPI 3.1 document with webhooks; checks of replies.

The facts are in openapi.yaml beside this, each with its certainty and source.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import orjson
from jsonschema_rs import Draft202012Validator

from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import SpecError
from falkit_spec.schema import follow_ref
from falkit_spec.streams import WAYS
from falkit_spec.types import JSON, Object, copy_json, dig, is_object

_ENDPOINT, _APP = "{endpoint_id}", "{app}"


class Protocol:
    """An OpenAPI 3.1 document whose paths begin with fal's hosts.

    Its paths have `{endpoint_id}` and `{app}` where several segments stand; `for_endpoint`
    makes a document of it that any OpenAPI tool understands.
    """

    def __init__(self, data: Object) -> None:
        self.data = data
        self._schemas = cast(Object, dig(data, "components", "schemas"))

    @staticmethod
    @cache
    def vendored() -> Protocol:
        """Return the protocol as falkit has it: one per process."""
        # Imported here: few who import the package need the protocol.
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        text = (Path(__file__).parent / "openapi.yaml").read_text(encoding="utf-8")
        # Copied apart, since YAML's aliases make one object of several.
        return Protocol(cast(Object, copy_json(yaml.load(text, Loader=loader))))

    def schema(self, name: str) -> Object:
        """Return a named schema as JSON Schema 2020-12 that stands on its own.

        SpecError, with the names there are, if none has this one.
        """
        if name not in self._schemas:
            names = ", ".join(self._schemas)
            raise SpecError(f"the protocol has no schema {name!r}; it has {names}")
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{name}",
            "components": {"schemas": copy.deepcopy(self._schemas)},
        }

    def for_endpoint(self, endpoint: Endpoint) -> Object:
        """Return the whole document for one endpoint, the caller's own to change.

        Its paths are the endpoint's and its app's, and its schemas `Input` and `Output` are the
        endpoint's, with the overlays applied.
        """
        data = copy.deepcopy(self.data)
        data["paths"] = self._paths(endpoint)
        components = cast("dict[str, dict[str, Object]]", data["components"])
        parameters, schemas = components["parameters"], components["schemas"]
        del parameters["EndpointId"], parameters["App"]
        parameters["EndpointQuery"]["example"] = endpoint.id
        schemas |= _moved("Input", endpoint.input_schema, schemas["Input"])
        schemas |= _moved("Output", endpoint.output_schema, schemas["Output"])
        schemas["Input"]["examples"] = [endpoint.example_input()]
        return data

    def operations(self, endpoint: Endpoint) -> dict[str, Operation]:
        """Return an endpoint's operations by their id, such as `submit` or `statusStream`."""
        data = self.for_endpoint(endpoint)
        found: dict[str, Operation] = {}
        for path, item in cast(Object, data["paths"]).items():
            for method, node in cast(Object, item).items():
                if is_object(node) and isinstance(named := node.get("operationId"), str):
                    found[named] = Operation(named, method.upper(), path, node, data)
        return found

    def _paths(self, endpoint: Endpoint) -> Object:
        paths: Object = {}
        for path, item in cast("dict[str, Object]", self.data["paths"]).items():
            way = path.removeprefix(f"/fal.run/{_ENDPOINT}/")
            if way in WAYS:
                if getattr(endpoint, way) is None:
                    continue
                # An id may end so itself; there is nothing else at its path then.
                if endpoint.id.endswith(f"/{way}"):
                    path = path.removesuffix(f"/{way}")
            own = copy.deepcopy(item)
            for name, parameter, value in (
                (_ENDPOINT, "EndpointId", endpoint.id),
                (_APP, "App", endpoint.app),
            ):
                if name in path:
                    path, own = path.replace(name, value), _without(own, parameter)
            paths[path] = own
        return paths


def _without(item: Object, parameter: str) -> Object:
    """Return a path item without one of its parameters, which the path now contains."""
    named: JSON = {"$ref": f"#/components/parameters/{parameter}"}
    parameters = cast("list[JSON]", item["parameters"])
    return copy.deepcopy({**item, "parameters": [each for each in parameters if each != named]})


def _moved(name: str, schema: Object, facts: Object) -> dict[str, Object]:
    """Return a schema and its `$defs` as components, keeping the notes on its certainty."""
    marks = {key: value for key, value in facts.items() if key.startswith("x-falkit-")}
    place = f'"#/components/schemas/{name}.'
    moved = orjson.loads(orjson.dumps(schema).replace(b'"#/$defs/', place.encode()))
    definitions: dict[str, Object] = moved.pop("$defs", {})
    found = {name: moved, **{f"{name}.{key}": value for key, value in definitions.items()}}
    return {key: {**marks, **value} for key, value in found.items()}


class Operation:
    """A method and path with its replies. It knows no HTTP: replies come as plain values."""

    def __init__(self, id: str, method: str, path: str, node: Object, document: Object) -> None:
        self.id = id
        self.method = method
        self.path = path
        self._document = document
        self._responses = cast(Object, node["responses"])
        self._validators: dict[str, Draft202012Validator] = {}

    def __repr__(self) -> str:
        return f"Operation({self.id!r})"

    def faults(self, status_code: int, headers: Mapping[str, str], body: bytes) -> list[str]:
        """List in plain words what is wrong with a reply; `[]` where it is valid.

        Header names are taken in any case. Of an event stream only the head is checked here.
        """
        node = self._responses.get(str(status_code))
        if node is None:
            codes = ", ".join(sorted(self._responses))
            return [f"{self.id}: status {status_code} is not one of {codes}"]
        response, where = self._resolved(node), f"{self.id} {status_code}"
        lowered = {name.lower(): value for name, value in headers.items()}
        return [
            *self._header_faults(response, lowered, where),
            *self._body_faults(response, lowered.get("content-type", ""), body, where),
        ]

    def event_faults(self, event: JSON) -> list[str]:
        """List what is wrong with the data of one event of the operation's stream."""
        at = ("content", "text/event-stream", "schema", "properties", "data", "contentSchema")
        schema = dig(self._resolved(self._responses["200"]), *at)
        return self._schema_faults(schema, event, f"{self.id} event")

    def _header_faults(self, response: Object, headers: Mapping[str, str], where: str) -> list[str]:
        faults: list[str] = []
        for name, node in cast(Object, response.get("headers", {})).items():
            header = self._resolved(node)
            value = headers.get(name)
            if value is not None:
                faults += self._schema_faults(header["schema"], value, f"{where} header {name}")
            elif header.get("required"):
                faults.append(f"{where}: the header {name} is missing")
        return faults

    def _body_faults(
        self, response: Object, content_type: str, body: bytes, where: str
    ) -> list[str]:
        content = cast("dict[str, Object]", response.get("content", {}))
        if not content:
            return [f"{where}: {len(body)} bytes where there should be no body"] if body else []
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in content:
            return [f"{where}: content type {content_type!r} is not {' or '.join(content)}"]
        if media_type != "application/json":
            return []
        try:
            value: JSON = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return [f"{where}: the body is not JSON ({error})"]
        return self._schema_faults(content[media_type]["schema"], value, f"{where} body")

    def _schema_faults(self, schema: JSON, value: JSON, where: str) -> list[str]:
        key = orjson.dumps(schema).decode()
        if key not in self._validators:
            # References point into the components, so those are included.
            whole = {"allOf": [schema], "components": self._document["components"]}
            self._validators[key] = Draft202012Validator(whole, validate_formats=True)
        return [
            f"{where}: {'/'.join(map(str, error.instance_path)) or 'as a whole'}: {error.message}"
            for error in self._validators[key].iter_errors(value)
        ]

    def _resolved(self, node: JSON) -> Object:
        while is_object(node) and isinstance(ref := node.get("$ref"), str):
            node = follow_ref(self._document, ref)
        assert is_object(node), "the protocol's references lead somewhere"
        return node
