"""litellm's functions for videos and images, with the provider fal_ai."""

# It has an environment of its own, which the checkers do not see.
# mypy: disable-error-code="import-not-found,import-untyped"
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import os

# It fetches a list of prices otherwise, from a host that isn't fal's.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from openai import OpenAI

from clients.programs.telling import ENDPOINT, INPUT, tell

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


def image() -> object:
    return litellm.image_generation(model="fal_ai/fal-ai/imagen4/preview", prompt=PROMPT)


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


for work in (video, video_of_seconds, image):
    tell(CLIENT, work.__name__, work)
for work in (chat, chat_stream):
    tell("openai", work.__name__, work)
