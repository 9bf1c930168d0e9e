"""Outputs that rules pin, bound to an endpoint: their files found, checked by its document."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakKeyDictionary

from falkit_fixtures.wanted import Wanted
from falkit_mock.core import count, shortened
from falkit_mock.core.fal_errors import platform_error
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ModelRequest, ParsedRequest, Pinned, PinnedFile, Refused
from falkit_mock.core.limits import FILE_MOST as MOST
from falkit_mock.core.settings import SettingsError
from falkit_mock.faults import RuleError
from falkit_mock.faults.pins import Fixture, is_within
from falkit_mock.faults.resolve import Resolution
from falkit_mock.faults.rulebook import Rulebook
from falkit_mock.faults.rules import Rule
from falkit_mock.outputs import Made
from falkit_mock.outputs.draft import Draft, DraftFile
from falkit_mock.outputs.fields import fields_of
from falkit_mock.outputs.figures import Figures
from falkit_mock.outputs.pinned import file_places
from falkit_mock.service.given import GivenFile, content_type_of, facts_of
from falkit_mock.service.guesses import is_guess
from falkit_mock.settings import Settings
from falkit_mock.store import Given
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.media import Place
from falkit_spec.types import copy_json, is_object

_URL = re.compile(r"https?://|data:", re.I)
_OTHER = re.compile(r"[a-z][a-z0-9+.-]+://", re.I)
# It becomes a header of every reply with the file.
_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(; *[\w.+-]{1,40}=[\w.+-]{1,40})?", re.A)
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
# The URL of a file while its output is checked.
_SAMPLE = "https://v3b.fal.media/files/b/00000000/output"
# Problems of one output that are told, and fields that are named.
_TOLD, _NAMED = 3, 8
_LACKING = re.compile(r"\$: '(.+)' is a required property")
_NOT_MADE = Wanted("")


# A document or a file that is read anew makes another endpoint, or another output.
_BOUND = WeakKeyDictionary[Endpoint, WeakKeyDictionary[Fixture, Pinned]]()


class Pins:
    """Binds outputs to endpoints; knows which files of this machine they have."""

    def __init__(self, paths: set[str] | None = None) -> None:
        # Real paths; no other file is served, whatever a state says that was imported.
        self.paths = set[str]() if paths is None else paths

    def check(self, rule: Rule, catalog: Catalog) -> None:
        """Raise RuleError unless all endpoints of a rule can answer what it pins."""
        if rule.pin is None:
            return
        for endpoint in _meant(str(rule.matcher.endpoint), catalog):
            for fixture in rule.pin.fixtures:
                self.bind(fixture, endpoint)

    def bind(self, fixture: Fixture, endpoint: Endpoint, hint: str = "") -> Pinned:
        """Return an output as an endpoint is to answer it; raise RuleError. The first time blocks.

        What is told of a file and the output leaves out is filled in.
        """
        of_endpoint = _BOUND.setdefault(endpoint, WeakKeyDictionary())
        found = of_endpoint.get(fixture)
        if found is None:
            found = of_endpoint[fixture] = _bind(fixture, endpoint)
        self.paths.update(file.path for file in found.files)
        return found._replace(hint=hint)

    def applied(
        self, request: ModelRequest, parsed: ParsedRequest, resolution: Resolution
    ) -> tuple[ModelRequest, ParsedRequest | Refused]:
        """Return a request with the output that it has; refused if that can't be had any more."""
        assert resolution.pin is not None
        try:
            pinned = self.bind(resolution.pin, parsed.endpoint, resolution.pin_hint)
        except RuleError as error:
            # A document or a file has changed since it was checked.
            hint = f"falkit refused this, not fal: {error}"
            return request, Refused(platform_error("internal_error"), hint)
        return replace(request, pinned=pinned), parsed

    def files(self, rule: Rule) -> set[str]:
        """Return the real paths of the files that a rule's outputs have, as far as any is bound."""
        fixtures = () if rule.pin is None else rule.pin.fixtures
        found = [of.get(one) for of in [*_BOUND.values()] for one in fixtures]
        return {file.path for pinned in found if pinned for file in pinned.files}


def check_outputs(settings: Settings, catalog: Catalog, pins: Pins | None = None) -> None:
    """Raise SettingsError for an output of the settings that its endpoint can't have."""
    for name, rules in (("faults", settings.faults), ("outputs", settings.outputs)):
        for rule in rules:
            try:
                (pins or Pins()).check(rule, catalog)
            except RuleError as error:
                raise SettingsError(name, str(error).removeprefix("output: ")) from None


def _meant(glob: str, catalog: Catalog) -> Iterator[Endpoint]:
    if glob in catalog.endpoints:
        yield catalog.endpoints[glob]
    elif not {"*", "?", "["}.isdisjoint(glob):
        yield from (one for one in catalog if fnmatchcase(one.id, glob))


