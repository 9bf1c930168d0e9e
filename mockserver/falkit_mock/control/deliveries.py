"""The log of deliveries looked through and waited on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control.errors import Unknown, Unusable
from falkit_mock.control.exchange import Fields, answer, query_of
from falkit_mock.hosts.waiting import unless_gone
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.webhooks.masking import MASK, masked
from falkit_mock.store.deliveries import VERDICTS, Delivery, Verdict
from falkit_spec import JSON

_FILTERS = ("request_id", "url", "outcome")
_MOST = 1000
# Real seconds of the longest wait.
_PATIENCE = 60.0


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""
    store = platform.store.deliveries

    async def show(request: Request) -> Response:
        query = query_of(request, *_FILTERS, "cursor", "limit", "wait", "count")
        wanted = _Wanted.read(query)
        limit = query.whole("limit", least=1, most=_MOST, default=100)
        wait = query.number("wait", least=0, most=_PATIENCE, default=0.0)
        count = query.whole("count", least=1, most=_MOST, default=1)
        before = query.text("cursor") or None
        if before is not None and store.get(before) is None:
            raise Unusable("cursor", before, "is none that an answer of this mock had")
        if wait:
            await unless_gone(request, _waited(platform, wanted, count, wait))
        found = wanted.select(platform, before, limit + 1)
        page = found[-limit:]
        body: dict[str, JSON] = {
            "deliveries": [described(one) for one in page],
            "total": wanted.count(platform),
            "next_cursor": page[0].id if len(found) > limit else None,
        }
        return answer(platform, body)

    async def one(request: Request) -> Response:
        query_of(request)
        return answer(platform, described(known(platform, request)))

    return [Route("/deliveries", show), Route("/deliveries/{delivery_id}", one)]


def known(platform: Platform, request: Request) -> Delivery:
    """Return the delivery that a path names."""
    delivery_id: str = request.path_params["delivery_id"]
    found = platform.store.deliveries.get(delivery_id)
    if found is None:
        mend = "is no delivery of this mock; GET /__falkit/deliveries lists those it made"
        raise Unknown("delivery_id", delivery_id, mend)
    return found


def described(delivery: Delivery) -> dict[str, JSON]:
    """Return a delivery as the control API tells of it; bodies are text, passwords masked."""
    response: dict[str, JSON] | None = None
    if delivery.status_code is not None:
        response = {
            "status_code": delivery.status_code,
            "headers": {**delivery.response_headers},
            "body": delivery.response_body.decode("utf-8", "replace"),
        }
    url = masked(delivery.url)
    headers = {**delivery.headers}
    if headers and url != delivery.url:
        headers["Authorization"] = f"Basic {MASK}"
    return {
        "id": delivery.id,
        "request_id": delivery.request_id,
        "url": url,
        "cause": delivery.cause,
        "number": delivery.number,
        "outcome": delivery.verdict,
        "error": delivery.error,
        "faults": [*delivery.faults],
        "sent": delivery.sent,
        "seconds": round(delivery.seconds, 6),
        "next": delivery.next,
        "request": {"headers": {**headers}, "body": delivery.body.decode("utf-8", "replace")},
        "response": response,
    }


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which deliveries a query asks for."""

    request_id: str | None
    url: str | None
    verdict: Verdict | None

    @classmethod
    def read(cls, query: Fields) -> _Wanted:
        asked = query.choice("outcome", VERDICTS, "any")
        verdict: Verdict | None = next((one for one in VERDICTS if one == asked), None)
        return cls(query.text("request_id") or None, query.text("url") or None, verdict)

    def select(self, platform: Platform, before: str | None, limit: int) -> list[Delivery]:
        return platform.store.deliveries.select(
            request_id=self.request_id,
            url=self.url,
            verdict=self.verdict,
            before=before,
            limit=limit,
        )

    def count(self, platform: Platform) -> int:
        return platform.store.deliveries.count(
            request_id=self.request_id, url=self.url, verdict=self.verdict
        )


async def _waited(platform: Platform, wanted: _Wanted, count: int, seconds: float) -> None:
    """Return once there are so many, or so many real seconds have passed."""
    bell = platform.webhooks.log.bell
    try:
        async with asyncio.timeout(seconds):
            while not platform.closing:
                ticket = bell.ticket()
                if wanted.count(platform) >= count:
                    return
                await ticket.wait()
    except TimeoutError:
        return
