"""Replies as fal's hosts write them: JSON, and a request id on everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from falkit_mock.edge import Address
from falkit_mock.errors import BodyTooLarge, WireError
from falkit_mock.platform.hints import HINT, header_text
from falkit_mock.platform.jobs import Job, Outcome
from falkit_mock.platform.wire_json import dumps
from falkit_spec import JSON

REQUEST_ID = "x-fal-request-id"
JSON_TYPE = "application/json"


def json_reply(
    body: Mapping[str, JSON] | None,
    *,
    request_id: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a JSON reply; every one carries `x-fal-request-id` (wire.md §6.3)."""
    return raw_reply(dumps(body), request_id=request_id, status_code=status_code, headers=headers)


def raw_reply(
    body: bytes,
    *,
    request_id: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a reply whose JSON is already written."""
    every = {REQUEST_ID: request_id, **(headers or {})}
    return Response(body, status_code, every, media_type=JSON_TYPE)


def outcome_reply(job: Job, outcome: Outcome) -> Response:
    """Return what the model answered, unwrapped (wire.md §3.4)."""
    return raw_reply(
        outcome.body,
        request_id=job.id,
        status_code=outcome.status_code,
        headers=outcome.headers,
    )


def error_reply(error: WireError, request_id: str) -> Response:
    """Return a refusal of the mock's own."""
    headers = dict(error.headers)
    if error.hint:
        headers[HINT] = header_text(error.hint)
    return json_reply(
        error.body,
        request_id=error.request_id or request_id,
        status_code=error.status_code,
        headers=headers,
    )


def add_hint(reply: Response, texts: Iterable[str]) -> None:
    """Have a reply's hint say more than it does by itself."""
    own = reply.headers.get(HINT, "")
    reply.headers[HINT] = header_text("; ".join(filter(None, (own, *texts))))


def job_urls(address: Address, job: Job) -> dict[str, str]:
    """Return a job's three URLs in the short form that fal hands out (wire.md §3.1)."""
    base = address.url(f"/{job.app}/requests/{job.id}")
    return {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}


async def read_body(request: Request, limit: int) -> bytes:
    """Return a request's body; raise BodyTooLarge past `limit` bytes, before reading it all."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
