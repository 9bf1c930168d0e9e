"""What a client's operation must have come to, from the line that its program printed of it."""

from __future__ import annotations

import base64
import io
import re
import uuid
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

from PIL import Image

# {"value": …} or {"error": {"name", "message", "status_code", …}}.
Told: TypeAlias = dict[str, Any]
Judge: TypeAlias = Callable[[Told], None]

# The Python clients have classes where the wire has words; TanStack AI has words of its own.
_WORDS = {
    "Queued": "IN_QUEUE",
    "InProgress": "IN_PROGRESS",
    "Completed": "COMPLETED",
    "pending": "IN_QUEUE",
    "processing": "IN_PROGRESS",
    "completed": "COMPLETED",
    # litellm's.
    "queued": "IN_QUEUE",
    "in_progress": "IN_PROGRESS",
}
_MiB = 1024 * 1024


def value(told: Told) -> Any:
    """Return what came of an operation that did not fail."""
    assert "value" in told, told["error"]
    return told["value"]


def is_clip(file: dict[str, Any]) -> None:
    """Judge a file that was downloaded."""
    assert (file["status"], file["type"], file["kind"]) == (200, "video/mp4", "ftyp")
    assert file["size"] > 1000


def clip(told: Told) -> None:
    """The clip that was asked for."""
    is_clip(value(told))


def job(told: Told) -> None:
    """A request in the queue, under fal's own address."""
    queued = value(told)
    assert uuid.UUID(queued["request_id"])
    base = f"https://queue.fal.run/fal-ai/ltx-2/requests/{queued['request_id']}"
    for name, end in {"response_url": "", "status_url": "/status", "cancel_url": "/cancel"}.items():
        assert queued.get(name, base + end) == base + end


def _statuses(came: dict[str, list[str]]) -> list[str]:
    return [_WORDS.get(status, status) for status in came["statuses"]]


def statuses(told: Told) -> None:
    """Each status once, in their order, and logs."""
    came = value(told)
    assert _statuses(came) == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert came["logs"]


def followed(told: Told) -> None:
    """Statuses and logs, and then the clip."""
    statuses(told)
    is_clip(value(told)["clip"])


def iterated(told: Told) -> None:
    """The SDK's iteration stops before it tells of the end."""
    assert _statuses(value(told)) == ["IN_QUEUE", "IN_PROGRESS"]
    assert value(told)["logs"]
    is_clip(value(told)["clip"])


def coded(told: Told) -> None:
    """A job followed by HTTP alone: 202 until it is done."""
    followed(told)
    assert value(told)["codes"] == [202, 202, 200]


def called(told: Told) -> None:
    """A direct call by HTTP alone."""
    assert value(told)["code"] == 200
    is_clip(value(told)["clip"])


def video_job(told: Told) -> None:
    """A job of TanStack AI's or litellm's: its statuses, then the clip."""
    assert _statuses(value(told)) == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    is_clip(value(told)["clip"])


def events(told: Told) -> None:
    """TanStack AI's stream of events, up to the result."""
    names = [event.get("name", event["type"]) for event in value(told)]
    assert names[:2] == ["RUN_STARTED", "video:job:created"]
    assert names.count("video:status") == 3
    assert {"generation:result", "RUN_FINISHED"} <= set(names)


def grown(told: Told) -> None:
    """A text that grows from event to event up to the output."""
    *before, last = value(told)
    texts = [event["output"] for event in before]
    assert texts
    assert all(later.startswith(text) for text, later in pairwise([*texts, last["output"]]))
    assert [event["partial"] for event in (*before, last)] == [True] * len(before) + [False]


def previewed(told: Told) -> None:
    """Previews of a picture, each larger than the one before, and then the output."""
    *before, last = value(told)
    urls = [event["images"][0]["url"] for event in before]
    sides = [max(_picture(url.partition(",")[2])) for url in urls]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    assert sides == sorted({*sides})
    assert len(sides) > 1
    assert not last["images"][0]["url"].startswith("data:")


def _picture(data: str) -> tuple[int, int]:
    """Return the size of a picture in base64."""
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        picture.load()
        return picture.size


def stepped(told: Told) -> None:
    """The steps of a workflow, and then what comes out."""
    kinds = [event["type"] for event in value(told)]
    assert kinds == ["submit", "completion", "submit", "completion", "output"]
    assert "sticker" in value(told)[-1]["output"]


def conversed(told: Told) -> None:
    """Three pictures on one socket, and the error of an input that is none."""
    came = value(told)
    assert [_picture(file["data"]) for file in came["files"]] == [(1024, 1024)] * 3
    assert "INTERNAL_ERROR: 1 validation error" in came["error"]


def chatted(told: Told) -> None:
    """Words, in one piece or more."""
    assert len("".join(value(told)).split()) > 3


def embedded(told: Told) -> None:
    """Vectors of three texts, of which the last is the first again."""
    first, second, third = value(told)
    assert [len(one) for one in (first, second, third)] == [512] * 3
    assert first == third != second
    assert abs(sum(number * number for number in first) - 1) < 1e-3


def failed_job(told: Told) -> None:
    """A job of TanStack AI's or litellm's that a wrong input failed."""
    came = value(told)
    assert (came["status"], "Input should be 6, 8 or 10" in came["error"]) == ("failed", True)


def uploaded(content_type: str, size: int = 0) -> Judge:
    """A file that reads back as it was sent."""

    def judge(told: Told) -> None:
        file = value(told)
        assert (file["status"], file["type"]) == (200, content_type)
        assert file["size"] == size if size else file["size"] > 100

    return judge


def used(told: Told) -> None:
    """An uploaded picture, and a clip made of it."""
    uploaded("image/png")({"value": value(told)["file"]})
    is_clip(value(told)["clip"])


def whole(mebibytes: int) -> Judge:
    """A large file, of which its end reads back."""

    def judge(told: Told) -> None:
        size = mebibytes * _MiB + 4
        came = value(told)
        assert came["range"] == f"bytes {size - 4}-{size - 1}/{size}"
        assert came["tail"] == "end."

    return judge


def error(name: str, message: str, code: int | None = None) -> Judge:
    """What the client throws; the message is searched for a pattern."""

    def judge(told: Told) -> None:
        assert "error" in told, "it did not fail"
        came = told["error"]
        assert came["name"] == name, came
        assert re.search(message, came["message"]), came
        assert code in (None, came.get("status_code")), came

    return judge


def late(message: str) -> Judge:
    """A client that waited too long, and the job that it cancelled."""

    def judge(told: Told) -> None:
        came = value(told)
        assert message in came["message"]
        assert came["error_type"] == "client_cancelled"

    return judge


def taken_for_success(told: Told) -> None:
    """server-proxy's Express handler answers 200 to what fal answered otherwise."""
    came = value(told)
    # The older client returns the body alone.
    assert came.get("data", came)["error_type"] == "client_cancelled"
