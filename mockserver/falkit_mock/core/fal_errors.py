"""What fal's models and its queue answer when a job fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from falkit_mock.core import dumps
from falkit_mock.core.jobs import Outcome
from falkit_mock.core.settings import Assumptions
from falkit_spec import JSON


def error_text(code: int, assumptions: Assumptions) -> str | None:
    """Return what a COMPLETED status says of a model's own failure, if it says anything."""
    # The text is that of the webhook for the same failure (wire.md §5.1, inferred here).
    absent = assumptions.model_error_in_status == "absent"
    return None if absent else f"Invalid status code: {code}"


# wire.md §6.1: documentation writes …/errors/#type, the SDK builds …/errors#type.
_DOCS = "https://docs.fal.ai/errors#"
# Types, codes and ctx keys are fal's, and so are the words about files (wire.md §6.1); the rest are
# our own.
_MESSAGES = {
    "file_download_error": (
        "Failed to download the file. Please check if the URL is accessible and try again."
    ),
    "image_load_error": (
        "Failed to load the image. Please ensure the image file is not corrupted and is in a "
        "supported format."
    ),
    "unsupported_image_format": (
        "Unsupported image format. Supported formats are {supported_formats}."
    ),
    "unsupported_video_format": (
        "Unsupported video format. Supported formats are {supported_formats}."
    ),
    "unsupported_audio_format": (
        "Unsupported audio format. Supported formats are {supported_formats}."
    ),
    "file_too_large": (
        "File size exceeds the maximum allowed size of {max_size} bytes. "
        "Please upload a smaller file."
    ),
    "image_too_large": (
        "Image dimensions are too large. Maximum dimensions are {max_width}x{max_height} pixels."
    ),
    "image_too_small": (
        "Image dimensions are too small. Minimum dimensions are {min_width}x{min_height} pixels."
    ),
    "image_aspect_ratio_error": (
        "The aspect ratio of the image should be between {min_aspect_ratio} and {max_aspect_ratio}."
    ),
    "internal_server_error": "Internal server error",
    "generation_timeout": "The generation took too long and was ended.",
    "downstream_service_error": "A service that the model depends on answered with an error.",
    "downstream_service_unavailable": "A service that the model depends on is not available.",
    "content_policy_violation": "The content was flagged by a content checker.",
    "no_media_generated": "The model generated no media for this input.",
    "face_detection_error": "No face could be detected in the image.",
    "feature_not_supported": "The feature is not supported with this input.",
    "greater_than": "Input should be greater than {gt}",
    "greater_than_equal": "Input should be greater than or equal to {ge}",
    "less_than": "Input should be less than {lt}",
    "less_than_equal": "Input should be less than or equal to {le}",
    "multiple_of": "Input should be a multiple of {multiple_of}",
    "sequence_too_short": "The sequence is too short. The least length is {min_length}.",
    "sequence_too_long": "The sequence is too long. The greatest length is {max_length}.",
    "one_of": "Input should be one of {expected}",
    "invalid_archive": (
        "Could not read or process the provided archive. "
        "Ensure it's a valid, non-corrupted archive."
    ),
    "archive_file_count_below_minimum": (
        "Too few files in the archive. Expected at least {min_count} files with extensions "
        "{supported_extensions}, found {provided_count}. Add more matching files to the archive."
    ),
    "archive_file_count_exceeds_maximum": (
        "Too many files in the archive. Maximum is {max_count} files with extensions "
        "{supported_extensions}, found {provided_count}. Remove matching files from the archive."
    ),
    "audio_duration_too_long": (
        "Audio duration exceeds the maximum allowed. Maximum is {max_duration} seconds, "
        "provided is {provided_duration} seconds."
    ),
    "audio_duration_too_short": (
        "Audio duration is too short. Minimum is {min_duration} seconds, "
        "provided is {provided_duration} seconds."
    ),
    "video_duration_too_long": (
        "Video duration exceeds the maximum allowed. Maximum is {max_duration} seconds, "
        "provided is {provided_duration} seconds."
    ),
    "video_duration_too_short": (
        "Video duration is too short. Minimum is {min_duration} seconds, "
        "provided is {provided_duration} seconds."
    ),
    "input_value_error": "The input has a value that the model can't use.",
}


