"""What `@pytest.mark.fal(…)` says about a test."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from falkit_mock.core.settings import SettingsError
from falkit_mock.settings import Settings
from falkit_spec.cli.project import ConfigError, beside, find_config, read_table
from falkit_spec.errors import near_misses
from falkit_spec.sources import FOLDER, named_places

# Where a test's jobs move on by one status at each look, as `polls` has it, it needs no sleep; and
# where fal's own names are answered, files have them too.
_DEFAULTS: Mapping[str, Any] = {"timing": "polls", "media_host": "real"}
_MARKER = "pytest.mark.fal"
# Words of the marker alone.
_OWN = ("strict", "allow")
# What is of a mock for many, or outlives it.
_NOT_HERE = ("tenants", "max_tenants", "quota", "state", "control_token", "api_keys", "alert_at")


@dataclass(frozen=True, slots=True)
class Marked:
    """The marks of one test together: the nearest counts, name by name."""

    # By their names in Settings, and as they were given.
    settings: Mapping[str, Any]
    # US dollars; None for any number.
    budget: Decimal | None
    strict: bool
    # Codes of findings that the test itself asks for.
    allow: frozenset[str]


def marked(item: pytest.Item, usual: Mapping[str, Any], folder: Path) -> Marked:
    """Return what a test's marks say, over the `usual` of the fixture fal_settings.

    What can't work fails the test in one line.
    """
    marks: dict[str, Any] = {}
    for mark in reversed([*item.iter_markers("fal")]):
        if mark.args:
            raise refusal(f"{mark.args[0]!r} has no name; write timing='instant', seed=7 …")
        marks |= mark.kwargs
    given = {**usual, **marks}

    def wrong(field: str, why: str) -> BaseException:
        return refusal(why, "fal_settings" if field in given.keys() - marks.keys() else _MARKER)

    for name in _NOT_HERE:
        if name in given:
            raise wrong(name, f"{name}: isn't for one test; make_fal_server({name}=…) takes it")
    settings = {**_DEFAULTS, **given}
    try:
        allow = _codes(settings.pop("allow", ()))
    except ValueError as error:
        raise wrong("allow", f"allow: {error}") from None
    strict, budget = settings.pop("strict", False), settings.pop("budget", None)
    if not isinstance(strict, bool):
        raise wrong("strict", f"strict: {strict!r} is neither True nor False")
    try:
        settings = {**_of_the_project(folder), **settings}
        checked = Settings(**settings, budget=budget)
    except ConfigError as error:
        raise refusal(error.format_message(), "falkit.toml") from None
    except SettingsError as error:
        meant = near_misses(error.field, _OWN) if error.field in given else ()
        fix = f"no setting has this name; did you mean {' or '.join(meant)}?"
        raise wrong(error.field, f"{error.field}: {fix}" if meant else str(error)) from None
    return Marked(settings, checked.budget, strict, allow)


def refusal(why: str, where: str = _MARKER) -> BaseException:
    """Return what fails a test in one line, for what its marker says."""
    return pytest.fail.Exception(f"{where}: {why}", pytrace=False)


def _codes(given: object) -> frozenset[str]:
    """Return codes of findings; raise ValueError, which says what isn't one."""
    if not given:
        return frozenset()
    # Lazy: few tests make mistakes on purpose.
    from falkit_spec.findings import finding_kinds

    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"{given!r} isn't a list of codes; write allow=['refusal-retried']")
    known, codes = finding_kinds(), [*map(str, cast("Iterable[object]", given))]
    for code in codes:
        if code not in known:
            near = near_misses(code, known)
            meant = f"did you mean {' or '.join(near)}?" if near else "`falkit explain` lists them"
            raise ValueError(f"{code!r} isn't the code of a finding; {meant}")
    return frozenset(codes)


@cache
def _of_the_project(folder: Path) -> Mapping[str, Any]:
    """Return which documents a project's commands go by, as they find them from its folder."""
    found: dict[str, Any] = {}
    if path := find_config(folder):
        table = read_table(path)
        places = table.get("documents", [])
        if places:
            every = [places] if isinstance(places, str) else places
            found["documents"] = [os.path.abspath(beside(path, str(each))) for each in every]
        if (date := table.get("as-of", table.get("as_of"))) is not None:
            found["as_of"] = date
    if named := named_places():
        found["documents"] = [os.path.abspath(each) for each in named]
    if "documents" not in found and (folder / FOLDER).is_dir():
        found["documents"] = [str(folder / FOLDER)]
    return found
