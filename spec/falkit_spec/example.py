"""Make an example of a schema from the document's own examples, valid whatever those contain."""

from __future__ import annotations

from collections.abc import Generator

from falkit_spec.schema import Compiled, ordered, resolve
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

_DEPTH = 12
_MOST_TRIED = 1000
"""An example is made of no more values than these; of fal's some ten are made."""
_LONGEST_TEXT, _LONGEST_LIST = 10_000, 100
_GIVEN = 5
"""So many of a schema's own examples are tried, the first first."""


def example(root: Object) -> Object:
    """Return an example object of a schema that stands on its own; `{}` if none can be made."""
    compiled = Compiled(root)
    for minimal in (False, True):
        found = _ExampleMaker(root).make(root, minimal=minimal)
        if is_object(found) and compiled.is_valid(found):
            return found
    return {}


class _ExampleMaker:
    """Makes examples of a root schema's parts."""

    def __init__(self, root: Object) -> None:
        self._root = root
        self._left = _MOST_TRIED

    def make(self, node: JSON, *, minimal: bool = False, depth: int = 0) -> JSON:
        """Make an example of one schema: a given one, repaired if need be, else one of our own.

        `minimal` uses no given example and leaves out all that is optional.
        """
        self._left -= 1
        if depth > _DEPTH or self._left < 0:
            return None
        # The referring schema's example comes first: a VideoFile's own example is a PNG.
        schema = resolve(node, self._root)
        if not minimal:
            tried = [candidate for given in _given(schema) for candidate in _repairs(given)]
            fits = self._compiled(schema) if tried else None
            for candidate in tried:
                if fits is not None and fits.is_valid(candidate):
                    return candidate
        return self._synthesise(schema, minimal, depth + 1)

    def _compiled(self, schema: Object) -> Compiled:
        return Compiled({"$defs": self._root.get("$defs", {}), **schema})

    def _synthesise(self, schema: Object, minimal: bool, depth: int) -> JSON:
        if "const" in schema:
            return schema["const"]
        values, kind = schema.get("enum"), schema.get("type")
        if is_array(values):
            return next((one for one in values if self._compiled(schema).is_valid(one)), None)
        for keyword in ("anyOf", "oneOf", "allOf"):
            branches = schema.get(keyword)
            if is_array(branches):
                return self._of_branches(schema, branches, minimal, depth)
        match next((one for one in kind if one != "null"), "null") if is_array(kind) else kind:
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

    def _of_branches(self, schema: Object, branches: list[JSON], minimal: bool, depth: int) -> JSON:
        """Return the first branch's value that the whole takes; null where it takes no other."""
        compiled = self._compiled(schema)
        beside = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "allOf")}
        for branch in [*branches, beside]:
            if branch != {"type": "null"}:
                found = self.make(branch, minimal=minimal, depth=depth)
                if compiled.is_valid(found):
                    return found
        return None

    def _object(self, schema: Object, minimal: bool, depth: int) -> Object:
        listed = schema.get("required")
        required = [str(name) for name in listed] if is_array(listed) else []
        wanted, fields = set(required), ordered(schema)
        for name, node in fields.items():
            read = resolve(node, self._root)
            if not minimal and "default" not in read and next(_given(read), None) is not None:
                wanted.add(name)
        made: Object = {
            name: self.make(node, minimal=minimal, depth=depth)
            for name, node in fields.items()
            if name in wanted
        }
        more = schema.get("additionalProperties", {})
        for name in [name for name in required if name not in fields][:_LONGEST_LIST]:
            # Required, and described nowhere.
            made[name] = self.make(more, minimal=minimal, depth=depth)
        return made

    def _number(self, schema: Object) -> JSON:
        """Return the minimum, or 0, or a number at or near one of the limits."""
        keywords = ("minimum", "exclusiveMinimum", "exclusiveMaximum", "maximum", "multipleOf")
        limits = [limit for limit in map(schema.get, keywords) if is_number(limit)]
        near = [limit + step for step in (0, 1, -1) for limit in limits]
        possible = [schema.get("minimum", 0), 0, *near, sum(limits) / max(len(limits), 1)]
        fits = self._compiled(schema)
        return next((number for number in possible if fits.is_valid(number)), 0)

    def _array(self, schema: Object, minimal: bool, depth: int) -> list[JSON]:
        firsts, least = schema.get("prefixItems"), schema.get("minItems", 0)
        nodes = list(firsts) if is_array(firsts) else []
        count = min(int(least), _LONGEST_LIST) if is_number(least) else 0
        if not minimal and not nodes:
            count = max(count, 1)
        items = schema.get("items", {})
        values = resolve(items, self._root).get("enum")
        if schema.get("uniqueItems") is True and is_array(values):
            nodes += [{"const": value} for value in values[: count - len(nodes)]]
        nodes += [items] * (count - len(nodes))
        return [self.make(node, minimal=minimal, depth=depth) for node in nodes]


def _given(schema: Object) -> Generator[JSON]:
    examples = schema.get("examples")
    if is_array(examples):
        yield from examples[:_GIVEN]
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


_TEXTS: dict[JSON, str] = {
    "uri": "https://example.com/file",
    "date": "2026-01-31",
    "time": "12:00:00",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "someone@example.com",
    **{f"uuid{n}": f"00000000-0000-{n}000-8000-000000000000" for n in (1, 3, 4, 5)},
}
_TEXTS["uuid"] = _TEXTS["uuid4"]


def _text(schema: Object) -> str:
    text = _TEXTS.get(schema.get("format"), "text")
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    text = text.ljust(min(least, _LONGEST_TEXT) if isinstance(least, int) else 0, ".")
    return text[:most] if isinstance(most, int) else text
