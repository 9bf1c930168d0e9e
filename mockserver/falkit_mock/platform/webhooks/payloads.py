"""The body of a webhook, decided from what the job answers (wire.md §5.1)."""

from __future__ import annotations

import json

import orjson

from falkit_mock.platform.jobs import Outcome

# wire.md §5.1: word for word what fal sends in place of a payload that is no JSON.
PAYLOAD_ERROR = (
    "Response payload is not JSON serializable. Either return a JSON serializable object or "
    "use the queue endpoint to retrieve the response."
)


def body_of(outcome: Outcome, request_id: str, gateway_request_id: str) -> bytes:
    """Return the bytes that go out; what the model answered stands in them as it was written."""
    facts = {"request_id": request_id, "gateway_request_id": gateway_request_id}
    if outcome.ok:
        facts["status"] = "OK"
    else:
        facts["status"] = "ERROR"
        facts["error"] = f"Invalid status code: {outcome.status_code}"
    head = orjson.dumps(facts)[:-1]
    if _is_json(outcome.body):
        return b'%s,"payload":%s}' % (head, outcome.body)
    return b'%s,"payload":null,"payload_error":%s}' % (head, orjson.dumps(PAYLOAD_ERROR))


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates, which are JSON; Python's parser takes NaN, which isn't.
        try:
            json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return False
    return True


def _refuse(constant: str) -> object:
    raise ValueError(constant)
