"""Legal inputs of an endpoint: files can be loaded, and the rules between fields are met."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cached_property, lru_cache
from urllib.parse import quote

from hypothesis import note, strategies as st

from falkit_contract import BadArgument, curl
from falkit_contract.strategies._scalars import urls
from falkit_contract.strategies._values import (
    Flat,
    Schemas,
    anything,
    canonical,
    fields as fields_of,
    required,
)
from falkit_fixtures import images
from falkit_spec import Catalog, Endpoint, MediaInput
from falkit_spec.facts import Rule
from falkit_spec.media import example_url, with_urls
from falkit_spec.schema import Compiled
from falkit_spec.types import JSON, Object

FieldStrategies = Mapping[str, st.SearchStrategy[JSON]]

_MAX_CHOICES = 20_000
"""More choices are not listed; inputs are then filtered."""


class Inputs:
    """All that the strategies of one endpoint's inputs are made from.

    A choice is a value for each field that the endpoint's rules read, or its absence.
    """

    def __init__(self, endpoint: Endpoint, given: FieldStrategies | None = None) -> None:
        self.endpoint = endpoint
        self.schemas = Schemas(endpoint.input_schema, endpoint.id)
        self.ruled = frozenset(name for rule in endpoint.rules for name in rule.reads)
        self._given = given or {}

    @cached_property
    def flat(self) -> Flat:
        """The input's own schema, which is of an object."""
        return self.schemas.flat(self.endpoint.input_schema, "")

    @cached_property
    def choices(self) -> list[Object] | None:
        """Every choice, legal or not; None where a field is open: any number, any text."""
        options: list[list[Object]] = []
        for name, node in fields_of(self.flat).items():
            if name not in self.ruled:
                continue
            values = self._values(node, f".{name}")
            if values is None:
                return None
            absent: list[Object] = [] if name in required(self.flat) else [{}]
            options.append([*absent, *({name: value} for value in values)])
        if math.prod(map(len, options)) > _MAX_CHOICES:
            return None
        return [
            {name: value for part in parts for name, value in part.items()}
            for parts in itertools.product(*options)
        ]

    def _values(self, node: JSON, path: str) -> list[JSON] | None:
        flat = self.schemas.flat(node, path)
        if flat.choices is not None:
            return self.schemas.allowed(flat, node)
        if flat.kind in ("boolean", "null"):
            return [False, True] if flat.kind == "boolean" else [None]
        values: list[JSON] = []
        for branch in self.schemas.branches(flat):
            known = self._values(branch, path)
            if known is None:
                return None
            values += known
        return values or None

    def broken(self, input: Mapping[str, JSON]) -> list[Rule]:
        """Return the rules that an input breaks, its defaults filled in."""
        filled = self.endpoint.with_defaults(input)
        return [rule for rule in self.endpoint.rules if rule.broken_by(filled)]

    def breaking(self, rule: Rule) -> list[Object]:
        """Return the choices that break this rule and no other; none if they can't be listed."""
        choices = self._absences(rule) if self.choices is None else self.choices
        return [one for one in choices if self.broken(one) == [rule]]

    def _absences(self, rule: Rule) -> list[Object]:
        """Return the ways to leave out what a rule reads, or to give null: of open fields there is
        nothing else to list.
        """
        names = [name for name in fields_of(self.flat) if name in rule.reads]
        options: list[list[Object]] = []
        for name in names:
            ways: list[Object] = [] if name in required(self.flat) else [{}]
            if self._nullable(name):
                ways.append({name: None})
            options.append(ways)
        return [
            {name: value for part in parts for name, value in part.items()}
            for parts in itertools.product(*options)
        ]

    def _nullable(self, name: str) -> bool:
        """Tell whether a field takes null."""
        node = fields_of(self.flat)[name]
        root = self.endpoint.input_schema
        return Compiled({"$defs": root.get("$defs", {}), "allOf": [node]}).is_valid(None)

    @cached_property
    def legal(self) -> st.SearchStrategy[Object]:
        """Inputs that are valid and keep the rules, with files that can be had."""
        return self._legal.map(self.with_files)

    def with_files(self, input: Object) -> Object:
        """Return a drawn input with public URLs where files belong that no overlay knows.

        Where the document wouldn't take one, all stays as it was drawn.
        """
        known = {wanted.field for wanted in self.endpoint.media_inputs}
        # Weights may be named otherwise.
        files = [
            (wanted, place)
            for wanted, place, _ in self.endpoint.files(input)
            if wanted.field not in known
            and wanted.kind != "weights"
            and place[0] not in self._given
        ]
        filled = with_urls(input, files) if files else input
        return filled if self.endpoint.is_valid(filled) else input

    @cached_property
    def _legal(self) -> st.SearchStrategy[Object]:
        if self.choices is None or self._given.keys() & self.ruled:
            return self._legal_without(frozenset()).filter(lambda one: not self.broken(one))
        legal = [one for one in self.choices if not self.broken(one)]
        if not legal:
            raise self.schemas.refuse("", "no input meets the overlay's rules")
        return self.with_choice(legal)

    def with_choice(self, choices: list[Object]) -> st.SearchStrategy[Object]:
        """Inputs that have one of these choices in the fields that rules read, the rest legal."""
        order = list(fields_of(self.flat))

        def joined(parts: tuple[Object, Object]) -> Object:
            both = {**parts[0], **parts[1]}
            return {name: both[name] for name in dict.fromkeys([*order, *both]) if name in both}

        return st.tuples(_pick(choices), self._without_ruled).map(joined)

    @cached_property
    def _without_ruled(self) -> st.SearchStrategy[Object]:
        return self._legal_without(self.ruled)

    def _legal_without(self, without: frozenset[str]) -> st.SearchStrategy[Object]:
        """Inputs that lack some fields and are valid otherwise; the rules aren't applied."""
        if not fields_of(self.flat):
            return st.dictionaries(st.text(max_size=8), anything(), max_size=3)
        media: FieldStrategies = {
            wanted.field: _media(wanted) | st.none()
            if self._nullable(wanted.field)
            else _media(wanted)
            for wanted in self.endpoint.media_inputs
            if wanted.field in fields_of(self.flat)
        }
        return self.schemas.object(self.flat, "", {**media, **self._given}, without)

    def known(self, name: str, argument: str) -> None:
        """Check a field's name; BadArgument if there is no such field."""
        names = list(fields_of(self.flat))
        if name not in names:
            raise BadArgument(argument, name, f"{self.endpoint.id} has {', '.join(names)}")

    def noted(self, input: JSON) -> None:
        """Have Hypothesis print the request as a `curl` line if the test fails."""
        note(curl(self.endpoint.id, input))


