"""The mock's refusals, as fal words them: a class where one is caught, else a function."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Literal

from falkit_spec import JSON


class WireError(Exception):
    """An answer other than the one asked for: its status code, JSON body and headers.

    `hint` is ours, not fal's; it travels in the `x-falkit-hint` header.
    """

    status_code: int
    # Whether another mock that shares the state may know what this one doesn't.
    elsewhere = False

    def __init__(
        self,
        body: Mapping[str, JSON],
        *,
        status_code: int | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(text or str(body))
        if status_code is not None:
            self.status_code = status_code
        self.body = dict(body)
        # In the place of the JSON, where fal answers plain text.
        self.text = text
        # The job that the refusal is about, where there is one.
        self.request_id = request_id
        self.hint = hint
        self.headers = dict(headers or {})


_CDN_TOKENS = "get a token at rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3"
_NOT_A_KEY = "this mock was started with --api-key; the key sent isn't one of them"


class Unauthenticated(WireError):
    """wire.md §2: the wordings are captures by third parties (I-3p)."""

    status_code = 401

    def __init__(self, detail: str, hint: str) -> None:
        super().__init__({"detail": detail}, hint=hint)

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
        return cls(detail, hint)

    @classmethod
    def no_cdn_token(cls) -> Unauthenticated:
        hint = f"send the header Authorization: Bearer ...; {_CDN_TOKENS}"
        return cls("Authorization header is required", hint)

    @classmethod
    def cdn_token(cls, why: str) -> Unauthenticated:
        return cls("Invalid or expired token", f"{why}; {_CDN_TOKENS}")

    @classmethod
    def app_token(cls, why: str) -> Unauthenticated:
        hint = f"fal_jwt_token: {why}; get one at rest.fal.ai/tokens/"
        return cls("Invalid or expired token", hint)

    @classmethod
    def malformed(cls) -> Unauthenticated:
        text = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
        return cls(text, _NOT_A_KEY)

    @classmethod
    def unknown(cls) -> Unauthenticated:
        return cls("invalid key credentials", _NOT_A_KEY)

    @classmethod
    def bearer(cls) -> Unauthenticated:
        hint = "a bearer token is what `fal auth login` gets; a key goes in Authorization: Key …"
        return cls("bearer: unable to decode issuer", hint)

    @classmethod
    def hub_token(cls, why: str) -> Unauthenticated:
        """Return the refusal of Hugging Face's router; its wording isn't on record."""
        return cls("Invalid username or password.", f"router.huggingface.co: {why}")


class HostNotImitated(WireError):
    """A host of fal's that exists there and not here."""

    status_code = 501

    def __init__(self, host: str) -> None:
        hint = (
            f"this says nothing about what {host} answers; falkit answers for fal.run, "
            "queue.fal.run, ws.fal.run, v3b.fal.media, rest.fal.ai, fal.ai and api.fal.ai"
        )
        super().__init__({"detail": f"falkit does not imitate {host} yet"}, hint=hint)


class BodyTooLarge(WireError):
    """More bytes than `--max-body` allows."""

    status_code = 413

    def __init__(self, limit: int) -> None:
        hint = f"the limit is {limit} bytes; --max-body changes it"
        super().__init__({"detail": "Request body is too large"}, hint=hint)


def too_many_values(limit: int) -> WireError:
    """Return the refusal of a body with more values than are read."""
    hint = f"the limit is falkit's own: {limit} values, counted by commas and opening brackets"
    return WireError({"detail": "Request body is too large"}, status_code=413, hint=hint)


class ShuttingDown(WireError):
    """A call was still waiting for its model when the mock was stopped."""

    status_code = 503

    def __init__(self, request_id: str) -> None:
        hint = "the mock was stopped before this job's end"
        super().__init__({"detail": "Service Unavailable"}, hint=hint, request_id=request_id)


def no_fal_host(origin: str, status_code: int = 404) -> WireError:
    """Return the refusal of a request that doesn't say which of fal's hosts it is for.

    @fal-ai/server-proxy answers 400 without a target, or for one elsewhere (wire.md §1.4).
    """
    ways: list[JSON] = [
        f"put the real host after this origin: {origin}/queue.fal.run/fal-ai/ltx-2/…",
        "send the header x-fal-target-url with the real URL (proxyUrl of @fal-ai/client)",
        "send the real host in the Host header (a proxy, or a hosts file, in front)",
    ]
    detail = "No fal host is named by this request"
    return WireError({"detail": detail, "ways": ways}, status_code=status_code)


def application_not_found(alias: str, hint: str) -> WireError:
    """wire.md §2: the alias, not the whole id (I-3p)."""
    return WireError({"detail": f'Application "{alias}" not found'}, status_code=404, hint=hint)


