"""What the programs print of each operation: a line of JSON, with a value or an error."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

ENDPOINT = "fal-ai/ltx-2/text-to-video"
FROM_IMAGE = "fal-ai/ltx-2/image-to-video/fast"
CHAT, PAINT = "openrouter/router", "fal-ai/flux/dev"
# Of documents of a user's own.
WORKFLOW, SOCKET = "workflows/acme/sticker", "acme/canvas"
INPUT = {"prompt": "A lighthouse in the rain"}


def show(client: str, operation: str, **told: object) -> None:
    """Print one line."""
    print(json.dumps({"client": client, "operation": operation, **told}), flush=True)


def error_of(error: Exception) -> dict[str, object]:
    """Return what a program can see of an error."""
    seen = {name: getattr(error, name, None) for name in ("status_code", "error_type")}
    return {"name": type(error).__name__, "message": str(error), **seen}


def tell(client: str, operation: str, work: Callable[[], object]) -> None:
    """Do something and print what came of it."""
    began = time.perf_counter()
    try:
        told = {"value": work()}
    except Exception as error:
        told = {"error": error_of(error)}
    show(client, operation, **told, seconds=time.perf_counter() - began)


async def tell_async(client: str, operation: str, work: Awaitable[object]) -> None:
    """Await something and print what came of it."""
    began = time.perf_counter()
    try:
        told = {"value": await work}
    except Exception as error:
        told = {"error": error_of(error)}
    show(client, operation, **told, seconds=time.perf_counter() - began)


def file(status: int, headers: Mapping[str, Any], content: bytes) -> dict[str, object]:
    """Describe a file that was downloaded."""
    return {
        "status": status,
        "type": headers["content-type"],
        "size": len(content),
        "kind": content[4:8].decode("latin-1"),
    }
