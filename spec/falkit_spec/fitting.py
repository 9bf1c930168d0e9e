"""Overlays laid on users' documents: what fits is used, and the rest is left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial

from falkit_spec.document import input_of, submit_path
from falkit_spec.errors import BadOverlay
from falkit_spec.facts import Pricing, Rule, Video
from falkit_spec.lookup import Lookup
from falkit_spec.media import from_facts, steps_of
from falkit_spec.overlay import Overlay
from falkit_spec.schema import resolve
from falkit_spec.streams import Realtime, Stream, Workflow
from falkit_spec.types import JSON, Object, dig, is_array, is_object


class Fitting:
    """Lays falkit's own overlays, then a user's, on any document.

    What falkit's say of fields that a document lacks is dropped. What can't be used of a user's,
    and what it says of fields that aren't there, is dropped and told to `say`, a line each.
    """

    def __init__(
        self,
        ours: Callable[[], Sequence[Overlay]],
        theirs: Sequence[Overlay],
        say: Callable[[str], object],
    ) -> None:
        self.theirs = tuple(theirs)
        self.say = say
        self._ours = ours

    def lay(self, data: Object, source: str) -> Object:
        """Return a document's data with the overlays applied; `source` names it in lines."""
        # What the document itself has of facts is the user's as well, and is looked at below.
        own = _post(data).get("x-falkit") is not None
        for overlay in self._ours():
            data = self._applied(overlay, data, _to_nobody)
        if not own:
            data = _pruned(data, _to_nobody)
        laid = [overlay for overlay in self.theirs if overlay.concerns(data)]
        for overlay in laid:
            data = self._applied(overlay, data, self.say)
        if not laid and not own:
            return data
        named = " and ".join(overlay.source for overlay in laid) or source
        return _pruned(data, lambda line: self.say(f"{named}: {line}"))

    def _applied(self, overlay: Overlay, data: Object, say: Callable[[str], object]) -> Object:
        try:
            return overlay.apply(data)
        except BadOverlay as error:
            say(f"{error}; left out for {submit_path(data)[1:]}")
        except RecursionError:
            why = "the document is nested too deeply for an overlay"
            say(f"{overlay.source}: {submit_path(data)[1:]}: {why}; left out")
        return data


def _to_nobody(line: str) -> None:
    pass


def _post(data: Object) -> Object:
    post = dig(data, "paths", submit_path(data), "post")
    return post if is_object(post) else {}


def _pruned(data: Object, say: Callable[[str], object]) -> Object:
    """Return the data without those facts that aren't understood, or whose fields aren't there."""
    path, post = submit_path(data), _post(data)
    facts = post.get("x-falkit")
    if facts is None:
        return data
    fields = resolve(input_of(data), data).get("properties")
    known = fields.keys() if is_object(fields) else set[str]()

    def fits(name: str, fact: JSON, read: _Read) -> bool:
        problem = _problem(f"{path[1:]}: {name}", fact, read, known)
        if problem:
            say(f"{problem}; left out")
        return not problem

    kept: Object = {}
    if not is_object(facts):
        say(f"{path[1:]}: `x-falkit` isn't an object; left out")
        facts = {}
    for name, fact in facts.items():
        if name == "rules" and is_array(fact):
            kept[name] = [one for n, one in enumerate(fact) if fits(f"rules[{n}]", one, _of_rule)]
        elif name == "inputs" and is_object(fact):
            media = fact.items()
            kept[name] = {
                f: one for f, one in media if fits(f"inputs.{f}", one, partial(_of_file, f))
            }
        elif fits(name, fact, _READERS.get(name, _of_others)):
            kept[name] = fact
    if kept == post["x-falkit"]:
        return data
    # A copy along the way down; the rest is shared.
    paths = data["paths"]
    item = paths[path] if is_object(paths) else None
    assert is_object(paths)
    assert is_object(item)
    return {**data, "paths": {**paths, path: {**item, "post": {**post, "x-falkit": kept}}}}


_Read = Callable[[JSON, str], Iterable[str]]
"""Returns the input fields that a fact speaks of; BadOverlay if it isn't understood."""


def _problem(where: str, fact: JSON, read: _Read, known: Set[str]) -> str:
    """Say why a fact can't be used; empty where it can."""
    try:
        lacking = sorted({*read(fact, where)} - known)
    except BadOverlay as error:
        return str(error)
    except (ValueError, RecursionError) as error:
        why = str(error).partition("\n")[0][:100]
        return f"{where}: `when` or `require` can't be a JSON Schema ({why})"
    return f"{where}: there is no input {' or '.join(lacking)}" if lacking else ""


def _of_rule(fact: JSON, where: str) -> Iterable[str]:
    rule = Rule.from_facts(fact, where)
    # Its schemas are compiled when they are first used, which would be in a request.
    rule.broken_by({})
    return rule.reads


def _of_file(field: str, fact: JSON, where: str) -> Iterable[str]:
    from_facts(field, fact, where)
    return [steps_of(field)[0] or ""]


def _of_lookups(fact: Pricing | Video) -> Iterable[str]:
    lookups = [value for value in fact if isinstance(value, Lookup)]
    return [name for one in lookups for name in (*one.reads, *one.measures)]


def _of_wrong(expected: str, _fact: JSON, where: str) -> Iterable[str]:
    raise BadOverlay(where, expected)


def _of_way(read: Callable[[JSON, str], object], fact: JSON, where: str) -> Iterable[str]:
    read(fact, where)
    return ()


_READERS: Mapping[str, _Read] = {
    "pricing": lambda fact, where: _of_lookups(Pricing.from_facts(fact, where)),
    "video": lambda fact, where: _of_lookups(Video.from_facts(fact, where)),
    "stream": partial(_of_way, Stream.from_facts),
    "realtime": partial(_of_way, Realtime.from_facts),
    "workflow": partial(_of_way, Workflow.from_facts),
    "rules": partial(_of_wrong, "`rules` is a list"),
    "inputs": partial(_of_wrong, "`inputs` is an object, by field"),
}
_of_others = partial(_of_wrong, f"not among what falkit knows: {', '.join(sorted(_READERS))}")
