"""What OpenAI's clients call: answers, streams and vectors in the shapes that they read."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Generator
from typing import Any

import pytest

from falkit import Settings
from falkit_spec import Catalog, Document
from own_documents import answering, data_of
from serving import Mock, running

CHAT, RESPONSES, EMBEDDINGS = (
    f"acme/router/openai/v1/{name}" for name in ("chat/completions", "responses", "embeddings")
)
# Of these models the documents say nothing.
DOCUMENTS = [
    Document(
        json.dumps(answering(data_of(id, {"prompt": {"type": "string"}}), {})).encode(),
        source=f"{number}.json",
    )
    for number, id in enumerate((CHAT, RESPONSES, EMBEDDINGS))
]
HI = {"model": "a/model", "input": "Hi there"}


@pytest.fixture(scope="module")
def router() -> Generator[Mock]:
    catalog = Catalog.from_documents(DOCUMENTS)
    with running(Settings(timing="instant", seed=1), catalog=catalog) as mock:
        yield mock


def answer(mock: Mock, endpoint: str, **input: Any) -> dict[str, Any]:
    reply = mock.run(input, endpoint)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def events(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_response_has_a_message_with_a_text(router: Mock) -> None:
    whole = answer(router, RESPONSES, **HI)
    assert (whole["object"], whole["status"], whole["model"]) == (
        "response",
        "completed",
        "a/model",
    )
    [message] = whole["output"]
    [part] = message["content"]
    assert (message["role"], part["type"]) == ("assistant", "output_text")
    usage = whole["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == 2


def test_a_response_is_streamed_from_its_start_to_the_whole_of_it(router: Mock) -> None:
    told = events(router.run({**HI, "stream": True}, RESPONSES).text)
    assert [event["sequence_number"] for event in told] == [*range(len(told))]
    kinds = [event["type"].removeprefix("response.") for event in told]
    begin = ["created", "in_progress", "output_item.added", "content_part.added"]
    end = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert (kinds[:4], kinds[-4:]) == (begin, end)
    assert {*kinds[4:-4]} == {"output_text.delta"}
    text = "".join(event["delta"] for event in told[4:-4])
    [message] = told[-1]["response"]["output"]
    assert text == told[-4]["text"] == message["content"][0]["text"]
    assert (told[0]["response"]["status"], told[0]["response"]["output"]) == ("in_progress", [])


def test_a_response_that_fails_on_the_way_ends_with_the_error(router: Mock) -> None:
    headers = {"x-falkit-fault": "content_policy_violation"}
    asked = {**HI, "stream": True}
    reply = router.http.post(f"/fal.run/{RESPONSES}", json=asked, headers=headers)
    lines = reply.text.splitlines()
    *told, last = (json.loads(line.removeprefix("data: ")) for line in lines if line)
    assert told[0]["type"] == "response.created"
    assert last["detail"][0]["type"] == "content_policy_violation"


def test_texts_in_parts_of_messages_are_counted(router: Mock) -> None:
    parts = [{"type": "text", "text": "Hi there"}, {"type": "image_url", "image_url": "x"}]
    messages = [{"role": "system", "content": "Be"}, {"role": "user", "content": parts}]
    asked = answer(router, CHAT, messages=messages)["usage"]["prompt_tokens"]
    assert asked == -(-len("Be Hi there") // 4)
    listed = [{"role": "user", "content": [{"type": "input_text", "text": "Hi there"}]}]
    assert answer(router, RESPONSES, input=listed)["usage"]["input_tokens"] == 2


def test_vectors_follow_from_their_texts(router: Mock) -> None:
    whole = answer(router, EMBEDDINGS, model="a/model", input=["boat", "tree", "boat"])
    first, second, third = (one["embedding"] for one in whole["data"])
    assert first == third != second
    assert len(first) == 1536
    assert sum(number * number for number in first) == pytest.approx(1, abs=1e-3)
    assert whole["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    asked = {"input": "boat", "dimensions": 8}
    [plain] = answer(router, EMBEDDINGS, **asked)["data"]
    [inline] = answer(router, EMBEDDINGS, **asked, encoding_format="base64")["data"]
    assert array("f", base64.b64decode(inline["embedding"])).tolist() == plain["embedding"]


@pytest.mark.parametrize(("input", "count"), [([1, 2, 3], 1), ([[1], [2]], 2), (None, 1), ([], 0)])
def test_whatever_is_embedded_has_a_vector(router: Mock, input: Any, count: int) -> None:
    assert len(answer(router, EMBEDDINGS, input=input, dimensions=4)["data"]) == count


def test_vectors_of_many_texts_are_shorter(router: Mock) -> None:
    reply = router.run({"input": ["boat"] * 1000, "dimensions": 8192}, EMBEDDINGS)
    data = reply.json()["data"]
    assert [len(one["embedding"]) for one in data] == [500] * 1000
    assert "500 dimensions each, not 8192" in reply.headers["x-falkit-hint"]


def test_no_more_texts_have_vectors_than_openai_takes(router: Mock) -> None:
    reply = router.run({"input": ["boat"] * 2049, "dimensions": 4}, EMBEDDINGS)
    assert len(reply.json()["data"]) == 2048
    assert "of 2,048 texts, not 2,049" in reply.headers["x-falkit-hint"]
