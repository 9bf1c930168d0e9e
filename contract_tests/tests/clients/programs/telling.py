"""What the programs print of each operation: a line of JSON, with a value or an error."""

from __future__ import annotations

import base64
import io
import json
import time
import wave
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

ENDPOINT = "fal-ai/ltx-2/text-to-video"
FROM_IMAGE = "fal-ai/ltx-2/image-to-video/fast"
CHAT, PAINT = "openrouter/router", "fal-ai/flux/dev"
STREAM = "fal-ai/flux-lora/stream"
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


def kept(name: str, reply: Any) -> dict[str, str]:
    """Return a file that was downloaded, with its bytes; the reply is one of httpx's."""
    reply.raise_for_status()
    return content(name, reply.headers["content-type"], reply.content)


def content(name: str, media_type: str, data: bytes) -> dict[str, str]:
    """Return a file with its bytes, for who opens it."""
    return {"name": name, "type": media_type, "data": base64.b64encode(data).decode()}


def urls_in(output: Any) -> Iterator[str]:
    """Yield the URLs in an output, in their order."""
    if isinstance(output, str) and output.startswith("https://"):
        yield output
    elif isinstance(output, dict):
        yield from urls_in([*output.values()])  # pyright: ignore[reportUnknownArgumentType] # any JSON
    elif isinstance(output, list):
        for part in output:  # pyright: ignore[reportUnknownVariableType] # any JSON
            yield from urls_in(part)


def sound() -> bytes:
    """Return two seconds of silence, as WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 2 * 8000))
    return file.getvalue()
