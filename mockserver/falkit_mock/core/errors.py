"""The mock's refusals, as fal words them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from falkit_spec import JSON


class WireError(Exception):
    """An answer other than the one asked for: its status code, JSON body and headers.

    `hint` is ours, not fal's; it travels in the `x-falkit-hint` header.
    """

    status_code: ClassVar[int]

    def __init__(
        self,
        body: Mapping[str, JSON],
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(str(body))
        self.body = dict(body)
        # The job that the refusal is about, where there is one.
        self.request_id = request_id
        self.hint = hint
        self.headers = dict(headers or {})


class NoFalHost(WireError):
    """Nothing in the request says which of fal's hosts it is for."""

    status_code = 404

    def __init__(self, origin: str) -> None:
        ways: list[JSON] = [
            f"put the real host after this origin: {origin}/queue.fal.run/fal-ai/ltx-2/…",
            "send the header x-fal-target-url with the real URL (proxyUrl of @fal-ai/client)",
            "send the real host in the Host header (a proxy, or a hosts file, in front)",
        ]
        super().__init__({"detail": "No fal host is named by this request", "ways": ways})


class InvalidProxyRequest(NoFalHost):
    """As @fal-ai/server-proxy answers without a target, or for one elsewhere (wire.md §1.4)."""

    status_code = 400


class HostNotImitated(WireError):
    """A host of fal's that exists there and not here."""

    status_code = 501

    def __init__(self, host: str) -> None:
        super().__init__({"detail": f"falkit does not imitate {host} yet"})


_CDN_TOKENS = "get a token at rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3"


class Unauthenticated(WireError):
    """wire.md §2: the wordings are captures by third parties (I-3p)."""

    status_code = 401

    @classmethod
    def missing(cls, app: str | None, *, keys_are_named: bool) -> Unauthenticated:
        """Return the refusal of a request without a key, for an app or for none."""
        detail = "Authorization header is required"
        if app is not None:
            text = f'Cannot access application "{app}". Authentication is required to access this'
            detail = f"{text} application."
        hint = "send the header Authorization: Key falkit"
        if keys_are_named:
            hint = "send one of the keys that this mock was started with: Authorization: Key ..."
        return cls({"detail": detail}, hint=hint)

    @classmethod
    def no_cdn_token(cls) -> Unauthenticated:
        hint = f"send the header Authorization: Bearer ...; {_CDN_TOKENS}"
        return cls({"detail": "Authorization header is required"}, hint=hint)

    @classmethod
    def cdn_token(cls, why: str) -> Unauthenticated:
        hint = f"{why}; {_CDN_TOKENS}"
        return cls({"detail": "Invalid or expired token"}, hint=hint)

    @classmethod
    def app_token(cls, why: str) -> Unauthenticated:
        hint = f"fal_jwt_token: {why}; get one at rest.fal.ai/tokens/"
        return cls({"detail": "Invalid or expired token"}, hint=hint)

    @classmethod
    def malformed(cls) -> Unauthenticated:
        text = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
        hint = "this mock was started with --api-key; the key sent is none of those"
        return cls({"detail": text}, hint=hint)

    @classmethod
    def unknown(cls) -> Unauthenticated:
        hint = "this mock was started with --api-key; the key sent is none of those"
        return cls({"detail": "invalid key credentials"}, hint=hint)

    @classmethod
    def bearer(cls) -> Unauthenticated:
        hint = "a bearer token is what `fal auth login` gets; a key goes in Authorization: Key …"
        return cls({"detail": "bearer: unable to decode issuer"}, hint=hint)


class ApplicationNotFound(WireError):
    """wire.md §2: the alias, not the whole id (I-3p)."""

    status_code = 404

    def __init__(self, alias: str, hint: str) -> None:
        super().__init__({"detail": f'Application "{alias}" not found'}, hint=hint)


class RequestNotFound(WireError):
    """wire.md §2, §3.5: confirmed for a cancellation, inferred for status and result."""

    status_code = 404

    def __init__(self, *, as_detail: bool = False, hint: str | None = None) -> None:
        body = {"detail": "Request not found"} if as_detail else {"status": "NOT_FOUND"}
        super().__init__(body, hint=hint)


class FileNotFound(WireError):
    """A media URL that names no file of this mock."""

    status_code = 404

    def __init__(self) -> None:
        super().__init__({"detail": "File not found"})


class NotFound(WireError):
    """An address on a known host that leads nowhere."""

    status_code = 404

    def __init__(self, hint: str | None = None) -> None:
        super().__init__({"detail": "Not Found"}, hint=hint)


class MethodNotAllowed(WireError):
    """The right address, asked in the wrong way."""

    status_code = 405

    def __init__(self, *allowed: str) -> None:
        super().__init__({"detail": "Method Not Allowed"}, headers={"allow": ", ".join(allowed)})


