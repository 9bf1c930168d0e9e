"""An endpoint: one document with its overlays, and all that follows from them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from falkit_spec.combinations import LIMIT, Combination, Combinations
from falkit_spec.document import Document, input_of, output_of, submit_path
from falkit_spec.errors import BadDocument, BadOverlay, SpecError
from falkit_spec.facts import Pricing, Rule, Video, VideoFacts
from falkit_spec.lookup import NO_LENGTHS, Lengths, Lookup
from falkit_spec.media import MediaInput, Place, with_urls
from falkit_spec.media_fields import InputFiles
from falkit_spec.overlay import Overlay
from falkit_spec.reader import GIVEN_UP, self_contained
from falkit_spec.schema import NOT_JSON, Compiled, ordered, plain, resolve
from falkit_spec.streams import REALTIME, STREAM, Realtime, Stream, Workflow
from falkit_spec.types import JSON, Fault, Object, copy_json, dig, is_array, is_object, is_shallow

if TYPE_CHECKING:
    from falkit_spec.refusals import InputValidator

_DEEPEST = 200
"""So many levels a document may have; fal's have some twenty."""
# Keywords by which a schema without a type isn't that of one object.
_OF_OTHERS = frozenset(("anyOf", "oneOf", "allOf", "enum", "const", "items", "prefixItems"))
NAMESPACES = ("workflows", "comfy")
"""First segments that stand before the owner, as the official clients know them [PY, JS]."""


@dataclass(frozen=True)
class Figures:
    """What follows from an input: whether it keeps the rules between fields, and what it makes."""

    legal: bool
    video: VideoFacts | None
    """The output video; None where no overlay tells, or a file's length isn't known yet."""
    units: Decimal | None
    """How many units (seconds) are billed; None where no price, or no length, is known."""


# Texts that are longer aren't remembered.
_LONG = 64


def _is_long(value: JSON) -> bool:
    return isinstance(value, str) and len(value) > _LONG


# Stands for a field that is missing: that may differ from null.
_MISSING = object()


class Endpoint:
    """One endpoint of fal; everything is read from the document when first needed."""

    def __init__(
        self,
        document: Document,
        overlays: Callable[[], Sequence[Overlay]] = lambda: (),
        lay: Callable[[Object, str], Object] | None = None,
    ) -> None:
        """Take a document and its overlays; `lay` applies others in their place, in its own way."""
        self.document = document
        self.id = document.endpoint_id
        segments = self.id.split("/")
        self.app = "/".join(segments[: 3 if segments[0] in NAMESPACES else 2])
        self.alias = self.app.rpartition("/")[2]
        self._overlays = overlays
        self._lay = lay
        self._notes: list[str] = []

    def __repr__(self) -> str:
        return f"Endpoint({self.id!r})"

    @cached_property
    def category(self) -> str:
        """fal's category, such as `image-to-video`; empty where the document has none."""
        named = dig(self.document.info, "x-fal-metadata", "category")
        return named if isinstance(named, str) else ""

    @cached_property
    def overlaid(self) -> Object:
        """The document's data with the overlays applied; BadOverlay if one cannot be."""
        data = self._data
        if self._lay is not None and data:
            return self._lay(data, self.document.source)
        for overlay in self._overlays():
            data = overlay.apply(data)
        return data

    @cached_property
    def input_schema(self) -> Object:
        """The input as JSON Schema 2020-12 that stands on its own; `{}` takes anything."""
        schema = self._root_schema("input", input_of(self.overlaid))
        kind = schema.get("type", None if schema.keys() & _OF_OTHERS else "object")
        if kind != "object":
            self._notes.append("input: is not one object's schema; anything is accepted there")
            return {}
        return schema

    @cached_property
    def output_schema(self) -> Object:
        """The output as JSON Schema 2020-12 that stands on its own; `{}` takes anything."""
        return self._root_schema("output", output_of(self.overlaid))

    @property
    def notes(self) -> tuple[str, ...]:
        """What falkit can't read in the document and so accepts anything for, a line each."""
        # Read first: that is when they are noticed.
        _ = self.input_schema, self.output_schema
        return tuple(self._notes)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules between fields that stand only in prose."""
        facts, where = self._facts.get("rules", []), f"{self.id}: rules"
        if not is_array(facts):
            raise BadOverlay(where, "`rules` is a list")
        return tuple(Rule.from_facts(fact, f"{where}[{n}]") for n, fact in enumerate(facts))

    @cached_property
    def pricing(self) -> Pricing | None:
        """The price list; None where no overlay has one."""
        facts = self._facts.get("pricing")
        return None if facts is None else Pricing.from_facts(facts, f"{self.id}: pricing")

    @cached_property
    def stream(self) -> Stream | None:
        """How it streams; None where neither its id nor an overlay says that it does."""
        facts = self._facts.get("stream")
        if facts is not None:
            return Stream.from_facts(facts, f"{self.id}: stream")
        return Stream() if self.id.endswith(f"/{STREAM}") or self.workflow else None

    @cached_property
    def realtime(self) -> Realtime | None:
        """How it answers on a socket; None where neither its id nor an overlay says so."""
        facts = self._facts.get("realtime")
        if facts is not None:
            return Realtime.from_facts(facts, f"{self.id}: realtime")
        return Realtime() if self.id.endswith(f"/{REALTIME}") else None

    @cached_property
    def workflow(self) -> Workflow | None:
        """The steps that it is made of; None where no overlay has them."""
        facts = self._facts.get("workflow")
        return None if facts is None else Workflow.from_facts(facts, f"{self.id}: workflow")

    @cached_property
    def media_inputs(self) -> tuple[MediaInput, ...]:
        """The input fields that an overlay says take files, in the document's order."""
        return self._input_files.named

    @cached_property
    def file_fields(self) -> tuple[MediaInput, ...]:
        """The input fields that take files: an overlay's, and those whose name says so."""
        return self._input_files.fields

    def files(self, full: Mapping[str, JSON]) -> Iterator[tuple[MediaInput, Place, str]]:
        """Yield the files of an input whose defaults are filled in: field, place, URL.

        Those that the document itself gives as a default are left out.
        """
        return self._input_files.of(full, self.defaults)

    @cached_property
    def _input_files(self) -> InputFiles:
        facts = self._facts.get("inputs", {})
        return InputFiles(self.input_schema, facts, f"{self.id}: inputs")

    @cached_property
    def defaults(self) -> Object:
        """The defaults of the top-level inputs that have one."""
        fields = ordered(self.input_schema).items()
        read = {name: resolve(node, self.input_schema) for name, node in fields}
        return {name: schema["default"] for name, schema in read.items() if "default" in schema}

    def with_defaults(self, input: Mapping[str, JSON]) -> Object:
        """Return the input with top-level defaults filled in; unknown keys stay."""
        return {**self.defaults, **input}

    def is_valid(self, input: JSON) -> bool:
        """Tell whether `validate` would find nothing; takes microseconds."""
        if self.accept(input) is not None:
            return True
        # What the document takes, and not at first sight, only Pydantic can tell.
        unsure = isinstance(input, dict) and self._document.is_valid(input)
        return unsure and not self._validator.faults(input)

    def accept(self, input: JSON) -> tuple[Object, Figures] | None:
        """Return a valid input with its defaults filled in, and its figures; None for any other.

        None too where only Pydantic can tell, as of an address that is written in an odd way.
        """
        if not isinstance(input, dict):
            return None
        try:
            if not self._input.check(input):
                return None
        except NOT_JSON:
            return None
        full = {**self.defaults, **input}
        figures = self.figures(full)
        return (full, figures) if figures.legal else None

    def figures(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> Figures:
        """Return what follows from a valid input whose defaults are filled in.

        It is worked out once for the same values of the fields that it follows from. `lengths`
        are needed of the files in `measured`.
        """
        if lengths:
            return self._figures_of(full, lengths)
        values = map(full.get, self._figure_fields, itertools.repeat(_MISSING))
        try:
            return self._remembered_figures(*values)
        except TypeError:
            # A list or an object among them.
            return self._figures_of(full)

    def validate(self, input: JSON, *, coerce: bool = False) -> list[Fault]:
        """List all that is wrong with an input, as fal's `detail`; `[]` where it is valid.

        `coerce` takes what Pydantic's lax mode takes ("6.5" for a number, "true" for a
        boolean); by default the document decides, and those are refused. The first input that
        isn't plainly valid has Pydantic's core imported and a model built, in 30 ms or so.
        """
        return [] if self.accept(input) else self._validator.faults(input, coerce=coerce)

    def coerced(self, input: JSON) -> JSON:
        """Return the input as Pydantic's lax mode would take it; what it refuses stays."""
        return input if self.accept(input) else self._validator.coerced(input)

    @property
    def has_model(self) -> bool:
        """Whether Pydantic's model is built, so that a refusal takes microseconds."""
        return "_validator" in self.__dict__

    def is_valid_output(self, output: JSON) -> bool:
        """Tell whether `validate_output` would find nothing; takes microseconds."""
        return self._output.is_valid(output)

    def validate_output(self, output: JSON) -> list[str]:
        """List what is wrong with an output in plain words, each with its path."""
        if self._output.is_valid(output):
            return []
        from falkit_spec.validation import describe_errors

        return describe_errors(self.output_schema, output)

    @cached_property
    def combining(self) -> Combinations:
        """The inputs that combine, and what their combinations are."""
        return Combinations(self.input_schema, self.rules, self.defaults, self.price)

    def combinations(self) -> list[Combination]:
        """List every combination of the enumerated inputs; SpecError above 10,000."""
        count = self.combining.count()
        if count > LIMIT:
            raise SpecError(f"{self.id} has {count:,} combinations; at most {LIMIT:,} are listed")
        return list(self.combining.each())

    def price(self, input: Mapping[str, JSON]) -> Decimal | None:
        """Return what an input costs in US dollars; None where no price is known."""
        return self.pricing.price(self.with_defaults(input)) if self.pricing else None

    def billable_units(self, input: Mapping[str, JSON]) -> Decimal | None:
        """Return how many units (seconds) are billed; None where no price is known."""
        return self.pricing.units(self.with_defaults(input)) if self.pricing else None

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """The input fields with files whose length decides a figure."""
        return tuple(dict.fromkeys(file for one in self._lookups for file in one.measures))

    def video(self, input: Mapping[str, JSON]) -> VideoFacts | None:
        """Return what the output video is to be; None where no overlay says."""
        return self._video.of(self.with_defaults(input)) if self._video else None

    def example_output(self) -> Object:
        """Return the document's own example of an output, made valid where it isn't."""
        return {name: copy_json(value) for name, value in self._output_example.items()}

    def example_input(self) -> Object:
        """Return an input made of the document's examples and what is required."""
        return {name: copy_json(value) for name, value in self._input_example.items()}

    @cached_property
    def _figure_fields(self) -> tuple[str, ...]:
        read_by_rules = {name for rule in self.rules for name in rule.reads}
        return tuple(read_by_rules | {field for one in self._lookups for field in one.reads})

    @cached_property
    def _lookups(self) -> list[Lookup]:
        video, pricing = self._video, self.pricing
        found = [video.size, video.fps, video.seconds, video.audio] if video else []
        return [*found, pricing.quantity] if pricing and pricing.quantity else found

    @cached_property
    def _remembered_figures(self) -> Callable[..., Figures]:
        properties, kinds = ordered(self.input_schema), ("integer", "number", "boolean")
        schemas = [resolve(properties.get(name), self.input_schema) for name in self._figure_fields]
        short = all("enum" in schema or schema.get("type") in kinds for schema in schemas)

        def figures(*values: JSON) -> Figures:
            pairs = zip(self._figure_fields, values, strict=True)
            return self._figures_of({name: value for name, value in pairs if value is not _MISSING})

        # By type too, since 8, 8.0 and True may be equal.
        remembered: Callable[..., Figures] = lru_cache(maxsize=1024, typed=True)(figures)
        if short:
            return remembered
        return lambda *values: (figures if any(map(_is_long, values)) else remembered)(*values)

    def _figures_of(self, full: Mapping[str, JSON], lengths: Lengths = NO_LENGTHS) -> Figures:
        return Figures(
            legal=not any(rule.broken_by(full) for rule in self.rules),
            video=self._video.of(full, lengths) if self._video else None,
            units=self.pricing.units(full, lengths) if self.pricing else None,
        )

    @cached_property
    def _data(self) -> Object:
        """The document's data; nothing of what can't be read, or nests too deep to be worked on."""
        try:
            data = self.document.data
        except BadDocument as error:
            # The file was another when its id was read.
            self._notes.append(error.reason)
            return {}
        if is_shallow(data, _DEEPEST):
            return data
        self._notes.append(f"nests more than {_DEEPEST} levels deep; {GIVEN_UP}")
        return {}

    def _root_schema(self, name: str, node: JSON) -> Object:
        notes = list[str]()
        whole = self_contained(node, self.overlaid, notes)
        self._notes += (f"{name}: {note}" for note in notes)
        root = resolve(whole, whole)
        return {**root, "$defs": whole["$defs"]} if "$defs" in whole else root

    @cached_property
    def _facts(self) -> Object:
        facts = dig(self.overlaid, "paths", submit_path(self.overlaid), "post", "x-falkit")
        return facts if is_object(facts) else {}

    @cached_property
    def _video(self) -> Video | None:
        facts = self._facts.get("video")
        return None if facts is None else Video.from_facts(facts, f"{self.id}: video")

    @cached_property
    def _input(self) -> Compiled:
        return Compiled(plain(self.input_schema), formats=True)

    @cached_property
    def _document(self) -> Compiled:
        return Compiled(self.input_schema)

    @cached_property
    def _output(self) -> Compiled:
        return Compiled(self.output_schema)

    @cached_property
    def _validator(self) -> InputValidator:
        # Imported here: Pydantic's core costs 25 ms, and most inputs are valid.
        from falkit_spec.refusals import InputValidator

        return InputValidator(self.input_schema, self.rules, self.defaults)

    @cached_property
    def _input_example(self) -> Object:
        from falkit_spec.example import example

        made = example(self.input_schema)
        missing = [(of, place) for of, place, value in self.files(made) if ":" not in value]
        filled = with_urls(made, missing) if missing else made
        return filled if self.is_valid(filled) else made

    @cached_property
    def _output_example(self) -> Object:
        from falkit_spec.example import example

        return example(self.output_schema)
