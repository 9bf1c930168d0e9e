"""What a program reads and changes of a mock, or of one key's in a mock with tenants."""

from __future__ import annotations

import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, cast

from falkit.submitted import check_submitted
from falkit.views import (
    Clock,
    FaultRule,
    Faults,
    Job,
    Spend,
    Video,
    Webhooks,
    measured,
    read_jobs,
    spend_in,
    wait_until,
)
from falkit_mock.core import dumps, shortened
from falkit_mock.core.settings import SettingsError

if TYPE_CHECKING:
    import asyncio

    from falkit_mock.app import MockApp
    from falkit_mock.core.events import RequestRecord
    from falkit_mock.mock import LoopThread
    from falkit_spec import JSON
    from falkit_spec.findings import Finding, Report

# Held while all is forgotten.
_turn = threading.Lock()


class Parts:
    """Jobs, requests, webhooks, faults and time; each is read at its use, from any thread."""

    @abstractmethod
    def _own(self) -> tuple[LoopThread, MockApp]: ...

    @property
    def jobs(self) -> list[Job]:
        """The jobs as they are now, the newest last."""
        server, app = self._own()
        return server.call(lambda: read_jobs(app.service, app.catalog))

    @property
    def requests(self) -> list[RequestRecord]:
        """The newest requests, as many as the setting `request_log` says, the newest last."""
        server, app = self._own()
        return server.inside(lambda: [replace(one) for one in app.request_log])

    @property
    def spend(self) -> Spend:
        """What jobs have cost since the mock started; a reset gives nothing back."""
        server, app = self._own()
        return spend_in(server, app)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the program by now, the worst first; a reset forgets nothing of it.

        What can only be told at the end, such as a result that was never read, is judged as if
        this were it.
        """
        server, app = self._own()
        # Lazy: most tests never ask.
        from falkit_mock.findings import findings_of

        return server.inside(lambda: findings_of([app.service], conclude=True))

    def report(self) -> Report:
        """Return the findings by now, and how many requests and jobs there were at what cost."""
        server, app = self._own()
        # Lazy: most tests never ask.
        from falkit_mock.findings import report_of

        return server.call(lambda: report_of(app, ""))

    def begin_test(self, test: str) -> None:
        """Have jobs and findings from now on be a test's, by its id; empty for no test's."""
        server, app = self._own()
        # Lazy: the plugin tells, and hardly anybody else.
        from falkit_mock.findings import begin_test

        server.inside(lambda: begin_test(app.services(), test))

    @property
    def webhooks(self) -> Webhooks:
        """The deliveries of webhooks, to list, wait for and send again."""
        return Webhooks(*self._own())

    @property
    def faults(self) -> Faults:
        """The rules that make things go wrong, to list, add and remove."""
        return Faults(*self._own())

    @property
    def clock(self) -> Clock:
        """The mock's time, to read and move."""
        return Clock(*self._own())

    def pin(
        self, endpoint: str, output: str | PathLike[str] | Mapping[str, JSON], **matching: JSON
    ) -> FaultRule:
        """Have an endpoint answer an output: JSON, or the path of its file or of a folder of them.

        `endpoint` is an id or a glob, `matching` as a rule has it: `times=2`, `prompt="cat"`. The
        rule is one of `mock.faults`, the last. Raise a ValueError that names what can't work.
        """
        given: JSON = {**output} if isinstance(output, Mapping) else _path_of(output)
        return self.faults.add({"output": given, "endpoint": endpoint, **matching})

    def receive(
        self, url: str, app: object, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """Have webhooks whose URL begins with this delivered to an ASGI or WSGI application.

        No socket is opened, and the host may be any. An ASGI application runs on an event loop of
        ours, or on the one that is given, and its lifespan is left to the test; a WSGI application
        runs in a thread. Another `url` of the same replaces the application. Raise a ValueError
        that names what can't work.
        """
        # Lazy: it imports httpx.
        from falkit.receiving import receive

        server, mock = self._own()
        receive(server, mock.service.webhooks, url, app, loop)

    def reset(self, *, keep_faults: bool = False) -> None:
        """Forget jobs, files, requests and webhooks, and have the rules of the settings again.

        Ids are those of the start again. The time and the keys of webhooks stay.
        """
        # Lazy: it imports what reads archives.
        from falkit_mock.service.state import reset_state

        server, app = self._own()
        with _turn:
            server.call(lambda: reset_state(app.service, keep_rules=keep_faults))

    def wait_for(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Return once `condition()` holds: `mock.wait_for(lambda: len(mock.jobs) == 2)`.

        Raise TimeoutError after `timeout` real seconds.
        """
        wait_until(condition, timeout, lambda: "the condition did not hold")

    def assert_submitted(
        self,
        endpoint: str,
        partial_input: Mapping[str, Any] | None = None,
        times: int | None = None,
    ) -> list[Job]:
        """Return the jobs of an endpoint whose input has all of `partial_input`.

        `endpoint` is an id or a glob. Objects within the input may have more fields than are
        expected; `unittest.mock.ANY` stands for any value. Raise AssertionError unless there is
        such a job, or there are exactly `times`; it says what came nearest, and gives its request
        as a curl command.
        """
        __tracebackhide__ = True
        return check_submitted(self.jobs, self.requests, endpoint, partial_input, times)

    def video_of(self, job: Job | str) -> Video:
        """Measure the video that a job answers: its size, rate, frames, seconds, sound.

        `job` is a job or its request id. Raise ValueError where there is none.
        """
        if isinstance(job, str):
            found = [one for one in self.jobs if one.request_id == job]
            if not found:
                raise ValueError(f"job: {job!r} isn't the request id of a job of this mock")
            job = found[0]
        # Lazy: few tests look into files.
        from falkit_client.download import files_of
        from falkit_mock.service.files import path_of

        what = f"job: {job.request_id} of {job.endpoint_id}"
        if job.output is None:
            raise ValueError(f"{what} {_without_output(job)}, and has no video")
        urls = [file.url for file in files_of(_first_of(job.output))]
        if not urls:
            raise ValueError(f"{what} answers no file")
        path = path_of(urls[0])
        data = None if path is None else self._file(path)
        if data is None:
            raise ValueError(f"{what}: {urls[0]} isn't a file of this mock")
        try:
            return measured(data)
        except ValueError as error:
            raise ValueError(f"{what}: {urls[0]}: {error}") from None

    def _file(self, path: str) -> bytes | None:
        """Return the file at a path of the media host; None if there is none."""
        server, app = self._own()
        found = server.inside(lambda: app.service.media.at(path))
        # Making it takes a while, which nobody else should wait for.
        if found is None:
            return None
        return found.read(0, sys.maxsize if found.size is None else found.size)


class Tenant(Parts):
    """What one key has to itself."""

    def __init__(self, server: LoopThread, app: MockApp) -> None:
        self._server = server
        self._app = app

    def _own(self) -> tuple[LoopThread, MockApp]:
        return self._server, self._app


def _first_of(output: Any) -> Any:
    """Return the part of an output that is its video, where a field says so."""
    if not isinstance(output, dict):
        return output
    fields = cast("dict[str, Any]", output)
    return next((fields[name] for name in ("video", "videos") if fields.get(name)), fields)


def _without_output(job: Job) -> str:
    """Say why a job has no output."""
    if job.status_code is None:
        return f"is {job.status}"
    return f"answers {job.status_code} {shortened(dumps(job.error).decode())}"


def _path_of(output: object) -> str:
    if isinstance(output, str | PathLike):
        return fspath(cast("str | PathLike[str]", output))
    fix = "give an output's object, or the path of a file or folder"
    raise SettingsError("output", f"{output!r} is no output; {fix}")
