"""Which media the clients of others ask for, by the models that their own pages and types name."""

from __future__ import annotations

from collections.abc import Iterable

from clients import media
from clients.judging import error
from clients.operations import Operation

# Of 45 letters, of which 15 take a second.
_SPOKEN = 3.0
# 129 pictures at 24 a second.
_HUNYUAN = media.clips((1280, 720), 129 / 24)
# It sends `text`, and the document of that model has `prompt`, which is empty then.
_KOKORO = media.sounds(1)
_KINDS = "pictures, a clip, speech, a transcript, a mesh, weights, words"


def of_kinds(ways: Iterable[str]) -> tuple[Operation, ...]:
    """Return calls of a model of every kind."""
    return tuple(Operation(f"{way}_kinds", f"{way}: {_KINDS}", media.all_kinds) for way in ways)


AI_SDK = (
    Operation("images", "generateImage: three, size, seed, format", media.ai_images(3)),
    Operation("images_inline", "generateImage with `syncMode`", media.ai_images(2)),
    Operation("image_of_ratio", "generateImage with `aspectRatio`", media.pictures(1, (576, 1024))),
    Operation("image_alone", "generateImage, of a model of one", media.pictures(1, (1024, 1024))),
    Operation("image_edited", "generateImage from an image", media.pictures(1, (640, 360))),
    Operation("images_edited", "generateImage from two images", media.pictures(1, (640, 360))),
    Operation("speech", "generateSpeech", media.sounds(_SPOKEN / 1.5)),
    Operation(
        "speech_of_prompt",
        "generateSpeech with minimax/speech-2.6-hd",
        error("AI_APICallError", "Unprocessable Entity", 422),
        "no: it sends `text` where that model takes `prompt`",
    ),
    Operation("transcript", "transcribe with whisper", media.transcript(_SPOKEN, "en")),
    Operation("transcript_of_segments", "transcribe with wizper", media.transcript(_SPOKEN)),
    Operation(
        "transcript_by_default",
        "transcribe with wizper, without options",
        error("AI_APICallError", "Unprocessable Entity", 422),
        "no: it asks for words then, which wizper does not tell; any option of fal's helps",
    ),
    Operation("video_of_seconds", "generateVideo with Ray 2", media.clips((540, 960), 9)),
    Operation("video_of_frames", "generateVideo with Hunyuan", _HUNYUAN),
    Operation("video_of_prompt", "generateVideo with MiniMax", media.clips((1280, 720), 5)),
)

TANSTACK = (
    Operation("images", "generateImage, two of a size", media.pictures(2, (1024, 576))),
    Operation("images_inline", "generateImage with `sync_mode`", media.pictures(1, (512, 512))),
    Operation("speech", "generateSpeech", media.sounds(_SPOKEN)),
    Operation("audio", "generateAudio with `duration`", media.sounds(7)),
    Operation("transcript", "generateTranscription", media.transcript(2, "de")),
)

HUB = (
    Operation("image", "text_to_image", media.pictures(1, (512, 320))),
    Operation("image_edited", "image_to_image", media.pictures(1, (640, 360))),
    Operation("segments", "image_segmentation", media.pictures(1, (640, 360))),
    Operation("speech", "text_to_speech", _KOKORO),
    Operation("transcript", "automatic_speech_recognition", media.said),
    Operation("video_of_frames", "text_to_video with Hunyuan", _HUNYUAN),
)

INFERENCE = (
    Operation("image", "textToImage", media.pictures(1, (512, 320))),
    Operation("image_edited", "imageToImage", media.pictures(1, (640, 360))),
    Operation("segments", "imageSegmentation", media.pictures(1, (640, 360))),
    Operation("speech", "textToSpeech", _KOKORO),
    Operation("audio", "textToAudio", media.sounds(7)),
    Operation("transcript", "automaticSpeechRecognition", media.transcript(2)),
    Operation("video_of_frames", "textToVideo with Hunyuan", _HUNYUAN),
)

LITELLM = (
    Operation("images", "image_generation: two of a size", media.litellm_images),
    Operation("images_of_ratio", "image_generation with imagen4", media.pictures(2, (1368, 768))),
    Operation(
        "image_alone", "image_generation, of a model of one", media.pictures(1, (1024, 1024))
    ),
    Operation("image_edited", "image_edit", media.pictures(1, (1368, 768))),
    Operation("vision", "completion, of a picture", media.said),
)
