"""What the models of fal-ai/ltx-2 take and give.

Generated from fal's documents by `make types`: change those, not this.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from falkit_client.media import Medium


class AudioToVideoInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/audio-to-video."""

    audio_url: Required[Medium]
    """Sound that the video is made for: a public URL or a base64 data URI, of 2 to 20 seconds."""
    image_url: Medium | None
    """Picture the video starts from. Without one, a prompt is needed."""
    prompt: str | None
    """Text that says what should happen in the video, or how the picture should move. Without a
    picture it is needed.
    """
    guidance_scale: float | None
    """How closely the video follows the prompt. Left out, it is 9 with a picture and 5 without."""


class VideoFile(TypedDict, total=False):
    """VideoFile."""

    url: Required[str]
    """Where the file can be fetched."""
    content_type: str | None
    """Media type of the file."""
    file_name: str | None
    """Name of the file; made up when none was given."""
    file_size: int | None
    """Size of the file in bytes."""
    width: int | None
    """Width of the picture in pixels."""
    height: int | None
    """Height of the picture in pixels."""
    fps: float | None
    """Frames shown each second."""
    duration: float | None
    """Length in seconds."""
    num_frames: int | None
    """How many frames there are."""


class AudioToVideoOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/audio-to-video."""

    video: Required[VideoFile]
    """The finished video."""


class ExtendVideoInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/extend-video."""

    video_url: Required[Medium]
    """Video that is made longer."""
    prompt: str | None
    """Text that says what should happen in the added part."""
    duration: float
    """How many seconds are added. 1 to 20. Default: 5."""
    mode: Literal["start", "end"]
    """Whether they are added before the video's start or after its end. Default: 'end'."""
    context: float | None
    """How many seconds of the video the model looks at. Left out, it is as many as fit: 505 frames
    at most.
    """


class ExtendVideoOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/extend-video."""

    video: Required[VideoFile]
    """The longer video."""


class ImageToVideoInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/image-to-video."""

    image_url: Required[Medium]
    """Picture the video starts from: a public URL or a base64 data URI, as PNG, JPEG, WebP, AVIF or
    HEIF. It is cropped to 16:9.
    """
    prompt: Required[str]
    """Text that says what should happen in the video. 1 to 5000 characters."""
    duration: Literal[6, 8, 10]
    """Length of the video in seconds. Default: 6."""
    resolution: Literal["1080p", "1440p", "2160p"]
    """Height class of the video. Default: '1080p'."""
    fps: Literal[25, 50]
    """How many frames the video shows each second. Default: 25."""
    generate_audio: bool
    """Whether a sound track is made along with the picture. Default: True."""


class ImageToVideoOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/image-to-video."""

    video: Required[VideoFile]
    """The finished video."""


class ImageToVideoFastInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/image-to-video/fast."""

    image_url: Required[Medium]
    """Picture the video starts from: a public URL or a base64 data URI, as PNG, JPEG, WebP, AVIF or
    HEIF. It is cropped to 16:9.
    """
    prompt: Required[str]
    """Text that says what should happen in the video. 1 to 5000 characters."""
    duration: Literal[6, 8, 10, 12, 14, 16, 18, 20]
    """Length of the video in seconds. Anything longer than 10 seconds needs 25 FPS and 1080p.
    Default: 6.
    """
    resolution: Literal["1080p", "1440p", "2160p"]
    """Height class of the video. Default: '1080p'."""
    fps: Literal[25, 50]
    """How many frames the video shows each second. Default: 25."""
    generate_audio: bool
    """Whether a sound track is made along with the picture. Default: True."""


class ImageToVideoFastOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/image-to-video/fast."""

    video: Required[VideoFile]
    """The finished video."""


class RetakeVideoInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/retake-video."""

    video_url: Required[Medium]
    """Address of the video to change."""
    prompt: Required[str]
    """Text that says what should happen in the part that is redone. 1 to 5000 characters."""
    start_time: float
    """Second at which the part to redo begins. 0 to 20. Default: 0."""
    duration: float
    """Length in seconds of the part to redo. 2 to 20. Default: 5."""
    retake_mode: Literal["replace_audio", "replace_video", "replace_audio_and_video"]
    """Whether sound, picture or both are made anew. Default: 'replace_audio_and_video'."""


class RetakeVideoOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/retake-video."""

    video: Required[VideoFile]
    """The finished video."""


class TextToVideoInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/text-to-video."""

    prompt: Required[str]
    """Text that says what the video should show. 1 to 5000 characters."""
    duration: Literal[6, 8, 10]
    """Length of the video in seconds. Default: 6."""
    resolution: Literal["1080p", "1440p", "2160p"]
    """Height class of the video. Default: '1080p'."""
    fps: Literal[25, 50]
    """How many frames the video shows each second. Default: 25."""
    generate_audio: bool
    """Whether a sound track is made along with the picture. Default: True."""


class TextToVideoOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/text-to-video."""

    video: Required[VideoFile]
    """The finished video."""


class TextToVideoFastInput(TypedDict, total=False):
    """Input of fal-ai/ltx-2/text-to-video/fast."""

    prompt: Required[str]
    """Text that says what the video should show. 1 to 5000 characters."""
    duration: Literal[6, 8, 10, 12, 14, 16, 18, 20]
    """Length of the video in seconds. Anything longer than 10 seconds needs 25 FPS and 1080p.
    Default: 6.
    """
    resolution: Literal["1080p", "1440p", "2160p"]
    """Height class of the video. Default: '1080p'."""
    fps: Literal[25, 50]
    """How many frames the video shows each second. Default: 25."""
    generate_audio: bool
    """Whether a sound track is made along with the picture. Default: True."""


class TextToVideoFastOutput(TypedDict, total=False):
    """Output of fal-ai/ltx-2/text-to-video/fast."""

    video: Required[VideoFile]
    """The finished video."""
