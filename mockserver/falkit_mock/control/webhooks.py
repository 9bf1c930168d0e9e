"""Deliveries, keys, resend and trigger."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any

from falkit_mock.control import (
    Call,
    Conflict,
    InvalidField,
    InvalidRequest,
    Operation,
    Unknown,
    answer,
)
from falkit_mock.control.describing import whose
from falkit_mock.core import MASK, dumps, masked, parse_body
from falkit_mock.core.breaks import Breaks
from falkit_mock.core.events import Delivery
from falkit_mock.core.jobs import ModelRequest, Outcome, ParsedRequest
from falkit_mock.core.network import MEDIA
from falkit_mock.hosts import unless_gone
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.service import Service
from falkit_mock.service.successes import complete, fill, success
from falkit_mock.store import KeyRecord
from falkit_mock.webhooks import KeyInUse, NotDelivered, TargetRefused
from falkit_mock.webhooks.pending import PendingDelivery
from falkit_mock.webhooks.signing import sample, user_id
from falkit_spec import JSON, Catalog, Endpoint, UnknownEndpoint


def webhook_operations(service: Service, catalog: Catalog) -> dict[str, Operation]:
    """Return the operations by their ids."""
    deliveries, webhooks = DeliveryControl(service, catalog), WebhookControl(service, catalog)
    return {
        "deliveries": deliveries.list,
        "delivery": deliveries.one,
        "resendDelivery": deliveries.resend,
        "resendJob": deliveries.resend_job,
        "webhooks": webhooks.overview,
        "rotateKeys": webhooks.rotate,
        "withdrawKey": webhooks.withdraw,
        "triggerWebhook": webhooks.trigger,
    }


class DeliveryControl:
    """The operations on deliveries."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._store = service.store.deliveries

    async def list(self, call: Call) -> Reply:
        fields = call.fields
        limit: int = fields["limit"]
        before = fields.get("cursor") or None
        if before is not None and self._store.get(before) is None:
            raise InvalidField("cursor", before, "is not the next_cursor of a reply of this mock")
        if fields["wait"]:
            await unless_gone(call.request.receive, self._waited(fields))
        await self._placed()
        filters = _filters(fields)
        found = self._store.select(**filters, before=before, limit=limit + 1, placed=True)
        page, shown, breaks = found[-limit:], list[JSON](), Breaks()
        for one in page:
            shown.append(told(one, self._service, self._catalog))
            await breaks.due()
        body: dict[str, JSON] = {
            "deliveries": shown,
            "total": self._store.count(**filters, placed=True),
            "next_cursor": page[0].id if len(found) > limit else None,
        }
        return answer(self._service, body)

    async def one(self, call: Call) -> Reply:
        return answer(self._service, told(self._known(call), self._service, self._catalog))

    async def resend(self, call: Call) -> Reply:
        before = self._known(call)
        if not before.body:
            # It was refused before there was a body.
            return await self._resend(before.request_id, None)
        headers = {name.lower(): value for name, value in before.headers.items()}
        user = headers["x-fal-webhook-user-id"]
        sending = self._service.webhooks.send(
            before.request_id, before.url, before.body, user, "resend"
        )
        return await _delivered(self._service, self._catalog, sending)

    async def resend_job(self, call: Call) -> Reply:
        return await self._resend(call.fields["request_id"], call.fields.get("url") or None)

    async def _resend(self, request_id: str, url: str | None) -> Reply:
        if self._service.store.get(request_id) is None:
            fix = "isn't a job of this mock; GET /__falkit/jobs lists its jobs"
            raise Unknown("request_id", request_id, fix)
        sending = self._service.webhooks.resend(request_id, url)
        return await _delivered(self._service, self._catalog, sending)

    def _known(self, call: Call) -> Delivery:
        delivery_id: str = call.fields["delivery_id"]
        found = self._store.get(delivery_id)
        if found is None:
            fix = "isn't a delivery of this mock; GET /__falkit/deliveries lists its deliveries"
            raise Unknown("delivery_id", delivery_id, fix)
        return found

    async def _placed(self) -> None:
        """Return once all that there is by now has its place among what others have made."""
        store = self._service.store
        if store.journal is not None and store.sharing is not None:
            # While nothing can be kept, what is known to all is listed.
            with suppress(OSError):
                await store.journal.saved()
                await store.sharing.sync()

    async def _waited(self, fields: Mapping[str, Any]) -> None:
        """Return once there are `count` deliveries, or `wait` real seconds have passed."""
        notifier, filters = self._service.webhooks.recorded, _filters(fields)
        try:
            async with asyncio.timeout(fields["wait"]):
                while not self._service.closing:
                    waiter = notifier.waiter()
                    if self._store.count(**filters) >= fields["count"]:
                        return
                    await waiter.wait()
        except TimeoutError:
            return