def input_error(
    kind: str,
    place: Sequence[str | int],
    value: JSON,
    ctx: Mapping[str, JSON] | None = None,
    message: str | None = None,
) -> dict[str, JSON]:
    """Return one model error of wire.md §6.1 about one value of the input."""
    return {**model_error(kind, [*place], ctx, message), "input": value}


def model_error(
    kind: str,
    field: list[JSON],
    ctx: Mapping[str, JSON] | None = None,
    message: str | None = None,
) -> dict[str, JSON]:
    """Return one model error of wire.md §6.1, without the input's value.

    `field` are the steps to what it is about below the body, none for the whole.
    """
    words = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in (ctx or {}).items()
    }
    item: dict[str, JSON] = {
        "loc": ["body", *field],
        "msg": message or _MESSAGES[kind].format(**words),
        "type": kind,
        "url": f"{_DOCS}{kind}",
    }
    if ctx:
        item["ctx"] = dict(ctx)
    return item


# What `content_policy_violation` may name (wire.md §6.1, one report).
CONTENT_CATEGORIES = (
    "harassment",
    "hate",
    "illicit",
    "self-harm",
    "sexual",
    "violence",
    "model_moderated",
)
BILLED_UNITS = "x-fal-billable-units"
# wire.md §6.3: what is refused before the model runs is not billed.
NOT_BILLED = {BILLED_UNITS: "0"}


def refusal(
    detail: list[JSON],
    *,
    error: str | None,
    status: int = 422,
    retryable: bool = False,
    units: Decimal | None = None,
) -> Outcome:
    """Return what a model answers that won't take an input, or failed at it.

    Both spellings of the retry hint are sent: which is live is not known (wire.md §6.1). `units`
    are billed all the same.
    """
    word = "true" if retryable else "false"
    billed = NOT_BILLED if units is None else {BILLED_UNITS: f"{units:f}"}
    headers = {**billed, "x-fal-retryable": word, "x-fal-needs-retry": word}
    return Outcome(status, dumps({"detail": detail}), headers, error)


# wire.md §6.2; the wording of all but request_timeout is inferred.
_PLATFORM_ERRORS = {
    "request_timeout": (504, "Request timed out"),
    "startup_timeout": (504, "Runner did not start in time"),
    "runner_scheduling_failure": (503, "No runner could be scheduled"),
    "runner_connection_timeout": (503, "Connection to the runner timed out"),
    "runner_disconnected": (503, "Runner disconnected"),
    "runner_connection_refused": (503, "Runner refused the connection"),
    "runner_connection_error": (503, "Connection to the runner failed"),
    "runner_incomplete_response": (502, "Runner returned an incomplete response"),
    "runner_server_error": (500, "Runner failed"),
    "internal_error": (500, "Internal Server Error"),
    "client_disconnected": (499, "Client disconnected."),
    "client_cancelled": (499, "Request cancelled by the client."),
    "bad_request": (400, "Bad request"),
}


def platform_error(error_type: str, detail: str | None = None) -> Outcome:
    """Return a request error: one that the platform raises, not the model (wire.md §6.2)."""
    code, text = _PLATFORM_ERRORS[error_type]
    text = detail or text
    body = dumps({"detail": text, "error_type": error_type})
    headers = {"x-fal-error-type": error_type}
    if error_type == "request_timeout":
        # By the caller's own header; clients don't try again then (wire.md §6.3).
        headers["x-fal-request-timeout-type"] = "user"
    return Outcome(code, body, headers, text, error_type)
