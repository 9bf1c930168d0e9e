"""The simulated models: what one input makes, judged by its document and its overlay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import ParamSpec, cast

from falkit_mock.platform import hints
from falkit_mock.platform.download import check_download
from falkit_mock.platform.inputs import (
    Medium,
    Rejected,
    check_bytes,
    check_data_uri,
    check_size,
    check_url,
    download_failed,
    is_data_uri,
)
from falkit_mock.platform.jobs import Outcome, Wishes
from falkit_mock.platform.media import MISSING, FindFile, OwnFile
from falkit_mock.platform.refusals import NOT_BILLED, refusal
from falkit_mock.platform.timing import Workload
from falkit_mock.platform.wire_json import NotJson, dumps, loads
from falkit_mock.settings import MiB, Settings
from falkit_mock.store import FileRecord
from falkit_spec import JSON, Endpoint, VideoFacts


@dataclass(frozen=True, slots=True)
class Order:
    """One request to a model, as it came, and where its output is to be found."""

    # As posted: the endpoint's id, perhaps followed by more.
    path: str
    app: str
    # None where the app has nothing at that path.
    endpoint: Endpoint | None
    body: bytes
    content_type: str
    # What a URL on the media host begins with, up to its path.
    media_base: str
    # What was probably meant, where there is no endpoint.
    hint: str | None = None
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True, slots=True)
class Reading:
    """An order whose body was read and checked against the document."""

    endpoint: Endpoint
    # With the document's defaults filled in.
    input: dict[str, JSON]
    media: tuple[Medium, ...]
    # What the output shows; None for an endpoint whose output is no video.
    video: VideoFacts | None
    # What the model takes no notice of.
    hint: str | None

    def workload(self) -> Workload:
        if self.video is None:
            return Workload(seconds=1.0, pixels=1_000_000)
        return Workload(float(self.video.seconds), self.video.width * self.video.height)


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that the model answers at once with an error."""

    outcome: Outcome
    hint: str | None = None


def read(order: Order, settings: Settings) -> Reading | Refused:
    """Parse and validate an order's body, as the service's own stack does."""
    if order.endpoint is None:
        # wire.md §4: a path that the app doesn't have.
        inside = order.path.removeprefix(order.app) or "/"
        body = dumps({"detail": f"Path {inside} not found"})
        return Refused(Outcome(404, body, NOT_BILLED, error_text(404, settings)), order.hint)
    parsed = _parse(order.body, order.content_type, settings)
    if isinstance(parsed, Refused):
        return parsed
    return _validate(order.endpoint, parsed, settings)


def _parse(body: bytes, content_type: str, settings: Settings) -> JSON | Refused:
    if not body:
        item: dict[str, JSON] = {
            "type": "missing",
            "loc": ["body"],
            "msg": "Field required",
            "input": None,
        }
        hint = "the body is empty; send the input as JSON"
        return Refused(refusal([item], error=error_text(422, settings)), hint)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and not media_type.endswith(("/json", "+json")):
        # FastAPI hands a body of another type to the model unread.
        return body.decode("utf-8", "replace")
    try:
        return loads(body)
    except NotJson as error:
        hint = f"the body can't be read as JSON: {error.message}"
        if error.position is None:
            # FastAPI's answer, on which fal's models stand, to all but a syntax error.
            text = dumps({"detail": "There was an error parsing the body"})
            return Refused(Outcome(400, text, NOT_BILLED, error_text(400, settings)), hint)
        item = {
            "type": "json_invalid",
            "loc": ["body", error.position],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": error.message},
        }
        hint += f" at character {error.position}"
        return Refused(refusal([item], error=error_text(422, settings)), hint)


def _validate(endpoint: Endpoint, parsed: JSON, settings: Settings) -> Reading | Refused:
    assumed = settings.assumptions
    coerce = assumed.lax_types == "accepted"
    if not endpoint.is_valid(parsed):
        faults = endpoint.validate(parsed, coerce=coerce)
        if assumed.unsupported_combination == "accepted":
            faults = [fault for fault in faults if fault["type"] != "value_error"]
        if faults:
            detail = cast("list[JSON]", faults)
            outcome = refusal(detail, error=error_text(422, settings))
            return Refused(outcome, hints.of_refusal(detail))
    if coerce:
        parsed = endpoint.coerced(parsed)
    assert isinstance(parsed, dict), "whatever else was refused above"
    filled = endpoint.with_defaults(parsed)
    return Reading(
        endpoint=endpoint,
        input=filled,
        media=_media(endpoint, filled),
        video=endpoint.video(filled),
        hint=hints.of_ignored(endpoint, parsed),
    )


