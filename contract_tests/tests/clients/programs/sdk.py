"""The fal SDK's calls of apps, as its documentation has them."""

# The SDK has an environment of its own, which the checkers do not see.
# mypy: disable-error-code="import-not-found,import-untyped"
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import json
from typing import Any

import fal.apps
import httpx

from clients.programs.telling import ENDPOINT, INPUT, file, tell

CLIENT = "fal"


def clip(output: dict[str, Any]) -> dict[str, object]:
    reply = httpx.get(output["video"]["url"])
    return file(reply.status_code, reply.headers, reply.content)


def run() -> object:
    return clip(fal.apps.run(ENDPOINT, arguments=INPUT))


def over_websocket() -> object:
    with fal.apps.ws(ENDPOINT) as connection:
        connection.send({**INPUT, "duration": 7})
        connection.send(INPUT)
        refused = json.loads(connection.recv())
        assert refused["detail"][0]["loc"] == ["body", "duration"]
        return clip(json.loads(connection.recv()))


def submit() -> object:
    handle = fal.apps.submit(ENDPOINT, arguments=INPUT)
    return {"request_id": handle.request_id}


def status() -> object:
    handle = fal.apps.submit(ENDPOINT, arguments=INPUT)
    told = [handle.status(logs=True) for _ in range(3)]
    return {"statuses": [type(one).__name__ for one in told], "logs": told[2].logs}


def iterated() -> object:
    handle = fal.apps.submit(ENDPOINT, arguments=INPUT)
    statuses: list[str] = []
    logs: list[object] = []
    for event in handle.iter_events(logs=True):
        statuses.append(type(event).__name__)
        logs += getattr(event, "logs", [])
    return {"statuses": statuses, "logs": logs, "clip": clip(handle.get())}


def result() -> object:
    handle = fal.apps.submit(ENDPOINT, arguments=INPUT)
    handle.get()
    return clip(handle.fetch_result())


def cancel() -> object:
    handle = fal.apps.submit(ENDPOINT, arguments=INPUT)
    handle.cancel()
    return handle.fetch_result()


def main() -> None:
    for work in (run, over_websocket, submit, status, iterated, result, cancel):
        tell(CLIENT, work.__name__, work)


main()
