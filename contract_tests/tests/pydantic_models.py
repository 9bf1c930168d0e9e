"""fal's models as Pydantic 2 has them, written by hand from the same facts as the documents."""

from __future__ import annotations

import json
from typing import Annotated, Literal, cast

from pydantic import BaseModel, Field, ValidationError

from falkit_spec import Fault

Prompt = Annotated[str, Field(min_length=1, max_length=5000)]
# Of the newest documents: fal took `aspect_ratio` out before May 2026.
Resolution = Literal["1080p", "1440p", "2160p"]


class ImageToVideo(BaseModel):
    image_url: str
    prompt: Prompt
    duration: Literal[6, 8, 10] = 6
    resolution: Resolution = "1080p"
    fps: Literal[25, 50] = 25
    generate_audio: bool = True


class ImageToVideoFast(BaseModel):
    image_url: str
    prompt: Prompt
    duration: Literal[6, 8, 10, 12, 14, 16, 18, 20] = 6
    resolution: Resolution = "1080p"
    fps: Literal[25, 50] = 25
    generate_audio: bool = True


class TextToVideo(BaseModel):
    prompt: Prompt
    duration: Literal[6, 8, 10] = 6
    resolution: Resolution = "1080p"
    fps: Literal[25, 50] = 25
    generate_audio: bool = True


class TextToVideoFast(BaseModel):
    prompt: Prompt
    duration: Literal[6, 8, 10, 12, 14, 16, 18, 20] = 6
    resolution: Resolution = "1080p"
    fps: Literal[25, 50] = 25
    generate_audio: bool = True


class Retake(BaseModel):
    video_url: str
    prompt: Prompt
    start_time: Annotated[float, Field(ge=0, le=20)] = 0
    duration: Annotated[float, Field(ge=2, le=20)] = 5
    retake_mode: Literal["replace_audio", "replace_video", "replace_audio_and_video"] = (
        "replace_audio_and_video"
    )


class ExtendVideo(BaseModel):
    video_url: str
    prompt: Annotated[str, Field(max_length=5000)] | None = None
    duration: Annotated[float, Field(ge=1, le=20)] = 5
    mode: Literal["start", "end"] = "end"
    context: Annotated[float, Field(ge=1, le=20)] | None = None


class AudioToVideo(BaseModel):
    audio_url: str
    image_url: str | None = None
    prompt: Prompt | None = None
    guidance_scale: Annotated[float, Field(ge=1, le=50)] | None = None


MODELS: dict[str, type[BaseModel]] = {
    "fal-ai/ltx-2/image-to-video": ImageToVideo,
    "fal-ai/ltx-2/image-to-video/fast": ImageToVideoFast,
    "fal-ai/ltx-2/text-to-video": TextToVideo,
    "fal-ai/ltx-2/text-to-video/fast": TextToVideoFast,
    "fal-ai/ltx-2/retake-video": Retake,
    "fal-ai/ltx-2/extend-video": ExtendVideo,
    "fal-ai/ltx-2/audio-to-video": AudioToVideo,
}


def said_by_pydantic(model: type[BaseModel], body: object, *, strict: bool) -> list[Fault]:
    try:
        # FastAPI asks for attributes, which words the refusal of a body that is no object.
        model.model_validate(body, strict=strict, from_attributes=True)
    except ValidationError as error:
        items = cast("list[Fault]", error.errors(include_url=False))
        for item in items:
            item["loc"] = ["body", *item["loc"]]
        return items
    return []


def as_sent(faults: list[Fault]) -> list[Fault]:
    """Return faults as they come out of JSON."""
    return cast("list[Fault]", json.loads(json.dumps(faults)))
