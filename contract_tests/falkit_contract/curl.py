"""A request as a line for the shell, so that a failing test can be repeated by hand."""

from __future__ import annotations

import json
import shlex

from falkit_spec import JSON

BASE_URL = "http://127.0.0.1:4325"
"""Where `falkit serve` listens unless told otherwise."""


def curl(
    endpoint_id: str,
    input: JSON,
    *,
    base_url: str = BASE_URL,
    host: str = "fal.run",
    key: str = "falkit",
) -> str:
    """Return the command that posts an input to an endpoint.

    `host` is fal's own, such as `queue.fal.run`; `base_url` is the stand-in in front of it, or
    empty for fal itself.

    >>> print(curl("fal-ai/ltx-2/text-to-video", {"prompt": "it's"}, base_url=""))
    curl https://fal.run/fal-ai/ltx-2/text-to-video -H 'Authorization: Key falkit' \
-H 'Content-Type: application/json' -d '{"prompt": "it'"'"'s"}'
    """
    origin = f"{base_url.rstrip('/')}/{host}" if base_url else f"https://{host}"
    return shlex.join(
        [
            *("curl", f"{origin}/{endpoint_id}"),
            *("-H", f"Authorization: Key {key}"),
            *("-H", "Content-Type: application/json"),
            *("-d", json.dumps(input, ensure_ascii=True)),
        ]
    )
