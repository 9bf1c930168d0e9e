"""fal's webhooks against your own handler: each thing that can go wrong with them as a case.

One test is enough:

    import pytest
    from backend import app, videos
    from falkit_contract.webhooks import webhook_cases

    @pytest.mark.parametrize("case", webhook_cases)
    def test_fal_webhook(case):
        case.check(app, "/fal", stored=videos.get)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Unpack
from unittest import SkipTest
from unittest.mock import patch

import anyio

from falkit_contract.webhooks._cases import CASES, Steps
from falkit_contract.webhooks._sent import public_keys as public_keys, stand_in
from falkit_contract.webhooks._trial import (
    Ask,
    Deliver,
    Flow,
    NotJudged,
    Options,
    Step,
    Trial,
    Twice,
    WebhookFinding,
    awaitable,
    called,
)

__all__ = ["WebhookCase", "WebhookFinding", "environ", "jwks_url", "public_keys", "webhook_cases"]

# The case that says why a handler takes no delivery at all; the others then can't be judged.
_PLAIN = "error-null"


@dataclass(frozen=True, slots=True)
class WebhookCase:
    """One thing that happens to webhooks at fal; `title` says which."""

    id: str
    title: str
    steps: Steps

    @property
    def __name__(self) -> str:
        """The name by which pytest shows it."""
        return self.id

    def check(self, handler: object, path: str = "/", **options: Unpack[Options]) -> None:
        """Try it on a handler: an ASGI application, a WSGI application or a URL.

        `path` is the path of an application's route. `stored(request_id)` returns the output of
        that job as your program keeps it, anything false while it has none; `failed(request_id)`
        whether it knows that the job failed. `submitted(request_id)` tells your program of a
        job, for handlers that know only their own. `reconcile()` has it look for jobs whose webhook
        never came, `expire()` empties what it keeps fal's keys in. `wait` is how many seconds
        it may take until what was done can be seen. `endpoint` and `input` are what the jobs
        are of. Functions may be coroutines. An ASGI application runs on an event loop of its own,
        with its lifespan.

        Raise WebhookFinding, an AssertionError; SkipTest where a case needs an option that isn't
        given; BadArgument.
        """
        __tracebackhide__ = True
        trial = Trial(self.id, handler, path, options)
        with _around(trial), trial.handler.open() as door, _outcome():
            flow = self._flow(trial)
            answer: object = None
            while (step := _next(flow, answer)) is not None:
                answer = None
                if isinstance(step, Deliver):
                    with _later(step.later):
                        answer = door.post(step.sent)
                elif isinstance(step, Twice):
                    answer = door.twice(step.sent)
                elif isinstance(step, Ask):
                    answer = called(step)
                    if (waits := awaitable(answer)) is not None:
                        answer = door.wait(waits)
                else:
                    time.sleep(step.seconds)

    async def check_async(
        self, handler: object, path: str = "/", **options: Unpack[Options]
    ) -> None:
        """As check(), for asynchronous tests: an ASGI application runs on the test's event loop.

        Its lifespan is left to the test's fixtures.
        """
        __tracebackhide__ = True
        trial = Trial(self.id, handler, path, options)
        with _around(trial), _outcome():
            flow = self._flow(trial)
            answer: object = None
            while (step := _next(flow, answer)) is not None:
                answer = None
                if isinstance(step, Deliver):
                    with _later(step.later):
                        answer = await trial.handler.post_async(step.sent)
                elif isinstance(step, Twice):
                    answer = await trial.handler.twice_async(step.sent)
                elif isinstance(step, Ask):
                    answer = called(step)
                    if (waits := awaitable(answer)) is not None:
                        answer = await waits
                else:
                    await anyio.sleep(step.seconds)

    def _flow(self, trial: Trial) -> Flow[None]:
        try:
            yield from self.steps(trial)
        except WebhookFinding as finding:
            if finding.by_refusal and self.id != _PLAIN and not (yield from trial.plain_is_taken()):
                raise trial.not_judged(_PLAIN) from None
            raise


def _next(flow: Flow[None], answer: object) -> Step | None:
    """Return a flow's next step, given what came of the last one; None at its end."""
    __tracebackhide__ = True
    try:
        return flow.send(answer)
    except StopIteration:
        return None


@contextmanager
def _outcome() -> Generator[None]:
    """Have a test runner know a case that can't be judged."""
    __tracebackhide__ = True
    try:
        yield
    except NotJudged as why:
        # pytest's own skip, and unittest's.
        raise SkipTest(str(why)) from None


@contextmanager
def _around(trial: Trial) -> Generator[None]:
    """Lead whatever the handler calls of fal's to the mock: keys, results, files."""
    with patch.dict(os.environ, trial.mock.environ):
        yield


@contextmanager
def _later(seconds: float) -> Generator[None]:
    """Have it be later for this process, for what reads the time by time.time()."""
    if not seconds:
        yield
        return
    real: Callable[[], float] = time.time
    with patch("time.time", lambda: real() + seconds):
        yield


def environ() -> Mapping[str, str]:
    """Return the variables with which a program of yours finds the keys, and all else of fal's.

    For a handler that the tests reach by its URL: start it with them.
    """
    mock = stand_in()
    return mock.environ or {"FALKIT_BASE_URL": mock.base}


def jwks_url() -> str:
    """Return where the keys are, for a handler that is told of it by a setting of its own."""
    return stand_in().jwks_url


webhook_cases: list[WebhookCase] = [
    WebhookCase(id, title, steps) for id, (title, steps) in CASES.items()
]
"""All cases, for `pytest.mark.parametrize`; leave some out by their `id`."""
