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

from clients.programs.telling import ENDPOINT, FROM_IMAGE, INPUT, tell

CLIENT = "huggingface_hub"
PROMPT = INPUT["prompt"]
MODEL, MODEL_FROM_IMAGE = "Lightricks/LTX-2", "Lightricks/LTX-2-from-image"
IMAGES = "black-forest-labs/FLUX.1-schnell"


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


def from_image(client: Any) -> object:
    picture = io.BytesIO()
    Image.new("RGB", (640, 360), "navy").save(picture, "JPEG")
    made = client.image_to_video(picture.getvalue(), model=MODEL_FROM_IMAGE, prompt=PROMPT)
    return clip(made)


def main() -> None:
    by_key = InferenceClient(provider="fal-ai", api_key=os.environ["FAL_KEY"])
    if sys.argv[1:] == ["looked_up"]:
        tell(CLIENT, "looked_up", lambda: by_key.text_to_video(PROMPT, model=MODEL))
        return
    know(MODEL, ENDPOINT, "text-to-video")
    know(MODEL_FROM_IMAGE, FROM_IMAGE, "image-to-video")
    know(IMAGES, "fal-ai/imagen4/preview", "text-to-image")
    by_token = InferenceClient(provider="fal-ai", api_key="hf_falkit")
    tell(CLIENT, "video", lambda: clip(by_key.text_to_video(PROMPT, model=MODEL)))
    tell(CLIENT, "video_of_image", lambda: from_image(by_key))
    tell(CLIENT, "video_routed", lambda: clip(by_token.text_to_video(PROMPT, model=MODEL)))
    tell(CLIENT, "video_of_image_routed", lambda: from_image(by_token))
    tell(CLIENT, "image", lambda: by_token.text_to_image(PROMPT, model=IMAGES))


main()
