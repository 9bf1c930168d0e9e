"""Requests over sockets: the mock beside floors and peers, in turn, in one run.

wrk has the second core. What is compared is a server's processor time for each request, which a
busy machine changes least, and requests per second.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from benchmarks.figures import Spread
from benchmarks.servers import (
    ENDPOINT,
    FLOOR,
    HEADERS,
    INPUT,
    RUN,
    SERVE,
    SUBMIT,
    Server,
    aimock,
    pinned,
    prism,
    served,
)

from falkit_spec import Catalog

CONNECTIONS = 32
MOCK, STARLETTE, ASGI = "falkit", "starlette", "plain ASGI"
# What is sent to the mock, and at least how much of bare Starlette's speed it is to have.
TARGETS: Mapping[str, float | None] = {
    "submit": 0.55,
    "run": 0.5,
    "status": 0.65,
    "status, logs": None,
    "result": 0.65,
    "media": 0.8,
}
POSTED = ("submit", "run")
# Answers that a load needs to count, and how often it is tried.
_LEAST, _TRIES = 200, 10


@dataclass(frozen=True)
class Sample:
    """One load on one server: microseconds of processor time, and requests per second."""

    micros: float
    rate: float


def load(url: str, *, post: bool, seconds: float, headers: Mapping[str, str]) -> tuple[int, float]:
    """Send requests for so long; return how many were answered, and how many a second.

    Raise RuntimeError if a reply wasn't a success.
    """
    every = {**HEADERS, **headers}
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in every.items()]
    if post:
        lines += ['wrk.method = "POST"', f"wrk.body = {json.dumps(INPUT)}"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "60s"]
        command += ["-s", script.name, url]
        output = subprocess.check_output([*pinned(1), *command], text=True)
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{url} failed under load:\n{output}")
    count, rate = (
        re.search(pattern, output)
        for pattern in (r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)")
    )
    assert count is not None, output
    assert rate is not None, output
    return int(count[1]), float(rate[1])


def sample(server: Server, url: str, *, post: bool, seconds: float) -> Sample:
    """Load a server, and say what a request took of it."""
    for _ in range(_TRIES):
        before = server.seconds()
        count, rate = load(url, post=post, seconds=seconds, headers=server.headers)
        took = server.seconds() - before
        # Fewer tell nothing: a busy machine gave one of the two no time.
        if count >= _LEAST and took:
            return Sample(took / count * 1e6, rate)
    raise RuntimeError(
        f"{url} was not answered {_LEAST} times in {seconds:g} s; is the core taken?"
    )


def replies_of(mock: Server, folder: Path) -> dict[str, str]:
    """Write down what the mock answers, for the floors; return the mock's URL for each."""
    with httpx.Client(headers=HEADERS, trust_env=False) as client:
        submitted = client.post(mock.url + SUBMIT, content=INPUT)
        made = submitted.json()
        urls = {
            "submit": mock.url + SUBMIT,
            "run": mock.url + RUN,
            "status": made["status_url"],
            "status, logs": f"{made['status_url']}?logs=1",
            "result": made["response_url"],
        }
        urls["media"] = client.get(urls["result"]).json()["video"]["url"]
        for name, url in urls.items():
            reply = submitted if name == "submit" else None
            reply = reply or client.request("POST" if name == "run" else "GET", url, content=INPUT)
            reply.raise_for_status()
            (folder / name.replace(", ", "-")).write_bytes(reply.content)
    return urls


Targets = Mapping[str, tuple[Server, Mapping[str, str]]]


def start(stack: ExitStack, folder: Path, *, peers: bool) -> Targets:
    """Start the mock, floors and peers; return each with its URLs by name of what is sent."""
    mock = stack.enter_context(served(SERVE))
    canned = folder / "replies"
    canned.mkdir()
    urls = replies_of(mock, canned)
    found: dict[str, tuple[Server, Mapping[str, str]]] = {MOCK: (mock, urls)}
    for name, kind in ((STARLETTE, "starlette"), (ASGI, "asgi")):
        server = stack.enter_context(served([*FLOOR, kind, str(canned)]))
        found[name] = (server, {one: f"{server.url}/{one.replace(', ', '-')}" for one in urls})
    if not peers:
        return found
    fake = stack.enter_context(aimock(folder))
    # It forgets all but its newest ten thousand jobs, so none lasts for a load of statuses.
    found["aimock"] = (fake, {"submit": f"{fake.url}/fal/{ENDPOINT}"})
    document = folder / "document.json"
    document.write_bytes(Catalog.vendored().get(ENDPOINT).document.raw)
    other = stack.enter_context(prism(document))
    to = f"{other.url}/{ENDPOINT}"
    found["Prism"] = (other, {"submit": to, "status": f"{to}/requests/x/status"})
    return found


def rounds(targets: Targets, count: int, seconds: float) -> dict[str, dict[str, list[Sample]]]:
    """Measure all in turn, so many times; return the samples by what is sent and by server."""
    found: dict[str, dict[str, list[Sample]]] = {}
    for number in range(count + 1):
        for name, server, url in _turns(targets):
            made = sample(server, url, post=name in POSTED, seconds=seconds if number else 1)
            # The first round fills caches.
            if number:
                by_server = found.setdefault(name, {})
                target = next(key for key, (one, _) in targets.items() if one is server)
                by_server.setdefault(target, []).append(made)
        print(f"  round {number} of {count}", flush=True)
    return found


def _turns(targets: Targets) -> Iterator[tuple[str, Server, str]]:
    for name in TARGETS:
        for server, urls in targets.values():
            if name in urls:
                yield name, server, urls[name]


def ratios(samples: Mapping[str, list[Sample]], to: str) -> tuple[Spread, Spread]:
    """Return the mock's ratios to a server, round by round: of processor time, of throughput."""
    pairs = [*zip(samples[MOCK], samples[to], strict=True)]
    return (
        Spread.of([theirs.micros / ours.micros for ours, theirs in pairs]),
        Spread.of([ours.rate / theirs.rate for ours, theirs in pairs]),
    )
