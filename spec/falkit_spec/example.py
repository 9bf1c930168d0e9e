"""Make an example of a schema from the document's own examples, valid whatever those contain."""

from __future__ import annotations

from collections.abc import Generator

from falkit_spec.schema import Compiled, ordered, resolve
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

_DEPTH = 12


def example(root: Object) -> Object:
    """Return an example object of a schema that stands on its own; `{}` if none can be made."""
    maker = _ExampleMaker(root)
    for found in (maker.make(root), maker.make(root, minimal=True)):
        if is_object(found) and Compiled(root).is_valid(found):
            return found
    return {}


class _ExampleMaker:
    """Makes examples of a root schema's parts."""

    def __init__(self, root: Object) -> None:
        self._root = root

    def make(self, node: JSON, *, minimal: bool = False, depth: int = 0) -> JSON:
        """Make an example of one schema: a given one, repaired if need be, else one of our own.

        `minimal` uses no given example and leaves out all that is optional.
        """
        # The referring schema's example comes first: a VideoFile's own example is a PNG.
        schema = resolve(node, self._root)
        if not minimal:
            for given in _given(schema):
                for candidate in _repairs(given):
                    if self._fits(schema, candidate):
                        return candidate
        return None if depth > _DEPTH else self._synthesise(schema, minimal, depth + 1)

    def _fits(self, schema: Object, value: JSON) -> bool:
        return Compiled({"$defs": self._root.get("$defs", {}), **schema}).is_valid(value)

    def _synthesise(self, schema: Object, minimal: bool, depth: int) -> JSON:
        if "const" in schema:
            return schema["const"]
        values, kind = schema.get("enum"), schema.get("type")
        if is_array(values):
            return values[0]
        for keyword in ("anyOf", "oneOf", "allOf"):
            branches = schema.get(keyword)
            if is_array(branches) and kind is None:
                real = [branch for branch in branches if branch != {"type": "null"}]
                return self.make(real[0], minimal=minimal, depth=depth) if real else None
        match kind[0] if is_array(kind) else kind:
            case "array":
                return self._array(schema, minimal, depth)
            case "integer" | "number":
                return self._number(schema)
            case "string":
                return _text(schema)
            case "boolean":
                return False
            case "object":
                return self._object(schema, minimal, depth)
            case _:
                return self._object(schema, minimal, depth) if "properties" in schema else None

    def _object(self, schema: Object, minimal: bool, depth: int) -> Object:
        required = schema.get("required")
        wanted = [*required] if is_array(required) else []
        fields = ordered(schema)
        for name, node in fields.items():
            read = resolve(node, self._root)
            if not minimal and "default" not in read and next(_given(read), None) is not None:
                wanted.append(name)
        return {
            name: self.make(node, minimal=minimal, depth=depth)
            for name, node in fields.items()
            if name in wanted
        }

    def _number(self, schema: Object) -> JSON:
        """Return the minimum, or 0, or a number at or near one of the limits."""
        keywords = ("minimum", "exclusiveMinimum", "exclusiveMaximum", "maximum", "multipleOf")
        limits = [limit for limit in map(schema.get, keywords) if is_number(limit)]
        near = [limit + step for step in (0, 1, -1) for limit in limits]
        possible = [schema.get("minimum", 0), 0, *near, sum(limits) / max(len(limits), 1)]
        return next((number for number in possible if self._fits(schema, number)), 0)

    def _array(self, schema: Object, minimal: bool, depth: int) -> list[JSON]:
        firsts, least = schema.get("prefixItems"), schema.get("minItems", 0)
        nodes = list(firsts) if is_array(firsts) else []
        count = int(least) if is_number(least) else 0
        if not minimal and not nodes:
            count = max(count, 1)
        nodes += [schema.get("items", {})] * (count - len(nodes))
        return [self.make(node, minimal=minimal, depth=depth) for node in nodes]


def _given(schema: Object) -> Generator[JSON]:
    examples = schema.get("examples")
    if is_array(examples):
        yield from examples[:1]
    yield from (schema[key] for key in ("example", "default") if key in schema)


def _repairs(given: JSON) -> Generator[JSON]:
    """Repair the two errors in fal's examples: a URL for a File, and one element for a list."""
    yield given
    if isinstance(given, str):
        yield {"url": given}
        yield [{"url": given}]
    if is_array(given) and given and all(isinstance(item, str) for item in given):
        yield [{"url": item} for item in given]
    yield [given]


def _text(schema: Object) -> str:
    text = "https://example.com/file" if schema.get("format") == "uri" else "text"
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    text = text.ljust(least if isinstance(least, int) else 0, ".")
    return text[:most] if isinstance(most, int) else text
