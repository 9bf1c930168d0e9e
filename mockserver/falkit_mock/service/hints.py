"""Hints about inputs, for the header `x-falkit-hint`: what fal's own words leave unsaid."""

from __future__ import annotations

from collections.abc import Mapping

from falkit_mock.core import dumps, shortened
from falkit_mock.core.limits import NAMED_FIELDS
from falkit_spec import JSON, Endpoint
from falkit_spec.catalog import dropped_inputs
from falkit_spec.errors import near_misses


def of_refusal(detail: list[JSON]) -> str | None:
    """Return how to fix a refusal whose own words don't tell."""
    for item in detail:
        if not isinstance(item, dict):
            continue
        value, loc = item["input"], item["loc"]
        # An input that is text where an object belongs reads alike, one level down.
        if item["type"] == "model_attributes_type" and loc == ["body"] and isinstance(value, str):
            return (
                "the body was not read as JSON; send it as an object, with the header "
                "Content-Type: application/json"
            )
        if not isinstance(loc, list):
            continue
        if (noun := _listed(item)) is not None:
            return f"{loc[-1]}: the document lists {noun}"
        if item["type"] != "literal_error":
            continue
        if isinstance(value, str) and value.isdigit():
            return (
                f"{loc[-1]}: the document lists integers, so send {value} without quotes; the "
                "types of @fal-ai/client say strings, and the service refuses those"
            )
    return None


# By how the type of a Pydantic error begins.
_NOUNS = {
    "bool": "a boolean: true or false, without quotes",
    "int": "an integer",
    "float": "a number",
}


def _listed(fault: Mapping[str, object]) -> str | None:
    """Return what the document lists where a fault is about a number's or boolean's type, or a
    set's items.
    """
    if "'uniqueItems'" in str(fault["msg"]):
        return "each item once"
    kind, _, rest = str(fault["type"]).partition("_")
    return _NOUNS.get(kind) if rest in ("type", "parsing", "from_float") else None


def of_lax_values(endpoint: Endpoint, given: JSON) -> str | None:
    """Name the values that the document forbids and Pydantic's lax mode takes (wire.md §14.4)."""
    words: list[str] = []
    for fault in endpoint.validate(given):
        value, noun = shortened(dumps(fault["input"]).decode()), _listed(fault)
        if noun is not None and len(words) < NAMED_FIELDS:
            place = ".".join(map(str, fault["loc"][1:]))
            words.append(f"{place}: the document lists {noun}; fal's Pydantic takes {value} too")
    return "; ".join(words) or None


def of_unknown_fields(endpoint: Endpoint, given: dict[str, JSON]) -> str | None:
    """Name the fields that the model ignores because its document doesn't know them."""
    known = endpoint.input_schema.get("properties")
    if not isinstance(known, dict) or known.keys() >= given.keys():
        return None
    unknown = sorted(given.keys() - known.keys())
    words: list[str] = []
    dropped = dropped_inputs(endpoint)
    for name in unknown[:NAMED_FIELDS]:
        near = [] if name in dropped else near_misses(name, known)
        fix = f" (did you mean {near[0]}?)" if near else ""
        if name in dropped:
            fix = f" (fal's document of {dropped[name]} had it; so has --as-of {dropped[name]})"
        words.append(f"{shortened(name)}{fix}")
    if len(unknown) > NAMED_FIELDS:
        words.append(f"{len(unknown) - NAMED_FIELDS} more")
    return f"ignored, since {endpoint.id} has no such input: {', '.join(words)}"
