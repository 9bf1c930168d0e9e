"""OpenAPI Overlay 1.0: changes to documents, kept as data.

Targets are JSONPath, of which four forms are understood, and may follow one another:
`$`, `.name`, `['any name']` and `[*]` (or `.*`). Any other is refused.
They reach every node of an OpenAPI document by its place.
"""

from __future__ import annotations

import re
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple, TypeAlias, cast

import orjson

from falkit_spec.errors import BadOverlay
from falkit_spec.schema import NOT_JSON, Compiled
from falkit_spec.types import JSON, Object, copy_json, is_array, is_object

Shape: TypeAlias = "dict[str, Object]"
"""What a value must be: JSON Schemas, each under the reason that names its breach."""
TEXT: Object = {"type": "string"}
ARRAY: Object = {"type": "array"}
OBJECT: Object = {"type": "object"}


def having(**properties: JSON) -> Object:
    """Return the schema of an object that has these properties, and perhaps others."""
    return {**OBJECT, "required": [*properties], "properties": properties}


EVIDENCE: Shape = {
    "`certainty` is confirmed or inferred": having(certainty={"enum": ["confirmed", "inferred"]}),
    "`source` says where the fact comes from": having(source={**TEXT, "minLength": 1}),
}
"""What each fact of an overlay says of itself."""


def expect(value: JSON, where: str, shape: Shape) -> dict[str, Any]:
    """Return an object that meets a shape; BadOverlay with the first reason why it doesn't."""
    for reason, schema in shape.items():
        try:
            met = Compiled(schema).check(value)
        except NOT_JSON as error:
            raise BadOverlay(where, f"holds what JSON can't ({error})") from error
        if not met:
            raise BadOverlay(where, reason)
    return cast("dict[str, Any]", value)


_OVERLAY: Shape = {
    "not an overlay of version 1.0 (expected `overlay: 1.0.0`)": having(
        overlay={**TEXT, "pattern": r"^1\.0\."}
    ),
    "`info` needs a title and a version": having(info=having(title=TEXT, version=True)),
    "`actions` needs at least one action": having(actions={**ARRAY, "minItems": 1}),
}
_ACTION: Shape = {
    "needs a `target`": having(target=TEXT),
    "`remove` is true or false": {"properties": {"remove": {"type": "boolean"}}},
    "needs an `update` or `remove: true`": {
        "anyOf": [having(update=True), having(remove={"const": True})]
    },
}

