"""What changed between two documents of an endpoint, and whether that breaks its callers.

Compared is what falkit reads in them, so that a document written in another dialect has not
changed. What narrows an input is breaking, and so is what widens an output.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from falkit_spec.document import Document, input_of, output_of
from falkit_spec.drift.deltas import (
    FEWER,
    MORE,
    OPAQUE,
    Delta,
    Effect,
    compare_as_written,
    compare_limits,
    compare_numbers,
    compare_prose,
    compare_sizes,
    inside,
    media_limits,
    value_text,
    values_text,
)
from falkit_spec.drift.shapes import (
    ANYTHING,
    Branch,
    NotComparable,
    Shapes,
    writes_null,
    written,
)
from falkit_spec.endpoint import Endpoint
from falkit_spec.reader import GIVEN_UP
from falkit_spec.schema import Compiled, follow_ref, resolve
from falkit_spec.types import JSON, Object, is_array, is_object

Kind: TypeAlias = Literal["breaking", "widening", "prose"]
Part: TypeAlias = Literal["input", "output"]
_INPUT: dict[Effect, Kind] = {
    "fewer": "breaking",
    "more": "widening",
    "other": "breaking",
    "lost": "breaking",
    "gained": "widening",
    "default": "breaking",
    "prose": "prose",
}
# A default of an output is nothing that a caller sees.
_OUTPUT: dict[Effect, Kind] = {
    **_INPUT,
    "fewer": "widening",
    "more": "breaking",
    "default": "prose",
}
_MOST_CHANGES = 5_000
_MOST_PAIRS = 50_000
_DEEPEST = 100


@dataclass(frozen=True)
class Change:
    """One difference between two documents of an endpoint."""

    kind: Kind
    part: Part
    field: str
    """Its place, such as `loras[].path`; empty for the whole input or output."""
    rule: str
    """What sort of change it is, such as `values` or `required`."""
    message: str
    before: JSON
    after: JSON

    def to_json(self) -> Object:
        """Return it as `falkit spec diff --format json` shows it."""
        return {**vars(self)}


def compare(old: Document, new: Document) -> list[Change]:
    """List what changed from one document of an endpoint to another; what breaks comes first.

    NotComparable where a schema is too deep or too entangled; BadDocument.
    """
    # Without overlays: they serve both.
    before, after = Endpoint(old), Endpoint(new)
    for endpoint in (before, after):
        if unread := next((note for note in endpoint.notes if note.endswith(GIVEN_UP)), ""):
            raise NotComparable(f"{endpoint.document.source}: {unread}")
    plain = {
        part: [not writes_null(find(one.data), one.data) for one in (old, new)]
        for part, find in (("input", input_of), ("output", output_of))
    }
    try:
        found = [
            *_compared("input", before.input_schema, after.input_schema, plain["input"]),
            *_compared("output", before.output_schema, after.output_schema, plain["output"]),
        ]
    except RecursionError:
        raise NotComparable("schemas within schemas without end") from None
    order = ("breaking", "widening", "prose")
    return sorted(found, key=lambda change: order.index(change.kind))


def _compared(part: Part, old: Object, new: Object, plain: list[bool]) -> Iterable[Change]:
    if part == "input":
        # Whatever a document says or doesn't say of its input, a body is an object.
        old, new = (one if _says(one) else {**one, "type": "object"} for one in (old, new))
    comparison = _Comparison(old, new, part, plain)
    for found in comparison.nodes(old, new, 0):
        words = found.message.replace("{takes}", "takes" if part == "input" else "gives")
        kind = (_INPUT if part == "input" else _OUTPUT)[found.effect]
        yield Change(kind, part, found.field, found.rule, words, found.before, found.after)


def _says(schema: Object) -> bool:
    return any(one.kind != ANYTHING for one in Shapes(schema).branches(schema))


_Deltas: TypeAlias = tuple[Delta, ...]


class _Comparison:
    """Compares the schemas of two roots, each pair of them once."""

    def __init__(self, old: Object, new: Object, part: Part, plain: list[bool]) -> None:
        self._old = old
        self._new = new
        self._olds, self._news = Shapes(old), Shapes(new)
        self._same_names = old.get("$defs") == new.get("$defs")
        self._part = part
        # Whether a document never writes null, as those in Pydantic 1's dialect.
        self._plain = plain
        self._known: dict[tuple[int, int], _Deltas] = {}
        # What has been compared, so that no other schema gets its identity.
        self._held: list[tuple[JSON, JSON]] = []

    def nodes(self, old: JSON, new: JSON, depth: int) -> _Deltas:
        """Compare two schemas; what is being compared already counts as the same."""
        if self._same_names and old == new:
            return ()
        key = (id(_target(old, self._old)), id(_target(new, self._new)))
        if key in self._known:
            return self._known[key]
        if depth > _DEEPEST or len(self._known) > _MOST_PAIRS:
            raise NotComparable("too many schemas within schemas")
        self._known[key] = ()
        self._held.append((old, new))
        before, after = resolve(old, self._old), resolve(new, self._new)
        found = (
            *self._unions(self._olds.branches(old), self._news.branches(new), depth),
            *compare_limits(media_limits(before, self._old), media_limits(after, self._new)),
            *compare_prose(before, after),
        )
        if len(found) > _MOST_CHANGES:
            raise NotComparable(f"more than {_MOST_CHANGES:,} changes")
        self._known[key] = found
        return found

    def _unions(self, old: list[Branch], new: list[Branch], depth: int) -> Iterable[Delta]:
        was_open = any(one.kind == ANYTHING for one in old)
        is_open = any(one.kind == ANYTHING for one in new)
        if was_open and is_open:
            return
        if was_open or is_open:
            effect: Effect = "fewer" if was_open else "more"
            said = " or ".join(map(str, _names(new))) or "nothing"
            words = f"no longer {{takes}} anything but {said}" if was_open else "{takes} anything"
            yield Delta(effect, "", "type", words, _names(old), _names(new))
            return
        kept = {one.kind for one in old} & {one.kind for one in new}
        yield from _kinds("fewer", "no longer {takes}", old, new, kept)
        yield from _kinds("more", "also {takes}", new, old, kept)
        told: set[int] = set()
        for kind in dict.fromkeys(one.kind for one in old if one.kind in kept):
            mine = [one for one in old if one.kind == kind]
            theirs = [one for one in new if one.kind == kind]
            table = [[[*self._pair(a, b, depth)] for b in theirs] for a in mine]
            columns = [[row[at] for row in table] for at in range(len(theirs))]
            # Each branch beside the one of the other document that fits it best.
            for effects, rows in ((FEWER, table), (MORE, columns)):
                for row in rows:
                    for delta in min(
                        ([d for d in one if d.effect in effects] for one in row), key=len
                    ):
                        if id(delta) not in told:
                            told.add(id(delta))
                            yield delta
            if len(mine) == len(theirs) == 1:
                yield from (delta for delta in table[0][0] if delta.effect == "prose")

    def _pair(self, old: Branch, new: Branch, depth: int) -> Iterable[Delta]:
        """Compare two branches of the same kind."""
        if _values_of(old) is not None or _values_of(new) is not None:
            yield from self._values(old, new)
            return
        before, after = old.schema, new.schema
        if old.kind == "number":
            yield from compare_numbers(before, after)
        elif old.kind == "string":
            yield from compare_sizes("minLength", 0, before, after)
            yield from compare_sizes("maxLength", math.inf, before, after)
            for delta in compare_as_written(("format", "pattern"), before, after):
                # Of an output it is a note: nothing is refused by it.
                yield replace(delta, effect="prose") if self._part == "output" else delta
        elif old.kind == "array":
            yield from self._arrays(before, after, depth)
        elif old.kind == "object":
            yield from self._objects(before, after, depth)
        yield from compare_as_written(OPAQUE, before, after)

    def _values(self, old: Branch, new: Branch) -> Iterable[Delta]:
        before, after = _values_of(old), _values_of(new)
        listed = {"before": _listed(before), "after": _listed(after)}
        gone = _outside(before or (), new, self._new)
        if gone:
            words = f"no longer {{takes}} {values_text(gone)}"
            yield Delta("fewer", "", "values", words, **listed)
        if before is None and after is not None:
            words = f"now {{takes}} {values_text(after)} alone"
            yield Delta("fewer", "", "values", words, **listed)
        if more := _outside(after or (), old, self._old):
            yield Delta("more", "", "values", f"also {{takes}} {values_text(more)}", **listed)
        if before is not None and after is None:
            words = f"also {{takes}} any other {new.name}"
            yield Delta("more", "", "values", words, **listed)

    def _arrays(self, old: Object, new: Object, depth: int) -> Iterable[Delta]:
        yield from compare_sizes("minItems", 0, old, new)
        yield from compare_sizes("maxItems", math.inf, old, new)
        if (old.get("uniqueItems") is True) != (new.get("uniqueItems") is True):
            effect: Effect = "more" if old.get("uniqueItems") is True else "fewer"
            words = "items may be the same" if effect == "more" else "no two items may be the same"
            yield Delta(effect, "", "uniqueItems", words)
        first, other = old.get("prefixItems"), new.get("prefixItems")
        before, after = (one if is_array(one) else [] for one in (first, other))
        rest, others = old.get("items", True), new.get("items", True)
        for place in range(max(len(before), len(after))):
            one = before[place] if place < len(before) else rest
            yield from inside(
                f"[{place}]",
                self.nodes(one, after[place] if place < len(after) else others, depth + 1),
            )
        yield from inside("[]", self.nodes(rest, others, depth + 1))

    def _objects(self, old: Object, new: Object, depth: int) -> Iterable[Delta]:
        before, after = _fields(old), _fields(new)
        needed, needs = _names_in(old, "required"), _names_in(new, "required")
        rest, others = old.get("additionalProperties", True), new.get("additionalProperties", True)
        for name, node in before.items():
            if name not in after:
                yield self._gone(name, node, name in needed, others)
                continue
            deltas = self.nodes(node, after[name], depth + 1)
            if name not in needed and name not in needs:
                deltas = tuple(one for one in deltas if not self._is_dialect(one))
            yield from inside(name, deltas)
            if name not in needs:
                yield from inside(name, self._defaults(node, after[name], name in needed))
        for name, node in after.items():
            if name in before:
                continue
            kind = _names(self._news.branches(node))
            if name in needs:
                yield Delta("fewer", name, "required", "is new and required", None, kind)
            else:
                yield Delta("gained", name, "field", "is new", None, kind)
            if is_object(rest) and rest:
                yield from inside(name, self.nodes(rest, node, depth + 1))
        for name in [*needed, *needs]:
            if name in needed and name in needs:
                continue
            if name in needs and (name in before or name not in after):
                yield Delta("fewer", name, "required", "is now required", False, True)
            elif name in needed and (name in after or name not in before):
                yield Delta("more", name, "required", "is no longer required", True, False)
        yield from inside("*", self.nodes(rest, others, depth + 1))
        yield from compare_sizes("minProperties", 0, old, new)
        yield from compare_sizes("maxProperties", math.inf, old, new)

    def _gone(self, name: str, node: JSON, needed: bool, rest: JSON) -> Delta:
        schema, kinds = resolve(node, self._old), _names(self._olds.branches(node))
        if self._part == "input":
            # fal's models ignore fields that they don't know, so that the wish is lost in silence.
            words = "it is refused" if rest is False else "what is given for it is ignored"
            return Delta("lost", name, "field", f"is gone; {words}", kinds)
        # Bytes, such as the `file_data` of older documents, are never in a reply (wire.md §7).
        bytes_only = schema.get("format") == "binary" and not needed
        return Delta("prose" if bytes_only else "lost", name, "field", "is gone", kinds)

    def _is_dialect(self, delta: Delta) -> bool:
        """Tell whether only the other document's dialect could write this null.

        What an input is no longer said to take counts all the same: falkit refuses it.
        """
        if delta.field or delta.rule != "null":
            return False
        was_plain, is_plain = self._plain
        gained = delta.effect == "more"
        return was_plain != is_plain and (was_plain if gained else self._part == "output")

    def _defaults(self, old: JSON, new: JSON, needed: bool) -> Iterable[Delta]:
        """Compare what is taken where a field is left out; null is as good as none."""
        if self._part == "output" or needed:
            return
        before = resolve(old, self._old).get("default")
        after = resolve(new, self._new).get("default")
        if written(before) != written(after):
            effect: Effect = "gained" if before is None else "lost" if after is None else "default"
            words = f"default: {value_text(before)} → {value_text(after)}"
            yield Delta(effect, "", "default", words, before, after)


def _kinds(
    effect: Effect, words: str, mine: list[Branch], others: list[Branch], kept: set[str]
) -> Iterable[Delta]:
    """Tell which kinds of value one side alone has; null apart from all others."""
    before, after = (mine, others) if effect == "fewer" else (others, mine)
    alone = [one for one in mine if one.kind not in kept]
    for null in (True, False):
        if names := _names(one for one in alone if (one.kind == "null") is null):
            said = f"{words} {' or '.join(map(str, names))}"
            yield Delta(effect, "", "null" if null else "type", said, _names(before), _names(after))


def _target(node: JSON, root: Object) -> JSON:
    """Return what a mere reference leads to, so that each definition is compared once."""
    for _ in range(_DEEPEST):
        ref = node.get("$ref") if is_object(node) and len(node) == 1 else None
        if not isinstance(ref, str):
            break
        node = follow_ref(root, ref)
    return node


def _fields(schema: Object) -> Object:
    found = schema.get("properties")
    return found if is_object(found) else {}


def _names_in(schema: Object, keyword: str) -> dict[str, None]:
    found = schema.get(keyword)
    return dict.fromkeys(map(str, found)) if is_array(found) else {}


def _names(found: Iterable[Branch]) -> list[JSON]:
    return [*dict.fromkeys(one.name for one in found)]


def _values_of(branch: Branch) -> tuple[JSON, ...] | None:
    if branch.values is not None:
        return branch.values
    return {"boolean": (False, True), "null": (None,)}.get(branch.kind)


def _outside(values: Iterable[JSON], branch: Branch, root: Object) -> list[JSON]:
    """Return those of some values that a branch doesn't take."""
    listed = _values_of(branch)
    if listed is not None:
        known = {written(value) for value in listed}
        return [value for value in values if written(value) not in known]
    schema: Object = {"type": branch.kind, **branch.schema, "$defs": root.get("$defs", {})}
    fits = Compiled(schema).is_valid
    return [value for value in values if not fits(value)]


def _listed(values: tuple[JSON, ...] | None) -> JSON:
    return None if values is None else [*values]
