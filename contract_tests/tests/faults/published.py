"""The error types as wire.md §6 has them, written down apart from the mock's own tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelErrorType:
    """A row of §6.1: its status, the keys of its `ctx`, and whether it may be worth a retry."""

    type: str
    status: int
    ctx: frozenset[str] = frozenset()
    # None where the model says either.
    retryable: bool | None = False


@dataclass(frozen=True)
class RequestErrorType:
    """A row of §6.2; the queue tries again after 503, 504 and connection errors (§3.6)."""

    type: str
    status: int
    temporary: bool = False


def _model(status: int, types: str, ctx: str = "", *, either: bool = False) -> list[ModelErrorType]:
    keys, retryable = frozenset(ctx.split()), None if either else False
    return [ModelErrorType(each, status, keys, retryable) for each in types.split()]


MODEL = [
    *_model(500, "internal_server_error", either=True),
    *_model(504, "generation_timeout", either=True),
    *_model(400, "downstream_service_error", either=True),
    *_model(500, "downstream_service_unavailable", either=True),
    *_model(422, "content_policy_violation no_media_generated"),
    *_model(422, "image_too_small", "min_height min_width"),
    *_model(422, "image_too_large", "max_height max_width"),
    *_model(422, "image_aspect_ratio_error", "min_aspect_ratio max_aspect_ratio"),
    *_model(422, "image_load_error file_download_error"),
    *_model(422, "face_detection_error feature_not_supported"),
    *_model(422, "file_too_large", "max_size"),
    *_model(422, "greater_than", "gt"),
    *_model(422, "greater_than_equal", "ge"),
    *_model(422, "less_than", "lt"),
    *_model(422, "less_than_equal", "le"),
    *_model(422, "multiple_of", "multiple_of"),
    *_model(422, "sequence_too_short", "min_length"),
    *_model(422, "sequence_too_long", "max_length"),
    *_model(422, "one_of", "expected"),
    *_model(422, "invalid_archive", "supported_extensions"),
    *_model(
        422,
        "archive_file_count_below_minimum",
        "min_count provided_count supported_extensions",
    ),
    *_model(
        422,
        "archive_file_count_exceeds_maximum",
        "max_count provided_count supported_extensions",
    ),
    *_model(
        422, "audio_duration_too_long video_duration_too_long", "max_duration provided_duration"
    ),
    *_model(
        422, "audio_duration_too_short video_duration_too_short", "min_duration provided_duration"
    ),
    *_model(
        422,
        "unsupported_audio_format unsupported_image_format unsupported_video_format",
        "supported_formats",
    ),
    *_model(422, "input_value_error"),
]
REQUEST = [
    RequestErrorType("request_timeout", 504),
    RequestErrorType("startup_timeout", 504, temporary=True),
    RequestErrorType("runner_scheduling_failure", 503, temporary=True),
    RequestErrorType("runner_connection_timeout", 503, temporary=True),
    RequestErrorType("runner_disconnected", 503, temporary=True),
    RequestErrorType("runner_connection_refused", 503, temporary=True),
    RequestErrorType("runner_connection_error", 503, temporary=True),
    RequestErrorType("runner_incomplete_response", 502),
    RequestErrorType("runner_server_error", 500),
    RequestErrorType("internal_error", 500),
    RequestErrorType("client_disconnected", 499),
    RequestErrorType("client_cancelled", 499),
    RequestErrorType("bad_request", 400),
]
EVERY: list[ModelErrorType | RequestErrorType] = [*MODEL, *REQUEST]
