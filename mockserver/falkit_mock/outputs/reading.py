"""A schema as a planner reads it: types, branches, references, examples, bounds."""

from __future__ import annotations

from falkit_mock.outputs.shapes import is_file
from falkit_spec import JSON
from falkit_spec.schema import resolve
from falkit_spec.types import Object, is_array, is_number, is_object

_NULL: Object = {"type": "null"}


def says(schema: Object) -> bool:
    """Tell whether an object's schema says what is in it."""
    return not {"properties", "additionalProperties", "anyOf", "oneOf", "allOf"}.isdisjoint(schema)


def least(schema: Object) -> JSON:
    """Return the number that is nearest to 0 in a schema's bounds."""
    low, high = schema.get("minimum"), schema.get("maximum")
    least = low if is_number(low) and low > 0 else 0
    return min(least, high) if is_number(high) else least


def within(value: float, schema: Object) -> bool:
    """Tell whether a number is within a schema's bounds."""
    low, high = schema.get("minimum"), schema.get("maximum")
    return not (is_number(low) and value < low) and not (is_number(high) and value > high)


def type_of(schema: Object) -> JSON:
    """Return a schema's type, the first that isn't null; None where it says nothing."""
    kind = schema.get("type")
    if is_array(kind):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        for keyword, implied in (("properties", "object"), ("items", "array")):
            if keyword in schema:
                return implied
    return kind


def required_of(schema: Object) -> list[JSON]:
    """Return the names of the fields that an object must have."""
    listed = schema.get("required")
    return listed if is_array(listed) else []


def branches(schema: Object, root: Object) -> tuple[list[Object], bool]:
    """Return what a value may be beside null, and whether it may be null."""
    kinds = schema.get("type")
    nullable = schema.get("nullable") is True or (is_array(kinds) and "null" in kinds)
    for keyword in ("anyOf", "oneOf"):
        if is_array(listed := schema.get(keyword)):
            beside = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
            parts = [resolve(one, root) for one in listed]
            nullable = nullable or _NULL in parts
            kept = [{**one, **_notes(beside)} for one in parts if one != _NULL]
            return kept or [{}], nullable
    return [schema], nullable


def _notes(schema: Object) -> Object:
    return {key: value for key, value in schema.items() if key in ("examples", "example")}


def chosen(parts: list[Object], root: Object) -> Object:
    """Return the branch that tells most: a file, a list of them, else the first."""
    for part in parts:
        items = resolve(part.get("items"), root) if "items" in part else {}
        if is_file(part) or is_file(items):
            return part
    return parts[0]


def refs_of(node: JSON) -> frozenset[str]:
    """Return the schemas that a node refers to at once, itself or by its branches."""
    if not is_object(node):
        return frozenset()
    ref = node.get("$ref")
    found = {ref} if isinstance(ref, str) else set[str]()
    for keyword in ("anyOf", "oneOf", "allOf"):
        listed = node.get(keyword)
        for part in listed if is_array(listed) else ():
            if is_object(part) and isinstance(inner := part.get("$ref"), str):
                found.add(inner)
    return frozenset(found)


def example_of(schema: Object, shown: JSON) -> JSON:
    """Return what the document shows of a value: the field's own example, or its object's."""
    examples = schema.get("examples")
    if is_array(examples) and examples:
        return examples[0]
    return schema.get("example", shown)
