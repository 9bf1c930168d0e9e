"""huggingface_hub's client with the provider fal-ai: with a key of fal's, and with a token."""

# It has an environment of its own, which the checkers do not see.
# mypy: disable-error-code="import-not-found,import-untyped"
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

import io
import os
import sys
from typing import Any

# It fetches a list of agents otherwise, from a host that isn't fal's.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from huggingface_hub import InferenceClient
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers._common import HARDCODED_MODEL_INFERENCE_MAPPING
from PIL import Image

from clients.programs.telling import ENDPOINT, FROM_IMAGE, INPUT, content, sound, tell

CLIENT = "huggingface_hub"
PROMPT = INPUT["prompt"]
MODEL, MODEL_FROM_IMAGE = "Lightricks/LTX-2", "Lightricks/LTX-2-from-image"
# What the Hub says of them.
KNOWN = {
    "black-forest-labs/FLUX.1-schnell": ("fal-ai/flux/schnell", "text-to-image"),
    "black-forest-labs/FLUX.2-dev": ("fal-ai/flux-2/edit", "image-to-image"),
    "briaai/RMBG-2.0": ("fal-ai/bria/background/remove", "image-segmentation"),
    "hexgrad/Kokoro-82M": ("fal-ai/kokoro/american-english", "text-to-speech"),
    "openai/whisper-large-v3": ("fal-ai/whisper", "automatic-speech-recognition"),
    "tencent/HunyuanVideo": ("fal-ai/hunyuan-video", "text-to-video"),
}


def know(model: str, endpoint: str, task: str) -> None:
    """Say which model at fal is meant, which huggingface.co would be asked otherwise."""
    known = {"hf_model_id": model, "providerId": endpoint, "task": task, "status": "live"}
    mapping = InferenceProviderMapping(provider="fal-ai", **known)
    HARDCODED_MODEL_INFERENCE_MAPPING["fal-ai"][model] = mapping


def clip(content: bytes) -> dict[str, object]:
    return {
        "status": 200,
        "type": "video/mp4",
        "size": len(content),
        "kind": content[4:8].decode("latin-1"),
    }


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 360), "navy").save(file, "JPEG")
    return file.getvalue()


def from_image(client: Any) -> object:
    return clip(client.image_to_video(picture(), model=MODEL_FROM_IMAGE, prompt=PROMPT))


def files(made: Any) -> object:
    """Tell of a picture of Pillow's, which is what the client returns."""
    file = io.BytesIO()
    made.save(file, made.format)
    return {"files": [content("made", f"image/{made.format.lower()}", file.getvalue())]}


def image(client: Any) -> object:
    size = {"width": 512, "height": 320}
    model = "black-forest-labs/FLUX.1-schnell"
    return files(client.text_to_image(PROMPT, model=model, seed=4, **size))


def image_edited(client: Any) -> object:
    model = "black-forest-labs/FLUX.2-dev"
    return files(client.image_to_image(picture(), prompt=PROMPT, model=model))


def segments(client: Any) -> object:
    [found] = client.image_segmentation(picture(), model="briaai/RMBG-2.0")
    return files(found.mask)


def speech(client: Any) -> object:
    made = client.text_to_speech(PROMPT, model="hexgrad/Kokoro-82M")
    return {"files": [content("speech.wav", "audio/wav", made)]}


def transcript(client: Any) -> object:
    return client.automatic_speech_recognition(sound(), model="openai/whisper-large-v3").text


def video_of_frames(client: Any) -> object:
    made = client.text_to_video(PROMPT, model="tencent/HunyuanVideo", seed=4)
    return {"files": [content("video.mp4", "video/mp4", made)]}


def main() -> None:
    by_key = InferenceClient(provider="fal-ai", api_key=os.environ["FAL_KEY"])
    if sys.argv[1:] == ["looked_up"]:
        tell(CLIENT, "looked_up", lambda: by_key.text_to_video(PROMPT, model=MODEL))
        return
    know(MODEL, ENDPOINT, "text-to-video")
    know(MODEL_FROM_IMAGE, FROM_IMAGE, "image-to-video")
    for model, (endpoint, task) in KNOWN.items():
        know(model, endpoint, task)
    by_token = InferenceClient(provider="fal-ai", api_key="hf_falkit")
    tell(CLIENT, "video", lambda: clip(by_key.text_to_video(PROMPT, model=MODEL)))
    tell(CLIENT, "video_of_image", lambda: from_image(by_key))
    tell(CLIENT, "video_routed", lambda: clip(by_token.text_to_video(PROMPT, model=MODEL)))
    tell(CLIENT, "video_of_image_routed", lambda: from_image(by_token))
    for work in (image, image_edited, segments, speech, transcript, video_of_frames):
        tell(CLIENT, work.__name__, lambda: work(by_token))  # noqa: B023 # called before the next


main()
