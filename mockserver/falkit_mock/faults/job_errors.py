"""Faults that a job ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from falkit_mock.core.fal_errors import platform_error
from falkit_mock.faults import JOBS, Fault, Kind, Parameter
from falkit_spec import JSON

# What kind of field an error is about where the rule names none; "" for none at all.
About: TypeAlias = Literal["", "image", "video", "audio", "media", "prompt", "number"]
# Figures of the order that fal's pages have; a rule gives others.
_IMAGES, _VIDEOS, _SOUNDS = ["png", "jpg", "jpeg", "webp"], ["mp4", "mov", "webm"], ["mp3", "wav"]
_ARCHIVES = [".zip", ".tar", ".tar.gz"]


@dataclass(frozen=True, slots=True)
class ModelError(Fault):
    """An error in the `detail` list of fal's model errors."""

    status: int = 422
    concerns: About = ""
    # Names of the parameters that make its `ctx`.
    ctx: tuple[str, ...] = ()
    # Whether a runner works on it before it fails; what an input is refused for takes no time.
    ran: bool = False


def _model_fault(
    name: str,
    about: str,
    concerns: About,
    ctx: dict[str, JSON] | None = None,
    *,
    status: int = 422,
    ran: bool = False,
) -> ModelError:
    found = [_parameter(key, value) for key, value in (ctx or {}).items()]
    found += [
        Parameter("field", "text", None, "the input's field that it is about, dotted if nested"),
        Parameter("msg", "text", None, "the message"),
    ]
    if status != 422:
        found.append(
            Parameter(
                "retryable",
                "boolean",
                False,
                "what both retry headers say; if so, the queue tries a 5xx again",
            )
        )
    if name == "downstream_service_error":
        choices = ("400", "500")
        text = "its code, which two copies of fal's documentation give differently"
        found.append(Parameter("status", "choice", "400", text, choices=choices))
    return ModelError(
        name,
        "outcome",
        f"{status}: {about}",
        JOBS,
        JOBS,
        tuple(found),
        family="model error",
        status=status,
        concerns=concerns,
        ctx=tuple(ctx or ()),
        ran=ran,
    )


def _parameter(name: str, default: JSON) -> Parameter:
    kind: Kind = "list" if isinstance(default, list) else "number"
    return Parameter(name, kind, default, "of `ctx`", least=-1e18, most=1e18)


_MIN, _MAX = {"min_height": 512, "min_width": 512}, {"max_height": 4096, "max_width": 4096}
_EXTENSIONS: dict[str, JSON] = {"supported_extensions": list(_ARCHIVES)}
MODEL_ERRORS = (
    _model_fault("internal_server_error", "the model broke", "", status=500, ran=True),
    _model_fault("generation_timeout", "the model took too long", "", status=504, ran=True),
    _model_fault(
        "downstream_service_error",
        "a service that the model calls failed",
        "",
        status=400,
        ran=True,
    ),
    _model_fault(
        "downstream_service_unavailable",
        "a service that the model calls can't be reached",
        "",
        status=500,
        ran=True,
    ),
    _model_fault("content_policy_violation", "the content is not allowed", "prompt", ran=True),
    _model_fault("no_media_generated", "the model made nothing", "prompt", ran=True),
    _model_fault("image_too_small", "an image is too small", "image", {**_MIN}),
    _model_fault("image_too_large", "an image is too large", "image", {**_MAX}),
    _model_fault("image_load_error", "an image can't be read", "image"),
    _model_fault("file_download_error", "a file can't be fetched", "media"),
    _model_fault("face_detection_error", "no face was found", "image", ran=True),
    _model_fault("file_too_large", "a file is too large", "media", {"max_size": 10_485_760}),
    _model_fault("greater_than", "a number must be greater", "number", {"gt": 0}),
    _model_fault("greater_than_equal", "a number must be as great or greater", "number", {"ge": 1}),
    _model_fault("less_than", "a number must be less", "number", {"lt": 21}),
    _model_fault("less_than_equal", "a number must be as small or less", "number", {"le": 20}),
    _model_fault("multiple_of", "a number must be a multiple", "number", {"multiple_of": 2}),
    _model_fault("sequence_too_short", "a list or text is too short", "prompt", {"min_length": 1}),
    _model_fault("sequence_too_long", "a list or text is too long", "prompt", {"max_length": 5000}),
    _model_fault("one_of", "a value is none of those allowed", "number", {"expected": [6, 8, 10]}),
    _model_fault("feature_not_supported", "the model can't do this", "prompt"),
    _model_fault("invalid_archive", "an archive can't be read", "media", _EXTENSIONS),
    _model_fault(
        "archive_file_count_below_minimum",
        "an archive has too few files",
        "media",
        {"min_count": 5, "provided_count": 1, **_EXTENSIONS},
    ),
    _model_fault(
        "archive_file_count_exceeds_maximum",
        "an archive has too many files",
        "media",
        {"max_count": 100, "provided_count": 101, **_EXTENSIONS},
    ),
    _model_fault(
        "audio_duration_too_long",
        "a sound is too long",
        "audio",
        {"max_duration": 20, "provided_duration": 30},
    ),
    _model_fault(
        "audio_duration_too_short",
        "a sound is too short",
        "audio",
        {"min_duration": 2, "provided_duration": 1},
    ),
    _model_fault(
        "video_duration_too_long",
        "a video is too long",
        "video",
        {"max_duration": 20, "provided_duration": 30},
    ),
    _model_fault(
        "video_duration_too_short",
        "a video is too short",
        "video",
        {"min_duration": 2, "provided_duration": 1},
    ),
    _model_fault(
        "unsupported_audio_format",
        "a sound is of a type that the model doesn't read",
        "audio",
        {"supported_formats": list(_SOUNDS)},
    ),
    _model_fault(
        "unsupported_image_format",
        "an image is of a type that the model doesn't read",
        "image",
        {"supported_formats": list(_IMAGES)},
    ),
    _model_fault(
        "unsupported_video_format",
        "a video is of a type that the model doesn't read",
        "video",
        {"supported_formats": list(_VIDEOS)},
    ),
    _model_fault("input_value_error", "a value is wrong in another way", "prompt"),
)
_DETAIL = Parameter("detail", "text", None, "the sentence in the body")


