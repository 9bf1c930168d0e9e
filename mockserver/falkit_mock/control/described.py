"""A job as the control API tells of it: a line of a list, or all that is known."""

from __future__ import annotations

import math
from dataclasses import asdict

from falkit_mock.platform.history import Entry, charge, iso, readable
from falkit_mock.platform.jobs import Job, Outcome
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.webhooks.masking import masked
from falkit_spec import JSON, Catalog


def listed(job: Job, platform: Platform, catalog: Catalog) -> dict[str, JSON]:
    """Return a job's facts, without what was sent and answered."""
    return {
        "request_id": job.id,
        "endpoint_id": endpoint_of(job, catalog),
        "app": job.app,
        "door": job.door,
        "key": job.wishes.key,
        "status": job.status(platform.clock.now()),
        "status_code": job.outcome.status_code if job.outcome else None,
        "pace": job.pace,
        "cancelled": job.cancelled,
        "attempts": job.attempts,
        "created": job.created,
        "starts": moment(job.starts),
        "ends": moment(job.ends),
        "created_at": iso(job.created),
    }


async def described(job: Job, platform: Platform, catalog: Catalog) -> dict[str, JSON]:
    """Return all that is known of a job; its outcome is null while its files are looked at."""
    done = job.status(platform.clock.now()) == "COMPLETED"
    outcome = await platform.outcome(job) if done else job.outcome
    sent = platform.store.input(job.id)
    entry = Entry(job, endpoint_of(job, catalog), outcome if done else None, lambda: sent)
    paid = charge(entry, catalog)
    wishes: dict[str, JSON] = {
        name: None if value == math.inf else value for name, value in asdict(job.wishes).items()
    }
    webhook, faults = job.wishes.webhook, job.wishes.faults
    return {
        **listed(job, platform, catalog),
        "path": job.path,
        "queue_position": platform.place(job),
        "run": moment(job.run),
        "ready": moment(job.ready),
        "input": readable(sent),
        "outcome": None if outcome is None else _told(outcome),
        "wishes": {**wishes, "webhook": webhook and masked(webhook), "faults": [*faults]},
        "faults": job.faults,
        "cost": None if paid is None else f"{paid.cost:f}",
    }


def endpoint_of(job: Job, catalog: Catalog) -> str:
    """Return the endpoint that a job is for; what was posted to, where there is none."""
    match = catalog.find(job.path)
    return match.endpoint.id if match and not match.rest else job.path


def moment(seconds: float) -> float | None:
    """Return unix seconds, or None for those that are not known."""
    return seconds if math.isfinite(seconds) else None


def _told(outcome: Outcome) -> dict[str, JSON]:
    return {
        "status_code": outcome.status_code,
        "headers": {**outcome.headers},
        "body": readable(outcome.body),
        "error": outcome.error,
        "error_type": outcome.error_type,
    }
