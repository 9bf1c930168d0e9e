"""Which names are fal's: the hosts it is known to use, and whatever else is below its domains."""

from __future__ import annotations

RUN = "fal.run"
QUEUE = "queue.fal.run"
MEDIA = "v3b.fal.media"
SITE = "fal.ai"
REST = "rest.fal.ai"
API = "api.fal.ai"

# Every host of wire.md §1.1 and the one that answers for it here.
ROLES = {
    "fal.run": RUN,
    "falrun.com": RUN,
    "queue.fal.run": QUEUE,
    "queue.falrun.com": QUEUE,
    "v3b.fal.media": MEDIA,
    "v3.fal.media": MEDIA,
    "fal.media": MEDIA,
    "fal.ai": SITE,
    "rest.fal.ai": REST,
    "rest.alpha.fal.ai": REST,
    "api.fal.ai": API,
    "ws.fal.run": "ws.fal.run",
    "auth.fal.ai": "auth.fal.ai",
    "kv.fal.media": "kv.fal.media",
    "wma.fal.run": "wma.fal.run",
}
# What the gateway adds to the state of its connections: the mock's plain-http media base, since
# whoever is outside the gateway can't follow a real name.
MEDIA_BASE = "falkit.media_base"

# The domains of wire.md §1.1's hosts, the backup domain included: fal's Python client goes
# there by itself, with the real key, when it can't connect to the others.
DOMAINS = ("fal.ai", "fal.run", "fal.media", "falrun.com")
_BELOW = tuple(f".{domain}" for domain in DOMAINS)


def is_fal(host: str) -> bool:
    """Tell whether a host name, however it is written, is one of fal's."""
    name = host.lower().rstrip(".")
    return name in DOMAINS or name.endswith(_BELOW)
