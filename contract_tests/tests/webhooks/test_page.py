"""What docs/webhooks.md, missing-webhooks.md and fidelity.md say of the sending side, tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fal_client
import pytest

from clients.in_process import in_process
from falkit_client.listener import listen
from falkit_mock.cli.faults import page
from falkit_mock.cli.serve import serve
from falkit_mock.cli.webhooks import deliveries, resend, trigger
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.webhooks import SCHEDULES
from falkit_mock.webhooks.signing import ABOUT, SAMPLES
from receiver import Receiver
from serving import T2V

DOCS = Path(__file__).parents[3] / "docs"
MISSING = (DOCS / "missing-webhooks.md").read_text()
SENDING = (DOCS / "webhooks.md").read_text().partition("## What the mock sends")[2]


def test_the_table_of_faults_is_that_of_the_rules() -> None:
    faults = [fault for fault in FAULTS.values() if fault.family == "webhook"]
    assert page(faults) in SENDING, "falkit faults --format markdown prints it"


def test_every_kind_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", SENDING, re.MULTILINE)
    assert [row for row in rows if row[0] in SAMPLES] == list(zip(SAMPLES, ABOUT, strict=True))


def test_the_moments_of_the_schedules_are_those_of_the_code() -> None:
    told = (DOCS / "fidelity.md").read_text()
    (row,) = re.findall(r"^\| retries \| (.+) \| (.+) \| (.+) \|$", told, re.MULTILINE)
    older, newest, observed = ([int(number) for number in re.findall(r"\d+", cell)] for cell in row)
    assert tuple(observed) == SCHEDULES["observed"].offsets
    assert older == [round(moment) for moment in SCHEDULES["two-hours"].offsets]
    offsets = SCHEDULES["until-expiry"].offsets
    *first, pause, most, _ = newest
    assert tuple(first) == offsets[:8]
    assert all(offsets[turn + 1] - offsets[turn] == pause for turn in range(7, 29))
    assert len(offsets) == most


def test_the_options_that_the_page_names_exist() -> None:
    commands = (serve, listen, trigger, resend, deliveries)
    known = {option for one in commands for each in one.params for option in each.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", SENDING)) <= known


Finish = Callable[[str, Any, Any], None]
Reconcile = Callable[[Mapping[str, tuple[str, float]], Finish], None]
# What is known of a job: its endpoint, and when it was submitted; long ago here.
LONG_AGO = T2V, 0.0


@pytest.fixture
def reconcile(monkeypatch: pytest.MonkeyPatch) -> Reconcile:
    """The function that the page shows."""
    monkeypatch.setenv("FAL_KEY", "falkit")
    (snippet,) = re.findall(r"```python\n(.*?)```", MISSING, re.DOTALL)
    function = snippet.partition("\n\n\n")[2].splitlines()
    assert len(function) <= 15
    names: dict[str, Any] = {}
    exec(compile(snippet, "docs/missing-webhooks.md", "exec"), names)
    found: Reconcile = names["reconcile"]
    return found


def submitted(receiver: Receiver, prompt: str = "Rain") -> str:
    client = fal_client.SyncClient()
    return client.submit(T2V, {"prompt": prompt}, webhook_url=receiver.url).request_id


def unexpected(request_id: str, output: Any, error: Any) -> None:
    pytest.fail(f"{request_id} was finished: {output}, {error}")


def test_the_reconciler_finishes_the_jobs_whose_webhook_never_came(
    reconcile: Reconcile, receiver: Receiver
) -> None:
    finished: dict[str, tuple[Any, Any]] = {}

    def finish(request_id: str, output: Any, error: Any) -> None:
        finished[request_id] = output, error

    with in_process(timing="instant", faults=["webhook_lost times=2"]):
        done = submitted(receiver)
        failed = submitted(receiver, "[falkit:content_policy_violation]")
        came = submitted(receiver)
        assert receiver.wait()[0].json["request_id"] == came
        jobs = {done: LONG_AGO, failed: LONG_AGO}
        reconcile(jobs, finish)
    assert len(receiver.received) == 1
    assert list(finished) == [done, failed]
    output, error = finished[done]
    assert output["video"]["url"].endswith(".mp4")
    assert error is None
    output, error = finished[failed]
    assert (output, error.status_code) == (None, 422)
    assert error.message[0]["type"] == "content_policy_violation"


@pytest.mark.parametrize(
    ("fault", "timing", "submitted_at"),
    [
        ("webhook_lost", "held", 0.0),
        ("webhook_lost", "instant", float("inf")),
        ("bad_key on=status", "instant", 0.0),
        ("bad_key on=result", "instant", 0.0),
    ],
    ids=["it runs", "it isn't overdue", "the status is refused", "the result is refused"],
)
def test_the_reconciler_leaves_alone_what_it_cannot_know_yet(
    reconcile: Reconcile, receiver: Receiver, fault: str, timing: str, submitted_at: float
) -> None:
    with in_process(timing=timing, faults=["webhook_lost", fault]):
        jobs = {submitted(receiver): (T2V, submitted_at)}
        reconcile(jobs, unexpected)


def test_the_reconciler_finishes_a_job_whose_result_has_expired(
    reconcile: Reconcile, receiver: Receiver
) -> None:
    codes: list[int] = []

    def finish(request_id: str, output: Any, error: Any) -> None:
        codes.append(error.status_code)

    with in_process(timing="instant", faults=["webhook_lost", "result_expired"]):
        jobs = {submitted(receiver): LONG_AGO}
        reconcile(jobs, finish)
    assert codes == [404]
