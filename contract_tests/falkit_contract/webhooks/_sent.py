"""Deliveries: jobs of a mock, what their webhooks say, and how they are signed."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import httpx

from falkit_contract import BadArgument, ContractError
from falkit_mock.core.jobs import JobFaults, Outcome
from falkit_mock.webhooks.signing import body_of, private_key, sign_attempt, user_id
from falkit_spec import JSON, Catalog, UnknownEndpoint

if TYPE_CHECKING:
    from falkit import Mock

ENDPOINT = "fal-ai/ltx-2/text-to-video"
_BASE = "FALKIT_BASE_URL"
_JWKS = "/.well-known/jwks.json"
# Real seconds for the mock to answer.
_PATIENCE = 15.0
# What fal answers where the output, or the error, isn't JSON.
NOT_JSON = {200: b"\x89PNG\r\n", 404: b"404 page not found"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it is sent to a handler."""

    headers: dict[str, str]
    body: bytes

    def curl(self, url: str) -> str:
        """Return the command that sends the same once more."""
        heads = (word for name, text in self.headers.items() for word in ("-H", f"{name}: {text}"))
        return shlex.join(["curl", "-i", url, *heads, "--data-binary", self.body.decode()])


@dataclass(frozen=True, slots=True)
class Job:
    """A job that has ended, and what it answers."""

    request_id: str
    outcome: Outcome

    def body(self) -> bytes:
        """Return the body of its webhook, byte for byte as fal writes it (wire.md §5.1)."""
        return body_of(self.outcome, self.request_id, self.request_id)

    def not_json(self, status_code: int) -> bytes:
        """Return the body of its webhook had it answered something that isn't JSON."""
        outcome = Outcome(status_code, NOT_JSON[status_code])
        return body_of(outcome, self.request_id, self.request_id)

    def marks(self) -> set[str]:
        """Return the texts in what it answers, such as the URL of its file."""
        return set(_texts(json.loads(self.outcome.body)))


class StandIn:
    """The mock that the handler's keys and the jobs' files come from."""

    def __init__(self, base: str, environ: Mapping[str, str]) -> None:
        self.base = base
        # What a program is started with, or runs in, so that it finds the mock.
        self.environ = environ
        self._key = environ.get("FAL_KEY") or os.environ.get("FAL_KEY") or "falkit:falkit"
        token = environ.get("FALKIT_CONTROL_TOKEN") or os.environ.get("FALKIT_CONTROL_TOKEN")
        head = {"authorization": f"Bearer {token}"} if token else {}
        # Plain HTTP to this machine: no roots are to be read.
        self._http = httpx.Client(timeout=_PATIENCE, trust_env=False, verify=False, headers=head)
        atexit.register(self._http.close)
        published = [key["number"] for key in self._keys() if key["published"]]
        # Kept, since a receiver may keep keys for a day: what a rotation brings signs one case.
        self.key: int = published[-1]
        self.older_key: int = published[0]
        # Never published, so that nobody can have signed with it but a stranger.
        self.strange_key = 0
        # How often a key was rotated.
        self.rotations = 0

    @property
    def jwks_url(self) -> str:
        return f"{self.base}/rest.fal.ai{_JWKS}"

    def submit(self, endpoint: str, input: JSON, fault: str | None = None) -> Job:
        """Return a new job that has ended, with an output or by a fault."""
        head = {"authorization": f"Key {self._key}"} | ({"x-falkit-fault": fault} if fault else {})
        url = f"{self.base}/queue.fal.run/{endpoint}"
        reply = self._ask("POST", url, json=input, headers=head)
        if reply.status_code != 200:
            fix = f"the mock refuses it ({reply.status_code}: {reply.text[:200]})"
            raise BadArgument("endpoint", endpoint, fix)
        made: dict[str, str] = reply.json()
        # 409 is one that has ended already, as under the timing `instant`.
        self._ask("POST", f"{self.base}/__falkit/jobs/{made['request_id']}/complete")
        result = self._ask("GET", made["response_url"], headers=head)
        if fault is None and result.status_code != 200:
            fix = f"give one that the model takes ({result.status_code}: {result.text[:200]})"
            raise BadArgument("input", input, fix)
        return Job(made["request_id"], Outcome(result.status_code, result.content))

    def sign(
        self, job: Job, body: bytes | None = None, *, ago: float = 0.0, key: int | None = None
    ) -> Sent:
        """Sign a body, the job's own by default, for a moment so many seconds ago."""
        headers, body, _ = sign_attempt(
            job.body() if body is None else body,
            JobFaults(),
            1,
            request_id=job.request_id,
            user_id=user_id(self._key.partition(":")[0]),
            moment=time.time() - ago,
            key=self.key if key is None else key,
        )
        return Sent(headers, body)

    def rotate(self) -> int:
        """Have the mock publish a new key; return its number."""
        self.rotations += 1
        reply = self._ask("POST", f"{self.base}/__falkit/webhooks/rotate")
        keys: list[dict[str, int]] = reply.json()["keys"]
        return next(key["number"] for key in keys if key["signs"])

    def fetches(self) -> int:
        """Return how often the keys were asked for, of those requests that the mock remembers."""
        reply = self._ask("GET", f"{self.base}/__falkit/requests", params={"path": _JWKS})
        return len(reply.json()["requests"])

    def _keys(self) -> list[dict[str, Any]]:
        keys: list[dict[str, Any]] = self._ask("GET", f"{self.base}/__falkit/webhooks").json()[
            "keys"
        ]
        # The one that signs when the tests begin, in whatever order they are listed.
        return sorted(keys, key=lambda key: (key["signs"], key["number"]))

    def _ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            reply = self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            fix = f"start it, or unset {_BASE} to have one of the tests' own"
            raise ContractError(f"no mock answers at {self.base} ({error}): {fix}") from None
        if "/__falkit/" in url and reply.status_code in (401, 403, 404):
            raise ContractError(f"{self.base} is no mock that can be controlled: {reply.text}")
        return reply


