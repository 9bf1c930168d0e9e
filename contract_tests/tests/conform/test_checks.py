"""Each check finds what it is for, planted in replies of the mock, and the mock passes all."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import pytest

from conform.faults_of_the_wire import FAULTS
from conform.planting import Fault, Planted, body
from falkit_contract.conform.checks import all_checks, chosen
from falkit_contract.conform.receiving import Receiver
from falkit_contract.conform.report import as_text
from falkit_contract.conform.running import ENDPOINT, Verdict, run_one, set_up
from falkit_contract.conform.target import By, Target
from falkit_spec import Catalog

# Seconds for what doesn't come where it is planted, and for what comes on a busy machine.
SOON, PATIENCE = 0.5, 30.0


@dataclass(frozen=True)
class Referee:
    """A mock in which faults can be planted, and what looks at it."""

    mock: Planted
    receiver: Receiver

    def look(self, check: str, fault: Fault | None = None, by: By = "path") -> Verdict:
        """Return what comes of a check, with a fault in the mock."""
        lost = fault is not None and bool(fault.loses)
        setup = set_up(
            Target(self.mock.url, by),
            Catalog.vendored().get(ENDPOINT),
            timeout=PATIENCE,
            webhook_timeout=SOON if lost else PATIENCE,
            receiver=self.receiver,
        )
        self.mock.fault = fault
        try:
            verdict = run_one(all_checks()[check], setup)
        finally:
            self.mock.fault = None
        assert setup.ledger.jobs <= all_checks()[check].jobs, (
            f"{check} makes more jobs than it says"
        )
        return verdict


@pytest.fixture(scope="module")
def referee(planted: Planted) -> Generator[Referee]:
    receiver = Receiver()
    yield Referee(planted, receiver)
    receiver.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.check}: {fault.what}")
def test_each_planted_fault_is_found_by_its_own_check(fault: Fault, referee: Referee) -> None:
    verdict = referee.look(fault.check, fault)
    assert verdict.said == "failed", as_text(verdict)
    assert verdict.expected
    assert verdict.got


@pytest.mark.parametrize("check", all_checks())
def test_the_mock_passes_each_check(check: str, referee: Referee) -> None:
    verdict = referee.look(check)
    # Documents of LTX-2 have had no file_size since May 2026.
    wanted = "not applicable" if check == "media.size" else "passed"
    assert verdict.said == wanted, as_text(verdict)


@pytest.mark.parametrize("by", ["header", "host"])
@pytest.mark.parametrize(
    "check", ["queue.submit.origin", "queue.status.fields", "upload.cdn.parts", "media.range"]
)
def test_each_way_to_name_a_host(by: By, check: str, referee: Referee) -> None:
    verdict = referee.look(check, by=by)
    assert verdict.said == "passed", as_text(verdict)


def test_a_fault_is_planted_for_every_check() -> None:
    assert {fault.check for fault in FAULTS} == {*all_checks()}


def test_each_check_can_be_chosen_alone() -> None:
    for one in all_checks():
        assert [check.id for check in chosen([one])] == [one]


ODD = {
    "no object": b'["IN_QUEUE"]',
    "other types": b"""{"request_id": "x", "status": ["COMPLETED"], "logs": {"a": NaN},
        "keys": [{"x": {}}], "detail": [{"loc": 1}, null], "queue_position": 1e999,
        "metrics": [], "token": 1, "video": {"url": 7}}""",
    "URLs that are none": rb"""{"request_id": "[", "status": "COMPLETED", "status_url": "//[::",
        "response_url": "http://[", "cancel_url": "\ud800", "token": "x", "token_type": "\n",
        "base_url": "http://[", "upload_url": "http://[/", "file_url": "\u0000",
        "access_url": "http://:x", "uploadId": "[", "expires_at": "x",
        "video": {"url": "http://[", "content_type": "video/mp4", "file_size": 3}}""",
    "too deep": b"[" * 100_000,
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("what", ODD)
def test_whatever_a_server_answers_is_a_verdict(what: str, planted: Planted) -> None:
    planted.fault = Fault("none", what, body(ODD[what], 200))
    target, endpoint = Target(planted.url), Catalog.vendored().get(ENDPOINT)
    setup = set_up(target, endpoint, timeout=SOON)
    try:
        verdicts = [run_one(check, setup) for check in all_checks().values()]
    finally:
        planted.fault = None
    failed = [one for one in verdicts if one.said == "failed"]
    assert len(failed) > 10
    for one in verdicts:
        assert as_text(one).replace("\n", "").isprintable()
