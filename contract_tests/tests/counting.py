"""Counts the combinations that a test run tried, and tells whether one is missing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from falkit_spec import Catalog
from falkit_spec.schema import ordered, resolve

PROPERTY = "combination"
"""The name under which a test notes what it tried; reports bring it from every process."""
ENTRIES = (
    "fal.run",
    "queue",
    "Client.run",
    "Client.subscribe",
    "AsyncClient.run",
    "AsyncClient.subscribe",
)
"""The ways by which every combination is sent."""


@dataclass(frozen=True)
class Tried:
    """One combination sent by one way."""

    endpoint: str
    choice: str
    entry: str
    legal: bool


def note(node: pytest.Item, tried: Tried) -> None:
    """Note on a test what it tried; it counts if the test passes."""
    node.user_properties.append(
        (PROPERTY, [tried.endpoint, tried.choice, tried.entry, tried.legal])
    )


def noted(reports: Iterable[Any]) -> set[Tried]:
    """Gather what the passed tests tried."""
    return {
        Tried(*value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "call"
    }


def expected(catalog: Catalog) -> set[Tried]:
    """Work out from the documents what there is to try: combinations, each switch on and off."""
    return {
        Tried(endpoint.id, json.dumps({**one.values, **switch}, sort_keys=True), door, one.legal)
        for endpoint in catalog
        for one in endpoint.combinations()
        for switch in _switches(endpoint.input_schema)
        for door in ENTRIES
    }


def _switches(schema: dict[str, Any]) -> Iterator[dict[str, bool]]:
    names = [
        name
        for name, node in ordered(schema).items()
        if resolve(node, schema).get("type") == "boolean"
    ]
    for values in itertools.product((True, False), repeat=len(names)):
        yield dict(zip(names, values, strict=True))


def table(tried: set[Tried]) -> Iterator[str]:
    """Write how many combinations of each endpoint were tried."""
    width = max(len(one.endpoint) for one in tried)
    heads = ("legal", "illegal", "requests", "videos measured")
    yield "  ".join(["endpoint".ljust(width), *heads])
    for endpoint in (*sorted({one.endpoint for one in tried}), ""):
        of = [one for one in tried if endpoint in ("", one.endpoint)]
        choices = {(one.endpoint, one.choice, one.legal) for one in of}
        legal = sum(each[2] for each in choices)
        counts = (legal, len(choices) - legal, len(of), sum(one.legal for one in of))
        cells = [str(count).rjust(len(head)) for count, head in zip(counts, heads, strict=True)]
        yield "  ".join([(endpoint or "all").ljust(width), *cells])
    used = {one.entry for one in tried}
    yield f"each through {', '.join(entry for entry in ENTRIES if entry in used)}"


def is_whole(config: pytest.Config) -> bool:
    """Tell whether a run was asked to run everything, so that what is missing was lost."""
    option = config.option
    narrowed = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "collectonly")
    if any(getattr(option, name, None) for name in narrowed):
        return False
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS
