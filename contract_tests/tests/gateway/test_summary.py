"""The summary at a program's end: what failed and why, and what was left undone."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from falkit_mock.cli.serve import Listeners
from falkit_mock.cli.summary import Hints, Remains, Spend, Tally, Webhooks, summary
from falkit_mock.core.clock import ManualClock
from falkit_mock.core.events import Delivery, DeliveryAttempted, Verdict
from falkit_mock.core.network import listen, reached
from falkit_mock.core.settings import parse_timing
from falkit_mock.gateway import Egress
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.mock import ServerThread
from falkit_mock.settings import Settings
from serving import KEY, PATIENCE, PROMPT, T2V
from webhooks.receiver import Received, Reply, receiving

PAGE = Path(__file__).parents[3] / "docs" / "run.md"
QUEUE, RUN = f"/queue.fal.run/{T2V}", f"/fal.run/{T2V}"


@dataclass(frozen=True)
class Told:
    """A mock as it stands around a program, and calls to it."""

    listeners: Listeners
    server: ServerThread
    http: httpx.Client

    def summary(self) -> str:
        """Return the summary so far."""
        return self.server.call(self.listeners.summary)

    def lines(self) -> list[str]:
        """Return the summary so far, beside its first line."""
        return self.summary().splitlines()[1:]


@contextmanager
def around(folder: Path, *rules: str, clock: ManualClock | None = None) -> Generator[Told]:
    settings = Settings(
        timing=parse_timing("instant" if clock is None else "1,1"),
        faults=rules,
    )
    with listen("127.0.0.1", 0) as mock, listen("127.0.0.1", 0) as gate:
        gateway = Gateway(gate, reached(mock), Egress("allow"), Authority.open(folder))
        listeners = Listeners(gateway, verbose=False)
        client = httpx.Client(
            base_url=reached(mock), headers=KEY, timeout=PATIENCE, trust_env=False
        )
        with (
            ServerThread(settings, mock, gateway, listeners.add_to, clock=clock) as server,
            client,
        ):
            yield Told(listeners, server, client)


def test_the_page_shows_a_summary_as_it_is(authority_folder: Path) -> None:
    _, shown = re.findall(r"```\n(falkit: .*?)\n```", PAGE.read_text(), re.DOTALL)
    heard = threading.Event()

    def refuse(request: Received) -> Reply:
        heard.set()
        return Reply(500, body=b"no such table\n  at line 7\n")

    rules = ("ingress_error on=submit times=2", "connection_reset on=run times=1")
    with (
        around(authority_folder, *rules, "stuck prompt=zzz") as told,
        receiving(refuse) as receiver,
    ):
        http = told.http
        for _ in range(2):
            http.post(QUEUE, json=PROMPT)
        with pytest.raises(httpx.TransportError):
            http.post(RUN, json=PROMPT)
        http.post(RUN, json={**PROMPT, "duration": "8"})
        http.post(RUN, json=PROMPT)
        hook = {"fal_webhook": receiver.url}
        http.post(QUEUE, json=PROMPT, params=hook)
        http.post(QUEUE, json={"prompt": "[falkit:stuck]"}, params=hook)
        assert heard.wait(PATIENCE)
        # Until the attempt is logged, which the receiver's answer comes shortly before.
        while "nobody had answered yet" in (said := told.summary()):
            continue
        assert said.replace(receiver.url, "http://127.0.0.1:8000/fal") == shown


def test_jobs_that_time_kept_from_ending_are_counted(authority_folder: Path) -> None:
    with around(authority_folder, clock=ManualClock()) as told:
        told.http.post(QUEUE, json=PROMPT)
        assert told.lines() == ["  1 job not done at the end, as time stood"]


def test_a_result_that_a_rule_spoilt_and_an_answer_that_broke_off_are_told(
    authority_folder: Path,
) -> None:
    with around(authority_folder) as told:
        prompt = {"prompt": "[falkit:content_policy_violation]"}
        url = told.http.post(QUEUE, json=prompt).json()["response_url"]
        told.http.get(url)
        with pytest.raises(httpx.TransportError):
            told.http.get(url, headers={"x-falkit-fault": "half_reply on=result"})
        assert told.lines() == [
            "  failed 422 GET queue.fal.run/fal-ai/ltx-2/requests/{id}",
            "  failed cut GET queue.fal.run/fal-ai/ltx-2/requests/{id}",
            "  3 by a rule: content_policy_violation (2 times), half_reply",
        ]


def test_a_fault_that_is_misspelt_is_a_hint(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        for number in range(3):
            told.http.post(RUN, json={"prompt": "[falkit:stck]", "seeds": number})
        assert told.lines() == [
            "  hint: ignored, since fal-ai/ltx-2/text-to-video has no such input: seeds;",
            "    [falkit:stck] makes no fault: fault: 'stck' isn't a fault; did you mean",
            "    stuck?",
        ]


def test_a_refused_webhook_is_told_with_its_mend_and_without_its_password(
    authority_folder: Path,
) -> None:
    with around(authority_folder) as told:
        for _ in range(2):
            hook = {"fal_webhook": "http://user:secret@a.example.com/x"}
            told.http.post(QUEUE, json=PROMPT, params=hook)
        text = " ".join(map(str.strip, told.lines()))
    assert text.startswith("webhook refused: webhooks go to this machine")
    assert text.endswith("(--webhook-allow a.example.com lets it)  (2 times)")
    assert "secret" not in text


def test_webhooks_given_up_are_counted_by_receiver_and_copies_are_not() -> None:
    heard = Webhooks()
    heard(DeliveryAttempted(delivery("retry", 1)))
    heard(DeliveryAttempted(delivery("failed", 2)))
    heard(DeliveryAttempted(delivery("failed", 1, "duplicate")))
    assert heard.given_up == {"http://u:***@127.0.0.1:1/x: 302, redirects aren't followed": 1}
    assert heard.reasons == {}


def delivery(verdict: Verdict, number: int, *faults: str) -> Delivery:
    return Delivery(
        id="d",
        request_id="r",
        url="http://u:secret@127.0.0.1:1/x",
        cause="job",
        number=number,
        sent=0.0,
        seconds=0.0,
        headers={},
        body=b"{}",
        status_code=302,
        response_headers={},
        response_body=b"",
        error=None,
        status=verdict,
        next=None,
        faults=faults,
    )


def test_a_rule_that_matched_and_never_was_due_says_so(authority_folder: Path) -> None:
    with around(authority_folder, "downstream_service_error nth=3") as told:
        told.http.post(RUN, json=PROMPT)
        told.http.post(RUN, json=PROMPT)
        text = " ".join(map(str.strip, told.lines()))
    rule = "never applied: --fault 'downstream_service_error nth=3'"
    assert text == f"{rule}, though it matched 2 times"


def test_a_rule_that_applied_before_a_reset_is_not_said_to_be_idle(
    authority_folder: Path,
) -> None:
    with around(authority_folder, "downstream_service_error times=1") as told:
        told.http.post(RUN, json=PROMPT)
        told.http.post("/__falkit/reset").raise_for_status()
        assert "never applied" not in told.summary()


def test_nothing_takes_more_than_a_few_lines_of_eighty_columns() -> None:
    tally = Tally()
    for number in range(20):
        tally.hints.add(f"{'word ' * 100}{'abcdefghijklmnopqrst'[number]}")
    left = Remains(
        refused=Counter(f"{'x' * 30} {number}" for number in range(20)),
        idle_rules={f"stuck prompt={number}": 0 for number in range(20)},
    )
    spent = Spend(jobs=0, done=0, dollars=Decimal(0), unpriced=0)
    said = summary(tally, spent, left, Egress("allow"), 0).splitlines()
    assert len(said) == 1 + (5 * 3 + 1) + (5 + 1) + (5 + 1)
    assert max(map(len, said[1:])) <= 80
    assert "  hint: 15 more" in said


def test_hints_that_differ_in_numbers_alone_are_one() -> None:
    hints = Hints()
    for number in range(3):
        hints.add(f"{number} wait for it")
    assert hints.all() == ["0 wait for it"]
