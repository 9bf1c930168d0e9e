"""TypedDicts in Python's words for what endpoints take and give, whatever the documents name."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from falkit_spec.endpoint import Endpoint
from falkit_spec.schema import ordered, resolve
from falkit_spec.typed.names import (
    Names,
    class_name,
    documented,
    fits_a_class,
    quoted,
    wrapped,
)
from falkit_spec.types import JSON, Object, is_array, is_object

ANY_OBJECT = "dict[str, Any]"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
# Bounds for documents that nobody wrote by hand; what lies beyond them is Any.
_DEEPEST = 24
_MOST_NODES = 20_000
_MOST_BRANCHES = 100
# Stands in an annotation for the name of a shape, which is chosen last.
_PLACE = re.compile("\0(\\d+)\0")
# Stands between the values of a Literal, where a long line may be broken.
_NEXT = "\1"
_BREAK = ",\n        "
_WIDEST = 100


@dataclass
class _Shape:
    """One TypedDict to be, or an alias where a schema isn't that of an object with fields."""

    wanted: str
    owner: str
    about: str
    fields: list[_Field] = field(default_factory=list["_Field"])
    alias: str = ""

    def signature(self, names: Mapping[str, str] | None = None) -> object:
        """All but the prose; shapes with equal ones are the same shape."""

        def filled(kind: str) -> str:
            return _PLACE.sub(lambda match: names[match[1]] if names else "\0", kind)

        parts = [(one.name, one.required, filled(one.kind)) for one in self.fields]
        return self.wanted, filled(self.alias), tuple(parts)


@dataclass
class _Field:
    name: str
    kind: str
    required: bool
    about: str


class Shapes:
    """Gathers the shapes of one module. Those of the same name and fields are one shape."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.uses: set[str] = set()
        """What the module is to import for them."""
        self._shapes: list[_Shape] = []
        # Each document's own, by what tells one place of it from all others.
        self.known: dict[tuple[int, bool], int] = {}
        self._done: list[int] = []
        self.kept: list[Object] = []
        self._roots: set[int] = set()
        self._left = 0

    def add(self, endpoint: Endpoint, name: str) -> bool:
        """Add an endpoint's input and output; tell whether the input has fields."""
        files = {medium.field for medium in endpoint.file_fields}
        takes = _Reader(self, endpoint.input_schema, name, files)
        gives = _Reader(self, endpoint.output_schema, name, None)
        self._root(takes, f"{name}Input", f"Input of {endpoint.id}.")
        self._root(gives, f"{name}Output", f"Output of {endpoint.id}.")
        return _has_fields(endpoint.input_schema)

    def _root(self, reader: _Reader, name: str, about: str) -> None:
        # Kept, so that the place of each of its parts in memory stays its own.
        self.kept.append(reader.root)
        self._left = _MOST_NODES
        if _has_fields(reader.root):
            number = reader.shape(name, reader.root, about, "", top=True)
        else:
            kind = reader.kind(reader.root)
            only_shapes = not _PLACE.sub("", kind).strip("| ")
            fits = only_shapes or kind.startswith("dict[")
            self.uses |= {"TypeAlias", *(() if fits else ("Any",))}
            number = self.new(_Shape(name, "", about, alias=kind if fits else ANY_OBJECT))
            self.finish(number)
        self._roots.add(number)

    def new(self, shape: _Shape) -> int:
        self._shapes.append(shape)
        return len(self._shapes) - 1

    def finish(self, number: int) -> None:
        self._done.append(number)

    def spend(self) -> bool:
        """Count one place of a document; false where there were too many."""
        self._left -= 1
        return self._left >= 0

    def text(self) -> str:
        """Return the classes, each after those that it names where that is possible."""
        same = self._same()
        first = {same[n]: n for n in reversed(range(len(self._shapes)))}
        kept = [n for n in self._done if first[same[n]] == n]
        named: dict[int, str] = {}
        # The inputs and outputs have their names already.
        for n in kept:
            shape = self._shapes[n]
            wanted = [shape.wanted, f"{shape.owner}{shape.wanted}"]
            named[same[n]] = shape.wanted if n in self._roots else self.names.one(wanted)
        names = {str(n): named[same[n]] for n in self._done}
        return "\n\n".join(self._class(self._shapes[n], names[str(n)], names) for n in kept)

    def _same(self) -> list[int]:
        """Number the shapes so that equal ones have the same number.

        They are told apart by their fields, then by the shapes that those name, and so on: shapes
        that contain themselves are compared as well.
        """
        numbers, count = _numbered([shape.signature() for shape in self._shapes])
        while True:
            names = {str(n): str(number) for n, number in enumerate(numbers)}
            signatures = [
                (numbers[n], shape.signature(names)) for n, shape in enumerate(self._shapes)
            ]
            numbers, more = _numbered(signatures)
            if more == count:
                return numbers
            count = more

    def _class(self, shape: _Shape, name: str, names: Mapping[str, str]) -> str:
        def filled(kind: str, required: bool = False, break_: str = ", ") -> str:
            named = _PLACE.sub(lambda match: names[match[1]], kind).replace(_NEXT, break_)
            return f"Required[{named}]" if required else named

        if shape.alias:
            kind = filled(shape.alias)
            return "\n".join([f"{name}: TypeAlias = {quoted(kind)}", *documented(shape.about), ""])
        self.uses.add("TypedDict")
        if any(one.required for one in shape.fields):
            self.uses.add("Required")
        classes = set(names.values())
        if all(fits_a_class(one.name) and one.name not in classes for one in shape.fields):
            lines = [f"class {name}(TypedDict, total=False):"]
            lines += [*_indented(documented(shape.about)), ""]
            for one in shape.fields:
                line = f"    {one.name}: {filled(one.kind, one.required)}"
                if len(line) > _WIDEST:
                    line = f"    {one.name}: {filled(one.kind, one.required, _BREAK)}"
                lines += [line, *_indented(documented(one.about))]
            return "\n".join(lines) + "\n"
        lines = [f"{name} = TypedDict(", f'    "{name}",', "    {"]
        for one in shape.fields:
            lines += [f"        # {line}".rstrip() for line in wrapped(one.about)]
            lines.append(f"        {quoted(one.name)}: {quoted(filled(one.kind, one.required))},")
        lines += ["    },", "    total=False,", ")", *documented(shape.about)]
        return "\n".join(lines) + "\n"


