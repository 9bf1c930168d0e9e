"""What is wrong with a value: jsonschema's errors, sorted and said as Pydantic would.

jsonschema finds every breach of the schema. Pydantic, which fal runs, stops at the first
failing check of a field, reads leniently ("5" passes for a number), and reports in the order
of the model's fields; so the breaches are grouped by field, the one that Pydantic would have
met first is kept, and the groups are put in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from jsonschema import ValidationError

from falkit_spec import wording
from falkit_spec.checker import UNSPEAKABLE, Checker
from falkit_spec.combinations import ordered
from falkit_spec.schema import resolve
from falkit_spec.tame import tame
from falkit_spec.types import JSON, Fault, Object, is_array, is_object

Path: TypeAlias = tuple[str | int, ...]

# The check that Pydantic meets first comes first.
_PRECEDENCE = (
    *("enum", "const", "type", "anyOf", "oneOf"),
    *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("minLength", "maxLength", "maxItems", "maxProperties", "required"),
    *("minProperties", "minItems", "uniqueItems"),
)
# A value that fails these is not looked into.
_CLOSES = frozenset(("enum", "const", "type", "anyOf", "oneOf", "maxItems", "maxProperties"))
# What these find missing has a place of its own each.
_SPREADS = frozenset(("required", "minItems"))


@dataclass(frozen=True)
class Finding:
    """One thing wrong, and whether lax mode would take the value all the same."""

    path: Path
    loc: Path
    words: wording.Words
    input: JSON
    lenient: bool = False
    mend: wording.Taken | None = None

    def fault(self) -> Fault:
        """Return it as an item of `detail`."""
        fault: Fault = {
            "type": self.words.type,
            "loc": ["body", *self.loc],
            "msg": self.words.msg,
            "input": self.input,
        }
        if self.words.ctx:
            fault["ctx"] = dict(self.words.ctx)
        return fault


class Explainer:
    """Turns jsonschema's errors for one root schema into findings."""

    def __init__(self, root: Object) -> None:
        self._root = root
        self._validator = Checker(root)

    def explain(self, value: JSON) -> list[Finding]:
        """Find all that is wrong; never raises, whatever the value."""
        try:
            found = self._read(value, (), (), self._root)
            if found:
                return found
        except UNSPEAKABLE:
            pass
        return self._explain_tamed(value)

    def _explain_tamed(self, value: JSON) -> list[Finding]:
        tamed, odd = tame(value)
        found = self._read(tamed, (), (), self._root)
        said = {finding.path[:1] for finding in found}
        return [
            *found,
            *(Finding(path, path, words, None) for path, words in odd if path[:1] not in said),
        ]

    def _read(self, value: JSON, path: Path, loc: Path, schema: JSON) -> list[Finding]:
        """Read the errors of one value: a group per place below it, the first check of each."""
        groups: dict[Path, list[ValidationError]] = {}
        for error in self._errors(schema, value):
            groups.setdefault(tuple(error.relative_path), []).append(error)
        closed = {place for place, group in groups.items() if _leading(group).validator in _CLOSES}
        found: list[tuple[Path, list[Finding]]] = []
        for place, group in groups.items():
            if any(place[:length] in closed for length in range(len(place))):
                continue
            below = any(other[: len(place)] == place and other != place for other in groups)
            worded = self._word(group, path + place, loc + place, below)
            if _leading(group).validator in _SPREADS:
                found.extend((finding.path[len(path) :], [finding]) for finding in worded)
            else:
                # The branches of a union stay together, in the document's order.
                found.append((place, worded))
        found.sort(key=lambda item: self._position(schema, value, item[0]))
        return [finding for _, findings in found for finding in findings]

    def _word(
        self, group: list[ValidationError], path: Path, loc: Path, below: bool
    ) -> list[Finding]:
        error = _leading(group)
        schema, value = _schema(error), cast("JSON", error.instance)
        keyword = str(error.validator)
        limit = schema.get(keyword)
        if keyword in ("enum", "const"):
            values = limit if keyword == "enum" and is_array(limit) else [limit]
            return [Finding(path, loc, wording.of_values(values, value), value)]
        if keyword == "type":
            return self._typed(schema, value, path, loc)
        if keyword in ("anyOf", "oneOf") and is_array(limit):
            return self._union(limit, value, path, loc)
        if keyword == "required":
            names = [name for item in group for name in _missing(item)]
            return [
                Finding((*path, name), (*loc, name), wording.MISSING, value)
                for name in dict.fromkeys(names)
            ]
        if keyword == "minItems" and is_array(value) and isinstance(limit, int):
            if "prefixItems" in schema:
                absent = range(len(value), limit)
                return [Finding((*path, n), (*loc, n), wording.MISSING, value) for n in absent]
            if below:
                return []
        return [Finding(path, loc, wording.of_constraint(keyword, schema, value), value)]

    def _typed(self, schema: Object, value: JSON, path: Path, loc: Path) -> list[Finding]:
        kinds = schema.get("type")
        if is_array(kinds):
            wanted = [kind for kind in kinds if kind != "null"] or ["null"]
            return self._union([{**schema, "type": kind} for kind in wanted], value, path, loc)
        kind = str(kinds)
        if kind == "object" and not path:
            # Whatever the model, a body that is no object is refused in these words.
            schema = {**schema, "properties": {}}
        read = wording.lax(kind, schema, value)
        if isinstance(read, wording.Words):
            return [Finding(path, loc, read, value)]
        taken = read.value
        if isinstance(taken, float) and not math.isfinite(taken):
            return [Finding(path, loc, wording.of_non_finite(schema, taken), value)]
        still = self._read(taken, path, loc, schema)
        if still:
            return [replace(found, input=value) for found in still]
        return [Finding(path, loc, wording.of_type(kind, schema), value, lenient=True, mend=read)]

    def _union(self, branches: list[JSON], value: JSON, path: Path, loc: Path) -> list[Finding]:
        real = [branch for branch in branches if branch != {"type": "null"}] or branches
        read: list[list[Finding]] = []
        for branch in real:
            place = loc if len(real) == 1 else (*loc, self._label(branch))
            read.append(self._read(value, path, place, branch))
        if len(real) == 1:
            return read[0]
        taken = next((found for found in read if all(item.lenient for item in found)), None)
        if taken is None:
            # Lax mode refuses the whole, so what it would have let pass in a branch is no matter.
            return [item for found in read for item in found if not item.lenient]
        return [
            replace(item, words=_strictly(item), lenient=True, mend=item.mend if own else None)
            for found in read
            for own in [found is taken]
            for item in found
        ]

    def _errors(self, schema: JSON, value: JSON) -> Iterable[ValidationError]:
        if schema is self._root:
            return self._validator.iter_errors(value)
        if is_object(schema) and "$defs" in self._root:
            schema = {**schema, "$defs": self._root["$defs"]}
        return Checker(cast("Object", schema)).iter_errors(value)

    def _label(self, branch: JSON) -> str:
        schema = resolve(branch, self._root)
        ref = branch.get("$ref") if is_object(branch) else None
        name = ref.rpartition("/")[2] if isinstance(ref, str) else None
        if schema.get("type") == "array" and "prefixItems" not in schema:
            return f"list[{self._label(schema.get('items', {}))}]"
        return wording.label(schema, name)

    def _position(self, schema: JSON, value: JSON, path: Path) -> tuple[int, ...]:
        """Return a sort key that puts places in the order of the document's fields."""
        key: list[int] = []
        for part in path:
            node = resolve(schema, self._root)
            if isinstance(part, int):
                key.append(part)
                value = value[part] if is_array(value) and part < len(value) else None
                firsts = node.get("prefixItems")
                in_tuple = is_array(firsts) and part < len(firsts)
                schema = firsts[part] if is_array(firsts) and in_tuple else node.get("items")
            else:
                fields = ordered(node)
                # Keys that the document does not know come last, as they stand in the input.
                names = dict.fromkeys([*fields, *(value if is_object(value) else ()), part])
                key.append(list(names).index(part))
                value = value.get(part) if is_object(value) else None
                schema = fields.get(part, node.get("additionalProperties"))
        return tuple(key)


# What strict mode says where lax mode tried to parse first.
_STRICT = {
    "int_parsing": wording.of_type("integer", {}),
    "int_parsing_size": wording.of_type("integer", {}),
    "int_from_float": wording.of_type("integer", {}),
    "float_parsing": wording.of_type("number", {}),
    "bool_parsing": wording.of_type("boolean", {}),
}


def _strictly(finding: Finding) -> wording.Words:
    return _STRICT.get(finding.words.type, finding.words)


def _leading(group: list[ValidationError]) -> ValidationError:
    return min(group, key=_rank)


def _rank(error: ValidationError) -> int:
    keyword = str(error.validator)
    return _PRECEDENCE.index(keyword) if keyword in _PRECEDENCE else len(_PRECEDENCE)


def _schema(error: ValidationError) -> Object:
    return cast("Object", error.schema) if isinstance(error.schema, dict) else {}


def _missing(error: ValidationError) -> list[str]:
    names = _schema(error).get("required")
    if error.validator != "required" or not is_array(names):
        return []
    held = cast("Object", error.instance)
    return [name for name in names if isinstance(name, str) and name not in held]
