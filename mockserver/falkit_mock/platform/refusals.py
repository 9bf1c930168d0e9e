"""The errors that a model raises about its input, as items of fal's `detail` list."""

from __future__ import annotations

from collections.abc import Mapping

from falkit_mock.platform.jobs import Outcome
from falkit_mock.platform.wire_json import dumps
from falkit_spec import JSON

# wire.md §6.1: documentation writes …/errors/#type, the SDK builds …/errors#type.
_DOCS = "https://docs.fal.ai/errors#"

_MESSAGES = {
    "file_download_error": (
        "Failed to download the file. Please check if the URL is accessible and try again."
    ),
    "image_load_error": (
        "Failed to load the image. Please ensure the image file is not corrupted and is in a "
        "supported format."
    ),
    "unsupported_image_format": "Unsupported image format. Supported formats are {supported}.",
    "unsupported_video_format": "Unsupported video format. Supported formats are {supported}.",
    "unsupported_audio_format": "Unsupported audio format. Supported formats are {supported}.",
    "file_too_large": "File size exceeds the maximum allowed size of {max_size} bytes.",
    "image_too_large": "Image is too large. The most is {max_width}x{max_height} pixels.",
}


def input_error(
    kind: str, field: str, value: JSON, ctx: Mapping[str, JSON] | None = None
) -> dict[str, JSON]:
    """Return one model error of wire.md §6.1 about one field of the input.

    Types, codes and ctx keys are confirmed; the messages are our own words.
    """
    words = dict(ctx or {})
    formats = words.get("supported_formats")
    if isinstance(formats, list):
        words["supported"] = ", ".join(str(name) for name in formats)
    item: dict[str, JSON] = {
        "loc": ["body", field],
        "msg": _MESSAGES[kind].format(**words),
        "type": kind,
        "url": f"{_DOCS}{kind}",
        "input": value,
    }
    if ctx:
        item["ctx"] = dict(ctx)
    return item


# wire.md §6.3: what is refused before the model runs is not billed.
NOT_BILLED = {"x-fal-billable-units": "0"}


def refusal(detail: list[JSON], *, error: str | None) -> Outcome:
    """Return the 422 that a model answers to an input it won't take.

    Both spellings of the retry hint are sent: which is live is not known (wire.md §6.1).
    """
    headers = {**NOT_BILLED, "x-fal-retryable": "false", "x-fal-needs-retry": "false"}
    return Outcome(422, dumps({"detail": detail}), headers, error)


# wire.md §6.2; the wording of all but request_timeout is inferred.
_PLATFORM_ERRORS = {
    "client_cancelled": (499, "Request cancelled by the client."),
    "client_disconnected": (499, "Client disconnected."),
    "request_timeout": (504, "Request timed out"),
    "internal_error": (500, "Internal Server Error"),
}


def platform_error(error_type: str) -> Outcome:
    """Return a request error: one that the platform raises, not the model (wire.md §6.2)."""
    code, text = _PLATFORM_ERRORS[error_type]
    body = dumps({"detail": text, "error_type": error_type})
    return Outcome(code, body, {"x-fal-error-type": error_type}, text, error_type)