def _bind(fixture: Fixture, endpoint: Endpoint) -> Pinned:
    value = copy_json({**fixture.value})
    files: list[PinnedFile] = []
    for file in file_places(endpoint, value):
        if _URL.match(file.url):
            continue
        name = f"{fixture.name}: {file.shown}" if fixture.name else f"output.{file.shown}"
        path = _path(fixture, file.url, name)
        holder: Any = _at(value, file.place[:-1])
        said: JSON = holder.get("content_type") if is_object(holder) else None
        shown = os.path.basename(path)
        kind = said if isinstance(said, str) and _TYPE.fullmatch(said) else content_type_of(shown)
        found = GivenFile.of(Given(path, kind))
        if found is None:
            fix = f"is no file of at most {MOST:,} bytes; put such a file there, or give its URL"
            raise RuleError(name, file.url, fix)
        if is_object(holder) and file.told - holder.keys():
            facts = facts_of(found, shown)
            left_out = [one for one in facts if one in file.told and one not in holder]
            holder.update({one: facts[one] for one in left_out})
        _put(value, file.place, _SAMPLE)
        files.append(PinnedFile(file.place, path, _ODD.sub("_", shown)[-100:], kind))
    if fixture.check and not is_guess(endpoint):
        _validate(fixture, endpoint, value)
    assert is_object(value)
    return Pinned(value, tuple(files))


def _validate(fixture: Fixture, endpoint: Endpoint, value: JSON) -> None:
    problems = endpoint.validate_output(value)
    if not problems:
        return
    found = [_LACKING.fullmatch(problem) for problem in problems]
    lacking = [match[1] for match in found if match]
    others = [problem for problem, match in zip(problems, found, strict=True) if not match]
    told = [f"it lacks {', '.join(map(shortened, lacking[:_NAMED]))}"] if lacking else []
    told += others[:_TOLD]
    if (more := len(problems) - min(len(lacking), _NAMED) - min(len(others), _TOLD)) > 0:
        told.append(f"and {count(more, 'problem')} more")
    fix = "correct it, or add check=false to have it answered all the same"
    raise RuleError(
        "output",
        fixture.name or {**fixture.value},
        f"isn't an output of {endpoint.id}: {'; '.join(told)}; {fix}",
    )


def _path(fixture: Fixture, given: str, name: str) -> str:
    """Return the real path of a file that an output names; raise RuleError."""
    if _OTHER.match(given):
        raise RuleError(name, given, "is neither a path, nor an http or data URL; give one of them")
    if not fixture.base:
        raise RuleError(name, given, "can't be a path here; give an http or data URL")
    try:
        path = os.path.realpath(os.path.join(fixture.base, given))
        there = os.path.exists(path)
    except (OSError, ValueError):
        path, there = "", False
    if fixture.within and not is_within(path, fixture.within):
        fix = "leads out of the folder of its output; put the file beside the JSON file or below"
        raise RuleError(name, given, fix)
    if not there:
        fix = "put the file beside the JSON file, or give its URL"
        raise RuleError(name, given, f"isn't there; {fix}")
    return path


def _at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def _put(value: Any, place: Place, url: str) -> None:
    _at(value, place[:-1])[place[-1]] = url


def pinned_output(
    pinned: Pinned,
    parsed: ParsedRequest,
    request: ModelRequest,
    request_id: str,
    identity: Identity,
) -> Made:
    """Return the output that a rule pins, with URLs of the mock's own for its files."""
    output, base = copy_json({**pinned.value}), request.media_base
    figures = Figures(parsed.input, fields_of((), False), parsed.media, parsed.video)
    draft = Draft(
        parsed.endpoint.id, request_id, parsed.digest, parsed.input, figures, identity, base
    )
    for number, file in enumerate(pinned.files):
        path = identity.file_path(request_id, file.name, number)
        _put(output, file.place, f"{base}{path}")
        holder: Any = _at(output, file.place[:-1])
        given = Given(file.path, file.content_type)
        added = DraftFile(path, file.name, _NOT_MADE, given=given)
        if is_object(holder) and file.place[-1] == "url":
            added.holder = holder
        draft.files.append(added)
    draft.hints.append(pinned.hint)
    return Made(output, draft, None)


class Watch:
    """Looks for changes in the files of pinned outputs, as `falkit serve --reload` does."""

    def __init__(self, book: Rulebook, pins: Pins) -> None:
        self._book = book
        self._pins = pins
        # By rule: its files' stamps, and itself as it was read from them.
        self._known: dict[str, tuple[list[tuple[int, int] | None], Rule]] = {}
        self.check()

    def check(self) -> tuple[list[str], list[str]]:
        """Take up what has changed; return lines about that, and about what can't be used.

        What an output held before stays where it can't.
        """
        changes: list[str] = []
        problems: list[str] = []
        for kept in self._book.all():
            rule = kept.rule
            if rule.pin is None or not rule.pin.folder:
                continue
            now = self._stamps(rule)
            stamps, read = self._known.get(kept.id, (now, rule))
            if stamps != now or read is not rule:
                try:
                    rule = Rule.read(rule.table(), self._book.folders)
                    self._book.validate(rule)
                except RuleError as error:
                    problems.append(f"{error}; what it held before still counts")
                else:
                    kept.rule = rule
                    now = self._stamps(rule)
                    if stamps != now:
                        text = f"{rule.pin.source if rule.pin else ''}: changed"
                        changes.append(f"{text}, an output of {rule.matcher.endpoint}")
            self._known[kept.id] = (now, kept.rule)
        return changes, problems

    def _stamps(self, rule: Rule) -> list[tuple[int, int] | None]:
        pin = rule.pin
        assert pin is not None
        place = str(pin.source)
        paths = {path for path, _, _ in pin.stamps} | self._pins.files(rule)
        return [
            _stamp(path) for path in sorted(paths | ({place} if os.path.isdir(place) else set()))
        ]


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
