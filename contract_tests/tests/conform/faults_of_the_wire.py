"""The faults that are planted: for each check at least one that it must find."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from hmac import digest
from typing import Any

from conform.planting import (
    GONE,
    Fault,
    Reply,
    after,
    asked,
    body,
    code,
    fields,
    given,
    header,
    text,
    where,
)

_ID = "fal-ai/ltx-2/text-to-video/fast"
_SUBMIT = f"^/queue.fal.run/{_ID}$"
_STATUS = "/requests/[^/]+/status$"
_RESULT = "/requests/[^/]+$"
_CANCEL = "/cancel$"
_RUN = "^/fal.run/"
_STREAM = "/status/stream$"
_FILE = "^/v3b?.fal.media/files/"
_APP = "/fal-ai/ltx-2/requests/"
_WHOLE = f"/{_ID}/requests/"
_UUID = "01890000-0000-7000-8000-000000000000"
_TOKEN = "/storage/auth/token$"
_JWKS = "/jwks.json$"
_OUTPUT = {"video": {"url": "https://v3b.fal.media/files/b/00/x.mp4"}}


def _failed_is(status: str) -> Any:
    def change(reply: Reply) -> None:
        if reply.json.get("error"):
            fields(status=status)(reply)

    return change


def _of_the_video(**changes: Any) -> Any:
    def change(reply: Reply) -> None:
        read = reply.json
        if "video" in read:
            read["video"].update(changes)
            reply.body = json.dumps(read).encode()

    return change


def _without_offset(reply: Reply) -> None:
    fields(expires_at=reply.json["expires_at"][:19])(reply)


def _words_of_pydantic_1(reply: Reply) -> None:
    text("Field required", "field required")(reply)


def _from_the_start(reply: Reply) -> None:
    if reply.status == 206:
        reply.body = b"x" * len(reply.body)


def _whole_range(reply: Reply) -> None:
    if reply.status == 206:
        reply.headers["content-range"] = "bytes 0-99/100"


def _compact(reply: Reply) -> None:
    reply.body = json.dumps(reply.json, separators=(",", ":")).encode()


def _signed_by_hmac(reply: Reply) -> None:
    reply.headers["x-fal-webhook-signature"] = digest(b"secret", reply.body, sha256).hex() * 2


def _signed_in_base64(reply: Reply) -> None:
    raw = bytes.fromhex(reply.headers["x-fal-webhook-signature"])
    reply.headers["x-fal-webhook-signature"] = base64.b64encode(raw).decode()


def _in_milliseconds(reply: Reply) -> None:
    reply.headers["x-fal-webhook-timestamp"] += "000"


def _ten_minutes_ago(reply: Reply) -> None:
    moment = int(reply.headers["x-fal-webhook-timestamp"])
    reply.headers["x-fal-webhook-timestamp"] = str(moment - 600)


def _keys_with(**changes: Any) -> Any:
    def change(reply: Reply) -> None:
        keys = reply.json["keys"]
        for key in keys:
            key.update({name: value for name, value in changes.items() if value is not GONE})
            if changes.get("x") is GONE:
                key["x"] = key["x"].rstrip("=")
        reply.body = json.dumps({"keys": keys}).encode()

    return change


def _last_event_lost(reply: Reply) -> None:
    reply.body = reply.body.replace(b'"COMPLETED"', b'"IN_PROGRESS"')


def _enveloped(reply: Reply) -> None:
    reply.body = json.dumps({"status": "COMPLETED", "response": reply.json}).encode()


FAULTS = [
    Fault("queue.submit.code", "201", code(201), _SUBMIT, "POST"),
    Fault("queue.submit.code", "labelled as text", header(content_type="text/plain"), _SUBMIT),
    Fault("queue.submit.fields", "no cancel_url", fields(cancel_url=GONE), _SUBMIT, "POST"),
    Fault("queue.submit.fields", "status QUEUED", fields(status="QUEUED"), _SUBMIT, "POST"),
    Fault("queue.submit.id", "a number as id", fields(request_id="17"), _SUBMIT, "POST"),
    Fault("queue.submit.urls", "the whole id in URLs", text(_APP, _WHOLE), _SUBMIT, "POST"),
    Fault("queue.submit.urls", "/response at the end",
          text('(response_url": ?"[^"]+)', r"\1/response"), _SUBMIT, "POST"),
    Fault("queue.submit.origin", "URLs at the real fal",
          text("http://[^/]+/queue.fal.run", "https://queue.fal.run"), _SUBMIT, "POST"),
    Fault("queue.submit.twice", "one id for all", fields(request_id=_UUID), _SUBMIT, "POST"),
    Fault("queue.submit.options", "a priority is refused",
          asked("x-fal-queue-priority", code(400)), _SUBMIT, "POST"),
    Fault("queue.submit.start-timeout", "0 s to start are taken", body({}, 200), _SUBMIT, "POST"),
    Fault("queue.submit.wrong-input", "refused at once",
          given(r"^\{\}$", body({"detail": []}, 422)), _SUBMIT, "POST"),
    Fault("queue.submit.exposed", "nothing exposed",
          header(access_control_expose_headers=None), _SUBMIT, "POST"),
    Fault("queue.submit.preflight", "* for a key",
          header(access_control_allow_headers="*"), _SUBMIT, "OPTIONS"),
    Fault("queue.status.code", "200 while it runs", code(200, of=202), _STATUS),
    Fault("queue.status.code", "202 at its end", code(202, of=200), _STATUS),
    Fault("queue.status.values", "FAILED", _failed_is("FAILED"), _STATUS),
    Fault("queue.status.values", "ERROR", _failed_is("ERROR"), _STATUS),
    Fault("queue.status.fields", "no status_url", fields(status_url=GONE), _STATUS),
    Fault("queue.status.fields", "another's id", fields(request_id=_UUID), _STATUS),
    Fault("queue.status.position", "none", fields(queue_position=GONE), _STATUS),
    Fault("queue.status.logs", "[] for null", where("logs", None, fields(logs=[])), _STATUS),
    Fault("queue.status.logs", "no logs", fields(logs=GONE), _STATUS),
    Fault("queue.status.logs-asked", "null for ever", fields(logs=None), _STATUS),
    Fault("queue.status.logs-asked", "lines of text", fields(logs=["Working"]), _STATUS),
    Fault("queue.status.metrics", "none", fields(metrics={}), _STATUS),
    Fault("queue.status.again", "COMPLETED is told once", after(1, code(404)), _STATUS),
    Fault("queue.status.slash", "redirected", code(307), "/status/$"),
    Fault("queue.status.headers", "GET has no content type",
          asked("content-type", code(415)), _STATUS, "GET"),
    Fault("queue.status.whole-id", "answered", code(200), f"{_WHOLE}[^/]+/status$"),
    Fault("queue.status.whole-id", "no Allow", header(allow=None), f"{_WHOLE}[^/]+/status$"),
    Fault("queue.status.unknown", "IN_QUEUE", body({"status": "IN_QUEUE"}, 202, 404), _STATUS),
    Fault("queue.status.stream", "not there", code(404), _STREAM),
    Fault("queue.status.stream", "without an end", _last_event_lost, _STREAM),
    Fault("queue.result.done", "in an envelope", _enveloped, _RESULT),
    Fault("queue.result.early", "202", code(202, of=400), _RESULT),
    Fault("queue.result.early", "other words", text("still in", "in"), _RESULT),
    Fault("queue.result.refused", "200", code(200, of=422), _RESULT),
    Fault("queue.result.again", "once", after(1, code(404)), _RESULT, "GET"),
    Fault("queue.result.whole-id", "answered", code(200), f"{_WHOLE}[^/]+$"),
    Fault("queue.result.response", "answered", code(200), "/response$"),
    Fault("queue.result.unknown", "null", body(None, 200, 404), _RESULT),
    Fault("queue.cancel.taken", "as the documents have it", body({"success": True}, 200), _CANCEL),
    Fault("queue.cancel.taken", "CANCELLED", fields(status="CANCELLED"), _CANCEL),
    Fault("queue.cancel.status", "CANCELLED",
          where("status", "COMPLETED", fields(status="CANCELLED")), _STATUS),
    Fault("queue.cancel.result", "404", code(404, of=499), _RESULT),
    Fault("queue.cancel.late", "202", body({"status": "CANCELLATION_REQUESTED"}, 202), _CANCEL),
    Fault("queue.cancel.unknown", "202", body({"status": "CANCELLATION_REQUESTED"}, 202), _CANCEL),
    Fault("errors.key.missing", "taken", body({"request_id": _UUID}, 200, 401), _SUBMIT),
    Fault("errors.key.missing", "403", code(403, of=401), _SUBMIT),
    Fault("errors.app.unknown", "taken", body({"request_id": _UUID}, 200, 404), "no-such-app"),
    Fault("errors.label", "text", header(content_type="text/html"), _RUN),
    Fault("errors.request-id", "none", header(x_fal_request_id=None), "no-such-app"),
    Fault("errors.request-id", "nginx", body({"detail": "nginx"}), _RUN),
    Fault("errors.input.shape", "a text", fields(detail="duration is wrong"), _RUN),
    Fault("errors.input.shape", "loc without body", text('"body", ?', ""), _RUN),
    Fault("errors.input.words", "Pydantic 1's", _words_of_pydantic_1, _RUN),
    Fault("errors.input.words", "problem+json", body({"title": "Invalid"}, 422), _RUN),
    Fault("errors.input.number-as-text", "taken", body(_OUTPUT, 200, 422), _RUN),
    Fault("errors.input.undeclared", "refused", given("falkit_conform", code(422)), _RUN),
    Fault("errors.input.wrapped", "unwrapped", body(_OUTPUT, 200, 422), _RUN),
    Fault("errors.input.unreadable", "500", code(500), _RUN),
    Fault("errors.input.unbilled", "not said", header(x_fal_billable_units=None), _RUN),
    Fault("errors.input.unbilled", "billed", header(x_fal_billable_units="6"), _RUN),
    Fault("errors.direct.done", "in an envelope", _enveloped, _RUN),
    Fault("errors.direct.done", "no id", header(x_fal_request_id=None), _RUN),
    Fault("errors.direct.refused", "400", code(400, of=422), _RUN),
    Fault("errors.direct.path", "FastAPI's own", fields(detail="Not Found"), _RUN),
    Fault("upload.token", "expires_at without an offset", _without_offset, _TOKEN),
    Fault("upload.token", "no base_url", fields(base_url=GONE), _TOKEN),
    Fault("upload.key", "a token for all", code(200), _TOKEN),
    Fault("upload.cdn.file", "bytes lost", body(b"x"), _FILE, "GET"),
    Fault("upload.cdn.file", "no access_url", fields(access_url=GONE), "/files/upload$"),
    Fault("upload.cdn.parts", "no ETag", header(etag=None), "/multipart/", "PUT"),
    Fault("upload.url.file", "a key is wanted", code(401), _FILE, "PUT"),
    Fault("upload.url.file", "only a url", fields(file_url=GONE), "/upload/initiate$"),
    Fault("upload.url.parts", "the ETag in the header alone", body({}), _FILE, "PUT"),
    Fault("media.fields", "a size as text", _of_the_video(file_size="7"), _RESULT),
    Fault("media.read", "a key is wanted", code(401), _FILE),
    Fault("media.read", "elsewhere", _of_the_video(url="https://example.com/x.mp4"), _RESULT),
    Fault("media.size", "too small", _of_the_video(file_size=7), _RESULT),
    Fault("media.type", "bytes", header(content_type="application/octet-stream"), _FILE),
    Fault("media.type", "a page", body(b"<html>not a video</html>"), _FILE),
    Fault("media.range", "other bytes", _from_the_start, _FILE),
    Fault("media.range", "another range", _whole_range, _FILE),
    Fault("media.head", "405", code(405), _FILE, "HEAD"),
    Fault("webhook.delivered", "never", code(200), loses="fal_webhook"),
    Fault("webhook.fields", "no error", fields(error=GONE)),
    Fault("webhook.fields", "payload_error null", fields(payload_error=None)),
    Fault("webhook.payload", "in an envelope", fields(payload={"response": _OUTPUT})),
    Fault("webhook.failed", "status FAILED", fields(status="FAILED")),
    Fault("webhook.failed", "another error", fields(error="Unprocessable Entity")),
    Fault("webhook.bytes", "as JavaScript writes it", _compact),
    Fault("webhook.bytes", "not sorted", fields(error=None)),
    Fault("webhook.headers", "a signature in base64", _signed_in_base64),
    Fault("webhook.headers", "milliseconds", _in_milliseconds),
    Fault("webhook.timestamp", "of ten minutes ago", _ten_minutes_ago),
    Fault("webhook.signature", "an HMAC", _signed_by_hmac),
    Fault("webhook.signature", "of other bytes", _compact),
    Fault("webhook.signature", "of a key that isn't published",
          _keys_with(x=base64.urlsafe_b64encode(b"k" * 32).decode()), _JWKS),
    Fault("webhook.keys", "x without padding", _keys_with(x=GONE), _JWKS),
    Fault("webhook.keys", "an alg", _keys_with(alg="EdDSA"), _JWKS),
    Fault("realtime.token.apps", "an object", body({"token": "x"}), "/tokens/$"),
    Fault("realtime.token.paths", "a bare string", body("x"), "/tokens/realtime$"),
]  # fmt: skip
