"""GET /__falkit/health: what runs here, for how long, and how it was set up."""

from __future__ import annotations

import time
from dataclasses import fields
from functools import cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.exchange import answer
from falkit_mock.platform.platform import Platform
from falkit_spec import JSON

# What opens doors is counted only; rules have a place of their own.
_APART = ("api_keys", "control_token", "rules")


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""
    began = time.monotonic()

    async def health(request: Request) -> Response:
        return answer(
            platform,
            {
                "status": "ok",
                "version": version(),
                # On the machine's clock, not on the mock's.
                "uptime": round(time.monotonic() - began, 3),
                "seed": platform.identity.seed,
                "settings": _settings(platform),
            },
        )

    return [Route("/health", health)]


@cache
def version() -> str:
    """Return falkit's version."""
    # Lazy: it reads the disk.
    from importlib.metadata import version as installed

    return installed("falkit")


def _settings(platform: Platform) -> dict[str, JSON]:
    settings = platform.settings
    told = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name not in _APART
    }
    # What is infinite is written as null, and what isn't JSON as its text.
    told["rules"] = [rule.text() for rule in settings.rules]
    plain: dict[str, JSON] = orjson.loads(orjson.dumps(told, default=_written))
    plain["api_keys"] = len(settings.api_keys)
    plain["control_token"] = settings.control_token is not None
    return plain


def _written(value: Any) -> list[Any] | str:
    return [*value] if isinstance(value, frozenset) else str(value)