@dataclass(frozen=True, slots=True)
class RequestError(Fault):
    """A string `detail`, an `error_type`, and the header with the same."""

    # Whether a runner works on it before it fails.
    ran: bool = False
    # Whether the queue tries again before it gives up (wire.md §3.6), and fal.run says that its
    # caller may (wire.md §4).
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class RawOutcome(Fault):
    """An answer of the model that is no JSON."""


def _request_fault(
    name: str, about: str, *, ran: bool = False, temporary: bool = False
) -> RequestError:
    found: tuple[Parameter, ...] = (_DETAIL,)
    if name == "request_timeout":
        text = "whose budget ran out: `user` has the header that clients never retry on"
        found += (Parameter("by", "choice", "user", text, choices=("user", "platform")),)
    return RequestError(
        name,
        "outcome",
        f"{platform_error(name).status_code}: {about}",
        JOBS,
        JOBS,
        found,
        family="request error",
        ran=ran,
        temporary=temporary,
    )


REQUEST_ERRORS = (
    _request_fault("request_timeout", "it did not start in the time that its caller gave it"),
    _request_fault("startup_timeout", "no runner was ready in time", temporary=True),
    _request_fault("runner_scheduling_failure", "no runner could be had", temporary=True),
    _request_fault("runner_connection_timeout", "the runner did not answer", temporary=True),
    _request_fault("runner_disconnected", "the runner went away", ran=True, temporary=True),
    _request_fault("runner_connection_refused", "the runner took no connection", temporary=True),
    _request_fault("runner_connection_error", "the way to the runner broke", temporary=True),
    _request_fault("runner_incomplete_response", "the runner's answer broke off", ran=True),
    _request_fault("runner_server_error", "the runner broke", ran=True),
    _request_fault("internal_error", "the platform broke", ran=True),
    _request_fault("client_disconnected", "its caller was taken to have hung up", ran=True),
    _request_fault("client_cancelled", "it was taken to have been cancelled", ran=True),
    _request_fault("bad_request", "the request could not be read"),
)
RAW_OUTCOMES = (
    RawOutcome(
        "raw_error",
        "outcome",
        "the model fails with an answer that is no JSON; webhooks then have `payload_error`",
        JOBS,
        JOBS,
        (
            Parameter("status", "integer", 500, "its code", least=400, most=599),
            Parameter("text", "text", "Internal Server Error", "what it answers"),
        ),
        family="raw answer",
    ),
    RawOutcome(
        "unserialisable",
        "outcome",
        "the output is no JSON: 200 all the same; webhooks have `payload_error`",
        JOBS,
        JOBS,
        (Parameter("text", "text", "not JSON: NaN", "what it answers"),),
        family="raw answer",
    ),
)