NO_JOB = "no request has this id here; `falkit jobs` lists those there are"


def request_not_found(
    form: Literal["status", "detail"] = "status", hint: str | None = None
) -> WireError:
    """wire.md §2, §3.5: confirmed for a cancellation, inferred for status and result."""
    body = {"status": "NOT_FOUND"} if form == "status" else {"detail": "Request not found"}
    return WireError(body, status_code=404, hint=hint)


def file_not_found() -> WireError:
    """Return the refusal of a media URL that names no file of this mock."""
    return WireError({"detail": "File not found"}, status_code=404)


def not_found(hint: str) -> WireError:
    """Return the refusal of a path that a known host doesn't have."""
    return WireError({"detail": "Not Found"}, status_code=404, hint=hint)


def path_not_imitated(host: str, path: str, known: str) -> WireError:
    """Return the refusal of a path that its host may well have at fal."""
    hint = f"this says nothing about fal; of {host} falkit has {known}"
    detail = f"falkit does not imitate {host}{path} yet"
    return WireError({"detail": detail}, status_code=501, hint=hint)


def websocket_only() -> WireError:
    """wire.md §8 has ws.fal.run as a WebSocket alone; what plain HTTP is answered is inferred."""
    hint = "open wss://ws.fal.run/… as a WebSocket; over HTTP the same call is one of fal.run"
    headers = {"upgrade": "websocket", "connection": "upgrade"}
    detail = {"detail": "Upgrade Required"}
    return WireError(detail, status_code=426, hint=hint, headers=headers)


def method_not_allowed(*allowed: str, hint: str | None = None) -> WireError:
    """Return the refusal of a method that a path doesn't take."""
    headers, hint = {"allow": ", ".join(allowed)}, hint or _takes(allowed)
    return WireError({"detail": "Method Not Allowed"}, status_code=405, headers=headers, hint=hint)


def no_queue_route(*allowed: str, hint: str | None = None) -> WireError:
    """wire.md §3.7: the queue's own 405, whose body is a text or empty; a text here."""
    text, headers = "405: Method Not Allowed", {"allow": ", ".join(allowed)}
    hint = hint or _takes(allowed)
    return WireError({}, status_code=405, headers=headers, hint=hint, text=text)


def _takes(allowed: tuple[str, ...]) -> str:
    return f"this URL takes {' or '.join(allowed)}"


def redirected(location: str) -> WireError:
    """wire.md §3.7: the code is one report's, the text inferred."""
    text = "307: Temporary Redirect"
    return WireError({}, status_code=307, headers={"location": location}, text=text)


def still_in_progress(request_id: str, urls: Mapping[str, str]) -> WireError:
    """wire.md §3.4: clients match the detail to the letter."""
    body = {"detail": "Request is still in progress", "request_id": request_id, **urls}
    return WireError(body, status_code=400, request_id=request_id)


def bad_parts(why: str) -> WireError:
    """wire.md §7: how fal words it is not on record."""
    return WireError({"detail": why}, status_code=400)


def bad_body(items: list[JSON]) -> WireError:
    """Return what FastAPI answers to a body that lacks fields, or has wrong ones."""
    return WireError({"detail": items}, status_code=422)


def bad_field(kind: str, loc: list[JSON], message: str, value: JSON = None) -> WireError:
    """Return the refusal of one field, in Pydantic's words."""
    return bad_body([{"type": kind, "loc": loc, "msg": message, "input": value}])


def bad_header(name: str, value: str, fix: str, hint: str | None = None) -> WireError:
    """wire.md §3.1: confirmed for an invalid timeout; inferred are the words, and other headers."""
    body = {"detail": f"{name}: {value!r} {fix}", "error_type": "bad_request"}
    headers = {"x-fal-error-type": "bad_request"}
    return WireError(body, status_code=400, headers=headers, hint=hint)


def queue_too_long(path: str, length: int, most: int) -> WireError:
    """wire.md §3.1, §6.3: the code is confirmed, the body inferred."""
    hint = f"{length} wait for {path}, more than fal_max_queue_length={most}"
    return WireError({"detail": "Queue is too long"}, status_code=429, hint=hint)


def too_many_at_once(key: str, limit: int) -> WireError:
    """wire.md §6.3: type, code and retry header are confirmed, the envelope inferred."""
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
    body = {"detail": text, "error_type": kind}
    return WireError(body, status_code=429, hint=hint, headers=headers)


# Fal's own texts, by a short name (wire.md §2: SDK's LockReason; `TOP_UP` was only seen live).
LOCK_REASONS = {
    "exhausted_balance": "Exhausted balance. Top up your balance at fal.ai/dashboard/billing",
    "TOP_UP": "TOP_UP",
    "payment_method": "Please add a payment method at fal.ai/dashboard/billing",
    "budget_exceeded": "User budget is exceeded. Adjust it at fal.ai/dashboard/billing",
    "admin": "Admin lock. Please contact hello@fal.ai.",
    "archived": "This account has been archived. Please contact hello@fal.ai.",
    "unknown": "Unknown. Please contact hello@fal.ai.",
}


