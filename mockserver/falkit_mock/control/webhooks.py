"""Webhooks' deliveries, keys and schedule; deliveries sent again, and without a job."""

from __future__ import annotations

import math
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.control import deliveries
from falkit_mock.control.deliveries import described, known
from falkit_mock.control.errors import Unknown, Untimely, Unusable
from falkit_mock.control.exchange import answer, body_of, query_of
from falkit_mock.names import MEDIA
from falkit_mock.platform import model
from falkit_mock.platform.jobs import Outcome
from falkit_mock.platform.model import Order
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.webhooks.errors import KeyInUse, NotDelivered, TargetRefused
from falkit_mock.platform.webhooks.masking import masked
from falkit_mock.platform.webhooks.pending import Pending
from falkit_mock.platform.webhooks.samples import SAMPLES, SampleName, sample
from falkit_mock.platform.webhooks.signing import user_id
from falkit_mock.platform.wire_json import dumps
from falkit_mock.store.deliveries import Cause, KeyRecord
from falkit_spec import JSON, Catalog, Endpoint, UnknownEndpoint

_MOST = 1000
_DEFAULT_ENDPOINT = "fal-ai/ltx-2/text-to-video"


def routes(platform: Platform, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""
    webhooks = WebhookRoutes(platform, catalog)
    return [
        *deliveries.routes(platform),
        Route("/deliveries/{delivery_id}/resend", webhooks.resend_delivery, methods=["POST"]),
        Route("/jobs/{request_id}/resend", webhooks.resend_job, methods=["POST"]),
        Route("/webhooks", webhooks.overview),
        Route("/webhooks/rotate", webhooks.rotate, methods=["POST"]),
        Route("/webhooks/keys/{number}", webhooks.withdraw, methods=["DELETE"]),
        Route("/webhooks/trigger", webhooks.trigger, methods=["POST"]),
    ]


class WebhookRoutes:
    """The operations on webhooks."""

    def __init__(self, platform: Platform, catalog: Catalog) -> None:
        self._platform = platform
        self._catalog = catalog
        self._webhooks = platform.webhooks

    async def resend_delivery(self, request: Request) -> Response:
        await body_of(self._platform, request)
        before = known(self._platform, request)
        if not before.body:
            # It was refused before there was a body.
            return await self._resend(before.request_id, None)
        headers = {name.lower(): value for name, value in before.headers.items()}
        user = headers["x-fal-webhook-user-id"]
        return await self._send(before.request_id, before.url, before.body, user)

    async def resend_job(self, request: Request) -> Response:
        url = (await body_of(self._platform, request, "url")).text("url")
        request_id: str = request.path_params["request_id"]
        return await self._resend(request_id, url or None)

    async def overview(self, request: Request) -> Response:
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
        return answer(self._platform, body)

    async def rotate(self, request: Request) -> Response:
        body = await body_of(self._platform, request, "withdraw")
        old = [key.number for key in self._webhooks.keys.all() if not key.withdrawn]
        drop = body.flag("withdraw")
        self._webhooks.keys.rotate()
        for number in old if drop else ():
            self._webhooks.keys.withdraw(number)
        return answer(self._platform, {"keys": self._keys()})

    async def withdraw(self, request: Request) -> Response:
        await body_of(self._platform, request)
        number: str = request.path_params["number"]
        known = {str(key.number) for key in self._webhooks.keys.all()}
        if number not in known:
            raise Unknown("number", number, "is no key; GET /__falkit/webhooks lists them")
        try:
            self._webhooks.keys.withdraw(int(number))
        except KeyInUse as error:
            raise Untimely(str(error)) from None
        return answer(self._platform, {"keys": self._keys()})

    async def trigger(self, request: Request) -> Response:
        body = await body_of(
            self._platform, request, "kind", "url", "endpoint_id", "request_id", "key"
        )
        # Of the choices by now.
        kind = cast(SampleName, body.choice("kind", SAMPLES))
        url = body.text("url")
        if not url:
            raise Unusable.lacking("url", "give the receiver's URL")
        try:
            endpoint = self._catalog.get(body.text("endpoint_id", _DEFAULT_ENDPOINT))
        except UnknownEndpoint as error:
            mend = "is no endpoint that falkit knows; `falkit spec list` has those"
            raise Unusable("endpoint_id", error.endpoint_id, mend) from None
        request_id = body.text("request_id") or self._platform.identity.reply_id()
        outcome = self._completed(endpoint, request_id, request) if kind == "completed" else None
        made = self._webhooks.body(outcome or sample(kind, endpoint), request_id)
        user = user_id(body.text("key", "falkit"))
        return await self._send(request_id, url, made, user, trigger=True)

    def _completed(self, endpoint: Endpoint, request_id: str, request: Request) -> Outcome | None:
        """Return what the endpoint's example comes to, whose file can be fetched here."""
        origin = f"{request.url.scheme}://{request.url.netloc}"
        body = dumps(endpoint.example_input())
        media_base = f"{origin}/{MEDIA}"
        order = Order(endpoint.id, endpoint.app, endpoint, body, "application/json", media_base)
        reading = model.read(order, self._platform.settings)
        if not isinstance(reading, model.Reading):
            return None
        outcome, record = model.complete(
            reading,
            request_id,
            media_base,
            lambda name: self._platform.identity.file_path(request_id, name),
        )
        if record is not None:
            self._platform.store.add_file(record)
        return outcome

    def _keys(self) -> list[JSON]:
        current = self._webhooks.keys.current
        return [_key(key, current) for key in self._webhooks.keys.all()]

    async def _resend(self, request_id: str, url: str | None) -> Response:
        if self._platform.store.get(request_id) is None:
            mend = "is no job of this mock; GET /__falkit/jobs lists those it has"
            raise Unknown("request_id", request_id, mend)
        try:
            delivery = await self._webhooks.resend(request_id, url)
        except NotDelivered as error:
            raise Untimely(str(error)) from None
        except TargetRefused as refused:
            raise Unusable("url", refused.url, f"can't be called: {refused.why}") from None
        return answer(self._platform, described(delivery))

    async def _send(
        self, request_id: str, url: str, body: bytes, user: str, *, trigger: bool = False
    ) -> Response:
        cause: Cause = "trigger" if trigger else "resend"
        try:
            delivery = await self._webhooks.send(request_id, url, body, user, cause)
        except NotDelivered as error:
            raise Untimely(str(error)) from None
        except TargetRefused as refused:
            raise Unusable("url", refused.url, f"can't be called: {refused.why}") from None
        return answer(self._platform, described(delivery))


def _still(pending: Pending) -> dict[str, JSON]:
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
