"""A session as one page of HTML: the report, with every job, request and webhook below it."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any

from falkit_spec.facts import dollars
from falkit_spec.findings import Report
from falkit_spec.reports.page import folded, html_of, text, to_job
from falkit_spec.reports.words import counted, plain

# Characters of an input, an output or a body.
_MOST = 4000
_ENDS = {"ok": "fine", "failed": "error", "cancelled": "note"}


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a mock tells: lists as the control API has them, the newest first.

    `time` is unix seconds by the mock's clock; `files` are by the ids of their jobs, `pictures`
    are data URIs by the URLs of files. How many there are in all tells what is left out.
    """

    time: float
    jobs: list[dict[str, Any]]
    jobs_in_all: int
    requests: list[dict[str, Any]]
    requests_in_all: int
    deliveries: list[dict[str, Any]]
    deliveries_in_all: int
    files: Mapping[str, list[dict[str, Any]]]
    pictures: Mapping[str, str]
    pictures_left: int


def as_session(report: Report, session: Session) -> str:
    """Return a session as a page; it has no script, and asks for nothing."""
    ids = {one["request_id"] for one in session.jobs}
    counts = {
        "Findings": sum(not one.accepted for one in report.findings),
        "Jobs": len(session.jobs),
        "Requests": len(session.requests),
        "Webhooks": len(session.deliveries),
    }
    links = (
        f'<span><a href="#{name.lower()}">{name}</a> {many:,}</span>'
        for name, many in counts.items()
        if many
    )
    when = f"Saved at {_moment(session.time)} UTC by the mock's clock."
    top = f'<p class="faint section">{when}</p>\n<nav>{" ".join(links)}</nav>\n'
    parts = (_jobs(session), _requests(session), _deliveries(session, ids))
    return html_of(report, *parts, top=top, jobs=ids)


def _jobs(session: Session) -> str:
    items = "".join(_job(one, session) for one in session.jobs)
    left = session.pictures_left
    more = [f"{counted(left, 'picture')} left out"] if left else []
    return _section("Jobs", items, len(session.jobs), session.jobs_in_all, more)


def _job(job: Mapping[str, Any], session: Session) -> str:
    end, code = job["result"], job["status_code"]
    state = {"ok": "Done", "failed": f"Failed {code}", "cancelled": "Cancelled"}.get(end)
    if state is None and job["status"] != "COMPLETED" and job["progression"] == "held":
        state = "Held"
    state = state or {"IN_QUEUE": "Queued", "IN_PROGRESS": "Running"}.get(job["status"], "Ended")
    files = session.files.get(job["request_id"], [])
    picture = next((found for one in files if (found := session.pictures.get(one["url"]))), "")
    cost = "" if job["cost"] is None else dollars(Decimal(job["cost"]))
    outcome = job["outcome"] if end else None
    facts = {
        "request": job["request_id"],
        "submitted": _moment(job["created"]),
        "key": job["key"],
        "test": job["test"],
        "webhook": job["options"].get("webhook"),
        "error": job["error"],
        **{f"file {place}": _file(one) for place, one in enumerate(files, 1)},
    }
    told = "".join(f"<dt>{n}</dt><dd>{text(v, 1000)}</dd>" for n, v in facts.items() if v)
    prompt = text(job["prompt"] or "")
    if end == "failed":
        prompt += f'{"<br>" if prompt else ""}<span class="error">{text(job["error"])}</span>'
    head = (
        f'<span class="{_ENDS.get(end, "note")}">{text(state)}</span>'
        f"<span>{_image(picture)}</span><code>{text(job['endpoint_id'])}</code>"
        f"<span>{prompt}</span>"
        f'<span class="faint">{text(job["key"])}</span>'
        f'<span class="faint number">{text(cost)}</span>'
    )
    return (
        f'<details><summary class="job">{head}</summary>'
        f'<dl id="{escape(job["request_id"])}">{told}</dl>\n'
        f"{_code('Input', job['input'])}{_code('Output', outcome and outcome['body'])}</details>\n"
    )


def _file(file: Mapping[str, Any]) -> str:
    facts = file["facts"]
    size = f"{facts['width']} x {facts['height']}" if "width" in facts else ""
    seconds = f"{facts['seconds']} s" if "seconds" in facts else ""
    fps = f"{facts['fps']} fps" if "fps" in facts else ""
    return ", ".join(filter(None, (file["file_name"], file["content_type"], size, seconds, fps)))


def _image(data: str) -> str:
    return f'<img src="{escape(data)}" alt="">' if data else ""


def _requests(session: Session) -> str:
    rows = (
        (
            _clock(one["time"]),
            _status(one["status"], one["status"]),
            text(one["method"]),
            f"<code>{text(one['host'])}{text(one['path'])}</code>"
            + "".join(f'<br><span class="warning">{text(it)}</span>' for it in _said(one)),
            text(one["key"] or ""),
        )
        for one in session.requests
    )
    table = _table(("time", "status", "method", "host and path", "key"), rows)
    return _section("Requests", table, len(session.requests), session.requests_in_all)


def _said(request: Mapping[str, Any]) -> list[str]:
    """Return what stands below a request; that a fault was applied is mostly a hint, too."""
    faults = f"fault: {', '.join(request['faults'])}" if request["faults"] else ""
    return [said] if (said := request["hint"] or faults) else []


def _deliveries(session: Session, jobs: Container[str]) -> str:
    items: list[str] = []
    for one in session.deliveries:
        response: dict[str, Any] = one["response"] or {}
        code = response.get("status_code")
        taken = one["status"] == "acknowledged"
        head = (
            f"{_clock(one['sent'])} {_status(code, 200 if taken else 500)} "
            f"<code>{text(one['url'])}</code> attempt {text(one['number'])}, "
            f"{'taken' if taken else text(one['status'])} "
            f'<span class="faint">{text(one["error"] or "")}</span>'
        )
        id = one["request_id"]
        items.append(
            f"<details><summary>{head}</summary>"
            f"<dl><dt>request</dt><dd>{to_job(id, id) if id in jobs else text(id)}</dd></dl>"
            f"{_code('Sent', one['request']['body'])}"
            f"{_code('Answered', response.get('body'))}</details>\n"
        )
    shown, all = len(session.deliveries), session.deliveries_in_all
    return _section("Webhooks", "".join(items), shown, all)


def _status(code: int | None, like: int) -> str:
    return (
        f'<span class="{"fine" if 0 < like < 400 else "error"}">{text(code or "no reply")}</span>'
    )


def _section(name: str, inner: str, shown: int, all: int, more: Iterable[str] = ()) -> str:
    if not shown:
        return ""
    notes = [*([f"the newest {shown:,} of {all:,}"] if all > shown else [f"{shown:,}"]), *more]
    return folded(
        f"{name}: {', '.join(notes)}",
        f'<div class="items">{inner}</div>',
        opened=True,
        id=name.lower(),
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>\n{lines}</table>"


def _code(name: str, value: object) -> str:
    """Return JSON or a body as lines, cut where it is long."""
    if value in (None, ""):
        return ""
    try:
        value = json.loads(value) if isinstance(value, str) else value
        whole = json.dumps(value, indent=2, ensure_ascii=False)
    except ValueError:
        whole = str(value)
    lines = "\n".join(escape(plain(line, _MOST)) for line in whole[:_MOST].split("\n"))
    left = f"\n… and {len(whole) - _MOST:,} more characters" if len(whole) > _MOST else ""
    return f"<h4>{name}</h4><pre>{lines}{left}</pre>\n"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"
