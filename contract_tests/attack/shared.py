"""The surfaces of mocks that share a state: replicas over a Redis, workers with a state file."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from attack.surfaces import (
    IDS,
    JSON_TYPE,
    KEY,
    TEXT,
    Surface,
    Then,
    control,
    inputs,
    request,
    uploads,
)
from attack.target import Target, attacked, exchange
from redis_servers import RedisServer, served_redis

# How often what is listed is asked for, so that each of two workers answers: they are told apart
# once in 2^15 times at most. How often again, where jobs were just ending.
_OFTEN, _AGAIN = 16, 20
# What a Redis has that is nobody's business, and as much of a list as is read.
_DIARY, _LIST = ("diary", "dear"), 1 << 24

_URL = re.compile(rb'"(?:status|upload)_url": ?"http://[^/"]+(/[^"]+)"')
_ENDS = st.sampled_from(["/status", "/status?logs=1", "", "/cancel", "/response"])


def _path_in(answer: bytes) -> str | None:
    """Return the path at which a job's status is told, or to which an upload goes."""
    found = _URL.search(answer)
    return found[1].decode("latin-1") if found else None


@st.composite
def _next_calls(draw: st.DrawFn) -> Callable[[str], bytes]:
    """What is asked of whoever else there is: of a job that one has taken, or of an upload."""
    end, body = draw(_ENDS), draw(st.binary(min_size=1, max_size=100))

    def call(path: str) -> bytes:
        if not path.endswith("/status"):
            return request("PUT", path, [JSON_TYPE], body)
        verb = "PUT" if end == "/cancel" else "GET"
        return request(verb, path.removesuffix("/status") + end, [KEY])

    return call


@st.composite
def _submits(draw: st.DrawFn) -> bytes:
    """A good request, which is taken."""
    id = draw(st.sampled_from([id for id in IDS if "text-to-video" in id]))
    hook = draw(st.sampled_from(["", "?fal_webhook=http%3A%2F%2F127.0.0.1%3A9%2F"]))
    return request("POST", f"/queue.fal.run/{id}{hook}", [KEY, JSON_TYPE], b'{"prompt": "a"}')


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """An upload that is begun."""
    path = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
    body = {"file_name": draw(TEXT), "content_type": "image/png"}
    return request("POST", path, [KEY, JSON_TYPE], json.dumps(body).encode())


_CALLS = _submits() | _files() | inputs() | uploads() | control()
_THEN = Then(_next_calls(), _path_in, known=True)
SHARED = [
    Surface("replicas", _CALLS, then=_THEN, replicas=2, memory=400),
    Surface(
        "workers",
        _CALLS,
        then=_THEN,
        memory=400,
        options=("--state", "falkit.state", "--workers", "2"),
    ),
]


@contextmanager
def together(
    plant: str, options: Sequence[str], documents: Mapping[str, bytes], replicas: int
) -> Generator[tuple[list[Target], Callable[[], list[str]]]]:
    """Serve mocks for the length of the block; yield what tells what is wrong with their Redis."""
    with ExitStack() as stack:
        if replicas == 1:
            yield [stack.enter_context(attacked(plant, options, documents))], list
            return
        one = stack.enter_context(_redis())
        options = [*options, "--state", one.url]
        yield (
            [stack.enter_context(attacked(plant, options, documents)) for _ in range(replicas)],
            lambda: _strays(one),
        )


@contextmanager
def _redis() -> Generator[RedisServer]:
    with (
        tempfile.TemporaryDirectory(prefix="falkit-attack-") as folder,
        served_redis(Path(folder)) as redis,
    ):
        redis.ask("SET", *_DIARY)
        yield redis


def _strays(redis: RedisServer) -> list[str]:
    """Return the keys that mocks have made and are none of theirs, or that they have left."""
    name, text = _DIARY
    keys = {key.decode(errors="replace") for key in redis.ask("KEYS", "*")} - {name}
    found = [f"a stray key in Redis: {key!r}" for key in keys if not key.startswith("falkit:")]
    found += [f"a stray upload in Redis: {key}" for key in keys if ":blob:" in key]
    if redis.ask("GET", name) != text.encode():
        found.append(f"{name!r} in Redis was changed")
    return found


def disagreement(targets: Sequence[Target]) -> list[str]:
    """Return how mocks with one state, or its workers, tell otherwise of its jobs."""
    told: set[str] = set()
    for _ in range(_AGAIN):
        told = {_jobs(target) for target in targets for _ in range(_OFTEN // len(targets))}
        if len(told) == 1:
            return []
    return [f"they don't agree on jobs: {' / '.join(sorted(told))[:600]}"]


def _jobs(target: Target) -> str:
    """Return the ids and statuses of all jobs that a mock lists."""
    answer = exchange(target.http, request("GET", "/__falkit/jobs?limit=1000"), least=_LIST)
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head[:16]:
        return head.decode("latin-1")
    listed: dict[str, Any] = json.loads(body)
    return " ".join(f"{job['request_id']}:{job['status']}" for job in listed["jobs"])
