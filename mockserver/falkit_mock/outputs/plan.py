"""How an endpoint's outputs are written: its output's schema read once into steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from falkit_mock.outputs import lists
from falkit_mock.outputs.draft import MISSING, Draft, Missing, Step
from falkit_mock.outputs.kinds import (
    Kind,
    kind_made,
    kind_of,
    makes_vectors,
    removes_background,
    words,
    words_of,
)
from falkit_mock.outputs.likely import likely, numbers
from falkit_mock.outputs.reading import (
    branches,
    chosen,
    example_of,
    least,
    refs_of,
    required_of,
    says,
    type_of,
    within,
)
from falkit_mock.outputs.shapes import (
    FileStep,
    Part,
    file_object,
    is_file,
    is_file_text,
    is_told,
    ours,
    told_of,
)
from falkit_mock.outputs.usual import USUAL
from falkit_mock.outputs.values import (
    OptionalOutputs,
    boolean,
    echoed,
    language,
    number,
    text,
)
from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, copy_json, is_array, is_number, is_object

_DEEPEST, _MOST_NODES, _MOST_ITEMS = 10, 2000, 64
_LANGUAGES = frozenset(("language", "languages"))
# Kinds of which an input asks for several files.
_COUNTED = frozenset(("image", "video", "audio"))


class Planner:
    """Reads an output's schema; `exampled` names the fields that are only the example's.

    `kinds` are those of the files, in their order.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._root = endpoint.output_schema
        self._inputs = ordered(endpoint.input_schema)
        self._optional = OptionalOutputs(self._inputs, endpoint.input_schema)
        fields = frozenset(self._inputs)
        self.makes: Kind = kind_made(endpoint.category, endpoint.id, fields)
        self._kind = kind_of(endpoint.id, fields)
        self._removes, self._vectors = removes_background(endpoint.id), makes_vectors(endpoint.id)
        self._nodes = 0
        self._rows = False
        self.exampled: list[str] = []
        self.kinds: list[Kind] = []

    def plan(self) -> Step:
        """Return what writes an output."""
        example = example_of(self._root, None)
        if not example and type_of(self._root) in (None, "object") and not says(self._root):
            # As of models that stream, or answer bytes.
            self._root = USUAL[self._kind]
        step = self._value(self._root, (), example, frozenset())
        return lists.times_told(step) if self._rows else step

    def _value(
        self, schema: Object, names: Sequence[str], example: JSON, above: frozenset[str]
    ) -> Step:
        """Return what writes one value; `names` are those of its fields, the innermost first."""
        self._nodes += 1
        if self._nodes > _MOST_NODES or len(names) > _DEEPEST:
            return _always(None)
        if "const" in schema:
            return _always(schema["const"])
        values = schema.get("enum")
        if is_array(values) and values:
            value = example if example in values else values[0]
            if not _LANGUAGES.isdisjoint(words_of(names)):
                return language(values)
            if "assistant" in values:
                # Of all roles it is the one that answers.
                value = "assistant"
            return self._echoed(schema, names, self._shown(names, value))
        match type_of(schema):
            case "object":
                return self._object(schema, names, example, above)
            case "array":
                return self._array(schema, names, example, above)
            case "string":
                return self._string(schema, names, example)
            case "integer" | "number":
                step = number(schema, names, self.makes)
                if step is None and example is None:
                    step = likely(schema, names)
                if step is None and is_number(example) and within(example, schema):
                    step = self._shown(names, example)
                return self._echoed(schema, names, step or _always(least(schema)))
            case "boolean":
                step = boolean(names)
                if step is None and isinstance(example, bool):
                    step = self._shown(names, example)
                return self._echoed(schema, names, step or _always(False))
            case _:
                return self._anything(names, example)

    def _object(
        self, schema: Object, names: Sequence[str], example: JSON, above: frozenset[str]
    ) -> Step:
        if is_file(schema):
            return self._file(schema, names, example, above)
        fields = ordered(schema)
        if not fields:
            return self._map(schema, names, example, above)
        required = required_of(schema)
        steps = [
            (name, step)
            for name, node in fields.items()
            if (step := self._field(name, node, names, example, above, required)) is not None
        ]

        def write(draft: Draft) -> JSON:
            made: Object = {}
            for name, step in steps:
                if (value := step(draft)) is not MISSING:
                    made[name] = value
            return made

        return write

    def _field(
        self,
        name: str,
        node: JSON,
        names: Sequence[str],
        of_object: JSON,
        above: frozenset[str],
        required: list[JSON],
    ) -> Step | None:
        """Return what writes one field of an object; None where the object hasn't it."""
        self._nodes += 1
        if self._nodes > _MOST_NODES and name not in required:
            return None
        schema = resolve(node, self._root)
        refs, inner = refs_of(node), refs_of(schema.get("items"))
        parts, nullable = branches(schema, self._root)
        needed = name in required
        other = None if needed else _always(None) if nullable else _always(MISSING)
        shown = of_object.get(name) if is_object(of_object) else None
        example = example_of(schema, shown)
        if other is not None and ((refs | inner) & above or len(names) >= _DEEPEST - 2):
            # A schema within itself ends somewhere.
            return _always(copy_json(schema["default"])) if "default" in schema else other
        part = chosen(parts, self._root)
        step = self._value(part, (name, *names), example, above | refs)
        if other is None:
            return step
        kind = type_of(part)
        usual = kind in ("object", "array") or is_file_text((name,), part, example)
        if (usual or kind == "string") and (asked := self._optional.condition(name)):
            return lambda draft: step(draft) if asked(draft.input) else other(draft)
        if usual:
            return other if "debug" in words(name) else step
        known = (
            name in self._inputs
            or "timings" in words(name)
            or number(part, (name,), self.makes) is not None
        )
        if known or example is not None or (kind == "string" and text(part, (name,), True)):
            return step
        if kind == "boolean" and boolean((name,)):
            return step
        return other

    def _file(
        self, schema: Object, names: Sequence[str], example: JSON, above: frozenset[str]
    ) -> Step:
        # Of a list of files the first shows what all are.
        one = example[0] if is_array(example) and example else example
        shown = one if is_object(one) and "url" in one else {}
        file = self._file_step(names, example, schema)
        # What is told beside its URL is of this file.
        makes, self.makes = self.makes, file.kind
        required = required_of(schema)
        parts: list[Part] = []
        for name, node in ordered(schema).items():
            if name == "file_data":
                continue
            _, nullable = branches(resolve(node, self._root), self._root)
            told = told_of(name, file.kind)
            needed = name in required
            step = None
            if told is None and (not is_told(name) or (needed and not nullable)):
                step = self._field(name, node, names, shown, above, required)
            parts.append(Part(name, told, nullable, needed, step))
        self.makes = makes
        return file_object(file, parts, shown)

    def _file_step(
        self, names: Sequence[str], example: JSON, schema: Object | None = None
    ) -> FileStep:
        """Return what adds a file; of one that removes backgrounds it has none."""
        file = FileStep.of(names, example, self.makes, schema)
        self.kinds.append(file.kind)
        if self._removes and file.kind == "image" and not file.like:
            return replace(file, like="clear")
        return replace(file, usual="svg") if self._vectors and file.named_no_format else file

    def _map(
        self, schema: Object, names: Sequence[str], example: JSON, above: frozenset[str]
    ) -> Step:
        """Return what writes an object whose fields the document doesn't name."""
        node = schema.get("additionalProperties")
        inner = resolve(node, self._root) if is_object(node) else {}
        if "timings" in words_of(names):
            return _timings
        if inner:
            of = example if is_object(example) else {}
            keys: dict[str, Sequence[str]] = {key: (key, *names) for key in [*of][:_MOST_ITEMS]}
            if is_file(inner):
                keys = keys or {self.makes: names}
            part = self._branch(inner)
            steps = [(key, self._value(part, at, of.get(key), above)) for key, at in keys.items()]
            return lambda draft: {
                key: value for key, step in steps if (value := step(draft)) is not MISSING
            }
        return self._shown(names, example) if is_object(example) and example else _always({})

    def _array(
        self, schema: Object, names: Sequence[str], example: JSON, above: frozenset[str]
    ) -> Step:
        firsts = schema.get("prefixItems")
        if is_array(firsts) and firsts:
            return self._tuple(firsts, names, example, above)
        node = schema.get("items", {})
        part, refs = self._branch(node), refs_of(node)
        if refs & above:
            return _always([])
        above = above | refs
        few, many = (schema.get(key) for key in ("minItems", "maxItems"))
        low = int(few) if is_number(few) else 0
        high = min(int(many), _MOST_ITEMS) if is_number(many) else _MOST_ITEMS
        first = example[0] if is_array(example) and example else None
        if (timed := self._timed(part, names, first, above, low)) is not None:
            return timed
        counts = not example and (part == {} or type_of(part) in ("number", "integer"))
        if counts and (listed := numbers(words_of(names), schema, part)) is not None:
            return listed
        described = schema.get("description")
        if is_file(part) and described:
            part = {**part, "description": described}
        if (item := self._counted(part, names, example, first, above)) is not None:
            return lists.several(item[0], low, high, item[1])
        if not part:
            return self._shown(names, example) if is_array(example) else _always([])
        plain = is_array(example) and example and type_of(part) != "object"
        if plain and not text(part, names, True):
            return self._echoed(schema, names, self._shown(names, example))
        step = self._value(part, names, first, above)
        step = lists.several(step, low, high, False, lists.counting(names, self._inputs))
        return self._echoed(schema, names, step)

    def _timed(
        self, part: Object, names: Sequence[str], first: JSON, above: frozenset[str], low: int
    ) -> Step | None:
        """Return what writes a list of what is said when; None for any other list."""
        name = names[0] if names else ""
        spelt = words(name)
        if lists.is_of_rows(part, self._root):
            step = self._value(part, names, first, above)
            by_word = "words" in spelt or "word" in spelt
            self._rows = True
            step = lists.rows_of(step, by_word=by_word, chunks="chunks" in spelt)
            who = None if low else self._optional.of_speakers(name)
            return step if who is None else lambda draft: step(draft) if who(draft.input) else []
        open_ = not says(part) and (not part or type_of(part) == "object")
        if open_ and first is None and not lists.TIMED.isdisjoint(spelt):
            self._rows = True
            return lists.rows_of(lists.row, by_word=bool({"words", "timestamps"} & {*spelt}))
        if type_of(part) in ("number", "integer") and "timestamp" in spelt:
            return lists.span
        return None

    def _counted(
        self, part: Object, names: Sequence[str], example: JSON, first: JSON, above: frozenset[str]
    ) -> tuple[Step, bool] | None:
        """Return what writes an item of a list of files, or of flags about them; else None.

        And whether the list has an item for each file that the input asks for.
        """
        files = is_file(part) or (
            type_of(part) == "string" and is_file_text(names, part, first or example_of(part, None))
        )
        if files or (type_of(part) == "boolean" and "nsfw" in words_of(names)):
            step = self._value(part, names, example if is_file(part) else first, above)
            media = not files or FileStep.of(names, example, self.makes, part).kind in _COUNTED
            # Of textures, say, there is one each, however many pictures are asked for.
            return step, media and len(names) == 1
        bare = type_of(part) in (None, "object") and not says(part)
        if bare and example is None and is_file_text(names, {}, None):
            # What the items are isn't said, only what they are called.
            return self._anything(names, None), True
        return None

    def _branch(self, node: JSON) -> Object:
        """Return what a value is by its schema, or by the branch of it that tells most."""
        return chosen(branches(resolve(node, self._root), self._root)[0], self._root)

    def _tuple(
        self, firsts: list[JSON], names: Sequence[str], example: JSON, above: frozenset[str]
    ) -> Step:
        if "timestamp" in words_of(names) and len(firsts) == 2:
            return lists.span
        shown = (
            example if is_array(example) and len(example) == len(firsts) else [None] * len(firsts)
        )
        steps = [
            self._value(self._branch(node), names, one, above)
            for node, one in zip(firsts[:_MOST_ITEMS], shown, strict=False)
        ]

        def write(draft: Draft) -> JSON:
            made = [step(draft) for step in steps]
            return [None if one is MISSING else one for one in made]

        return write

    def _string(self, schema: Object, names: Sequence[str], example: JSON) -> Step:
        if is_file_text(names, schema, example):
            return self._file_step(names, example, schema).url
        step = text(schema, names, example is not None)
        if step is None:
            step = self._shown(names, example) if isinstance(example, str) else _always("text")
        return self._echoed(schema, names, step)

    def _anything(self, names: Sequence[str], example: JSON) -> Step:
        """Return what writes a value of which the document says nothing."""
        if "timings" in words_of(names):
            return _timings
        if is_file_text(names, {}, example):
            file = self._file_step(names, example)
            parts = [
                Part(name, told_of(name, file.kind), False, True)
                for name in ("url", "content_type")
            ]
            return file_object(file, parts, {})
        return self._shown(names, example)

    def _echoed(self, schema: Object, names: Sequence[str], step: Step) -> Step:
        """Return what writes the input's value of the same name, and else takes a step."""
        if len(names) != 1 or names[0] not in self._inputs:
            return step
        echo = echoed(names[0], type_of(schema), schema)
        # It is an example no more, at least where the input has it.
        if names[0] in self.exampled:
            self.exampled.remove(names[0])

        def write(draft: Draft) -> JSON | Missing:
            value = echo(draft.input)
            return step(draft) if value is MISSING else value

        return write

    def _shown(self, names: Sequence[str], example: JSON) -> Step:
        """Return what writes the document's example, which nothing else decides."""
        if example is None or example in ([], {}, ""):
            return _always(copy_json(example))
        place = ".".join(reversed(names))
        if place not in self.exampled:
            self.exampled.append(place)
        return ours(example, names, self.makes)


def _timings(draft: Draft) -> JSON:
    return {"inference": round(draft.run, 3)}


def _always(value: JSON | Missing) -> Step:
    return lambda draft: value
