"""An input's JSON Schema as a validator of Pydantic's, which words what is wrong as fal does.

fal's models are Pydantic models, and a document is what Pydantic wrote of one. So the way is gone
back: the schemas that Pydantic itself would hand to its core, with the branches of a union labelled
as it labels them. What no type of Pydantic's can say (`not`, `contains` …) is checked by the
document and refused as a model's own check would refuse it; `uniqueItems` is Pydantic's word for a
set, which takes an item twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, cast

from pydantic_core import PydanticKnownError, SchemaValidator

from falkit_spec.schema import Compiled, follow_ref, is_check, join, ordered
from falkit_spec.types import JSON, Object, is_array, is_number, is_object

Core: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Any], Any]


class Model:
    """What an object is read into: `__dict__` has its fields by their names in JSON."""

    __slots__ = ("__dict__", *(f"__pydantic_{x}__" for x in ("extra", "fields_set", "private")))
    __pydantic_extra__: dict[str, Any] | None


def build(schema: Object, *, strict: bool = False, brief: bool = False) -> SchemaValidator:
    """Build the validator of one input schema.

    `strict` has it take no number or boolean of another type; `brief` has it name only the first
    wrong item of each list.
    """
    return SchemaValidator(cast("Any", _Builder(schema, strict=strict, brief=brief).body()))


_DEEPEST, _MOST = 60, 20_000
"""So deep a schema is followed, and so many parts are joined; what is beyond takes anything."""
_LONGEST = 10_000  # Characters of a name, which may double with each reference.
_SMALL = ("any", "bool", "bytes", "float", "int", "literal", "none", "str", "uuid")
"""What is repeated wherever it is referred to; all else is a definition, as Pydantic does it."""
_BOUNDS = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
# What each type's own validator checks.
_CHECKED: dict[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("minLength", "maxLength"),
    "number": tuple(_BOUNDS),
    "integer": tuple(_BOUNDS),
}
# What a type's validator can't check, of all keywords that come through the loader.
_BESIDE: dict[str, tuple[str, ...]] = {
    "object": ("minProperties", "maxProperties", "propertyNames"),
    "array": ("contains",),
}
_OF_ANY_TYPE = ("not", "anyOf", "oneOf", "allOf")
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
}
_FORMATS: dict[str, Core] = {
    "binary": {"type": "bytes"},
    "date-time": {"type": "datetime"},
    "date": {"type": "date"},
    "time": {"type": "time"},
    "uuid": {"type": "uuid"},
    **{f"uuid{version}": {"type": "uuid", "version": version} for version in (1, 3, 4, 5)},
}


class _Builder:
    """Builds what Pydantic's core takes; objects under `$defs` become its definitions."""

    def __init__(self, root: Object, *, strict: bool, brief: bool) -> None:
        self._root = root
        self._brief = {"fail_fast": True} if brief else {}
        self._strict = {"strict": True} if strict else {}
        self._definitions: dict[str, Core] = {}
        # References that are being followed, and those among them that lead back.
        self._open: set[str] = set()
        self._circular: set[str] = set()
        # Documents are users' files: what is built of one is bounded.
        self._depth, self._left, self._lengths = 0, _MOST, dict[str, int]()

    def body(self) -> Core:
        """Return the whole: a body is an object, whatever else its schema leaves open."""
        schema: Object = {key: value for key, value in self._root.items() if key != "$defs"}
        kinds = ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")
        typed = any(key in schema for key in kinds)
        core = self._node(schema, "Input") if typed else self._model(schema, "Input")
        if not self._definitions:
            return core
        definitions = [*self._definitions.values()]
        return {"type": "definitions", "schema": core, "definitions": definitions}

    def _node(self, node: JSON, name: str) -> Core:
        """Return one schema; `name` is the class's where it is an object without a title."""
        if self._depth == _DEEPEST or not self._left:
            return {"type": "any"}
        self._depth += 1
        try:
            ref, schema = self._follow(node)
            return self._made(schema, name) if ref is None else self._referred(ref, schema)
        finally:
            self._depth -= 1

    def _referred(self, ref: str, schema: Object) -> Core:
        if ref not in self._open and ref not in self._definitions:
            self._open.add(ref)
            core = self._made(schema, ref.rpartition("/")[2])
            self._open.discard(ref)
            if core["type"] in _SMALL and ref not in self._circular:
                return core
            self._lengths[ref] = self._length(core)
            if self._lengths[ref] > _LONGEST:
                core, self._lengths[ref] = _wrapped(lambda value, read: read(value), core), 0
            self._definitions[ref] = {**core, "ref": ref}
        elif ref in self._open:
            self._circular.add(ref)
        return {"type": "definition-ref", "schema_ref": ref}

    def _length(self, core: Core) -> int:
        """Tell about how long a name the core gives a schema, which has its parts' names in it."""
        if core["type"] in ("definition-ref", "model"):
            return self._lengths.get(core.get("schema_ref", ""), 0)
        inner: list[Core] = [*core.get("steps", ()), *core.get("metadata", {}).get("parts", ())]
        inner += [core[key] for key in ("schema", "values_schema") if key in core]
        if "items_schema" in core:
            inner += core["items_schema"] if core["type"] == "tuple" else [core["items_schema"]]
        return 20 + sum(map(self._length, inner))

    def _follow(self, node: JSON) -> tuple[str | None, Object]:
        """Follow what only refers to something else; return the last reference and its schema."""
        found: str | None = None
        seen: set[str] = set()
        while is_object(node):
            ref, parts = node.get("$ref"), node.get("allOf")
            alone = not any(is_check(key) for key in node if key not in ("$ref", "allOf"))
            if alone and isinstance(ref, str) and "allOf" not in node:
                if ref in seen:
                    return None, {}
                seen.add(ref)
                found, node = ref, follow_ref(self._root, ref)
            elif alone and ref is None and is_array(parts) and len(parts) == 1:
                node = parts[0]
            else:
                return found, self._joined(node, seen)
        return found, {} if node is not False else {"not": {}}

    def _joined(self, schema: Object, seen: set[str]) -> Object:
        """Return a schema with the parts of its `allOf`, and what it refers to, joined in it."""
        parts, ref = schema.get("allOf", []), schema.get("$ref")
        joined: Object = {k: v for k, v in schema.items() if k not in ("allOf", "$ref")}
        if isinstance(ref, str) and ref not in seen:
            seen.add(ref)
            join(joined, self._flat(follow_ref(self._root, ref), seen))
        for part in parts if is_array(parts) else []:
            join(joined, self._flat(part, seen))
        return joined

    def _flat(self, node: JSON, seen: set[str]) -> Object:
        self._left = max(self._left - 1, 0)
        if is_object(node) and self._left:
            return self._joined(node, set(seen))
        return {"not": {}} if node is False else {}

    def _made(self, schema: Object, name: str) -> Core:
        values, kind = schema.get("enum"), schema.get("type")
        done: tuple[str, ...]
        if "const" in schema:
            values = [schema["const"]]
        branches = schema.get("anyOf", schema.get("oneOf"))
        if is_array(values):
            core, done = self._literal(values), ("enum", "const")
        elif is_array(branches):
            core = self._union(branches, name)
            done = ("anyOf",) if "anyOf" in schema else ("oneOf",)
        elif is_array(kind):
            return self._union([{**schema, "type": one} for one in kind], name)
        elif isinstance(kind, str):
            core, done = self._typed(kind, schema, name), _CHECKED.get(kind, ())
        else:
            core, done = self._untyped(schema, name)
        if core["type"] == "dict":
            done = (*done, "minProperties", "maxProperties")
        kinds = [kind] if isinstance(kind, str) else [*_CHECKED]
        beside = [key for one in kinds for key in (*_CHECKED.get(one, ()), *_BESIDE.get(one, ()))]
        for keyword in dict.fromkeys([*_OF_ANY_TYPE, *beside]):
            if keyword in schema and keyword not in done:
                core = self._kept(core, keyword, schema[keyword], values)
        return core

    def _typed(self, kind: str, schema: Object, name: str) -> Core:
        match kind:
            case "object":
                fields = schema.get("properties") or schema.get("required")
                return self._model(schema, name) if fields else self._dict(schema, name)
            case "array":
                return self._list(schema, name)
            case "string":
                return _string(schema)
            case "integer" | "number":
                return {**_number(kind, schema), **self._strict}
            case "boolean":
                return {"type": "bool", **self._strict}
            case _:
                return {"type": "none"}

    def _untyped(self, schema: Object, name: str) -> tuple[Core, tuple[str, ...]]:
        """Return a schema without a type: its keywords concern values of their own type alone."""
        concerned = [
            kind
            for kind in _PYTHON
            if any(key in schema for key in (*_CHECKED[kind], *_BESIDE.get(kind, ())))
        ]
        if len(concerned) != 1:
            return {"type": "any"}, ()
        kind = concerned[0]
        wanted = _PYTHON[kind]

        def only(value: Any, handler: Handler) -> Any:
            right = isinstance(value, wanted) and not isinstance(value, bool)
            return handler(value) if right else value

        return _wrapped(only, self._typed(kind, schema, name), "any"), _CHECKED[kind]

    def _model(self, schema: Object, name: str) -> Core:
        title, extra = schema.get("title"), schema.get("additionalProperties", True)
        musts = schema.get("required")
        named_musts = (one for one in musts if isinstance(one, str)) if is_array(musts) else ()
        required = dict.fromkeys(named_musts)
        fields: dict[str, Core] = {}
        named = ordered(schema)
        for field, node in {**named, **{one: {} for one in required if one not in named}}.items():
            core = self._node(node, field)
            if field not in required:
                core = {"type": "default", "schema": core, "default": None}
            fields[field] = {"type": "model-field", "schema": core}
        read: Core = {"type": "model-fields", "fields": fields}
        if extra is False:
            read["extra_behavior"] = "forbid"
        elif is_object(extra) and any(map(is_check, extra)):
            read |= {"extra_behavior": "allow", "extras_schema": self._node(extra, name)}
        # A title is the class's name unless somebody wrote a better one for readers.
        called = title if isinstance(title, str) and title.isidentifier() else name
        cls = type("".join(filter(str.isprintable, called)), (Model,), {"__slots__": ()})
        return {"type": "model", "cls": cls, "schema": read}

    def _dict(self, schema: Object, name: str) -> Core:
        extra = schema.get("additionalProperties", True)
        words = {"minProperties": "min_length", "maxProperties": "max_length"}
        limits: Core = {word: schema[key] for key, word in words.items() if key in schema}
        if extra is False:
            # Nothing may be in it.
            extra, limits = True, {**limits, "max_length": 0}
        values = self._node(extra, name) if extra is not True else {"type": "any"}
        return {"type": "dict", "keys_schema": {"type": "str"}, "values_schema": values, **limits}

    def _list(self, schema: Object, name: str) -> Core:
        least, most = schema.get("minItems"), schema.get("maxItems")
        limits = self._brief | ({} if least is None else {"min_length": least})
        limits |= {} if most is None else {"max_length": most}
        first, rest = schema.get("prefixItems"), schema.get("items")
        if not is_array(first):
            items = self._node(rest, name) if rest is not None else {"type": "any"}
            return {"type": "list", "items_schema": items, **limits}
        places = [self._node(node, name) for node in first]
        if rest in (None, False) and least == most == len(places):
            # So Pydantic writes a tuple.
            return {"type": "tuple", "items_schema": places, **self._brief}
        needed = least if isinstance(least, int) else 0
        places[needed:] = [
            {"type": "default", "schema": core, "default": None} for core in places[needed:]
        ]
        places.append(self._node(rest, name) if rest is not None else {"type": "any"})
        each: Core = {"type": "tuple", "items_schema": places, "variadic_item_index": len(first)}
        each |= self._brief
        return {"type": "chain", "steps": [{"type": "list", **limits}, each]}

    def _literal(self, values: list[JSON]) -> Core:
        named = [value for value in values if value is not None]
        if not named:
            return {"type": "none"}
        core: Core = {"type": "literal", "expected": named}
        if self._strict and any(type(value) is int and value in (0, 1) for value in named):
            core = _without_booleans(core, named)
        return core if len(named) == len(values) else {"type": "nullable", "schema": core}

    def _union(self, branches: list[JSON], name: str) -> Core:
        """Return a union as Python makes one: flat, each type once, None apart."""
        made: list[Core] = []
        nullable = False
        for branch in branches:
            core = self._node(branch, name)
            known = self._definitions.get(str(core.get("schema_ref")), core)
            if known["type"] in ("nullable", "union"):
                core = known
            if core["type"] == "nullable":
                nullable, core = True, core["schema"]
            nullable = nullable or core["type"] == "none"
            parts: list[Core] = core["metadata"]["parts"] if core["type"] == "union" else [core]
            made += [one for one in parts if one["type"] != "none" and one not in made]
        if not made:
            return {"type": "none"}
        whole = made[0]
        if len(made) > 1:
            labels = [one.get("metadata", {}).get("label") for one in made]
            named = [
                (one, label) if label else one for one, label in zip(made, labels, strict=True)
            ]
            whole = {"type": "union", "choices": named, "metadata": {"parts": made}}
        return {"type": "nullable", "schema": whole} if nullable else whole

    def _kept(self, core: Core, keyword: str, value: JSON, values: JSON) -> Core:
        """Return a schema that holds one more keyword, by the document's own validator."""
        compiled = Compiled({keyword: value, "$defs": self._root.get("$defs", {})})
        if is_array(values) and all(map(compiled.is_valid, values)):
            return core
        why = f"does not meet {keyword!r}"

        def check(given: Any, handler: Handler) -> Any:
            read = handler(given)
            if not compiled.is_valid(given):
                raise ValueError(why)
            return read

        return _wrapped(check, core)


