"""Every row of the catalogue is carried out by a branch of its own; an unknown one by none."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from falkit_mock.core.errors import WireError
from falkit_mock.core.jobs import Outcome, Refused, WebhookFaultName
from falkit_mock.core.settings import Assumptions
from falkit_mock.faults import Family
from falkit_mock.faults.catalogue import FAULTS, WEBHOOK_PREFIX
from falkit_mock.faults.resolve import outcome_as
from falkit_mock.faults.rulebook import TriggeredFault
from falkit_mock.faults.rules import Rule
from falkit_mock.hosts.faults import corrupted
from falkit_mock.service.files import MediaFile
from faults.test_connections import CUTS
from serving import T2V, Mock

FILE = MediaFile(b"a clip", "video/mp4", '"1"')


def names(*families: Family) -> list[str]:
    return [fault.name for fault in FAULTS.values() if fault.family in families]


def triggered(name: str) -> TriggeredFault:
    return TriggeredFault(Rule.read(name), "r1", 1)


def unknown(like: str) -> TriggeredFault:
    """Return a fault that is like another, by a name that no branch has."""
    rule = Rule.read(like)
    return TriggeredFault(replace(rule, fault=replace(rule.fault, name="unheard_of")), "r1", 1)


@pytest.mark.parametrize("name", names("gateway"))
def test_a_refusal_is_answered(instant: Mock, name: str) -> None:
    (on, *_) = FAULTS[name].on
    header = {"x-falkit-fault": f"{name} on={on}"}
    if on == "result":
        reply = instant.http.get(instant.submit()["response_url"], headers=header)
    else:
        host = {"submit": "queue.fal.run", "run": "fal.run"}[on]
        reply = instant.http.post(f"/{host}/{T2V}", json={"prompt": "Rain"}, headers=header)
    assert reply.status_code >= 300
    assert reply.status_code != 500, reply.text


@pytest.mark.parametrize("name", names("media"))
def test_a_file_is_corrupted(name: str) -> None:
    if name == "media_missing":
        with pytest.raises(WireError):
            corrupted(FILE, triggered(name))
        return
    # It comes whole, but slowly.
    assert (corrupted(FILE, triggered(name)) == FILE) == (name == "media_slow")


def test_an_unknown_fault_of_a_file_is_an_error() -> None:
    with pytest.raises(AssertionError, match="unheard_of"):
        corrupted(FILE, unknown("media_slow"))


@pytest.mark.parametrize("name", names("model error", "request error", "raw answer"))
def test_a_job_ends_with_it(name: str) -> None:
    outcome = outcome_as(name, Refused(Outcome(422, b"{}")), "queue", Assumptions())
    assert (outcome.status_code >= 400) == (name != "unserialisable")


def test_the_other_rows_are_those_that_are_carried_out_by_name() -> None:
    assert {*CUTS, "hang"} == {*names("connection")}
    assert {"latency", "stuck", "slow_logs"} == {*names("time")}
    known = {f"{WEBHOOK_PREFIX}{name}" for name in get_args(WebhookFaultName)}
    # What is signed and written anew is a probe's alone (--probe-webhooks).
    assert known - {*names("webhook")} == {f"{WEBHOOK_PREFIX}reserialised"}
    assert {*names("webhook")} < known
