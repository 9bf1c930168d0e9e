"""Hints about inputs, for the header `x-falkit-hint`: what fal's own words leave unsaid."""

from __future__ import annotations

from collections.abc import Sequence

from falkit_mock.core import dumps, shortened
from falkit_mock.core.limits import NAMED_FIELDS
from falkit_spec import JSON, Endpoint
from falkit_spec.catalog import dropped_inputs
from falkit_spec.errors import near_misses
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
    words: list[str] = []
    dropped = dropped_inputs(endpoint)
    for name in unknown[:NAMED_FIELDS]:
        near = [] if name in dropped else near_misses(name, missing) or near_misses(name, known)
        fix = f" (did you mean {near[0]}?)" if near else ""
        if name in dropped:
            fix = f" (fal's document of {dropped[name]} had it; so has --as-of {dropped[name]})"
        words.append(f"{shortened(name)}{fix}")
    if len(unknown) > NAMED_FIELDS:
        words.append(f"{len(unknown) - NAMED_FIELDS} more")
    return f"ignored, since {endpoint.id} has no such input: {', '.join(words)}"