def stand_in() -> StandIn:
    """Return the mock at FALKIT_BASE_URL, or else one of this process's own, for all its tests."""
    base = os.environ.get(_BASE)
    return _elsewhere(base.rstrip("/")) if base else _own()


@cache
def _elsewhere(base: str) -> StandIn:
    return StandIn(base, {})


@cache
def _own() -> StandIn:
    # Lazy: it takes half a second, and a mock that runs already needs none of it.
    from falkit import Mock

    # Paused, so that a case which moves the machine's time on leaves its jobs alone.
    mock: Mock = Mock(timing="instant", clock="manual", concurrency=0).start()
    atexit.register(mock.stop)
    return StandIn(mock.url, mock.environ)


def example_input(endpoint: str) -> JSON:
    """Return the example of an endpoint's document."""
    try:
        return Catalog.vendored().get(endpoint).example_input()
    except UnknownEndpoint:
        raise BadArgument("endpoint", endpoint, "without a document of it, give input=") from None


def forgotten(job: Job) -> Job:
    """Return a job with the same output that the queue no longer knows, of two hours ago."""
    milliseconds = int((time.time() - 7200) * 1000)
    random = secrets.token_hex(10)
    head = f"{milliseconds:012x}7{random[:3]}8{random[3:18]}"
    parts = (head[:8], head[8:12], head[12:16], head[16:20], head[20:32])
    return Job("-".join(parts), job.outcome)


def rewritten(body: bytes) -> bytes:
    """Return a body as JavaScript writes it once it has read it: the same JSON, other bytes."""
    return json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()


def without_error(body: bytes) -> bytes:
    """Return a body that leaves `error` out, where fal writes null."""
    fields: dict[str, JSON] = json.loads(body)
    del fields["error"]
    return json.dumps(fields, sort_keys=True).encode()


def public_keys() -> list[bytes]:
    """Return the keys that sign by default in every mock, 32 bytes each, the newer one first."""
    return [private_key(number).public_key().public_bytes_raw() for number in (2, 1)]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in cast("dict[str, object]", value).values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in cast("list[object]", value) for text in _texts(each)]
    return []
