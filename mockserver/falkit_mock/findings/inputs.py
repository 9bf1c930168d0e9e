"""Inputs that fal would refuse or ignore, and endpoints that it wouldn't find."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from falkit_mock.core import parse_body, shortened
from falkit_mock.core.limits import AT_ONCE
from falkit_mock.findings.rules import Look, Rule, Watched, quotes_by_design
from falkit_mock.service.guesses import may_be_endpoint
from falkit_mock.service.hints import of_unknown_fields
from falkit_spec.document import is_id
from falkit_spec.types import JSON, is_array, is_object, meant_by, place_of

if TYPE_CHECKING:
    from falkit_mock.core.events import RequestRecord
    from falkit_mock.core.jobs import Job
    from falkit_spec import Catalog, Endpoint
    from falkit_spec.findings import Severity
    from falkit_spec.types import Fault, Object

_NONE = frozenset[str]()
# Ids of jobs that were looked at, and characters of a hint.
_REMEMBERED, _HINT = 1_000, 300


class Inputs(Rule):
    """input-wrapper, integer-as-string, unknown-field, deprecated-field, unlisted-endpoint.

    The hint of a reply says whether an input is worth a look: what is in order has none.
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        # Those that were looked at: the hint comes with the submit, and again with the result.
        self._judged: deque[str] = deque(maxlen=_REMEMBERED)
        # By the paths of known endpoints, the inputs that their documents call deprecated.
        self._deprecated: dict[str, frozenset[str]] = {}

    def submitted(self, record: RequestRecord) -> None:
        deprecated = self._deprecated.get(record.path)
        if deprecated is None:
            deprecated = self._first(record)
        if deprecated or record.hint is not None:
            self._judge(record, deprecated)

    ran = submitted

    def read(self, record: RequestRecord, job: Watched) -> None:
        if record.hint is not None and not record.early:
            self._judge(record, _NONE)

    def _first(self, record: RequestRecord) -> frozenset[str]:
        """Look at the path of a call that isn't known yet."""
        path = record.path.strip("/")
        endpoint = self.look.endpoint(path)
        if endpoint is None:
            self._unlisted(record, path)
            return _NONE
        properties = endpoint.input_schema.get("properties")
        fields = properties if is_object(properties) else {}
        found = {n for n, one in fields.items() if is_object(one) and one.get("deprecated") is True}
        self._deprecated[record.path] = deprecated = frozenset(found)
        return deprecated

    def _unlisted(self, record: RequestRecord, path: str) -> None:
        look = self.look
        if not is_id(path) or "requests" in path.split("/") or record.faults:
            return
        severity: Severity | None = None
        guesses = look.service.settings.unknown_endpoints == "guess"
        if record.status == 200 and guesses and may_be_endpoint(path, look.catalog):
            seen = "falkit has no schema of it, so it took any input and made up the output"
            severity = "note"
        elif record.status in (200, 404):
            seen = _why(look.catalog, path, record)
            # Of what fal had later, or of another way to call a known model, its documents do say
            # that it isn't there; of all else falkit may merely lack the document.
            if path in look.catalog.later or not may_be_endpoint(path, look.catalog):
                severity = "error"
        else:
            return
        look.found("unlisted-endpoint", seen, subject=path, record=record, severity=severity)

    def _judge(self, record: RequestRecord, deprecated: frozenset[str]) -> None:
        id, look = record.request_id, self.look
        if id is None or id in self._judged or (job := look.job(id)) is None:
            return
        self._judged.append(id)
        endpoint, input = look.endpoint(job.path), look.input(id)
        if endpoint is None or input is None:
            return
        subject = endpoint.id
        properties = endpoint.input_schema.get("properties")
        known: Object = properties if is_object(properties) else {}
        inner = input.get("input")
        wrapped = known and "input" not in known and is_object(inner)
        if wrapped and is_object(inner) and (len(input) == 1 or inner.keys() & known.keys()):
            names = ", ".join(sorted(inner)[:5])
            seen = f'{{"input": {{…}}}} with {shortened(names) or "nothing"} in it'
            look.found("input-wrapper", seen, subject=subject, record=record)
            input = {name: value for name, value in input.items() if name != "input"}
        if (unknown := of_unknown_fields(endpoint, input)) is not None:
            look.found("unknown-field", unknown, subject=subject, record=record)
        for name in sorted(deprecated & input.keys()):
            seen = f"{name}: {subject} calls it deprecated"
            look.found("deprecated-field", seen, subject=subject, record=record)
        self._quoted(record, job, endpoint, input)

    def _quoted(self, record: RequestRecord, job: Job, endpoint: Endpoint, input: Object) -> None:
        """Look for integers that were sent as text."""
        severity: Severity | None = "note" if quotes_by_design(record) else None
        for fault in _faults(job):
            meant = meant_by(fault)
            if isinstance(meant, int) and isinstance(fault["input"], str):
                place = shortened(place_of(fault, input))
                seen = f'{place}: "{meant}" as text, where fal lists the number {meant}'
                self.look.found(
                    "integer-as-string",
                    seen,
                    subject=endpoint.id,
                    record=record,
                    severity=severity,
                )


def _why(catalog: Catalog, path: str, record: RequestRecord) -> str:
    """Say why nothing is found at a path, and what may have been meant, as the reply did."""
    if (first := catalog.later.get(path)) is not None:
        return f"fal has it from {first} on, and this mock is of before"
    return shortened(record.hint or "falkit has no schema of it", _HINT)


def _faults(job: Job) -> list[Fault]:
    """Return what the model said of an input that it refused."""
    outcome = job.outcome
    if outcome is None or outcome.status_code != 422 or len(outcome.body) > AT_ONCE:
        return []
    body = parse_body(outcome.body)
    detail = body.get("detail") if is_object(body) else None
    # A test may have had the job end with anything.
    faults = [one for one in detail if _is_fault(one)] if is_array(detail) else []
    return cast("list[Fault]", faults)


def _is_fault(value: JSON) -> bool:
    return is_object(value) and is_array(value.get("loc")) and {"type", "input"} <= value.keys()
