"""The models as the Platform API lists them, from their documents (wire.md §10)."""

from __future__ import annotations

from decimal import Decimal

from falkit_spec import JSON, Catalog, Endpoint

# No document says when its model appeared or changed.
_SINCE = "2025-10-23T00:00:00Z"


def metadata(endpoint: Endpoint, *, known_caller: bool) -> dict[str, JSON]:
    """Return what a list says of a model; whether it is a favourite only to those with a key."""
    about = _info(endpoint)
    return {
        "display_name": display_name(endpoint),
        "category": endpoint.category,
        "description": description(endpoint),
        "status": "active",
        "tags": [],
        "updated_at": _SINCE,
        "is_favorited": False if known_caller else None,
        "thumbnail_url": str(about.get("thumbnailUrl") or ""),
        "model_url": f"https://fal.run/{endpoint.id}",
        "license_type": "commercial",
        "date": _SINCE,
        "highlighted": False,
        "kind": "inference",
        "pinned": False,
    }


def display_name(endpoint: Endpoint) -> str:
    """Return a name for people, from the id: `Ltx 2 Image To Video Fast`."""
    inside = endpoint.id.partition("/")[2]
    return inside.replace("/", " ").replace("-", " ").replace("_", " ").title()


def description(endpoint: Endpoint) -> str:
    """Return the document's own sentence about the model."""
    info = endpoint.document.data.get("info")
    about = _info(endpoint).get("about")
    if isinstance(about, str):
        return about
    said = info.get("description") if isinstance(info, dict) else None
    return said if isinstance(said, str) else ""


def search(
    catalog: Catalog, words: str, category: str | None, ids: list[str] | None
) -> list[Endpoint]:
    """Return the models that have every word in their id, name, sentence or category."""
    wanted = words.lower().split()
    return [
        endpoint
        for endpoint in catalog
        if (ids is None or endpoint.id in ids)
        and (category is None or endpoint.category == category)
        and all(word in _text(endpoint) for word in wanted)
    ]


def unit_price(endpoint: Endpoint) -> tuple[Decimal, str] | None:
    """Return what one unit costs with the model's defaults, US dollars, and the unit's name."""
    if endpoint.pricing is None:
        return None
    amount = endpoint.pricing.amount.of(endpoint.defaults)
    return (Decimal(amount), endpoint.pricing.unit) if isinstance(amount, str) else None


def _text(endpoint: Endpoint) -> str:
    parts = (endpoint.id, display_name(endpoint), description(endpoint), endpoint.category)
    return " ".join(parts).lower()


def _info(endpoint: Endpoint) -> dict[str, JSON]:
    info = endpoint.document.data.get("info")
    about = info.get("x-fal-metadata") if isinstance(info, dict) else None
    return about if isinstance(about, dict) else {}
