"""How a job ends by a fault: the answer that fal would give, in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from falkit_mock.platform.hints import HINT, header_text
from falkit_mock.platform.jobs import Door, Job, Outcome
from falkit_mock.platform.model import Order, Reading, Refused, error_text, read
from falkit_mock.platform.refusals import model_error, platform_error, refusal
from falkit_mock.platform.rules.errors import RuleError
from falkit_mock.platform.rules.fault import Fault
from falkit_mock.platform.rules.matcher import INDEX, found_at
from falkit_mock.platform.rules.model_errors import ModelError
from falkit_mock.platform.rules.request_errors import RequestError
from falkit_mock.platform.rules.rule import Rule
from falkit_mock.platform.rules.rulebook import Chosen
from falkit_mock.settings import Settings
from falkit_spec import JSON, Endpoint


def ending(chosen: Chosen, judged: Reading | Refused, door: Door, settings: Settings) -> Outcome:
    """Return how a job ends by a fault, and the hint that says so."""
    outcome = _outcome(chosen, judged, door, settings)
    return replace(outcome, headers={**outcome.headers, HINT: header_text(chosen.hint)})


def outcome_as(
    source: str | Mapping[str, JSON],
    job: Job,
    endpoint: Endpoint | None,
    body: bytes,
    settings: Settings,
) -> Outcome:
    """Return how a job would end by a fault; raise RuleError for one that no job ends with.

    `source` is a rule, of which only the fault and its parameters count.
    """
    rule = Rule.read(source)
    if rule.fault.phase != "outcome":
        raise RuleError("fault", rule.fault.name, "is no error that a job can end with")
    order = Order(job.path, job.app, endpoint, body, "application/json", "")
    judged = read(order, settings)
    return _outcome(Chosen(rule, "chosen by hand", 1), judged, job.door, settings)


def tried_again(chosen: Chosen) -> bool:
    """Say whether the queue itself tries again: after 503, 504 and connection errors.

    A model's own word, the retry header, counts where its status is of the 5xx (wire.md §6.3).
    """
    match chosen.rule.fault:
        case RequestError() as fault:
            return fault.temporary
        case ModelError():
            return _status(chosen) >= 500 and chosen.parameters()["retryable"] is True
        case _:
            return chosen.name == "raw_error" and _status(chosen) in (503, 504)


def ran(fault: Fault) -> bool:
    """Say whether a runner worked on a job before it ended so."""
    return fault.ran if isinstance(fault, ModelError | RequestError) else True


def _status(chosen: Chosen) -> int:
    fault, said = chosen.rule.fault, chosen.parameters().get("status")
    return (
        int(str(said))
        if said is not None
        else fault.status
        if isinstance(fault, ModelError)
        else 200
    )


def _outcome(chosen: Chosen, judged: Reading | Refused, door: Door, settings: Settings) -> Outcome:
    match chosen.rule.fault:
        case RequestError() as fault:
            return _request_error(fault, chosen, door)
        case ModelError() as fault:
            reading = judged if isinstance(judged, Reading) else None
            return _model_error(fault, chosen, reading, settings)
        case _:
            code = _status(chosen)
            error = error_text(code, settings) if code >= 400 else None
            body = str(chosen.parameters()["text"]).encode()
            headers = {"content-type": "text/plain; charset=utf-8"}
            return Outcome(code, body, headers, error)


def _request_error(fault: RequestError, chosen: Chosen, door: Door) -> Outcome:
    said = chosen.parameters()
    outcome = platform_error(fault.name, cast("str | None", said["detail"]))
    headers = dict(outcome.headers)
    if door == "run" and fault.temporary:
        # fal.run leaves the trying again to its caller (wire.md §4).
        headers["x-fal-needs-retry"] = "1"
    if said.get("by") == "platform":
        headers.pop("x-fal-request-timeout-type", None)
    return replace(outcome, headers=headers)


def _model_error(
    fault: ModelError, chosen: Chosen, reading: Reading | None, settings: Settings
) -> Outcome:
    said = chosen.parameters()
    code = _status(chosen)
    ctx = {name: said[name] for name in fault.ctx}
    place = said["field"] if isinstance(said["field"], str) else _place(fault, reading)
    steps: list[JSON] = [
        int(step) if INDEX.fullmatch(step) else step for step in place.split(".") if step
    ]
    item = model_error(fault.name, steps, ctx, cast("str | None", said["msg"]))
    if place and reading is not None:
        item["input"] = found_at(reading.input, place)
    retryable = said.get("retryable") is True
    return refusal([item], error=error_text(code, settings), status=code, retryable=retryable)


def _place(fault: ModelError, reading: Reading | None) -> str:
    """Return the field that an error is about: the first of the input that fits, or its prompt."""
    if reading is None:
        return "prompt" if fault.concerns else ""
    match fault.concerns:
        case "":
            return ""
        case "prompt":
            return "prompt"
        case "number":
            numbers = [
                name
                for name, value in reading.input.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
            return min(numbers, key=lambda name: (name != "duration", name), default="prompt")
        case kind:
            media = sorted(reading.media, key=lambda medium: medium.kind != kind)
            return media[0].field if media else "prompt"
