"""GET /__falkit/gateway: where the gateway is, and who tried to leave."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.hosts.replies import json_reply
from falkit_mock.platform.platform import Platform
from falkit_spec import JSON

if TYPE_CHECKING:
    from falkit_mock.gateway.gateway import Gateway


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""

    async def gateway(request: Request) -> Response:
        found: Gateway | None = getattr(request.app.state, "gateway", None)
        request_id = platform.identity.reply_id()
        if found is None:
            detail: dict[str, JSON] = {"detail": "This mock was started without --gateway"}
            return json_reply(detail, request_id=request_id, status_code=404)
        body: dict[str, JSON] = {
            "url": found.url,
            "ca": str(found.authority.certificate),
            "egress": found.egress.policy,
            "failed_handshakes": found.failed_handshakes,
            "attempts": [asdict(attempt) for attempt in found.egress.attempts],
        }
        return json_reply(body, request_id=request_id)

    return [Route("/gateway", gateway)]
