"""One operation of the protocol, and what of a reply it does not allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import orjson
from jsonschema_rs import Draft202012Validator

from falkit_spec.schema import pointed
from falkit_spec.types import JSON, Object, dig, is_object


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

    @property
    def status_codes(self) -> frozenset[int]:
        """The codes that a reply may have."""
        return frozenset(int(code) for code in self._responses)

    def faults(self, status_code: int, headers: Mapping[str, str], body: bytes) -> list[str]:
        """Say in plain words what is wrong with a reply; nothing is `[]`.

        Header names are taken in any case. Of an event stream only the head is judged here.
        """
        node = self._responses.get(str(status_code))
        if node is None:
            codes = ", ".join(sorted(self._responses))
            return [f"{self.id}: status {status_code} is none of {codes}"]
        response = self._followed(node)
        lowered = {name.lower(): value for name, value in headers.items()}
        where = f"{self.id} {status_code}"
        return [
            *self._header_faults(response, lowered, where),
            *self._body_faults(response, lowered.get("content-type", ""), body, where),
        ]

    def event_faults(self, event: JSON) -> list[str]:
        """Say what is wrong with the data of one event of the operation's stream."""
        response = self._followed(self._responses["200"])
        at = ("content", "text/event-stream", "schema", "properties", "data", "contentSchema")
        schema = dig(response, *at)
        return self._schema_faults(schema, event, f"{self.id} event")

    def _header_faults(self, response: Object, headers: Mapping[str, str], where: str) -> list[str]:
        faults: list[str] = []
        for name, node in cast(Object, response.get("headers", {})).items():
            header = self._followed(node)
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
            return [f"{where}: {len(body)} bytes where no body is"] if body else []
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in content:
            return [f"{where}: content type {content_type!r} is not {' or '.join(content)}"]
        if media_type != "application/json":
            return []
        try:
            value: JSON = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return [f"{where}: the body is no JSON ({error})"]
        return self._schema_faults(content[media_type]["schema"], value, f"{where} body")

    def _schema_faults(self, schema: JSON, value: JSON, where: str) -> list[str]:
        errors = self._validator(schema).iter_errors(value)
        return [
            f"{where}: {'/'.join(map(str, error.instance_path)) or 'as a whole'}: {error.message}"
            for error in errors
        ]

    def _validator(self, schema: JSON) -> Draft202012Validator:
        key = orjson.dumps(schema).decode()
        if key not in self._validators:
            # References lead into the components, so they come along.
            whole = {"allOf": [schema], "components": self._document["components"]}
            self._validators[key] = Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]

    def _followed(self, node: JSON) -> Object:
        seen = 0
        while is_object(node) and isinstance(ref := node.get("$ref"), str) and seen < 10:
            node, seen = pointed(self._document, ref), seen + 1
        assert is_object(node), "the protocol's references lead somewhere"
        return node
