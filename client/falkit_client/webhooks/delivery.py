"""A verified delivery, as a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from falkit_client.errors import BadPayload
from falkit_client.results import JsonObject

if TYPE_CHECKING:
    from falkit_client.webhooks.signed import Signed

Status = Literal["OK", "ERROR"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What fal says of a finished job (wire.md §5.1). The same may come more than once.

    `request_id` names the job, and is what to tell a repetition by; `gateway_request_id` differs
    from it where fal ran the job again. `timestamp` is when it was signed, in Unix seconds.
    `status` OK has the output in `payload`; ERROR has `error`, such as `Invalid status code: 422`,
    and the error's body in `payload`. With either, `payload` may be None and `payload_error` say
    why: then an output can still be had from the queue.
    """

    request_id: str
    gateway_request_id: str
    user_id: str
    timestamp: int
    status: Status
    payload: JsonObject | None
    error: str | None = None
    payload_error: str | None = None

    @classmethod
    def read(cls, signed: Signed, body: bytes) -> Delivery:
        """Read a body; BadPayload says what is not as wire.md §5.1 has it."""
        fields = _Fields.read(bytes(body), signed.request_id)
        request_id = fields.required("request_id")
        return cls(
            request_id=request_id,
            gateway_request_id=fields.text("gateway_request_id") or request_id,
            user_id=signed.user_id,
            timestamp=signed.timestamp,
            status=fields.status(),
            payload=fields.payload(),
            error=fields.text("error"),
            payload_error=fields.text("payload_error"),
        )


@dataclass(frozen=True, slots=True)
class _Fields:
    values: JsonObject
    body: bytes
    told: str

    @classmethod
    def read(cls, body: bytes, told: str) -> _Fields:
        try:
            value: object = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise BadPayload("the body is signed, but no JSON object", body, request_id=told)
        return cls(cast("JsonObject", value), body, told)

    def wrong(self, what: str) -> BadPayload:
        return BadPayload(f"the body is signed, but {what}", self.body, request_id=self.told)

    def text(self, name: str) -> str | None:
        value: object = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(f"{name} is a {type(value).__name__}: it is text")

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise self.wrong(f"it has no {name}")
        return value

    def status(self) -> Status:
        match self.required("status"):
            case "OK":
                return "OK"
            case "ERROR":
                return "ERROR"
            case other:
                raise self.wrong(f"status is {other!r}: it is OK or ERROR")

    def payload(self) -> JsonObject | None:
        value: object = self.values.get("payload")
        if value is None or isinstance(value, dict):
            return cast("JsonObject | None", value)
        raise self.wrong(f"payload is a {type(value).__name__}: it is an object or null")
