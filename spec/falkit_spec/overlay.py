"""OpenAPI Overlay 1.0: changes to documents, kept as data.

Targets are JSONPath, of which four forms are understood, and may follow one another:
`$`, `.name`, `['any name']` and `[*]` (or `.*`). Any other is refused.
They reach every node of an OpenAPI document by its place.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from falkit_spec.errors import BadOverlay
from falkit_spec.types import JSON, Object, is_array, is_object

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w-]*) | \[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\] | (?P<all>\.\*|\[\s*\*\s*\])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Action:
    """One step of an overlay: where, and what to merge in or that it be removed."""

    target: str
    steps: tuple[str | None, ...]
    """The target read: a key, or None for every child."""
    update: JSON
    remove: bool


@dataclass(frozen=True)
class Overlay:
    """An overlay file read. `source` names it in errors."""

    title: str
    source: str
    actions: tuple[Action, ...]

    @classmethod
    def from_path(cls, path: Path) -> Overlay:
        """Read an overlay from a YAML or JSON file; BadOverlay if it cannot be read."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadOverlay(str(path), f"cannot be read ({error})") from error
        return cls.from_text(text, source=str(path))

    @classmethod
    def from_text(cls, text: str, *, source: str) -> Overlay:
        """Read an overlay from YAML or JSON; BadOverlay if it isn't one."""
        import yaml

        # libyaml's loader is ten times as quick, and this is on the way to the first answer.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            data: JSON = yaml.load(text, Loader=loader)
        except yaml.YAMLError as error:
            raise BadOverlay(source, f"not YAML: {error}") from error
        return cls.from_data(data, source=source)

    @classmethod
    def from_data(cls, data: JSON, *, source: str) -> Overlay:
        """Take a parsed overlay; BadOverlay names the first thing wrong with it."""
        if not is_object(data) or not str(data.get("overlay", "")).startswith("1.0."):
            raise BadOverlay(source, "not an overlay of version 1.0 (expected `overlay: 1.0.0`)")
        info, actions = data.get("info"), data.get("actions")
        if not is_object(info) or not isinstance(info.get("title"), str) or "version" not in info:
            raise BadOverlay(source, "`info` needs a title and a version")
        if not is_array(actions) or not actions:
            raise BadOverlay(source, "`actions` needs at least one action")
        read = tuple(
            _action(action, f"{source}, action {number}")
            for number, action in enumerate(actions, start=1)
        )
        return cls(title=str(info["title"]), source=source, actions=read)

    def apply(self, document: Object) -> Object:
        """Return a copy of the document with every action applied, in order.

        An action whose target selects nothing changes nothing, as the standard has it:
        so one overlay can serve many documents.
        """
        changed = copy.deepcopy(document)
        for action in self.actions:
            for place in list(_select(changed, action.steps)):
                self._act(action, place)
        return changed

    def _act(self, action: Action, place: _Place) -> None:
        if action.remove:
            place.remove()
            return
        target = place.value
        if is_array(target):
            target.append(copy.deepcopy(action.update))
        elif is_object(target) and is_object(action.update):
            _merge(target, action.update, f"{self.source}, {action.target}")
        else:
            raise BadOverlay(
                self.source,
                f"{action.target} is neither object nor array: nothing can be merged into it",
            )


@dataclass(frozen=True)
class _Place:
    """A selected node, its parent and its key there."""

    value: JSON
    parent: JSON = None
    key: str | int | None = None

    def remove(self) -> None:
        if is_object(self.parent) and isinstance(self.key, str):
            self.parent.pop(self.key, None)
        elif is_array(self.parent):
            # By identity: indexes shift as items are removed.
            self.parent[:] = [item for item in self.parent if item is not self.value]


def _action(data: JSON, source: str) -> Action:
    if not is_object(data) or not isinstance(data.get("target"), str):
        raise BadOverlay(source, "needs a `target`")
    target, update, remove = str(data["target"]), data.get("update"), data.get("remove", False)
    if not isinstance(remove, bool):
        raise BadOverlay(source, "`remove` is true or false")
    if not remove and "update" not in data:
        raise BadOverlay(source, "needs an `update` or `remove: true`")
    steps = _steps(target, source)
    if remove and not steps:
        raise BadOverlay(source, "`$` is the whole document, which cannot be removed")
    return Action(target=target, steps=steps, update=update, remove=remove)


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
        steps.append(None if match["all"] else _name(match))
        position = match.end()
    return tuple(steps)


def _name(match: re.Match[str]) -> str:
    quoted = match["single"] if match["single"] is not None else match["double"]
    return match["name"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _select(document: Object, steps: tuple[str | None, ...]) -> Generator[_Place]:
    places = [_Place(document)]
    for step in steps:
        places = [child for place in places for child in _children(place.value, step)]
    yield from places


def _children(value: JSON, step: str | None) -> Generator[_Place]:
    if is_object(value):
        for key in value if step is None else [step]:
            if key in value:
                yield _Place(value[key], value, key)
    elif is_array(value) and step is None:
        for index, item in enumerate(value):
            yield _Place(item, value, index)


def _merge(target: Object, update: Object, source: str) -> None:
    for key, value in update.items():
        old = target.get(key)
        if is_object(old) and is_object(value):
            _merge(old, value, source)
        elif is_array(old) and is_array(value):
            old.extend(copy.deepcopy(value))
        elif is_object(old) or is_array(old):
            raise BadOverlay(source, f"{key!r} is of another kind in the document; remove it first")
        else:
            target[key] = copy.deepcopy(value)