# How YAML names what it was given.
_IN_TEXT = re.compile(r'\s+in "<[a-z ]+>"(?=, line)')
_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w-]*) | \[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\] | (?P<all>\.\*|\[\s*\*\s*\])""",
    re.VERBOSE,
)


MOST_NODES, DEEPEST = 1_000_000, 200
"""What YAML may unfold to, its aliases followed, and an overlay add to a document; and how deep
YAML may be nested."""
_PATH_TARGET = re.compile(rb"target:\s*\$\.paths\['/([^'\\]+)'\]")


class Action(NamedTuple):
    """One step of an overlay: where, and what to merge in or that it be removed."""

    target: str
    steps: tuple[str | None, ...]
    """The target read: a key, or None for every child."""
    update: JSON
    remove: bool


class Overlay:
    """An overlay file. `source` names it in errors."""

    def __init__(self, source: str, actions: tuple[Action, ...] = (), *, raw: bytes = b"") -> None:
        """Take the actions; or the bytes of a file, which is then parsed when it is needed."""
        self.source = source
        self._raw = raw
        if not raw:
            self.actions = actions

    def __repr__(self) -> str:
        return f"Overlay({self.source!r})"

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """What it does, in order; BadOverlay if the file isn't an overlay."""
        parsed = _parsed().get(sha256(self._raw).hexdigest())
        data = _load(self._raw, self.source) if parsed is None else parsed
        return self.from_data(data, source=self.source).actions

    @cached_property
    def _paths(self) -> frozenset[str] | None:
        """The paths that it speaks of, found without parsing it; None if it may be of others."""
        found = _PATH_TARGET.findall(self._raw)
        only = len(found) == self._raw.count(b"target:") > 0
        return frozenset(f"/{path.decode()}" for path in found) if only else None

    @classmethod
    def from_path(cls, path: Path) -> Overlay:
        """Read an overlay from a YAML or JSON file; BadOverlay if it cannot be read."""
        return cls.from_text(_bytes(path), source=str(path))

    @classmethod
    def later(cls, path: Path) -> Overlay:
        """Read an overlay that is parsed when a document first needs it, and so only checked then.

        BadOverlay if there is no such file. For falkit's own files: what a file of anybody's may
        unfold to isn't looked at.
        """
        return cls(str(path), raw=_bytes(path))

    @classmethod
    def from_text(cls, text: str | bytes, *, source: str) -> Overlay:
        """Read an overlay from YAML or JSON; BadOverlay if it isn't one."""
        return cls.from_data(cls.parse(text, source=source), source=source)

    @staticmethod
    def parse(text: str | bytes, *, source: str) -> JSON:
        """Return what YAML or JSON says; BadOverlay if it is neither, or beyond all measure."""
        _check_yaml(text.encode("utf-8", "replace") if isinstance(text, str) else text, source)
        return _load(text, source)

    @classmethod
    def from_data(cls, data: JSON, *, source: str) -> Overlay:
        """Take a parsed overlay; BadOverlay names the first thing wrong with it."""
        read = expect(data, source, _OVERLAY)
        actions = tuple(
            _action(action, f"{source}, action {number}")
            for number, action in enumerate(read["actions"], start=1)
        )
        return cls(source, actions)

    def concerns(self, document: Object) -> bool:
        """Tell whether any action's target selects something in a document."""
        paths = document.get("paths")
        if self._paths is not None and is_object(paths) and self._paths.isdisjoint(paths):
            return False
        return any(_select(document, action.steps) for action in self.actions)

    def apply(self, document: Object) -> Object:
        """Return a copy of the document with every action applied, in order.

        An action whose target selects nothing changes nothing, as the standard has it:
        so one overlay can serve many documents. Where none does, it is the document itself.
        BadOverlay where an action can't be applied, or they add without end.
        """
        if not self.concerns(document):
            return document
        changed = {name: copy_json(value) for name, value in document.items()}
        left = MOST_NODES
        for action in self.actions:
            if action.remove:
                for parent in _select(changed, action.steps[:-1]):
                    _remove(parent, action.steps[-1])
            else:
                targets = _select(changed, action.steps)
                left -= len(targets) * _count(action.update) if targets else 0
                if left < 0:
                    raise BadOverlay(self.source, f"adds more than {MOST_NODES:,} values")
                for target in targets:
                    self._update(target, action)
        return changed

    def _update(self, target: JSON, action: Action) -> None:
        if is_array(target):
            target.append(copy_json(action.update))
        elif is_object(target) and is_object(action.update):
            _merge(target, action.update, f"{self.source}, {action.target}")
        else:
            reason = "is neither object nor array: nothing can be merged into it"
            raise BadOverlay(self.source, f"{action.target} {reason}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadOverlay(str(path), f"cannot be read ({error})") from error


def _check_yaml(raw: bytes, source: str) -> None:
    """Raise BadDocument for YAML that is nested, or unfolds, beyond all measure.

    libyaml's loader would end the process at the one, and at the other what follows it.
    """
    if b"*" not in raw and sum(map(raw.count, (b"[", b"{", b"- ", b"? ", b": "))) < DEEPEST:
        return
    import yaml

    # How many nodes each open list or object has so far, and each anchor's; an alias counts as
    # many as what it stands for.
    sizes, anchors, names = [0], dict[str, int](), list[str | None]()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(raw, Loader=loader):
            if isinstance(event, yaml.CollectionStartEvent):
                sizes.append(1)
                names.append(event.anchor)
            elif isinstance(event, yaml.CollectionEndEvent):
                size, name = sizes.pop(), names.pop()
                sizes[-1] += size
                if name is not None:
                    anchors[name] = size
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor in names:
                    raise BadOverlay(source, f"alias *{event.anchor} stands for what it is within")
                sizes[-1] += anchors.get(event.anchor or "", 1)
            else:
                sizes[-1] += 1
            if len(sizes) > DEEPEST:
                raise BadOverlay(source, f"is nested more than {DEEPEST} levels deep")
            if sizes[-1] > MOST_NODES:
                raise BadOverlay(source, f"unfolds to more than {MOST_NODES:,} values")
    except (yaml.YAMLError, UnicodeDecodeError):
        # What is wrong with it is said where it is read.
        return


PARSED = Path(__file__).parent / "overlays" / "parsed.json"
"""What falkit's own overlays say, by the digest of their YAML (`make overlays`)."""


@cache
def _parsed() -> dict[str, JSON]:
    found: dict[str, JSON] = orjson.loads(PARSED.read_bytes())
    return found


def _load(text: str | bytes, source: str) -> JSON:
    import yaml

    # libyaml's loader is ten times as quick.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data: JSON = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        # A number of thousands of digits, or a day that no month has, is no YAMLError.
        why = shorten(_IN_TEXT.sub("", str(error)), 160, placeholder=" …")
        raise BadOverlay(source, f"not YAML: {why}") from error
    return data


def _action(data: JSON, source: str) -> Action:
    read = expect(data, source, _ACTION)
    target, remove = read["target"], read.get("remove", False)
    steps = _steps(target, source)
    if remove and not steps:
        raise BadOverlay(source, "`$` is the whole document, which cannot be removed")
    return Action(target, steps, read.get("update"), remove)


def _steps(target: str, source: str) -> tuple[str | None, ...]:
    if not target.startswith("$"):
        raise BadOverlay(source, f"target {target!r} does not begin with `$`")
    steps: list[str | None] = []
    position = 1
    while position < len(target):
        match = _STEP.match(target, position)
        if match is None:
            raise BadOverlay(
                source,
                f"target {target!r} is not understood from {target[position:]!r} on; "
                "falkit knows `.name`, `['name']` and `[*]`",
            )
        quoted = match["single"] or match["double"] or ""
        name = match["name"] or re.sub(r"\\(.)", r"\1", quoted)
        steps.append(None if match["all"] else name)
        position = match.end()
    return tuple(steps)


def _select(document: Object, steps: tuple[str | None, ...]) -> list[JSON]:
    found: list[JSON] = [document]
    for step in steps:
        found = [child for node in found for child in _children(node, step)]
    return found


def _children(node: JSON, step: str | None) -> list[JSON]:
    if is_object(node):
        return [node[key] for key in (node if step is None else [step]) if key in node]
    return node if is_array(node) and step is None else []


def _count(value: JSON) -> int:
    """Count the values in one, itself among them."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        count += 1
        left += one.values() if is_object(one) else one if is_array(one) else ()
    return count


def _remove(parent: JSON, step: str | None) -> None:
    if step is None and isinstance(parent, dict | list):
        parent.clear()
    elif step is not None and is_object(parent):
        parent.pop(step, None)


def _merge(target: Object, update: Object, source: str) -> None:
    for key, value in update.items():
        old = target.get(key)
        if is_object(old) and is_object(value):
            _merge(old, value, source)
        elif is_array(old) and is_array(value):
            old.extend(map(copy_json, value))
        elif is_object(old) or is_array(old):
            raise BadOverlay(source, f"{key!r} is of another kind in the document; remove it first")
        else:
            target[key] = copy_json(value)