def _media(endpoint: Endpoint, filled: dict[str, JSON]) -> tuple[Medium, ...]:
    found: list[Medium] = []
    for wanted in endpoint.media_inputs:
        value = filled.get(wanted.field)
        if isinstance(value, str):
            medium = Medium(wanted.field, wanted.kind, value, wanted.formats, wanted.max_bytes)
            found.append(medium)
    return tuple(found)


P = ParamSpec("P")
Later = Callable[[], Awaitable[None]]


def look(
    reading: Reading, settings: Settings, own_file: FindFile
) -> tuple[list[Rejected], list[Later]]:
    """Judge what an input's media fields say; return the refusals, and what takes time to judge."""
    rejected: list[Rejected] = []
    later: list[Later] = []
    for medium in reading.media:
        try:
            if check := _first_look(medium, settings, own_file):
                later.append(check)
        except Rejected as error:
            rejected.append(error)
    return rejected, later


def _first_look(medium: Medium, settings: Settings, own_file: FindFile) -> Later | None:
    if is_data_uri(medium.value):
        return _in_thread(check_data_uri, medium)
    own = own_file(medium.value)
    if own is MISSING:
        raise download_failed(medium, "this mock has no such file")
    if isinstance(own, OwnFile):
        check_size(medium, own.size)
        return _in_thread(_check_own, medium, own)
    if check_url(medium, allow_private=settings.allow_private_inputs):
        return partial(check_download, medium)
    return None


# What is read of a video or a sound to know its format, and of an image without a limit.
_HEAD, _MOST = 4096, 256 * MiB


def _check_own(medium: Medium, own: OwnFile) -> None:
    # An image is decoded, which takes all of it; the others show what they are at once.
    try:
        data = own.read(_MOST if medium.kind == "image" else _HEAD)
    except (OSError, EOFError):
        raise download_failed(medium, "the file was deleted before the job read it") from None
    check_bytes(medium, data)


def _in_thread(check: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Later:
    # Decoding a large picture takes longer than the event loop may stand still.
    async def run() -> None:
        await asyncio.to_thread(check, *args, **kwargs)

    return run


async def finish_looking(rejected: list[Rejected], later: list[Later]) -> list[Rejected]:
    """Decode and download what takes time; return all refusals."""
    found = list(rejected)
    for check in later:
        try:
            await check()
        except Rejected as error:
            found.append(error)
    return found


def refuse_media(reading: Reading, rejected: list[Rejected], settings: Settings) -> Refused:
    """Return the one answer that names every medium the model can't load, in field order."""
    fields = [medium.field for medium in reading.media]
    ordered = sorted(rejected, key=lambda error: fields.index(error.field))
    hints = [error.hint for error in ordered if error.hint]
    detail: list[JSON] = [error.item for error in ordered]
    return Refused(refusal(detail, error=error_text(422, settings)), "; ".join(hints) or None)


def complete(
    reading: Reading, request_id: str, media_base: str, file_path: Callable[[str], str]
) -> tuple[Outcome, FileRecord | None]:
    """Return the model's success: the output that the document describes, and its file."""
    endpoint, video, output = reading.endpoint, reading.video, reading.endpoint.example_output()
    units = endpoint.billable_units(reading.input)
    headers = {} if units is None else {"x-fal-billable-units": f"{units:f}"}
    if reading.hint:
        headers[hints.HINT] = hints.header_text(reading.hint)
    file = output.get("video")
    if video is None or not isinstance(file, dict):
        return Outcome(200, dumps(output), headers), None
    path = file_path(str(file.get("file_name") or "output.mp4"))
    file["url"] = f"{media_base}{path}"
    record = FileRecord(
        path=path,
        request_id=request_id,
        endpoint=endpoint.id,
        input_digest=digest(reading.input),
        width=video.width,
        height=video.height,
        fps=video.fps,
        frames=video.frames,
        audio=video.audio,
    )
    return Outcome(200, dumps(output), headers), record


def digest(value: dict[str, JSON]) -> str:
    """Return the SHA-256 of an input with its defaults, keys sorted, as hex."""
    return sha256(dumps(value, sort_keys=True)).hexdigest()


def error_text(code: int, settings: Settings) -> str | None:
    """Return what a COMPLETED status says of a model's own failure, if it says anything."""
    # The text is that of the webhook for the same failure (wire.md §5.1, inferred here).
    absent = settings.assumptions.model_error_in_status == "absent"
    return None if absent else f"Invalid status code: {code}"