def _filters(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "request_id": fields.get("request_id") or None,
        "url": fields.get("url") or None,
        "verdict": fields.get("status"),
        "cause": fields.get("cause"),
    }


async def _delivered(service: Service, catalog: Catalog, attempt: Awaitable[Delivery]) -> Reply:
    """Answer with the result of an attempt; raise Conflict or InvalidField where none is made."""
    try:
        delivery = await attempt
    except NotDelivered as error:
        raise Conflict(str(error)) from None
    except TargetRefused as refused:
        raise InvalidField("url", refused.url, f"can't be called: {refused.why}") from None
    return answer(service, told(delivery, service, catalog))


def told(delivery: Delivery, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return a delivery as the control API has it: with what one recognises its job by."""
    return {**described(delivery), **whose(delivery.request_id, service, catalog)}


def described(delivery: Delivery) -> dict[str, JSON]:
    """Return a delivery as JSON; bodies are text, passwords masked."""
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
        "status": delivery.status,
        "error": delivery.error,
        "faults": [*delivery.faults],
        "sent": delivery.sent,
        "seconds": round(delivery.seconds, 6),
        "next": delivery.next,
        "request": {"headers": {**headers}, "body": delivery.body.decode("utf-8", "replace")},
        "response": response,
    }


class WebhookControl:
    """The operations on keys, and webhooks without a job."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._webhooks = service.webhooks

    async def overview(self, call: Call) -> Reply:
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
            "pending": [_pending(one) for one in pending[: call.fields["limit"]]],
        }
        return answer(self._service, body)

    async def rotate(self, call: Call) -> Reply:
        old = [key.number for key in self._webhooks.keys.all() if not key.withdrawn]
        self._webhooks.keys.rotate()
        for number in old if call.fields["withdraw"] else ():
            self._webhooks.keys.withdraw(number)
        return answer(self._service, {"keys": self._keys()})

    async def withdraw(self, call: Call) -> Reply:
        number: str = call.fields["number"]
        known = {str(key.number) for key in self._webhooks.keys.all()}
        if number not in known:
            raise Unknown("number", number, "isn't a key; GET /__falkit/webhooks lists the keys")
        try:
            self._webhooks.keys.withdraw(int(number))
        except KeyInUse as error:
            raise Conflict(str(error)) from None
        return answer(self._service, {"keys": self._keys()})

    async def trigger(self, call: Call) -> Reply:
        fields = call.fields
        try:
            endpoint = self._catalog.get(fields["endpoint_id"])
        except UnknownEndpoint as error:
            fix = "`falkit spec list` names those that it has"
            raise InvalidRequest(f"endpoint_id: {error}; {fix}") from None
        request_id = fields.get("request_id") or self._service.identity.reply_id()
        kind = fields["kind"]
        outcome = self._completed(endpoint, request_id, call) if kind == "completed" else None
        body = self._webhooks.body(outcome or sample(kind, endpoint), request_id)
        user = user_id(fields["key"])
        sending = self._webhooks.send(request_id, fields["url"], body, user, "trigger")
        return await _delivered(self._service, self._catalog, sending)

    def _completed(self, endpoint: Endpoint, request_id: str, call: Call) -> Outcome | None:
        """Return the outcome of the endpoint's example, whose file can be fetched here."""
        url = call.request.url
        media_base = f"{url.scheme}://{url.netloc}/{MEDIA}"
        body = dumps(endpoint.example_input())
        request = ModelRequest(
            endpoint.id,
            endpoint.app,
            endpoint,
            body,
            parse_body(body),
            "application/json",
            media_base,
        )
        parsed = read_request(request, self._service.settings)
        if not isinstance(parsed, ParsedRequest):
            return None
        service = self._service
        made = complete(parsed, request, request_id, service.identity, service.settings)
        fill(made)
        outcome, records = success(made, parsed, request)
        for record in records:
            service.store.add_file(record)
        return outcome

    def _keys(self) -> list[JSON]:
        current = self._webhooks.keys.current
        return [_key(key, current) for key in self._webhooks.keys.all()]


def _pending(pending: PendingDelivery) -> dict[str, JSON]:
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
