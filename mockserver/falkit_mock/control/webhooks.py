"""Deliveries, keys, resend and trigger."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.routing import Route

from falkit_mock.control import Conflict, Fields, InvalidField, Unknown, answer, body_of, query_of
from falkit_mock.core import MASK, dumps, masked, parse_body
from falkit_mock.core.events import VERDICTS, Cause, Delivery, Verdict
from falkit_mock.core.jobs import ModelRequest, Outcome, ParsedRequest
from falkit_mock.core.network import MEDIA
from falkit_mock.hosts import unless_gone
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.outcomes import complete, read_request
from falkit_mock.service.service import Service
from falkit_mock.store import KeyRecord
from falkit_mock.webhooks import KeyInUse, NotDelivered, TargetRefused
from falkit_mock.webhooks.delivery import PendingDelivery
from falkit_mock.webhooks.signing import SAMPLES, SampleName, sample, user_id
from falkit_spec import JSON, Catalog, Endpoint, UnknownEndpoint

_FILTERS = ("request_id", "url", "outcome")
_MOST_LISTED = 1000
# Real seconds of the longest wait.
_PATIENCE = 60.0


def delivery_routes(service: Service) -> list[Route]:
    """Return the routes below /__falkit."""
    store = service.store.deliveries

    async def show(request: Request) -> Reply:
        query = query_of(request, *_FILTERS, "cursor", "limit", "wait", "count")
        wanted = _Wanted.read(query)
        limit = query.whole("limit", least=1, most=_MOST_LISTED, default=100)
        wait = query.number("wait", least=0, most=_PATIENCE, default=0.0)
        count = query.whole("count", least=1, most=_MOST_LISTED, default=1)
        before = query.text("cursor") or None
        if before is not None and store.get(before) is None:
            raise InvalidField("cursor", before, "is none that an answer of this mock had")
        if wait:
            await unless_gone(request.receive, _waited(service, wanted, count, wait))
        found = wanted.select(service, before, limit + 1)
        page = found[-limit:]
        body: dict[str, JSON] = {
            "deliveries": [described(one) for one in page],
            "total": wanted.count(service),
            "next_cursor": page[0].id if len(found) > limit else None,
        }
        return answer(service, body)

    async def one(request: Request) -> Reply:
        query_of(request)
        return answer(service, described(known(service, request)))

    return [Route("/deliveries", show), Route("/deliveries/{delivery_id}", one)]


def known(service: Service, request: Request) -> Delivery:
    """Return the delivery that a path names."""
    delivery_id: str = request.path_params["delivery_id"]
    found = service.store.deliveries.get(delivery_id)
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
        "outcome": delivery.status,
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

    def select(self, service: Service, before: str | None, limit: int) -> list[Delivery]:
        return service.store.deliveries.select(
            request_id=self.request_id,
            url=self.url,
            verdict=self.verdict,
            before=before,
            limit=limit,
        )

    def count(self, service: Service) -> int:
        return service.store.deliveries.count(
            request_id=self.request_id, url=self.url, verdict=self.verdict
        )


async def _waited(service: Service, wanted: _Wanted, count: int, seconds: float) -> None:
    """Return once there are so many, or so many real seconds have passed."""
    notifier = service.webhooks.recorded
    try:
        async with asyncio.timeout(seconds):
            while not service.closing:
                waiter = notifier.waiter()
                if wanted.count(service) >= count:
                    return
                await waiter.wait()
    except TimeoutError:
        return


_MOST = 1000
_DEFAULT_ENDPOINT = "fal-ai/ltx-2/text-to-video"


def webhook_routes(service: Service, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""
    webhooks = WebhookRoutes(service, catalog)
    return [
        *delivery_routes(service),
        Route("/deliveries/{delivery_id}/resend", webhooks.resend_delivery, methods=["POST"]),
        Route("/jobs/{request_id}/resend", webhooks.resend_job, methods=["POST"]),
        Route("/webhooks", webhooks.overview),
        Route("/webhooks/rotate", webhooks.rotate, methods=["POST"]),
        Route("/webhooks/keys/{number}", webhooks.withdraw, methods=["DELETE"]),
        Route("/webhooks/trigger", webhooks.trigger, methods=["POST"]),
    ]


class WebhookRoutes:
    """The operations on webhooks."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._webhooks = service.webhooks

    async def resend_delivery(self, request: Request) -> Reply:
        await body_of(self._service, request)
        before = known(self._service, request)
        if not before.body:
            # It was refused before there was a body.
            return await self._resend(before.request_id, None)
        headers = {name.lower(): value for name, value in before.headers.items()}
        user = headers["x-fal-webhook-user-id"]
        return await self._send(before.request_id, before.url, before.body, user)

    async def resend_job(self, request: Request) -> Reply:
        url = (await body_of(self._service, request, "url")).text("url")
        request_id: str = request.path_params["request_id"]
        return await self._resend(request_id, url or None)

    async def overview(self, request: Request) -> Reply:
        limit = query_of(request, "limit").whole("limit", least=1, most=_MOST, default=100)
        schedule, pending = self._webhooks.schedule, self._webhooks.pending()
        body: dict[str, JSON] = {
            "schedule": {
                "name": schedule.name,
                "first_timeout": schedule.first_timeout,
                "timeout": schedule.timeout,
                "offsets": [*schedule.offsets],
            },
            "allowed": [*self._webhooks.targets.allowed],
            "keys": self._keys(),
            "waiting": len(pending),
            "pending": [_still(one) for one in pending[:limit]],
        }
        return answer(self._service, body)

    async def rotate(self, request: Request) -> Reply:
        body = await body_of(self._service, request, "withdraw")
        old = [key.number for key in self._webhooks.keys.all() if not key.withdrawn]
        drop = body.flag("withdraw")
        self._webhooks.keys.rotate()
        for number in old if drop else ():
            self._webhooks.keys.withdraw(number)
        return answer(self._service, {"keys": self._keys()})

    async def withdraw(self, request: Request) -> Reply:
        await body_of(self._service, request)
        number: str = request.path_params["number"]
        known = {str(key.number) for key in self._webhooks.keys.all()}
        if number not in known:
            raise Unknown("number", number, "is no key; GET /__falkit/webhooks lists them")
        try:
            self._webhooks.keys.withdraw(int(number))
        except KeyInUse as error:
            raise Conflict(str(error)) from None
        return answer(self._service, {"keys": self._keys()})

    async def trigger(self, request: Request) -> Reply:
        body = await body_of(
            self._service, request, "kind", "url", "endpoint_id", "request_id", "key"
        )
        # Of the choices by now.
        kind = cast(SampleName, body.choice("kind", SAMPLES))
        url = body.text("url")
        if not url:
            raise InvalidField.lacking("url", "give the receiver's URL")
        try:
            endpoint = self._catalog.get(body.text("endpoint_id", _DEFAULT_ENDPOINT))
        except UnknownEndpoint as error:
            mend = "is no endpoint that falkit knows; `falkit spec list` has those"
            raise InvalidField("endpoint_id", error.endpoint_id, mend) from None
        request_id = body.text("request_id") or self._service.identity.reply_id()
        outcome = self._completed(endpoint, request_id, request) if kind == "completed" else None
        made = self._webhooks.body(outcome or sample(kind, endpoint), request_id)
        user = user_id(body.text("key", "falkit"))
        return await self._send(request_id, url, made, user, trigger=True)

    def _completed(self, endpoint: Endpoint, request_id: str, request: Request) -> Outcome | None:
        """Return what the endpoint's example comes to, whose file can be fetched here."""
        origin = f"{request.url.scheme}://{request.url.netloc}"
        body = dumps(endpoint.example_input())
        media_base = f"{origin}/{MEDIA}"
        order = ModelRequest(
            endpoint.id,
            endpoint.app,
            endpoint,
            body,
            parse_body(body),
            "application/json",
            media_base,
        )
        reading = read_request(order, self._service.settings)
        if not isinstance(reading, ParsedRequest):
            return None
        outcome, record = complete(reading, order, request_id, self._service.identity)
        if record is not None:
            self._service.store.add_file(record)
        return outcome

    def _keys(self) -> list[JSON]:
        current = self._webhooks.keys.current
        return [_key(key, current) for key in self._webhooks.keys.all()]

    async def _resend(self, request_id: str, url: str | None) -> Reply:
        if self._service.store.get(request_id) is None:
            mend = "is no job of this mock; GET /__falkit/jobs lists those it has"
            raise Unknown("request_id", request_id, mend)
        try:
            delivery = await self._webhooks.resend(request_id, url)
        except NotDelivered as error:
            raise Conflict(str(error)) from None
        except TargetRefused as refused:
            raise InvalidField("url", refused.url, f"can't be called: {refused.why}") from None
        return answer(self._service, described(delivery))

    async def _send(
        self, request_id: str, url: str, body: bytes, user: str, *, trigger: bool = False
    ) -> Reply:
        cause: Cause = "trigger" if trigger else "resend"
        try:
            delivery = await self._webhooks.send(request_id, url, body, user, cause)
        except NotDelivered as error:
            raise Conflict(str(error)) from None
        except TargetRefused as refused:
            raise InvalidField("url", refused.url, f"can't be called: {refused.why}") from None
        return answer(self._service, described(delivery))


def _still(pending: PendingDelivery) -> dict[str, JSON]:
    return {
        "request_id": pending.request_id,
        "url": masked(pending.target.url),
        "attempts": pending.number,
        # Null while the job is held, or an attempt is under way.
        "next": pending.next if math.isfinite(pending.next) else None,
    }


def _key(key: KeyRecord, current: int) -> dict[str, JSON]:
    return {
        "number": key.number,
        "created": key.created,
        "signs": key.number == current,
        "published": not key.withdrawn,
    }