@st.composite
def _pick(draw: st.DrawFn, choices: list[Object]) -> Object:
    """Pick a choice field by field, so that each shrinks by itself: left out, then as listed."""
    left = choices
    for name in dict.fromkeys(name for choice in choices for name in choice):
        found = list(dict.fromkeys(_written(choice, name) for choice in left))
        picked = draw(st.sampled_from(sorted(found, key=bool)))
        left = [choice for choice in left if _written(choice, name) == picked]
    return left[0]


def _written(choice: Object, name: str) -> str:
    return canonical(choice[name]) if name in choice else ""


_cached_inputs = lru_cache(maxsize=64)(Inputs)


def inputs_of(endpoint: Endpoint | str, fields: FieldStrategies | None) -> Inputs:
    """Check the arguments that all strategies share, and return what strategies are made from."""
    if isinstance(endpoint, str):
        endpoint = Catalog.vendored().get(endpoint)
    if not isinstance(endpoint, Endpoint):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise BadArgument("endpoint", endpoint, "give an Endpoint of a Catalog, or its id")
    made = Inputs(endpoint, fields) if fields else _cached_inputs(endpoint)
    for name, strategy in (fields or {}).items():
        made.known(name, "fields")
        if not isinstance(strategy, st.SearchStrategy):  # pyright: ignore[reportUnnecessaryIsInstance]  # same
            raise BadArgument(f"fields[{name!r}]", strategy, "give a strategy, such as st.just(…)")
    return made


def inputs(
    endpoint: Endpoint | str, *, fields: FieldStrategies | None = None
) -> st.SearchStrategy[Object]:
    """Give legal inputs of an endpoint: those that fal would take, the overlay's rules included.

    The simplest comes first: only what is required, as short as possible. Files are public URLs
    or data URIs of tiny pictures. When a test fails, a `curl` line for the input is printed.

    `endpoint` is one of a Catalog, or the id of a vendored one.
    `fields` has strategies of your own for some of the fields.

    Raises, at the call: UnknownEndpoint; UnsupportedSchema where the document holds a construct
    that no strategy can be made from; BadArgument.

    >>> from hypothesis import find
    >>> find(inputs("fal-ai/ltx-2/text-to-video/fast"), lambda input: True)
    {'prompt': '0'}
    >>> find(inputs("fal-ai/ltx-2/text-to-video/fast"), lambda input: input.get("duration", 0) > 10)
    {'prompt': '0', 'duration': 12}
    """
    made = inputs_of(endpoint, fields)

    def shown(input: Object) -> Object:
        made.noted(input)
        return input

    return made.legal.map(shown)


def _media(wanted: MediaInput) -> st.SearchStrategy[JSON]:
    """Give files that a model could load: a URL first, then data URIs in each format it takes."""
    named: st.SearchStrategy[JSON] = st.one_of(st.just(example_url(wanted)), urls)
    if wanted.kind != "image":
        return named
    plain = [
        images.data_uri(kind)
        for kind in images.KINDS
        if kind in wanted.formats
        and (wanted.max_bytes is None or len(images.sample(kind)) <= wanted.max_bytes)
    ]
    inline: list[JSON] = [*plain, *(other for uri in plain for other in _writings(uri))]
    return named | st.sampled_from(inline) if inline else named


def _writings(uri: str) -> list[str]:
    """Return a base64 data URI in the other writings that fal's models read (wire.md §7.4)."""
    head, _, data = uri.partition(",")
    lines = [data[start : start + 76] for start in range(0, len(data), 76)]
    return [
        "\n".join([f"{head},", *lines]),
        f"{head}, " + "\r\n".join(lines),
        f"{head},{quote(data, safe='')}",
        f" {uri.replace('data:', 'DATA:', 1)}\n",
    ]
