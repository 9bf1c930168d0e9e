"""Where the files in a pinned output are, by its endpoint's document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from falkit_mock.outputs.kinds import words_of
from falkit_mock.outputs.reading import branches, chosen, example_of, type_of
from falkit_mock.outputs.shapes import is_file, is_file_text
from falkit_spec import JSON, Endpoint
from falkit_spec.media import Place
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, is_array, is_object


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A file in an output."""

    place: Place
    """Of its URL, or of what stands for it."""
    url: str
    told: frozenset[str] = frozenset()
    """The fields that the document has for what is told of it; none where its URL stands alone."""

    @property
    def shown(self) -> str:
        """Its place as people write it: `images[0].url`."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return "".join(steps).removeprefix(".")


def file_places(endpoint: Endpoint, output: JSON) -> list[FilePlace]:
    """Return the files of an output; where the document says nothing, names do."""
    root = endpoint.output_schema
    return [*_Reader(root).read(output, root, (), example_of(root, None), ())]


# Where the document doesn't know a field, `model` may be anything.
_SURE = frozenset(("url", "urls", "uri", "uris"))


def _is_file(names: Sequence[str], schema: Object, example: JSON) -> bool:
    if not schema:
        return not _SURE.isdisjoint(words_of(names)[-1:])
    return is_file_text(names, schema, example_of(schema, example))


class _Reader:
    def __init__(self, root: Object) -> None:
        self._root = root

    def read(
        self, value: JSON, node: JSON, names: Sequence[str], example: JSON, place: Place
    ) -> Iterator[FilePlace]:
        """Yield the files below a place; `names` has the innermost field's first."""
        parts, _ = branches(resolve(node, self._root), self._root)
        if isinstance(value, str):
            texts = [part for part in parts if type_of(part) in (None, "string")]
            if value and any(_is_file(names, one, example) for one in texts):
                yield FilePlace(place, value)
        elif is_object(value):
            yield from self._object(value, parts, names, example, place)
        elif is_array(value):
            yield from self._array(value, parts, names, example, place)

    def _object(
        self,
        value: Object,
        parts: list[Object],
        names: Sequence[str],
        example: JSON,
        place: Place,
    ) -> Iterator[FilePlace]:
        part = max(parts, key=lambda one: len(ordered(one).keys() & value.keys()))
        fields, more = ordered(part), part.get("additionalProperties")
        example = example_of(part, example)
        url = value.get("url")
        is_one = isinstance(url, str) and (is_file(part) or not fields)
        if is_one and url:
            yield FilePlace((*place, "url"), str(url), frozenset(fields))
        for name, one in value.items():
            if is_one and name == "url":
                continue
            shown = example.get(name) if is_object(example) else None
            inner = fields.get(name, more if is_object(more) else {})
            yield from self.read(one, inner, (name, *names), shown, (*place, name))

    def _array(
        self,
        value: list[JSON],
        parts: list[Object],
        names: Sequence[str],
        example: JSON,
        place: Place,
    ) -> Iterator[FilePlace]:
        part = chosen([one for one in parts if type_of(one) in (None, "array")] or [{}], self._root)
        example, firsts = example_of(part, example), part.get("prefixItems")
        for number, one in enumerate(value):
            node = part.get("items", {})
            if is_array(firsts) and number < len(firsts):
                node = firsts[number]
            shown = example[0] if is_array(example) and example else None
            yield from self.read(one, node, names, shown, (*place, number))
