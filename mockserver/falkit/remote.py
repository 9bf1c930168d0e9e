"""One key's mock in another process, by the control API (docs/control.md)."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from decimal import Decimal
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from falkit.parts import Parts
from falkit.views import (
    Clock,
    Delivery,
    FaultRule,
    Faults,
    Job,
    Spend,
    Webhooks,
    checked_seconds,
    fault_names_of,
)
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.jobs import JobFaults
from falkit_mock.core.network import CONTROL, MEDIA
from falkit_mock.core.settings import parse_moment
from falkit_mock.faults.pins import Fixture, Pin
from falkit_mock.faults.rules import Rule

if TYPE_CHECKING:
    from datetime import datetime

    from falkit_mock.app import MockApp
    from falkit_mock.mock import LoopThread
    from falkit_spec import JSON
    from falkit_spec.findings import Finding, Report

# Real seconds for an answer, beyond those that a mock is asked to wait; moving the clock takes as
# long as it takes.
_PATIENCE = 30.0
# The longest that one request may wait for webhooks.
_LONGEST_WAIT = 60.0
# How many jobs and deliveries one answer has at most.
_PAGE = 1000
_Method = Literal["GET", "POST", "PUT", "DELETE"]


class Control:
    """The control API at a URL, over a connection that is kept; for many keys and threads.

    It is Python's own client, so that what mocks httpx or requests meanwhile mocks no call of this.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._turn = threading.Lock()
        self._kept = self._connection(_PATIENCE)

    def ask(
        self,
        method: _Method,
        path: str,
        key: str = "",
        *,
        query: Mapping[str, str | float | None] | None = None,
        body: Mapping[str, JSON] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """Return the JSON that an operation of a key's mock answers.

        `wait` is how many seconds it may take beyond the usual. Raise ValueError with the mock's
        own words for what it refuses, LookupError for what isn't there, and ConnectionError if
        nothing answers.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{CONTROL}{path}" + (f"?{urlencode(given)}" if given else "")
        headers = {"x-falkit-client": "falkit"}
        if key:
            headers["authorization"] = f"Key {key.partition(':')[0]}"
        if self._token:
            headers["x-falkit-token"] = self._token
        content = None if body is None else json.dumps(body).encode()
        if wait:
            with closing(self._connection(wait + _PATIENCE)) as connection:
                status, told = self._exchange(connection, method, target, headers, content)
        else:
            with self._turn:
                status, told = self._exchange(self._kept, method, target, headers, content)
        if status < 400:
            return json.loads(told) if told else None
        detail = told.decode("utf-8", "replace")
        with suppress(ValueError, KeyError, TypeError):
            detail = json.loads(told)["detail"]
        raise (LookupError if status == 404 else ValueError)(detail)

    def file(self, path: str) -> bytes | None:
        """Return the file at a path of the media host; None if there is none."""
        with self._turn:
            status, data = self._exchange(self._kept, "GET", f"/{MEDIA}{path}", {}, None)
        return data if status == 200 else None

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._kept.close()

    def _connection(self, patience: float) -> HTTPConnection:
        found = urlsplit(self.url)
        if found.scheme != "http" or not found.hostname:
            fix = "give a mock's, such as http://127.0.0.1:4325"
            raise ValueError(f"url: {self.url!r} doesn't begin with http://; {fix}")
        return HTTPConnection(found.hostname, found.port, timeout=patience)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: _Method,
        target: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> tuple[int, bytes]:
        # What was kept open may have been closed by the mock meanwhile, so it is tried once more.
        for last in (connection.sock is None, True):
            try:
                connection.request(method, target, content, dict(headers))
                reply = connection.getresponse()
                return reply.status, reply.read()
            except (OSError, HTTPException) as error:
                connection.close()
                if last or isinstance(error, TimeoutError):
                    why = str(error) or type(error).__name__
                    said = f"the mock at {self.url} doesn't answer ({why})"
                    raise ConnectionError(said) from None
        raise AssertionError("unreachable")


class Remote(Parts):
    """What one key has to itself in a mock of another process; its control API is asked each time.

    What is pinned here is an output's JSON, or a file of it: media that it names are URLs, since
    the mock serves no files of this process.
    """

    def __init__(self, control: Control, key: str) -> None:
        self.key = key
        self._control = control

    def _own(self) -> tuple[LoopThread, MockApp]:
        raise RuntimeError("this mock runs in another process, which has nothing of this one")

    @property
    def url(self) -> str:
        """The mock's URL; `{url}/queue.fal.run/…` answers for `https://queue.fal.run/…`."""
        return self._control.url

    @property
    def jobs(self) -> list[Job]:
        """The jobs as they are now, the newest last."""
        found: list[Job] = []
        cursor: str | None = None
        while True:
            page = self._control.ask(
                "GET",
                "/jobs",
                self.key,
                query={"details": "true", "limit": _PAGE, "cursor": cursor},
            )
            found += map(_job, page["jobs"])
            cursor = page["next_cursor"]
            if cursor is None:
                return found[::-1]

    @property
    def requests(self) -> list[RequestRecord]:
        """The newest requests, as many as the setting `request_log` says, the newest last."""
        told = self._control.ask("GET", "/requests", self.key, query={"limit": 10_000})
        return [_request(one) for one in told["requests"]]

    @property
    def spend(self) -> Spend:
        """What jobs have cost since the mock started; a reset gives nothing back."""
        return Spend.read(self._control.ask("GET", "/spend", self.key))

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the program by now, the worst first; a reset forgets nothing of it."""
        return self.report().findings

    def report(self) -> Report:
        """Return the findings by now, and how many requests and jobs there were at what cost."""
        from falkit_spec.findings import Report

        told = self._control.ask("GET", "/report", self.key, query={"conclude": "true"})
        return Report.read(told)

    def begin_test(self, test: str) -> None:
        """Have jobs and findings from now on be a test's, by its id; empty for no test's."""
        self._control.ask("PUT", "/test", self.key, body={"test": test})

    @property
    def webhooks(self) -> Webhooks:
        """The deliveries of webhooks, to list, wait for and send again."""
        return RemoteWebhooks(self._control, self.key)

    @property
    def faults(self) -> Faults:
        """The rules that make things go wrong, to list, add and remove."""
        return RemoteFaults(self._control, self.key)

    @property
    def clock(self) -> Clock:
        """The mock's time, to read and move."""
        return RemoteClock(self._control, self.key)

    def reset(self, *, keep_faults: bool = False) -> None:
        """Forget jobs, files, requests and webhooks, and have the rules of the settings again."""
        self._control.ask("POST", "/reset", self.key, body={"keep_rules": keep_faults})

    def _file(self, path: str) -> bytes | None:
        return self._control.file(path)


class RemoteWebhooks(Webhooks):
    """The deliveries so far of a mock in another process."""

    def __init__(self, control: Control, key: str) -> None:
        self._control = control
        self._key = key

    def wait(self, count: int = 1, timeout: float = 10.0) -> list[Delivery]:
        """Return the deliveries once there are so many; raise TimeoutError after `timeout`."""
        left = timeout
        while True:
            turn = min(left, _LONGEST_WAIT)
            query = {"count": count, "wait": turn, "limit": 1}
            told = self._control.ask("GET", "/deliveries", self._key, query=query, wait=turn or 1)
            left -= turn
            if told["total"] >= count:
                return self._read()
            if left <= 0:
                raise TimeoutError(f"{told['total']} of {count} webhooks after {timeout:g} s")

    def resend(self, request_id: str, url: str | None = None) -> Delivery:
        """Deliver a finished job's webhook again, to its own URL or another."""
        body: dict[str, JSON] = {} if url is None else {"url": url}
        path = f"/jobs/{quote(request_id, safe='')}/resend"
        told = self._control.ask("POST", path, self._key, body=body, wait=_LONGEST_WAIT)
        return _delivery(told)

    def _read(self) -> list[Delivery]:
        found: list[Delivery] = []
        cursor: str | None = None
        while True:
            query = {"limit": _PAGE, "cursor": cursor}
            page = self._control.ask("GET", "/deliveries", self._key, query=query)
            found[:0] = map(_delivery, page["deliveries"])
            cursor = page["next_cursor"]
            if cursor is None:
                return found


class RemoteFaults(Faults):
    """The rules of a mock in another process."""

    def __init__(self, control: Control, key: str) -> None:
        self._control = control
        self._key = key

    def add(self, rule: str | Mapping[str, JSON]) -> FaultRule:
        """Add a rule behind the others: `image_load_error times=2`, or a table of the same."""
        read = Rule.read(rule, None)
        table: dict[str, JSON] = read.table()
        if read.pin is not None and isinstance(table["output"], str):
            # Its file is on this machine, whereas the mock may read those of its start alone.
            table["output"] = {**_only(read.pin).value}
        return _rule(self._control.ask("POST", "/rules", self._key, body={"rule": table}))

    def remove(self, id: str) -> None:
        """Remove a rule; raise KeyError if there is no such rule."""
        if id not in (known := [rule.id for rule in self._read()]):
            names = ", ".join(known) or "none"
            raise KeyError(f"{id!r} isn't a rule's id; those there are: {names}")
        self._control.ask("DELETE", f"/rules/{quote(id, safe='')}", self._key)

    def clear(self) -> None:
        """Remove all rules."""
        self._control.ask("DELETE", "/rules", self._key)

    def _read(self) -> list[FaultRule]:
        told = self._control.ask("GET", "/rules", self._key)
        return [_rule(one) for one in told["rules"]]


class RemoteClock(Clock):
    """The time of a mock in another process."""

    def __init__(self, control: Control, key: str) -> None:
        self._control = control
        self._key = key

    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        return bool(self._ask("GET", "")["running"])

    def now(self) -> float:
        """Return the moment, unix seconds."""
        return float(self._ask("GET", "")["now"])

    def advance(self, time: float | str) -> int:
        """Go on by seconds, or by text such as `2h` or `1h30m`; return how many events were met."""
        return int(self._ask("POST", "/advance", {"seconds": checked_seconds(time)})["events"])

    def set(self, moment: float | str | datetime) -> int:
        """Go to a later moment: unix seconds, ISO 8601 or a datetime, as advance() does."""
        return int(self._ask("POST", "/set", {"now": parse_moment("moment", moment)})["events"])

    def pause(self) -> None:
        """Let time pass by itself no longer."""
        self._ask("POST", "/pause", {})

    def run(self) -> None:
        """Let time pass by itself from here on."""
        self._ask("POST", "/run", {})

    def _ask(
        self, method: Literal["GET", "POST"], path: str, body: Mapping[str, JSON] | None = None
    ) -> Any:
        # A jump waits for the receivers of all webhooks on the way.
        wait = 600.0 if path in ("/advance", "/set") else 0.0
        return self._control.ask(method, f"/clock{path}", self._key, body=body, wait=wait)


def _only(pin: Pin) -> Fixture:
    """Return the output of a pin; raise ValueError for a folder of several."""
    first, *more = pin.fixtures
    if more:
        fix = "pin its files one by one, with times=1"
        raise ValueError(f"output: {pin.source!r} has several outputs; {fix}")
    return first


def _job(told: Mapping[str, Any]) -> Job:
    outcome = told["outcome"] if told["status"] == "COMPLETED" else None
    succeeded = outcome is not None and outcome["status_code"] < 400
    body = None if outcome is None else outcome["body"]
    return Job(
        request_id=told["request_id"],
        endpoint_id=told["endpoint_id"],
        status=told["status"],
        key=told["key"],
        input=told["input"],
        output=body if succeeded else None,
        error=None if succeeded else body,
        error_type=None if outcome is None else outcome["error_type"],
        status_code=None if outcome is None else outcome["status_code"],
        created=told["created"],
        starts=told["starts"],
        ends=told["ends"],
        webhook=told["options"]["webhook"],
        faults=fault_names_of(JobFaults.from_json(told["faults"])),
        cancelled=told["cancelled"],
        cost=None if told["cost"] is None else Decimal(told["cost"]),
        test=told["test"],
    )


def _request(told: Mapping[str, Any]) -> RequestRecord:
    fields: dict[str, Any] = {**told, "faults": tuple(told["faults"]), "fal": True}
    return RequestRecord(**fields)


def _delivery(told: Mapping[str, Any]) -> Delivery:
    response: dict[str, Any] = told["response"] or {"status_code": None, "headers": {}, "body": ""}
    return Delivery(
        id=told["id"],
        request_id=told["request_id"],
        url=told["url"],
        cause=told["cause"],
        number=told["number"],
        sent=told["sent"],
        seconds=told["seconds"],
        headers=told["request"]["headers"],
        body=told["request"]["body"].encode(),
        status_code=response["status_code"],
        response_headers=response["headers"],
        response_body=response["body"].encode(),
        error=told["error"],
        status=told["status"],
        next=told["next"],
        faults=tuple(told["faults"]),
    )


def _rule(told: Mapping[str, Any]) -> FaultRule:
    return FaultRule(told["id"], told["text"], told["matched"], told["applied"])