def account_locked(reason: str) -> WireError:
    """wire.md §2: live reports have a full stop behind the two reasons that were seen."""
    text = LOCK_REASONS[reason].removesuffix(".")
    return WireError({"detail": f"User is locked. Reason: {text}."}, status_code=403)


def forbidden(hint: str) -> WireError:
    """Return the refusal of a reader without leave, or of a URL that is not signed for this."""
    return WireError({"detail": "Forbidden"}, status_code=403, hint=hint)


def upload_not_found(upload_id: str) -> WireError:
    """Return the refusal of an upload id that names nothing (any more)."""
    hint = "no upload has this id, or it was finished or given up; start another"
    return WireError({"detail": f"Upload {upload_id!r} not found"}, status_code=404, hint=hint)


def maybe_elsewhere(error: WireError) -> WireError:
    """Return the refusal of an id or a path as one that another mock may know."""
    error.elsewhere = True
    return error


def storage_full(error: OSError) -> WireError:
    """Return the refusal of a file that can't be written to the disk."""
    reason = error.strerror or str(error)
    return WireError({"detail": f"The file can't be kept: {reason}"}, status_code=507)


def not_forgotten(error: OSError, state: str) -> WireError:
    """Return the answer to a reset that a full disk keeps from being written."""
    why = f"All is forgotten here, but {state} can't be told so ({error.strerror})"
    detail = f"{why}; make room on its disk, and that is done by itself"
    return WireError({"detail": detail}, status_code=507)


def bytes_gone(path: str) -> WireError:
    """Return the refusal of an upload of which this machine, or a Redis, lacks bytes."""
    hint = f"bytes of the upload {path} were deleted where this mock keeps them; upload it again"
    return WireError({"detail": "Internal Server Error"}, status_code=500, hint=hint)


class StateAway(ConnectionError):
    """What several mocks share can't be asked for now; the message says why."""


_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)


def is_shortage(error: Exception) -> bool:
    """Tell whether an error says that this machine lacks memory, files, room or a shared state."""
    if isinstance(error, ImportError):
        # A library that is loaded on first use; Python says no more than the loader's words.
        return os.strerror(errno.EMFILE) in str(error)
    return isinstance(error, MemoryError | StateAway) or (
        isinstance(error, OSError) and error.errno in _SHORT_OF
    )


def no_room(error: Exception) -> WireError:
    """Return the refusal of what this machine has no memory, files, room or shared state for."""
    what = getattr(error, "strerror", None) or str(error) or "out of memory"
    if isinstance(error, StateAway):
        return WireError({"detail": f"The state can't be reached: {what}"}, status_code=503)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "; make room there" if full else ""
    detail = {"detail": f"This mock's machine is short of something: {what}{fix}"}
    return WireError(detail, status_code=507)


def too_much_kept(limit: int) -> WireError:
    """Return the refusal of a job for whose input and outcome there is no room."""
    hint = f"the limit is {limit} bytes, --max-kept changes it; `falkit reset` empties the mock"
    detail = {"detail": "This mock keeps as many inputs and outputs as it may"}
    return WireError(detail, status_code=507, hint=hint)


def quota_used_up(used: str) -> WireError:
    """Return the refusal of what is more than a tenant may keep: as fal's of an account without
    balance, which no client sends again (wire.md §2).
    """
    error = account_locked("exhausted_balance")
    error.hint = (
        f"falkit's own limit: this key has {used}; --quota changes it, `falkit reset --key ID` and "
        "--keep free it"
    )
    return error


def too_many_tenants(most: int) -> WireError:
    """Return the refusal of one more key than there may be."""
    hint = f"there are {most} keys with a mock of their own already; --max-tenants changes it"
    return WireError({"detail": "This mock has as many keys as it may"}, status_code=507, hint=hint)


def api_error(code: int, error_type: str, message: str, hint: str | None = None) -> WireError:
    """Return a refusal of the Platform API (wire.md §10)."""
    body: dict[str, JSON] = {"error": {"type": error_type, "message": message}}
    return WireError(body, status_code=code, hint=hint)


def invalid(message: str) -> WireError:
    """Return the refusal of a parameter or a body: its name, its value and the fix."""
    return api_error(400, "validation_error", message)


def missing(message: str, hint: str | None = None) -> WireError:
    """Return the refusal of a path of the Platform API, or of an id, that names nothing."""
    return api_error(404, "not_found", message, hint)
