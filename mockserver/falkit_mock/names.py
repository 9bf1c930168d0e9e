"""Which names are fal's: those it is known to use, and whatever else is below its domains."""

from __future__ import annotations

# The domains of wire.md §1.1's hosts, the backup domain included: fal's Python client goes
# there by itself, with the real key, when it can't connect to the others.
DOMAINS = ("fal.ai", "fal.run", "fal.media", "falrun.com")
_BELOW = tuple(f".{domain}" for domain in DOMAINS)


def is_fal(host: str) -> bool:
    """Tell whether a host name, however it is written, is one of fal's."""
    name = host.lower().rstrip(".")
    return name in DOMAINS or name.endswith(_BELOW)
