"""What is told of a job: a line of a list, and all that is known."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict

from falkit_mock.core import NotJson, iso, masked, parse_body, shortened
from falkit_mock.core.fal_errors import platform_error
from falkit_mock.core.jobs import Job, Outcome
from falkit_mock.core.network import MEDIA
from falkit_mock.outputs.kinds import MEDIA_TYPES
from falkit_mock.service.billing import Entry, charge, readable
from falkit_mock.service.files import path_of
from falkit_mock.service.service import Service
from falkit_mock.service.status import EXPIRED, error_of
from falkit_mock.store import Given
from falkit_spec import JSON, Catalog

# Characters of what a line shows, and bytes of inputs and outputs that are read for it in full.
_LINE, _READ = 200, 1 << 16
# How a long input begins its prompt, wherever that is.
_PROMPT = re.compile(rb'"(?:prompt|text)"\s*:\s*("(?:[^"\\]|\\.){0,2000})')
_SHOWN = ("image/", "video/")


def job_summary(job: Job, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return a job as lists have it, without its input and output."""
    now = service.clock.now()
    status, outcome = job.status(now), outcome_by(job, now)
    sent = service.store.input(job.id)
    done = outcome if status == "COMPLETED" else None
    entry = Entry(job, endpoint_of(job, catalog), done, lambda: sent)
    paid = charge(entry, catalog)
    return {
        "request_id": job.id,
        "endpoint_id": entry.endpoint_id,
        "app": job.app,
        "entry": job.entry,
        "key": job.options.key,
        "test": job.options.test or None,
        "status": status,
        "status_code": outcome.status_code if outcome else None,
        "progression": job.progression,
        "cancelled": job.cancelled,
        "attempts": job.attempts,
        "created": job.created,
        "starts": finite(job.starts),
        "ends": finite(job.ends),
        "created_at": iso(job.created),
        "result": None if done is None else result_of(job, ok=done.ok),
        "prompt": prompt_in(sent),
        "cost": None if paid is None else f"{paid.cost:f}",
        "error": None if done is None or done.ok else _error(done),
        "thumbnail": None if done is None or not done.ok else _thumbnail(done.body, service),
    }


async def job_details(job: Job, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return all that is known about a job; its outcome is null while its inputs are checked."""
    if job.status(service.clock.now()) == "COMPLETED":
        await service.outcome(job)
        job = service.store.get(job.id) or job
    now = service.clock.now()
    outcome, closes = outcome_by(job, now), service.retention.closes(job)
    options: dict[str, JSON] = {
        name: None if value == math.inf else value for name, value in asdict(job.options).items()
    }
    webhook, tags, faults = job.options.webhook, job.options.tags, job.options.faults
    # It isn't asked for, and told above.
    del options["test"]
    options.update(webhook=webhook and masked(webhook), tags=[*tags], faults=[*faults])
    return {
        **job_summary(job, service, catalog),
        "path": job.path,
        "queue_position": service.place(job, now),
        "run": finite(job.run),
        "ready": finite(job.ready),
        "expires": finite(closes),
        "expired": job.ends <= now and closes <= now,
        "input": readable(service.store.input(job.id)),
        "outcome": None if outcome is None else _outcome(outcome),
        "options": options,
        "faults": job.faults.to_json(),
    }


def whose(request_id: str, service: Service, catalog: Catalog) -> dict[str, JSON]:
    """Return by what one recognises a job; null where there is none by this id."""
    job = service.store.get(request_id)
    if job is None:
        return {"endpoint_id": None, "prompt": None}
    prompt = prompt_in(service.store.input(request_id))
    return {"endpoint_id": endpoint_of(job, catalog), "prompt": prompt}


def outcome_by(job: Job, now: float) -> Outcome | None:
    """Return what a job answers, or will; None while that isn't known."""
    if job.given_up and now >= job.ends:
        return platform_error("request_timeout")
    return job.outcome


def result_of(job: Job, *, ok: bool) -> str:
    """Say what came of a job that has ended, in one of the words that metrics have."""
    return "cancelled" if job.cancelled else "ok" if ok else "failed"


def endpoint_of(job: Job, catalog: Catalog) -> str:
    """Return the endpoint that a job is for; what was posted to, where there is none."""
    endpoint = catalog.at(job.path)
    return job.path if endpoint is None else endpoint.id


def finite(seconds: float) -> float | None:
    """Return seconds, or None where they are infinite, which is not known."""
    return seconds if math.isfinite(seconds) else None


def prompt_in(sent: bytes, most: int = _LINE) -> str | None:
    """Return the beginning of the prompt in an input, or of other text that leads a model."""
    if len(sent) > _READ:
        # It has files in it.
        return shortened(_quoted(sent), most) or None
    input = parse_body(sent)
    if not isinstance(input, dict):
        return None
    named = (input.get(name) for name in ("prompt", "text"))
    others = (value for value in input.values() if isinstance(value, str) and "://" not in value)
    found = next((one for one in (*named, *others) if isinstance(one, str) and one), None)
    return None if found is None else shortened(found, most)


def _quoted(sent: bytes) -> str:
    match = _PROMPT.search(sent)
    if match is None:
        return ""
    try:
        found = json.loads(match[1] + b'"')
    except ValueError:
        return ""
    return str(found)


def _error(outcome: Outcome) -> str:
    said = error_of(outcome)
    return shortened(": ".join(filter(None, (said.field, said.message))), _LINE)


def _thumbnail(body: bytes, service: Service) -> dict[str, JSON] | None:
    if len(body) > _READ:
        return None
    for url in urls_in(parse_body(body)):
        path = path_of(url)
        found = None if path is None else service.media.record(path)
        if found is None:
            continue
        wanted = found[0].wanted
        kind = wanted.content_type if isinstance(wanted, Given) else MEDIA_TYPES[wanted.format]
        if kind.startswith(_SHOWN):
            return {"url": f"/{MEDIA}{path}", "content_type": kind}
    return None


def urls_in(value: JSON | NotJson) -> Iterator[str]:
    """Yield the URLs in an output, in its order."""
    if isinstance(value, str):
        if value.startswith(("http://", "https://")):
            yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from urls_in(each)


def _outcome(outcome: Outcome) -> dict[str, JSON]:
    return {
        "status_code": outcome.status_code,
        # Not the model's: `expired` tells it.
        "headers": {name: text for name, text in outcome.headers.items() if name != EXPIRED},
        "body": readable(outcome.body),
        "error": outcome.error,
        "error_type": outcome.error_type,
    }
