"""What is told of an endpoint in lists and on a page of its own, as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from falkit_spec.combinations import Combination
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import SpecError
from falkit_spec.facts import Pricing
from falkit_spec.origin import origin
from falkit_spec.schema import ordered, resolve
from falkit_spec.streams import REALTIME, STREAM
from falkit_spec.types import JSON, dig

UNKNOWN = "unknown"


def listed(endpoint: Endpoint) -> dict[str, Any]:
    """Return a line of a list; a document that can't be used is one with a `problem`."""
    about: dict[str, Any] = {"endpoint": endpoint.id, "date": endpoint.document.date or None}
    found = origin(endpoint.document)
    about |= {
        "certainty": found.certainty if found else "",
        "source": found.source if found else "",
    }
    try:
        return {
            **about,
            "category": endpoint.category,
            "combinations": endpoint.combining.count(),
            "legal": endpoint.combining.count_legal(),
            "price": default_price(endpoint),
        }
    except (SpecError, RecursionError) as error:
        blank = {"category": "", "combinations": None, "legal": None, "price": UNKNOWN}
        return {**about, **blank, "problem": str(error)}


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """Return all that is known of an endpoint; raise SpecError for a document that is of no use."""
    return {
        **listed(endpoint),
        "rules": [
            {"message": rule.message, "certainty": rule.certainty} for rule in endpoint.rules
        ],
        "ways": [*ways(endpoint)],
        "files": [asdict(medium) for medium in endpoint.file_fields],
        "input": endpoint.input_schema,
        "output": endpoint.output_schema,
    }


def form(endpoint: Endpoint) -> dict[str, Any]:
    """Return what a form for its input takes: fields in order, an example, what combines."""
    schema, pricing = endpoint.input_schema, endpoint.pricing
    required = schema.get("required")
    files = {medium.field: medium.kind for medium in endpoint.file_fields}
    return {
        "description": described(endpoint),
        "fields": [
            {
                "name": name,
                "required": isinstance(required, list) and name in required,
                "schema": resolve(node, schema),
                # Of what kind of file its URL is, or the URLs in it are.
                "file": files.get(name),
            }
            for name, node in ordered(schema).items()
        ],
        "defaults": endpoint.defaults,
        "example": endpoint.example_input(),
        "combining": [*endpoint.combining.choices],
        "measured": [*endpoint.measured],
        "pricing": pricing
        and {
            "unit": pricing.unit,
            "fields": [*pricing.reads],
            "certainty": pricing.certainty,
            "source": pricing.source,
        },
    }


def described(endpoint: Endpoint) -> str:
    """Return what its document says that it is; empty if it doesn't."""
    about = dig(endpoint.document.info, "description")
    return about if isinstance(about, str) else ""


def default_price(endpoint: Endpoint) -> str:
    """Return what a call with the defaults costs, or a unit of it where more decides how many."""
    price = endpoint.price({})
    if price is not None or endpoint.pricing is None:
        return price_in_words(price) or UNKNOWN
    return rate_in_words(endpoint.pricing, endpoint.defaults) or UNKNOWN


def rate_in_words(pricing: Pricing, full: Mapping[str, JSON]) -> str:
    """Return what is paid for one of what: `$0.13/s of audio_url`; nothing where it isn't known."""
    each = pricing.each(full)
    if each is None:
        return ""
    return f"{price_in_words(each[0])}/{re.sub('^second', 's', each[1])}"


def price_in_words(price: Decimal | None) -> str:
    """Return US dollars, to the cent where that is all; nothing for a price that isn't known."""
    if price is None:
        return ""
    cents = price.quantize(Decimal("0.01"))
    return f"${cents if cents == price else price.normalize():f}"


def ways(endpoint: Endpoint) -> Iterator[str]:
    """Yield how it is called beside the usual way (falkit_spec/streams.py)."""
    for way, at in ((STREAM, "POST https://fal.run"), (REALTIME, "wss://fal.run")):
        if getattr(endpoint, way) is not None:
            yield f"{way}: {at}/{endpoint.id.removesuffix(f'/{way}')}/{way}"
    if endpoint.workflow is not None:
        yield f"workflow: {' -> '.join(node.app for node in endpoint.workflow.nodes)}"


def combined(one: Combination) -> dict[str, JSON]:
    """Return a combination's values, whether it is legal, why not, and its price."""
    price = None if one.price is None else str(one.price)
    return {**one.values, "legal": one.legal, "why": one.why, "price": price}
