"""Legal inputs of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache

from hypothesis import note, strategies as st

from falkit_contract.curl import curl
from falkit_contract.errors import BadArgument
from falkit_contract.strategies import _media
from falkit_contract.strategies._rules import Choices, one_of
from falkit_contract.strategies._schemas import Flat, Schemas, fields
from falkit_contract.strategies._values import Values, anything
from falkit_spec import Catalog, Endpoint
from falkit_spec.types import JSON, Object

Given = Mapping[str, st.SearchStrategy[JSON]]


class Inputs:
    """All that the strategies of one endpoint's inputs are made from."""

    def __init__(self, endpoint: Endpoint, given: Given) -> None:
        self.endpoint = endpoint
        self.schemas = Schemas(endpoint.input_schema, endpoint.id)
        self.values = Values(self.schemas)
        self.choices = Choices(endpoint, self.schemas)
        self._given = dict(given)

    @cached_property
    def flat(self) -> Flat:
        """The input's own schema; UnsupportedSchema if it is of no object."""
        flat = self.schemas.flat(self.endpoint.input_schema, "")
        if flat.kind not in ("object", None):
            raise self.schemas.refuse("", f"an input is an object, not {flat.kind}")
        return flat

    @cached_property
    def legal(self) -> st.SearchStrategy[Object]:
        """Inputs in which nothing is wrong."""
        choices = self.choices.legal
        if choices is None or self._given.keys() & self.choices.names:
            return self.beside(frozenset()).filter(lambda one: not self.choices.broken(one))
        if not choices:
            raise self.schemas.refuse("", "no input meets the overlay's rules")
        return self.with_choice(choices)

    def with_choice(self, choices: list[Object]) -> st.SearchStrategy[Object]:
        """Inputs whose fields that rules read are one of these choices, the rest legal."""
        order = list(fields(self.flat))

        def joined(parts: tuple[Object, Object]) -> Object:
            both = {**parts[0], **parts[1]}
            return {name: both[name] for name in dict.fromkeys([*order, *both]) if name in both}

        return st.tuples(one_of(choices), self._beside_choices).map(joined)

    @cached_property
    def _beside_choices(self) -> st.SearchStrategy[Object]:
        return self.beside(self.choices.names)

    def beside(self, without: frozenset[str]) -> st.SearchStrategy[Object]:
        """Inputs that lack some fields and are legal otherwise, but for the rules."""
        media = {wanted.field: _media.legal(wanted) for wanted in self.endpoint.media_inputs}
        given = {**media, **self._given}
        if not fields(self.flat):
            return st.dictionaries(st.text(max_size=8), anything(), max_size=3)
        return self.values.object(self.flat, "", given, without)

    def known(self, name: str, argument: str) -> str:
        """Return a field's name; BadArgument if there is no such field."""
        names = list(fields(self.flat))
        if name not in names:
            raise BadArgument(argument, name, f"{self.endpoint.id} has {', '.join(names)}")
        return name


def made_for(endpoint: Endpoint | str, fields: Given | None) -> Inputs:
    """Check the arguments that all strategies share."""
    if isinstance(endpoint, str):
        endpoint = Catalog.vendored().get(endpoint)
    if not isinstance(endpoint, Endpoint):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise BadArgument("endpoint", endpoint, "give an Endpoint of a Catalog, or its id")
    made = Inputs(endpoint, fields) if fields else _plain(endpoint)
    for name, strategy in (fields or {}).items():
        made.known(name, "fields")
        if not isinstance(strategy, st.SearchStrategy):  # pyright: ignore[reportUnnecessaryIsInstance]  # same
            raise BadArgument(f"fields[{name!r}]", strategy, "give a strategy, such as st.just(…)")
    return made


@lru_cache(maxsize=64)
def _plain(endpoint: Endpoint) -> Inputs:
    return Inputs(endpoint, {})


def noted(endpoint: Endpoint, input: JSON) -> None:
    """Have Hypothesis print how to repeat the request, should the test fail."""
    note(curl(endpoint.id, input))


def inputs(endpoint: Endpoint | str, *, fields: Given | None = None) -> st.SearchStrategy[Object]:
    """Give legal inputs of an endpoint: those that fal would take, the overlay's rules included.

    The simplest comes first: only what is required, as short as may be. Files are public URLs
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
    made = made_for(endpoint, fields)

    def shown(input: Object) -> Object:
        noted(made.endpoint, input)
        return input

    return made.legal.map(shown)
