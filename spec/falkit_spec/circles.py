"""Definitions of a schema that lead back to themselves: which of them no check can end with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from falkit_spec.types import JSON, Object, is_array, is_object

_Place: TypeAlias = tuple[str, ...]
_IN_PLACE = frozenset(("anyOf", "allOf", "oneOf", "not"))
_IN_FIELDS = frozenset(("properties", "additionalProperties", "propertyNames"))
_IN_ITEMS = frozenset(("items", "prefixItems", "contains"))
_MOST_STEPS = 200_000
"""So many schemas are gone through in search of those that double; then all are taken for such."""


def steps(schema: Object) -> Iterator[tuple[str, JSON]]:
    """Yield the schemas directly in one, each with the step from its value to theirs, if any."""
    for keyword in (_IN_PLACE | _IN_FIELDS | _IN_ITEMS) & schema.keys():
        value = schema[keyword]
        if keyword in _IN_PLACE:
            yield from (("", part) for part in (value if is_array(value) else [value]))
        elif keyword == "properties" and is_object(value):
            yield from ((f".{name}", part) for name, part in value.items())
        elif keyword == "prefixItems" and is_array(value):
            yield from ((f"[{number}", part) for number, part in enumerate(value))
        else:
            yield {"additionalProperties": "*", "propertyNames": "name"}.get(keyword, "[]"), value


def pointer(name: str) -> str:
    """Return how a definition is referred to."""
    return "#/$defs/" + name.replace("~", "~0").replace("%", "%25")


def circular(definitions: Object) -> set[str]:
    """Find the definitions that say nothing but one another, of one and the same value."""
    return {*_in_circles(_referring(definitions, in_place=True))}


def doubling(definitions: Object) -> set[str]:
    """Find the definitions that hold themselves, or one another, twice at one place of a value.

    A check of a value takes twice as long with each level of it then. A union whose branches hold
    it in fields of different names is none of those. None of the definitions may be `circular`.
    """
    circles = _in_circles(_referring(definitions, in_place=False))
    if not circles:
        return set()
    try:
        search = _Search(definitions)
        inner = {name: [*search.within(definitions[name])] for name in circles}
    except _TooLong:
        return {*circles}
    found = set[str]()
    for name in circles:
        leading = {other for other in circles if name in _all_from(other, circles)}
        if _overlap([place for place, other in inner[name] if other in leading]):
            found.add(name)
    return found


class _TooLong(Exception):
    """There are more schemas than anybody goes through."""


class _Search:
    def __init__(self, definitions: Object) -> None:
        self._definitions = definitions
        self._names = {pointer(name): name for name in definitions}
        self._left = _MOST_STEPS

    def within(self, node: JSON, place: _Place = ()) -> Iterator[tuple[_Place, str]]:
        """Yield the definitions that a value's parts have to meet, with where those are in it."""
        self._left -= 1
        if not self._left:
            raise _TooLong
        if not is_object(node):
            return
        name = self._names.get(str(node.get("$ref")))
        if name is not None and place:
            yield place, name
        elif name is not None:
            yield from self.within(self._definitions[name])
        for step, part in steps(node):
            yield from self.within(part, (*place, step) if step else place)


def _referring(definitions: Object, *, in_place: bool) -> dict[str, set[str]]:
    """Return the definitions that each refers to, be it only for the value itself."""
    names = {pointer(name): name for name in definitions}
    found: dict[str, set[str]] = {}
    for name, node in definitions.items():
        others, left = found.setdefault(name, set()), [node]
        while left:
            one = left.pop()
            if is_object(one):
                other = names.get(str(one.get("$ref")))
                others |= set() if other is None else {other}
                left += [part for step, part in steps(one) if not (step and in_place)]
    return found


def _in_circles(refs: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out whatever leads to what ends, and what nothing in a circle refers to."""
    while ends := {ref for ref, others in refs.items() if not others & refs.keys()}:
        refs = {ref: others for ref, others in refs.items() if ref not in ends}
    while unnamed := refs.keys() - {other for others in refs.values() for other in others}:
        refs = {ref: others for ref, others in refs.items() if ref not in unnamed}
    return refs


def _all_from(name: str, refs: Mapping[str, set[str]]) -> set[str]:
    """Return a definition and whatever in a circle it leads to."""
    found, left = {name}, [name]
    while left:
        new = (refs[left.pop()] & refs.keys()) - found
        found |= new
        left += new
    return found


def _overlap(places: Sequence[_Place]) -> bool:
    """Tell whether two places may be one, or one of them within the other."""
    following: dict[_Place, set[str]] = {}
    for place in places:
        for length, step in enumerate(place):
            following.setdefault(place[:length], set()).add(step)
    return (
        len({*places}) < len(places)
        or any(place in following for place in places)
        or any(
            _of_any(found, "*", ".") or _of_any(found, "[]", "[") for found in following.values()
        )
    )


def _of_any(found: set[str], any_step: str, first: str) -> bool:
    """Tell whether there is a step to any field or item beside one to a certain field or item."""
    return any_step in found and any(one.startswith(first) for one in found - {any_step})
