"""Answers as OpenAI's clients read them, of which the models' documents say nothing."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable, Mapping
from hashlib import blake2b

from falkit_mock.outputs.draft import Draft
from falkit_mock.outputs.texts import tokens
from falkit_spec.types import JSON, Object, is_array, is_number

CHAT, RESPONSES = "/chat/completions", "/v1/responses"
"""How the paths end that OpenAI's clients call; the answers of both may be streams."""
# As many dimensions as the model has that is mostly asked for; and numbers in an answer at most.
_DIMENSIONS, _MOST_NUMBERS = 1536, 500_000
# As many texts as OpenAI takes at once.
_MOST_TEXTS = 2048


def shape_of(endpoint_id: str) -> Callable[[Draft], Object] | None:
    """Return what writes the answers of an endpoint that speaks as OpenAI does, by its id."""
    ends = (ending for ending in _SHAPES if endpoint_id.endswith(ending))
    return _SHAPES[ending] if (ending := next(ends, None)) else None


def _chat_completion(draft: Draft) -> Object:
    message: Object = {"role": "assistant", "content": draft.text}
    asked, answered = draft.asked_tokens, draft.answered_tokens
    return {
        "id": f"chatcmpl-{draft.request_id}",
        "object": "chat.completion",
        "created": _created(draft),
        "model": _model(draft),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        },
    }


def _response(draft: Draft) -> Object:
    part: Object = {"type": "output_text", "text": draft.text, "annotations": []}
    message: Object = {
        "id": f"msg_{draft.request_id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    asked, answered = draft.asked_tokens, draft.answered_tokens
    return {
        "id": f"resp_{draft.request_id}",
        "object": "response",
        "created_at": _created(draft),
        "status": "completed",
        "error": None,
        "model": _model(draft),
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        },
    }


def _embeddings(draft: Draft) -> Object:
    given = draft.input.get("input")
    # A list of numbers is one text, as tokens.
    several = is_array(given) and not any(map(is_number, given))
    listed = given if several and is_array(given) else [given]
    texts = [str(one) for one in listed[:_MOST_TEXTS]]
    if len(listed) > _MOST_TEXTS:
        draft.hints.append(f"embeddings: of {_MOST_TEXTS:,} texts, not {len(listed):,}")
    asked = draft.input.get("dimensions")
    wanted = asked if isinstance(asked, int) and 0 < asked <= 8192 else _DIMENSIONS
    count = max(min(wanted, _MOST_NUMBERS // max(len(texts), 1)), 1)
    if count < wanted:
        draft.hints.append(f"embeddings: {count} dimensions each, not {wanted}")
    inline = draft.input.get("encoding_format") == "base64"
    data: list[JSON] = []
    for place, text in enumerate(texts):
        numbers = _vector(text, count)
        vector: JSON = base64.b64encode(numbers.tobytes()).decode() if inline else [*numbers]
        data.append({"object": "embedding", "index": place, "embedding": vector})
    said = sum(map(tokens, texts))
    usage: Object = {"prompt_tokens": said, "total_tokens": said}
    return {"object": "list", "data": data, "model": _model(draft), "usage": usage}


def _vector(text: str, count: int) -> array[float]:
    """Return a vector of length 1 that follows from a text; its numbers come round again."""
    noise = [byte - 127.5 for byte in blake2b(text.encode("utf-8", "replace")).digest()]
    numbers = (noise * (count // len(noise) + 1))[:count]
    size = sum(number * number for number in numbers) ** 0.5
    return array("f", [number / size for number in numbers])


def _model(draft: Draft) -> str:
    model = draft.input.get("model")
    return model if isinstance(model, str) else "falkit"


def _created(draft: Draft) -> int:
    return int(draft.request_id.replace("-", "")[:12] or "0", 16) // 1000


_SHAPES: Mapping[str, Callable[[Draft], Object]] = {
    CHAT: _chat_completion,
    RESPONSES: _response,
    "/v1/embeddings": _embeddings,
}
