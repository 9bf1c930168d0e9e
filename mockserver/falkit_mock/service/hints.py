"""Hints about inputs, for the header `x-falkit-hint`: what fal's own words leave unsaid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from falkit_mock.core import dumps, shortened
from falkit_mock.core.limits import NAMED_FIELDS, WORD_LENGTH
from falkit_spec import JSON, Endpoint
from falkit_spec.catalog import dropped_inputs
from falkit_spec.errors import near_misses
from falkit_spec.schema import ordered
from falkit_spec.types import Fault, is_array, meant_by, place_of


def of_refusal(endpoint: Endpoint, faults: Sequence[Fault], given: JSON) -> str | None:
    """Return how to fix a refusal whose own words don't tell."""
    # A required input that is missing may be there by another name.
    unknown = of_unknown_fields(endpoint, given) if isinstance(given, dict) else None
    return "; ".join(filter(None, (_fix(faults, given), unknown))) or None


def _fix(faults: Sequence[Fault], given: JSON) -> str | None:
    for fault in faults:
        value = fault["input"]
        # An input that is text where an object belongs reads alike, one level down.
        if (fault["type"], fault["loc"]) == ("model_attributes_type", ["body"]):
            if not isinstance(value, str):
                continue
            return (
                "the body was not read as JSON; send it as an object, with the header "
                "Content-Type: application/json"
            )
        place, meant = shortened(place_of(fault, given)), meant_by(fault)
        if (noun := _listed(fault)) is not None:
            return f"{place}: the document lists {noun}"
        if isinstance(meant, int):
            return (
                f"{place}: the document lists integers, so send {meant} without quotes; the types "
                "of @fal-ai/client say strings, and the service refuses those"
            )
        if meant is not None:
            return f"{place}: the document lists texts, so send {dumps(meant).decode()}"
    return None


# By how the type of a Pydantic error begins.
_NOUNS = {
    "bool": "a boolean: true or false, without quotes",
    "int": "an integer",
    "float": "a number",
}


def _listed(fault: Fault) -> str | None:
    """Return what the document lists where a fault is about a number's or boolean's type, or a
    set's items.
    """
    if "'uniqueItems'" in fault["msg"]:
        return "each item once"
    kind, _, rest = fault["type"].partition("_")
    return _NOUNS.get(kind) if rest in ("type", "parsing", "from_float") else None


def of_lax_values(endpoint: Endpoint, given: JSON) -> str | None:
    """Name the values that the document forbids and Pydantic's lax mode takes (wire.md §14.4)."""
    words: list[str] = []
    for fault in endpoint.validate(given):
        value, noun = shortened(dumps(fault["input"]).decode()), _listed(fault)
        if noun is not None and len(words) < NAMED_FIELDS:
            place = place_of(fault, given)
            words.append(f"{place}: the document lists {noun}; fal's Pydantic takes {value} too")
    return "; ".join(words) or None


def of_unknown_fields(endpoint: Endpoint, given: dict[str, JSON]) -> str | None:
    """Name the fields that the model ignores because its document doesn't know them."""
    known = endpoint.input_schema.get("properties")
    if not isinstance(known, dict) or known.keys() >= given.keys():
        return None
    unknown = sorted(given.keys() - known.keys())
    required = endpoint.input_schema.get("required")
    # What is missing is likelier meant than what looks more like it.
    missing = [
        name for name in known if name not in given and is_array(required) and name in required
    ]
    # Of a long one only the beginning is told.
    named = (name[: 2 * WORD_LENGTH] for name in unknown[:NAMED_FIELDS])
    words = [_unknown(endpoint, name, tuple(missing)) for name in named]
    if len(unknown) > NAMED_FIELDS:
        words.append(f"{len(unknown) - NAMED_FIELDS} more")
    return f"ignored, since {endpoint.id} has no such input: {', '.join(words)}"


@lru_cache(maxsize=512)
def _unknown(endpoint: Endpoint, name: str, missing: tuple[str, ...]) -> str:
    """Name an input that the model has not, and what was meant; a client sends it each time."""
    if last := dropped_inputs(endpoint).get(name):
        return f"{name} (fal's document of {last} had it; so has --as-of {last})"
    known = ordered(endpoint.input_schema)
    near = near_misses(name, missing) or near_misses(name, known)
    return f"{shortened(name)} (did you mean {near[0]}?)" if near else shortened(name)


def joined(hint: str | None, more: str) -> str:
    """Return what a hint says, if there is one, and more."""
    return f"{hint}; {more}" if hint else more
