"""Schemas in JSON Schema 2020-12: follow their references, order their fields, compile them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from jsonschema_rs import Draft202012Validator

from falkit_spec.types import JSON, Object, dig, is_array, is_object


def resolve(schema: JSON, root: Object) -> Object:
    """Follow `$ref` (into `root`'s `$defs`) and a lone `allOf`; what stands beside them wins."""
    seen: set[str] = set()
    while is_object(schema):
        ref, parts = schema.get("$ref"), schema.get("allOf")
        if isinstance(ref, str) and ref not in seen:
            seen.add(ref)
            below = follow_ref(root, ref)
        elif is_array(parts) and len(parts) == 1:
            below = parts[0]
        else:
            return schema
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        schema = {**below, **beside} if is_object(below) else beside
    return {}


def follow_ref(document: Object, ref: str) -> JSON:
    """Follow a local reference (`#/…`); None if it leads nowhere."""
    if not ref.startswith("#/"):
        return None
    parts = (unquote(part).replace("~1", "/").replace("~0", "~") for part in ref[2:].split("/"))
    return dig(document, *parts)


def ordered(schema: Object) -> Object:
    """Return a schema's properties in the order fal shows them."""
    properties, order = schema.get("properties"), schema.get("x-fal-order-properties")
    if not is_object(properties):
        return {}
    first = [n for n in order if isinstance(n, str) and n in properties] if is_array(order) else []
    return {name: properties[name] for name in dict.fromkeys([*first, *properties])}


# Raised for keys that are not strings, objects that are not JSON, nesting without end.
NOT_JSON = (ValueError, TypeError, OverflowError)


class Compiled:
    """A compiled JSON Schema 2020-12; a check takes about a microsecond and gives no reasons."""

    def __init__(self, schema: Object) -> None:
        # As `is_valid`, for a value that was read from JSON: others may raise.
        self.check: Callable[[JSON], bool] = Draft202012Validator(schema).is_valid

    def is_valid(self, value: JSON) -> bool:
        """Tell whether a value meets the schema; what is not JSON does not."""
        try:
            return self.check(value)
        except NOT_JSON:
            return False
