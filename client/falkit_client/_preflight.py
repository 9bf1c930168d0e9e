"""Asks whether the URLs of an input lead to files, before a job is paid for in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import httpx

from falkit_client._requests import Request
from falkit_client._sniff import sniff
from falkit_client._steps import Fetch, Flow, Leave, ask, take
from falkit_client.errors import NoAnswer
from falkit_spec.facts import MediaInput
from falkit_spec.types import Fault, Object, is_array

# Seconds that a host may take to answer.
_PATIENCE = 15.0


def preflight(endpoint: str, media: Iterable[MediaInput], body: Object) -> Flow[list[Fault]]:
    """A fault for each URL that doesn't answer 200 with a file of its kind; no key goes along."""
    faults: list[Fault] = []
    for medium, loc, url in list(_urls(media, body)):
        why = yield from _wrong(endpoint, medium, url)
        if why:
            fault: Fault = {"type": "file_download_error", "loc": loc, "msg": why, "input": url}
            faults.append(fault)
    return faults


def _urls(
    media: Iterable[MediaInput], body: Object
) -> Iterator[tuple[MediaInput, list[str | int], str]]:
    for medium in media:
        value = body.get(medium.field)
        loc: list[str | int] = ["body", medium.field]
        if isinstance(value, str) and _on_the_web(value):
            yield medium, loc, value
        if is_array(value):
            for at, item in enumerate(value):
                if isinstance(item, str) and _on_the_web(item):
                    yield medium, [*loc, at], item


def _wrong(endpoint: str, medium: MediaInput, url: str) -> Flow[str | None]:
    try:
        reply = yield from ask(Fetch(Request("GET", url, endpoint, timeout=_PATIENCE)))
        if reply.status != 200:
            yield Leave()
            return f"the URL answers {reply.status}, not 200"
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        # Many hosts label nothing: then the first bytes tell.
        found = None if kind.startswith(f"{medium.kind}/") else sniff((yield from take()) or b"")
        yield Leave()
    except (NoAnswer, httpx.InvalidURL) as error:
        return f"the URL cannot be fetched ({error})"
    if kind.startswith(f"{medium.kind}/") or (found and found.kind == medium.kind):
        return None
    return f"the URL answers with {kind or 'a file without a type'}, which is no {medium.kind}"


def _on_the_web(value: str) -> bool:
    return value[:7].lower() == "http://" or value[:8].lower() == "https://"
