"""Outcomes that the control API's callers make up: a failure or an output of their own."""

from __future__ import annotations

import re

from falkit_mock.control.errors import Unusable
from falkit_mock.control.exchange import Fields
from falkit_mock.platform.jobs import Job, Outcome
from falkit_mock.platform.platform import Platform
from falkit_mock.platform.rules.ending import outcome_as
from falkit_mock.platform.rules.errors import RuleError
from falkit_mock.platform.wire_json import dumps
from falkit_spec import JSON, Catalog

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.A)
_VALUE = re.compile(r"[\x20-\x7e]{0,4000}")
# What the reply has by itself, or can't have.
_OWN = ("content-length", "content-type", "transfer-encoding", "connection", "x-fal-request-id")


def given_failure(body: Fields, job: Job, platform: Platform, catalog: Catalog) -> Outcome:
    """Return the failure that a body describes: a fault by its name, or a reply in full."""
    if "fault" in body:
        return _by_name(body, job, platform, catalog)
    if "status_code" not in body:
        raise Unusable.lacking("fault", "name a fault, or give status_code and body")
    if "parameters" in body:
        raise Unusable("parameters", body.value("parameters"), "belong to a fault; give its name")
    code = body.whole("status_code", least=400, most=599)
    detail: JSON = body.value("body") if "body" in body else {"detail": "Failed by a test"}
    headers = _headers(body.value("headers")) if "headers" in body else {}
    error_type = headers.get("x-fal-error-type")
    return Outcome(code, dumps(detail), headers, f"Invalid status code: {code}", error_type)


def given_output(body: Fields) -> Outcome:
    """Return a success with an output of the caller's own."""
    output = body.value("output")
    if not isinstance(output, dict):
        raise Unusable("output", output, "is no JSON object")
    return Outcome(200, dumps(output))


def _by_name(body: Fields, job: Job, platform: Platform, catalog: Catalog) -> Outcome:
    for name in ("status_code", "body", "headers"):
        if name in body:
            raise Unusable(name, body.value(name), "can't go with a fault; the fault has its own")
    parameters = body.value("parameters") if "parameters" in body else {}
    if not isinstance(parameters, dict):
        raise Unusable("parameters", parameters, "is no JSON object")
    name = body.text("fault")
    match = catalog.find(job.path)
    endpoint = match.endpoint if match is not None and not match.rest else None
    sent = platform.store.input(job.id)
    try:
        return outcome_as({"fault": name, **parameters}, job, endpoint, sent, platform.settings)
    except RuleError as error:
        raise Unusable(error.field, error.value, error.mend) from None


def _headers(value: JSON) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Unusable("headers", value, "is no JSON object of names and values")
    headers: dict[str, str] = {}
    for name, text in value.items():
        if not _NAME.fullmatch(name) or name.lower() in _OWN:
            raise Unusable("headers", name, "is no header that can be chosen")
        if not isinstance(text, str) or not _VALUE.fullmatch(text):
            raise Unusable(f"headers.{name}", text, "is no text of plain ASCII")
        headers[name.lower()] = text
    return headers
