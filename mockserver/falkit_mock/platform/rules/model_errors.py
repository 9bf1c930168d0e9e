"""The errors that a model raises: every type of wire.md §6.1, with its status and its ctx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from falkit_mock.platform.rules.fault import JOBS, Fault
from falkit_mock.platform.rules.parameter import Kind, Parameter
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


def _error(
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
    _error("internal_server_error", "the model broke", "", status=500, ran=True),
    _error("generation_timeout", "the model took too long", "", status=504, ran=True),
    _error(
        "downstream_service_error",
        "a service that the model calls failed",
        "",
        status=400,
        ran=True,
    ),
    _error(
        "downstream_service_unavailable",
        "a service that the model calls can't be reached",
        "",
        status=500,
        ran=True,
    ),
    _error("content_policy_violation", "the content is not allowed", "prompt", ran=True),
    _error("no_media_generated", "the model made nothing", "prompt", ran=True),
    _error("image_too_small", "an image is too small", "image", {**_MIN}),
    _error("image_too_large", "an image is too large", "image", {**_MAX}),
    _error("image_load_error", "an image can't be read", "image"),
    _error("file_download_error", "a file can't be fetched", "media"),
    _error("face_detection_error", "no face was found", "image", ran=True),
    _error("file_too_large", "a file is too large", "media", {"max_size": 10_485_760}),
    _error("greater_than", "a number must be greater", "number", {"gt": 0}),
    _error("greater_than_equal", "a number must be as great or greater", "number", {"ge": 1}),
    _error("less_than", "a number must be less", "number", {"lt": 21}),
    _error("less_than_equal", "a number must be as small or less", "number", {"le": 20}),
    _error("multiple_of", "a number must be a multiple", "number", {"multiple_of": 2}),
    _error("sequence_too_short", "a list or text is too short", "prompt", {"min_length": 1}),
    _error("sequence_too_long", "a list or text is too long", "prompt", {"max_length": 5000}),
    _error("one_of", "a value is none of those allowed", "number", {"expected": [6, 8, 10]}),
    _error("feature_not_supported", "the model can't do this", "prompt"),
    _error("invalid_archive", "an archive can't be read", "media", _EXTENSIONS),
    _error(
        "archive_file_count_below_minimum",
        "an archive has too few files",
        "media",
        {"min_count": 5, "provided_count": 1, **_EXTENSIONS},
    ),
    _error(
        "archive_file_count_exceeds_maximum",
        "an archive has too many files",
        "media",
        {"max_count": 100, "provided_count": 101, **_EXTENSIONS},
    ),
    _error(
        "audio_duration_too_long",
        "a sound is too long",
        "audio",
        {"max_duration": 20, "provided_duration": 30},
    ),
    _error(
        "audio_duration_too_short",
        "a sound is too short",
        "audio",
        {"min_duration": 2, "provided_duration": 1},
    ),
    _error(
        "video_duration_too_long",
        "a video is too long",
        "video",
        {"max_duration": 20, "provided_duration": 30},
    ),
    _error(
        "video_duration_too_short",
        "a video is too short",
        "video",
        {"min_duration": 2, "provided_duration": 1},
    ),
    _error(
        "unsupported_audio_format",
        "a sound is of a type that the model doesn't read",
        "audio",
        {"supported_formats": list(_SOUNDS)},
    ),
    _error(
        "unsupported_image_format",
        "an image is of a type that the model doesn't read",
        "image",
        {"supported_formats": list(_IMAGES)},
    ),
    _error(
        "unsupported_video_format",
        "a video is of a type that the model doesn't read",
        "video",
        {"supported_formats": list(_VIDEOS)},
    ),
    _error("input_value_error", "a value is wrong in another way", "prompt"),
)