def _numbered(signatures: Sequence[object]) -> tuple[list[int], int]:
    numbers: dict[object, int] = {}
    return [numbers.setdefault(one, len(numbers)) for one in signatures], len(numbers)


class _Reader:
    """Reads one schema into shapes; `files` are the places in an input that take files, None for
    an output.
    """

    def __init__(self, shapes: Shapes, root: Object, owner: str, files: set[str] | None) -> None:
        self.shapes = shapes
        self.root = root
        self.owner = owner
        self.files = files
        self._active: list[str] = []

    def shape(self, name: str, schema: Object, about: str, place: str, *, top: bool = False) -> int:
        """Return the number of the shape of an object's schema."""
        fields, required = schema["properties"], schema.get("required")
        key = id(fields), self.files is None
        if key in self.shapes.known:
            return self.shapes.known[key]
        shape = _Shape(name, "" if top else self.owner, about)
        number = self.shapes.known[key] = self.shapes.new(shape)
        must = required if is_array(required) else []
        for own, node in ordered(schema).items():
            # A TypedDict has no field without a name.
            if own:
                kind = self.kind(node, f"{place}.{own}".removeprefix("."))
                of = resolve(node, self.root)
                shape.fields.append(_Field(own, kind, own in must, _about(of)))
        self.shapes.finish(number)
        return number

    def kind(self, node: JSON, place: str = "") -> str:
        """Return the annotation of a schema at a place such as `elements[].image_url`."""
        if len(self._active) > _DEEPEST or not self.shapes.spend():
            return self._any()
        ref = node.get("$ref") if is_object(node) else None
        mark = ref if isinstance(ref, str) else ""
        of = resolve(node, self.root)
        has_fields = _has_fields(of)
        if mark and mark in self._active and not has_fields:
            return self._any()
        self._active.append(mark)
        kind = self._named(node, of, place) if has_fields else self._unnamed(of, place)
        self._active.pop()
        return kind

    def _named(self, node: JSON, of: Object, place: str) -> str:
        pointed = self._pointed(node) or of
        field_name = place.rpartition(".")[2].removesuffix("[]")
        title = class_name(str(pointed.get("title") or ""), class_name(field_name, "Shape"))
        about = str(pointed.get("description") or f"{title}.")
        return f"\0{self.shape(title, of, about, place)}\0"

    def _unnamed(self, of: Object, place: str) -> str:
        values, kinds, parts = of.get("enum"), of.get("type"), of.get("allOf")
        branches, items = of.get("anyOf", of.get("oneOf")), of.get("prefixItems")
        if "const" in of:
            values = [of["const"]]
        if is_array(values):
            return self._literal(values)
        if is_array(branches):
            return self._union([self.kind(one, place) for one in branches])
        if is_array(parts):
            return self._all_of(of, parts, place)
        if is_array(kinds):
            return self._union([self._unnamed({**of, "type": one}, place) for one in kinds])
        if is_array(items) and kinds in ("array", None):
            each = [self.kind(one, f"{place}[]") for one in items]
            whole = f"list[{self._union(each)}]"
            # The client sends a tuple as a list, as which outputs come.
            return whole if self.files is None else f"tuple[{', '.join(each)}] | {whole}"
        if kinds == "array":
            return f"list[{self.kind(of.get('items'), f'{place}[]')}]"
        if kinds == "object":
            more = of.get("additionalProperties")
            if is_object(more) and more:
                return f"dict[str, {self.kind(more, f'{place}[]')}]"
            self.shapes.uses.add("Any")
            return ANY_OBJECT
        if kinds == "string" and place in (self.files or ()):
            self.shapes.uses.add("Medium")
            return "Medium"
        return _PLAIN.get(str(kinds)) or self._any()

    def _literal(self, values: list[JSON]) -> str:
        told = [one for one in values if one is None or isinstance(one, str | int)]
        # Literal takes no other values, so that their type has to do.
        rest = [self._type_of(one) for one in values if not isinstance(one, str | int | None)]
        listed = dict.fromkeys(quoted(one) if isinstance(one, str) else repr(one) for one in told)
        if listed:
            self.shapes.uses.add("Literal")
        return self._union([*([f"Literal[{_NEXT.join(listed)}]"] if listed else []), *rest])

    def _type_of(self, value: JSON) -> str:
        if isinstance(value, float):
            return "float"
        self.shapes.uses.add("Any")
        return "list[Any]" if is_array(value) else ANY_OBJECT

    def _union(self, kinds: list[str]) -> str:
        parts = dict.fromkeys(kinds)
        if "Any" in parts or not parts or len(parts) > _MOST_BRANCHES:
            return self._any()
        return " | ".join(parts)

    def _all_of(self, of: Object, parts: list[JSON], place: str) -> str:
        """Return one shape for several that hold together; Any where they aren't all objects."""
        read = [resolve(one, self.root) for one in parts]
        if not all(_has_fields(one) for one in read):
            return self._any()
        fields: Object = {}
        must: list[JSON] = []
        for one in read:
            fields |= ordered(one)
            required = one.get("required")
            must += required if is_array(required) else []
        rest: Object = {key: value for key, value in of.items() if key != "allOf"}
        whole: Object = {**rest, "type": "object", "properties": fields, "required": must}
        # Kept for the same reason as the documents.
        self.shapes.kept.append(whole)
        return self.kind(whole, place)

    def _any(self) -> str:
        self.shapes.uses.add("Any")
        return "Any"

    def _pointed(self, node: JSON) -> Object:
        """What a reference leads to, without the title of the field that refers to it."""
        while is_object(node):
            parts = node.get("allOf")
            if is_array(parts) and len(parts) == 1:
                node = parts[0]
            elif "$ref" in node:
                return resolve({"$ref": node["$ref"]}, self.root)
            else:
                break
        return {}


def _has_fields(schema: Object) -> bool:
    fields = schema.get("properties")
    return is_object(fields) and any(fields)


def _about(of: Object) -> str:
    """A field's description, its limits and its default."""
    words = [str(of.get("description") or of.get("title") or "").strip()]
    low, high = of.get("minimum", of.get("minLength")), of.get("maximum", of.get("maxLength"))
    if low is not None and high is not None:
        unit = " characters" if "string" in str(of.get("type")) else ""
        words.append(f"{low} to {high}{unit}.")
    if "default" in of:
        words.append(f"Default: {textwrap.shorten(repr(of['default']), 300, placeholder='…')}.")
    said = [word if word.endswith((".", "!", "?", ":")) else f"{word}." for word in words if word]
    return " ".join(said) if len(said) > 1 else "".join(words)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}".rstrip() for line in lines]