def _wrapped(function: Callable[[Any, Handler], Any], core: Core, label: str = "") -> Core:
    """Return a schema within a function; `label` names it where it is a union's branch."""
    called, more = {"type": "no-info", "function": function}, {"label": label}
    return {"type": "function-wrap", "function": called, "schema": core, "metadata": more}


def _without_booleans(core: Core, values: Sequence[JSON]) -> Core:
    """Return a Literal that tells true from 1, which are equal to Python."""
    *others, last = map(repr, values)
    expected = f"{', '.join(others)} or {last}" if others else last

    def only(given: Any, handler: Handler) -> Any:
        if isinstance(given, bool) and not any(given is value for value in values):
            raise PydanticKnownError("literal_error", {"expected": expected})
        return handler(given)

    return _wrapped(only, core, f"literal[{','.join(map(repr, values))}]")


def wrap_val(value: Any, handler: Handler) -> Any:
    """Check a URL and keep it as it is written; Pydantic's own is called so, which labels show."""
    handler(value)
    return value


_URL: Core = _wrapped(wrap_val, {"type": "url"})


def _string(schema: Object) -> Core:
    form, least, most = schema.get("format"), schema.get("minLength"), schema.get("maxLength")
    if form == "uri":
        # An empty text is no URL, so the least length says nothing.
        return _URL if most is None else _wrapped(wrap_val, {"type": "url", "max_length": most})
    core = dict(_FORMATS.get(str(form), {"type": "str"}))
    if core["type"] in ("str", "bytes"):
        core |= {} if least is None else {"min_length": least}
        core |= {} if most is None else {"max_length": most}
    return core


def _number(kind: str, schema: Object) -> Core:
    core: Core = {"type": "int" if kind == "integer" else "float"}
    for keyword, name in _BOUNDS.items():
        limit = schema.get(keyword)
        if not is_number(limit):
            continue
        if kind == "number":
            core[name] = float(limit)
        elif keyword == "multipleOf":
            # The whole multiples of 2.5 are those of 5.
            core[name] = Fraction(repr(limit)).numerator
        else:
            core[name] = (math.ceil if name in ("ge", "lt") else math.floor)(limit)
    return core