class StillInProgress(WireError):
    """wire.md §3.4: clients match the detail to the letter."""

    status_code = 400

    def __init__(self, request_id: str, urls: Mapping[str, str]) -> None:
        super().__init__(
            {"detail": "Request is still in progress", "request_id": request_id, **urls},
            request_id=request_id,
        )


class BodyTooLarge(WireError):
    """More bytes than `--max-body` allows."""

    status_code = 413

    def __init__(self, limit: int) -> None:
        hint = f"the limit is {limit} bytes; --max-body changes it"
        super().__init__({"detail": "Request body is too large"}, hint=hint)


class BadParts(WireError):
    """wire.md §7: how fal words it is not on record."""

    status_code = 400

    def __init__(self, why: str) -> None:
        super().__init__({"detail": why})


class BadBody(WireError):
    """What FastAPI answers to a body that lacks a field, or has a wrong one."""

    status_code = 422

    def __init__(self, items: list[JSON]) -> None:
        super().__init__({"detail": items})

    @classmethod
    def field(cls, kind: str, loc: list[JSON], message: str, value: JSON = None) -> BadBody:
        """Return the refusal of one field, in Pydantic's words."""
        return cls([{"type": kind, "loc": loc, "msg": message, "input": value}])


class BadHeader(WireError):
    """wire.md §3.1: confirmed for an invalid timeout; inferred are the words, and other headers."""

    status_code = 400

    def __init__(self, name: str, value: str, fix: str, hint: str | None = None) -> None:
        body = {"detail": f"{name}: {value!r} {fix}", "error_type": "bad_request"}
        super().__init__(body, headers={"x-fal-error-type": "bad_request"}, hint=hint)


class QueueTooLong(WireError):
    """wire.md §3.1, §6.3: the code is confirmed, the body inferred."""

    status_code = 429

    def __init__(self, path: str, length: int, most: int) -> None:
        hint = f"{length} wait for {path}, more than fal_max_queue_length={most}"
        super().__init__({"detail": "Queue is too long"}, hint=hint)


class TooManyAtOnce(WireError):
    """wire.md §6.3: type, code and retry header are confirmed, the envelope inferred."""

    status_code = 429

    def __init__(self, key: str, limit: int) -> None:
        kind = "concurrent_requests_limit"
        # A key without fal's colon is all secret.
        whose = f"key {key[:8]}..." if len(key) > 8 else f"key {key!r}"
        hint = (
            f"{limit} requests of the {whose} are in progress, at fal.run or from the queue, which "
            "is the limit; fal's for a new account is 2: --concurrency changes it, 0 lifts it, "
            "and the queue waits instead"
        )
        text = f"Concurrent requests limit reached: {limit} requests are in progress"
        headers = {"x-fal-error-type": kind, "x-fal-needs-retry": "1"}
        super().__init__({"detail": text, "error_type": kind}, hint=hint, headers=headers)


class AccountLocked(WireError):
    """wire.md §2: the wordings are reports by users (I-3p)."""

    status_code = 403

    _REASONS: ClassVar = {
        "exhausted_balance": "Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
        "top_up": "TOP_UP.",
        "admin": "Admin lock.",
    }

    def __init__(self, reason: str) -> None:
        super().__init__({"detail": f"User is locked. Reason: {self._REASONS[reason]}"})


class Forbidden(WireError):
    """A file whose access rules keep this reader out, or a URL that is not signed for this."""

    status_code = 403

    def __init__(self, hint: str) -> None:
        super().__init__({"detail": "Forbidden"}, hint=hint)


class UploadNotFound(WireError):
    """An upload id that names nothing (any more)."""

    status_code = 404

    def __init__(self, upload_id: str) -> None:
        hint = "no upload has this id, or it was finished or given up; start another"
        super().__init__({"detail": f"Upload {upload_id!r} not found"}, hint=hint)


class StorageFull(WireError):
    """What was uploaded can't be written to the disk."""

    status_code = 507

    def __init__(self, reason: str) -> None:
        super().__init__({"detail": f"The upload can't be stored: {reason}"})


class ShuttingDown(WireError):
    """A call was still waiting for its model when the mock was stopped."""

    status_code = 503

    def __init__(self, request_id: str) -> None:
        hint = "the mock was stopped before this job's end"
        super().__init__({"detail": "Service Unavailable"}, hint=hint, request_id=request_id)


class ApiError(WireError):
    """`{"error": {"type", "message"}}`."""

    type: ClassVar[str]

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__({"error": {"type": self.type, "message": message}}, hint=hint)


class Invalid(ApiError):
    """A parameter or a body that can't be used; the message names it, its value and the fix."""

    status_code = 400
    type = "validation_error"


class NotAuthorized(ApiError):
    status_code = 401
    type = "authorization_error"


class Missing(ApiError):
    status_code = 404
    type = "not_found"


class NotImitated(ApiError):
    status_code = 501
    type = "not_implemented"

    def __init__(self, operation: str) -> None:
        super().__init__(f"falkit does not imitate {operation} yet")
