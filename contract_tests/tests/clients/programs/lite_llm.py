"""litellm's functions for videos and images, with the provider fal_ai."""

# It has an environment of its own, which the checkers do not see.
# mypy: disable-error-code="import-not-found,import-untyped"
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import base64
import io
import os
from typing import Any

# It fetches a list of prices otherwise, from a host that isn't fal's.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import httpx
import litellm
from openai import OpenAI
from PIL import Image

from clients.programs.telling import ENDPOINT, INPUT, kept, tell

CLIENT = "litellm"
MODEL = f"fal_ai/{ENDPOINT}"
PROMPT = INPUT["prompt"]
litellm.suppress_debug_info = True


def followed(**options: object) -> dict[str, object]:
    job = litellm.video_generation(model=MODEL, prompt=PROMPT, **options)
    statuses: list[str] = []
    while True:
        status = litellm.video_status(video_id=job.id)
        statuses.append(status.status)
        if status.status in ("completed", "failed"):
            break
    return {"id": job.id, "statuses": statuses, "status": status.status, "error": status.error}


def video() -> object:
    done = followed(size="1920x1080", extra_body={"duration": 6})
    content = litellm.video_content(video_id=done["id"])
    kind = content[4:8].decode("latin-1")
    clip = {"status": 200, "type": "video/mp4", "size": len(content), "kind": kind}
    return {"statuses": done["statuses"], "clip": clip}


def video_of_seconds() -> object:
    done = followed(seconds="6")
    return {"status": done["status"], "error": str(done["error"])}


def files(made: Any) -> object:
    told = [one.provider_specific_fields for one in made.data]
    return {"files": [kept(one.url, httpx.get(one.url)) for one in made.data], "told": told}


def picture() -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", (640, 360), "navy").save(file, "PNG")
    file.seek(0)
    file.name = "picture.png"
    return file


def images() -> object:
    size = {"n": 2, "size": "1792x1024"}
    return files(litellm.image_generation("A boat", model="fal_ai/fal-ai/flux/schnell", **size))


def images_of_ratio() -> object:
    size = {"n": 2, "size": "1792x1024"}
    return files(litellm.image_generation("A boat", model="fal_ai/fal-ai/imagen4/preview", **size))


def image_alone() -> object:
    return files(litellm.image_generation("A boat", model="fal_ai/bria/text-to-image/3.2"))


def image_edited() -> object:
    made = litellm.image_edit(model="fal_ai/fal-ai/nano-banana-2", image=picture(), prompt=PROMPT)
    return files(made)


def vision() -> object:
    url = f"data:image/png;base64,{base64.b64encode(picture().getvalue()).decode()}"
    parts = [{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "user", "content": parts}]
    model = "fal_ai/fal-ai/moondream3-preview/query"
    choice = litellm.completion(model=model, messages=messages).choices[0]
    assert choice.finish_reason == "stop", choice
    return choice.message.content


def openai() -> OpenAI:  # pyright: ignore[reportUnknownParameterType]
    # As the page of the model at fal has it.
    headers = {"Authorization": f"Key {os.environ['FAL_KEY']}"}
    base = "https://fal.run/openrouter/router/openai/v1"
    return OpenAI(base_url=base, api_key="not-needed", default_headers=headers)


MESSAGES = [{"role": "user", "content": PROMPT}]


def chat() -> object:
    done = openai().chat.completions.create(model="some/model", messages=MESSAGES)
    return [done.choices[0].message.content]


def chat_stream() -> object:
    chunks = openai().chat.completions.create(model="some/model", messages=MESSAGES, stream=True)
    return [chunk.choices[0].delta.content or "" for chunk in chunks]


def respond() -> object:
    done = openai().responses.create(model="some/model", input=PROMPT)
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens
    return done.output_text


def respond_stream() -> object:
    with openai().responses.stream(model="some/model", input=PROMPT) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(pieces) == stream.get_final_response().output_text
        return "".join(pieces)


def embed() -> object:
    texts = ["A boat", "A harbour", "A boat"]
    done = openai().embeddings.create(model="some/model", input=texts, dimensions=512)
    return [one.embedding for one in done.data]


for work in (
    video,
    video_of_seconds,
    images,
    images_of_ratio,
    image_alone,
    image_edited,
    vision,
):
    tell(CLIENT, work.__name__, work)
for work in (chat, chat_stream, respond, respond_stream, embed):
    tell("openai", work.__name__, work)
