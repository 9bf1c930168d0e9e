"""Submits and statuses (wire.md §3.1 to §3.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from uuid import UUID

from falkit_contract.conform.checks import Table
from falkit_contract.conform.probe import (
    NOBODYS,
    UNFINISHED,
    CouldNotLook,
    NotApplicable,
    Probe,
    short,
)
from falkit_contract.conform.target import QUEUE, Exchange, split
from falkit_spec.types import JSON, Object

TABLE = Table()
_URLS = {"response_url": "", "status_url": "/status", "cancel_url": "/cancel"}


@TABLE.add("queue.submit.code", "§3.1", "A submit is answered 200, in JSON", 1)
def _(probe: Probe) -> None:
    reply = probe.submit()
    probe.code(reply, 200)
    label = reply.headers.get("content-type", "")
    probe.expect(label.startswith("application/json"), "content-type application/json", label)


@TABLE.add("queue.submit.fields", "§3.1", "The reply has the job's id and its three URLs", 1)
def _(probe: Probe) -> None:
    body = _submitted(probe)
    for name in ("request_id", *_URLS):
        got = body.get(name)
        probe.expect(isinstance(got, str) and bool(got), f"{name}, a text", got)
    state, position = body.get("status", "IN_QUEUE"), body.get("queue_position", 0)
    probe.expect(state == "IN_QUEUE", "status IN_QUEUE", state)
    probe.expect(_is_count(position), "queue_position, how many are ahead", position)
    for name in ("status", "queue_position", "logs", "metrics"):
        probe.note(name in body, f"a submit's reply has no {name}; fal's is taken to have one")


@TABLE.add("queue.submit.id", "§3.1", "A job's id is a UUID", 1)
def _(probe: Probe) -> None:
    request_id = _submitted(probe).get("request_id")
    try:
        version = UUID(str(request_id)).version
    except ValueError:
        probe.fail("request_id, a UUID", request_id)
    probe.note(version == 7, f"request_id is a UUID of version {version}; fal's look like 7")


@TABLE.add("queue.submit.urls", "§3.7", "URLs handed out have the app, and not the whole id", 1)
def _(probe: Probe) -> None:
    _names_the_app(probe, _submitted(probe))


@TABLE.add("queue.submit.origin", "§12 row 10", "URLs handed out have the submit's origin", 1)
def _(probe: Probe) -> None:
    body, origin = _submitted(probe), probe.setup.target.origin(QUEUE)
    for name in _URLS:
        got = str(body.get(name, ""))
        same = got.startswith(f"{origin}/")
        if origin.startswith("//"):
            same = split(got).hostname == QUEUE
        probe.expect(same, f"{name} at {origin.removeprefix('//')}", got)


@TABLE.add("queue.submit.twice", "§3.1", "The same submit twice makes two jobs", 2)
def _(probe: Probe) -> None:
    first, second = probe.job(), probe.job()
    probe.expect(first != second, "another id for the second", second)


@TABLE.add("queue.submit.options", "§3.1", "A submit may have the headers that clients send", 1)
def _(probe: Probe) -> None:
    headers = {
        "x-fal-queue-priority": "normal",
        "x-fal-request-timeout": "600",
        "x-fal-runner-hint": "conform",
        "x-fal-object-lifecycle-preference": '{"expiration_duration_seconds": 3600}',
        # What breaks a rule of tags is dropped, and fails no request.
        "x-fal-tags": "team=conform,fal.own=1,no-value",
    }
    probe.code(probe.submit(headers=headers), 200)


@TABLE.add("queue.submit.start-timeout", "§3.1", "No time to start, 0 s, is refused: 400", 1)
def _(probe: Probe) -> None:
    reply = probe.submit(headers={"x-fal-request-start-timeout": "0"})
    probe.code(reply, 400)


@TABLE.add("queue.submit.wrong-input", "§3.6", "A wrong input is taken, and fails at the result", 1)
def _(probe: Probe) -> None:
    reply = probe.submit(probe.wrong_input())
    probe.expect(reply.status == 200, "code 200", f"{reply.status} {reply.text}")


@TABLE.add("queue.submit.exposed", "§12 row 31", "Browsers may read x-fal-request-id", 1)
def _(probe: Probe) -> None:
    reply = probe.submit(headers={"origin": "https://app.example"})
    origin = reply.headers.get("access-control-allow-origin")
    allowed = "access-control-allow-origin for https://app.example"
    probe.expect(origin in ("*", "https://app.example"), allowed, origin)
    names = _words(reply, "access-control-expose-headers")
    probe.expect(bool({"*", "x-fal-request-id"} & names), "x-fal-request-id exposed", sorted(names))


@TABLE.add("queue.submit.preflight", "§12 row 31", "Browsers may send a key and x-fal- headers")
def _(probe: Probe) -> None:
    if probe.setup.target.by == "header":
        raise NotApplicable("a browser's preflight can't have the header x-fal-target-url")
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-fal-queue-priority",
    }
    reply = probe.ask("OPTIONS", probe.submit_url, headers=asked, key=False)
    probe.code(reply, 200, 204)
    names = _words(reply, "access-control-allow-headers")
    # For authorization an asterisk doesn't do (Fetch, "CORS non-wildcard request-header name").
    probe.expect("authorization" in names, "authorization allowed", sorted(names))
    free = bool({"*", "x-fal-queue-priority"} & names)
    probe.expect(free, "x-fal-queue-priority allowed", sorted(names))


@TABLE.add("queue.status.code", "§3.2", "A status is 202 until COMPLETED, which is 200", 1)
def _(probe: Probe) -> None:
    replies = probe.statuses(probe.job())
    for reply in replies:
        state = reply.fields().get("status")
        known = isinstance(state, str)
        probe.expect(known, "a status, with 202 or 200", f"{reply.status} {reply.text}")
        right = 202 if state in UNFINISHED else 200
        got = f"{reply.status} in {short(state)}"
        probe.expect(reply.status == right, f"code {right} in {short(state)}", got)
    probe.note(len(replies) > 1, "the job was done at the first look: no 202 was to be seen")


@TABLE.add("queue.status.values", "§3.2", "There are three statuses; a failed job is COMPLETED", 1)
def _(probe: Probe) -> None:
    knows_three(probe, probe.statuses(probe.job(probe.wrong_input()))[-1])


@TABLE.add("queue.status.fields", "§3.2", "Each status has the job's id and the three URLs", 1)
def _(probe: Probe) -> None:
    request_id = probe.job()
    for reply in probe.statuses(request_id):
        body = reply.fields()
        got = body.get("request_id")
        probe.expect(got == request_id, f"request_id {request_id}", got)
        _names_the_app(probe, body)


@TABLE.add("queue.status.position", "§3.2", "IN_QUEUE has a queue_position", 1)
def _(probe: Probe) -> None:
    first = probe.status(probe.job()).fields()
    if first.get("status") != "IN_QUEUE":
        raise NotApplicable(f"the job was {short(first.get('status'))} at the first look")
    got = first.get("queue_position")
    probe.expect(_is_count(got), "queue_position, a whole number from 0 on", got)


@TABLE.add("queue.status.logs", "§3.2", "`logs` is there, and null unless asked for", 1)
def _(probe: Probe) -> None:
    for reply in probe.statuses(probe.job()):
        body = reply.fields()
        if body.get("status") != "IN_QUEUE":
            probe.expect("logs" in body, "the key logs, which fal_client reads", body)
        logs = body.get("logs")
        probe.expect(logs is None, "logs null where they weren't asked for", logs)


@TABLE.add(
    "queue.status.logs-asked", "§3.2", "With ?logs=1 or ?logs=true there is a list of logs", 1
)
def _(probe: Probe) -> None:
    request_id = probe.done()
    for query in ("?logs=1", "?logs=true"):
        reply = probe.status(request_id, query)
        probe.code(reply, 200)
        logs = reply.fields().get("logs")
        if not isinstance(logs, list):
            probe.fail(f"logs, a list, with {query}", logs)
        for line in logs:
            known = isinstance(line, dict) and {"message", "timestamp"} <= {*line}
            probe.expect(known, "a message and a timestamp in each line", line)


@TABLE.add("queue.status.metrics", "§3.2", "COMPLETED has metrics, with the seconds it took", 1)
def _(probe: Probe) -> None:
    metrics = probe.ended(probe.job()).fields().get("metrics")
    took = metrics.get("inference_time") if isinstance(metrics, dict) else None
    number = isinstance(took, int | float) and not isinstance(took, bool) and took >= 0
    probe.expect(number, "metrics.inference_time, seconds", metrics)


@TABLE.add("queue.status.again", "§12 row 32", "COMPLETED stays", 1)
def _(probe: Probe) -> None:
    request_id = probe.done()
    for reply in (probe.status(request_id), probe.status(request_id)):
        got = reply.fields().get("status")
        probe.expect(reply.status == 200 and got == "COMPLETED", "200 COMPLETED", reply.text)


@TABLE.add("queue.status.slash", "§3.7", "A slash at the end of a status or a result is fine", 1)
def _(probe: Probe) -> None:
    request_id = probe.done()
    for rest in ("/status/", "/"):
        probe.code(probe.ask("GET", probe.request_url(request_id, rest)), 200)


@TABLE.add("queue.status.headers", "§12 row 19", "A status may be asked for as JavaScript does", 1)
def _(probe: Probe) -> None:
    head = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    reply = probe.ask("GET", probe.request_url(probe.job(), "/status?logs=0"), headers=head)
    probe.code(reply, 200, 202)
    probe.expect("status" in reply.fields(), "a status, in JSON", reply.text)


@TABLE.add("queue.status.whole-id", "§3.7", "A status of the whole id is 405, with Allow: POST", 1)
def _(probe: Probe) -> None:
    refuses_whole_id(probe, probe.done(), "/status")


@TABLE.add("queue.status.unknown", "§2", "The status of nobody's job is 404", 1)
def _(probe: Probe) -> None:
    is_answered(probe, "/status")
    reply = probe.status(NOBODYS)
    probe.code(reply, 404)
    probe.note(reply.json() == {"status": "NOT_FOUND"}, f"its body is {short(reply.text)}")


@TABLE.add("queue.status.stream", "§3.3", "/status/stream sends statuses, and ends at COMPLETED", 1)
def _(probe: Probe) -> None:
    reply = probe.ask("GET", probe.request_url(probe.job(), "/status/stream"))
    probe.code(reply, 200)
    label = reply.headers.get("content-type", "")
    probe.expect(label.startswith("text/event-stream"), "content-type text/event-stream", label)
    states = [*_events(probe, reply)]
    known = all(one in (*UNFINISHED, "COMPLETED") for one in states)
    known = known and states[-1:] == ["COMPLETED"]
    probe.expect(known, "events of statuses, COMPLETED at last", states)


def _submitted(probe: Probe) -> Object:
    reply = probe.submit()
    if reply.status != 200 or not reply.fields():
        raise CouldNotLook(f"a submit is answered {short(f'{reply.status} {reply.text}')}")
    return reply.fields()


def is_answered(probe: Probe, rest: str) -> None:
    """Raise CouldNotLook where a job of one's own is 404, and so nobody's job tells nothing."""
    reply = probe.ask("GET", probe.request_url(probe.done(probe.wrong_input()), rest))
    if reply.status == 404:
        raise CouldNotLook("a job that there is is 404 as well")


def _names_the_app(probe: Probe, body: Object) -> None:
    """Expect the three URLs of a request: the app, the request, and what it is for."""
    request_id = body.get("request_id")
    for name, rest in _URLS.items():
        got = str(body.get(name, ""))
        right = f"/{probe.endpoint.app}/requests/{request_id}{rest}"
        path = split(got).path.removesuffix("/")
        base = path[: -len(right)] if path.endswith(right) else None
        # What stands before the app is the target's own, such as fal's host.
        clean = base is not None and not base.endswith(f"/{probe.endpoint.id}")
        probe.expect(clean, f"{name} ending in {right}", got or body)


def knows_three(probe: Probe, last: Exchange) -> None:
    """Expect of a job's last status that it is COMPLETED."""
    state = last.fields().get("status")
    if not isinstance(state, str):
        raise CouldNotLook(f"a status is answered {short(f'{last.status} {last.text}')}")
    probe.expect(state == "COMPLETED", "IN_QUEUE, IN_PROGRESS or COMPLETED", state)


def refuses_whole_id(probe: Probe, request_id: str, rest: str) -> None:
    """Expect 405 where the whole id stands in a request's URL."""
    if probe.endpoint.id == probe.endpoint.app:
        raise NotApplicable(f"{probe.endpoint.id} is an app: its requests' URLs have the whole id")
    reply = probe.ask("GET", probe.request_url(request_id, rest, of=probe.endpoint.id))
    probe.code(reply, 405)
    methods = re.split(r"\s*,\s*", reply.headers.get("allow", ""))
    probe.expect(methods == ["POST"], "Allow: POST", reply.headers.get("allow"))


def _events(probe: Probe, reply: Exchange) -> Iterator[JSON]:
    for line in reply.text.splitlines():
        if line.startswith("data:"):
            try:
                event: JSON = json.loads(line.removeprefix("data:"))
            except ValueError:
                probe.fail("JSON in each event", line)
            yield event.get("status") if isinstance(event, dict) else None


def _words(reply: Exchange, name: str) -> set[str]:
    return {one.strip().lower() for one in reply.headers.get(name, "").split(",") if one.strip()}


def _is_count(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
