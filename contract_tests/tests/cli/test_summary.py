"""The summary at a program's end: what failed and why, and what was left undone."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from falkit import Settings
from falkit_mock.app import MockApp
from falkit_mock.assembly import create_app
from falkit_mock.cli.summary import Summary
from falkit_mock.core.events import (
    Delivery,
    DeliveryAttempted,
    JobChanged,
    JobError,
    RequestAnswered,
    RequestRecord,
    Verdict,
)
from falkit_mock.core.network import listen, reached
from falkit_mock.gateway import Egress
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.gateway import Gateway
from falkit_mock.mock import ServerThread
from receiver import Received, Reply, receiving
from serving import I2V_FAST, KEY, PATIENCE, PROMPT, T2V, WatchedClock

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PAGE = Path(__file__).parents[3] / "docs" / "run.md"
QUEUE, RUN = f"/queue.fal.run/{T2V}", f"/fal.run/{T2V}"


@dataclass(frozen=True)
class Told:
    """A mock as it stands around a program, and calls to it."""

    listening: Summary
    server: ServerThread
    http: httpx.Client

    def summary(self) -> str:
        """Return the summary so far."""
        return self.server.call(self.listening.text)

    def lines(self) -> list[str]:
        """Return the summary so far, beside its first line."""
        return self.summary().splitlines()[1:]


@contextmanager
def around(folder: Path, *rules: str, clock: WatchedClock | None = None) -> Generator[Told]:
    settings = Settings(
        timing="instant" if clock is None else "1,1",
        faults=rules,
    )
    with listen("127.0.0.1", 0) as mock, listen("127.0.0.1", 0) as gate:
        gateway = Gateway(gate, reached(mock), Egress("allow"), Authority.open(folder))
        summaries: list[Summary] = []

        def prepare(app: MockApp) -> None:
            summaries.append(Summary(app.service, app.catalog, gateway))
            app.service.events.listen(summaries[0])

        client = httpx.Client(
            base_url=reached(mock), headers=KEY, timeout=PATIENCE, trust_env=False
        )
        with (
            ServerThread(settings, mock, gateway, prepare, clock=clock) as server,
            client,
        ):
            server.call(_ready)
            yield Told(summaries[0], server, client)


async def _ready() -> None:
    """Return once the mock's loop runs."""


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
        said = said.replace(receiver.url, "http://127.0.0.1:8000/fal")
        assert ID.sub("ID", f"falkit: {said}") == ID.sub("ID", shown)


def test_jobs_that_time_kept_from_ending_are_counted(authority_folder: Path) -> None:
    with around(authority_folder, clock=WatchedClock()) as told:
        told.http.post(QUEUE, json=PROMPT)
        assert told.lines() == ["  1 job not done at the end, as time is paused"]


def test_a_faulted_result_and_a_broken_off_answer_are_listed(
    authority_folder: Path,
) -> None:
    with around(authority_folder) as told:
        prompt = {"prompt": "[falkit:content_policy_violation]"}
        url = told.http.post(QUEUE, json=prompt).json()["response_url"]
        told.http.get(url)
        with pytest.raises(httpx.TransportError):
            told.http.get(url, headers={"x-falkit-fault": "half_reply on=result"})
        requests, job = told.lines()[:3], told.lines()[3:]
        assert requests == [
            "  failed 422 GET queue.fal.run/fal-ai/ltx-2/requests/{id}",
            "  failed cut GET queue.fal.run/fal-ai/ltx-2/requests/{id}",
            "  3 by a rule: content_policy_violation (2 times), half_reply",
        ]
        assert job[0].startswith(f"  job failed: 422 {T2V}: prompt: The content")


def test_a_redirect_is_named_whether_it_was_followed_or_not(authority_folder: Path) -> None:
    with around(authority_folder, "redirect") as told:
        told.http.post(QUEUE, json=PROMPT)
        told.http.post(QUEUE, json=PROMPT, follow_redirects=True)
        assert "  2 by a rule: redirect" in told.summary()


def test_a_fault_that_is_misspelt_is_a_hint(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        for number in range(3):
            told.http.post(RUN, json={"prompt": "[falkit:stck]", "seeds": number})
        assert told.lines() == [
            "  hint: ignored, since fal-ai/ltx-2/text-to-video has no such input: seeds;",
            "    [falkit:stck] can't be used: fault: 'stck' isn't a fault; did you mean",
            "    stuck?",
        ]


def test_a_job_whose_input_is_wrong_in_several_ways_says_how_many(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        url = QUEUE.replace(T2V, "fal-ai/flux/dev")
        told.http.post(url, json={"prompt": "Rain", "image_size": "huge"})
        (job,) = [
            line for line in told.summary().replace("\n    ", " ").splitlines() if "job f" in line
        ]
    assert "image_size.ImageSize: Input should be a valid dictionary or object" in job
    assert "extract fields from (and 1 more) " in job


def test_a_hint_of_requests_that_failed_and_of_others_is_told_once(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        shown = [{**PROMPT, "seeds": 1}, {**PROMPT, "seeds": 1, "duration": "8"}]
        for url in (RUN, QUEUE):
            for input in shown:
                told.http.post(url, json=input)
        hints = [line for line in told.lines() if line.startswith("  hint:")]
    assert len({*hints}) == len(hints) == 2


def test_a_refused_webhook_is_listed_with_the_fix_and_without_its_password(
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


def alone(*rules: str) -> Summary:
    """Return the summary of a mock that nobody calls."""
    app = create_app(Settings(faults=rules))
    return Summary(app.service, app.catalog)


def lines_of(summary: Summary) -> list[str]:
    return asyncio.run(summary.text()).splitlines()


def test_webhooks_given_up_are_counted_by_receiver_and_copies_are_not() -> None:
    summary = alone()
    summary(DeliveryAttempted(delivery("retry", 1)))
    summary(DeliveryAttempted(delivery("failed", 2)))
    summary(DeliveryAttempted(delivery("failed", 1, "duplicate")))
    told = "  webhook given up: http://u:***@127.0.0.1:1/x: 302, redirects aren't followed"
    assert lines_of(summary)[1:] == [told]


def test_webhooks_that_a_fault_lost_are_counted_by_receiver() -> None:
    summary = alone()
    why = "nothing was sent, by the fault webhook_lost"
    lost = replace(delivery("lost", 0, "lost"), status_code=None, error=why)
    summary(DeliveryAttempted(lost))
    summary(DeliveryAttempted(lost))
    told = " ".join(map(str.strip, lines_of(summary)[1:]))
    assert told == f"webhook lost: http://u:***@127.0.0.1:1/x: {why}  (2 times)"


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


def test_a_rule_that_applied_before_a_reset_is_not_listed_as_idle(
    authority_folder: Path,
) -> None:
    with around(authority_folder, "downstream_service_error times=1") as told:
        told.http.post(RUN, json=PROMPT)
        told.http.post("/__falkit/reset").raise_for_status()
        assert "never applied" not in told.summary()


def test_the_summary_takes_a_few_lines_of_eighty_columns() -> None:
    summary = alone(*(f"stuck prompt={number}" for number in range(20)))
    for number in range(20):
        hint = f"{'word ' * 100}{'abcdefghijklmnopqrst'[number]}"
        summary(RequestAnswered(replace(failed(hint), status=200)))
        refused = replace(delivery("refused", 0), error=f"{'x' * 30} {number}")
        summary(DeliveryAttempted(refused))
        summary(ended(JobError(422, "x", f"field_{number}", "much " * 100)))
    said = lines_of(summary)
    assert len(said) == 1 + 2 * (5 * 4 + 1) + 2 * (5 + 1)
    assert max(map(len, said[1:])) <= 80
    assert {"  hint: 15 more", "  job failed: 15 more"} <= set(said)


def ended(
    error: JobError | None, request_id: str = "019b", *, cancelled: bool = False
) -> JobChanged:
    return JobChanged("ended", request_id, T2V, "a", 0.0, cancelled=cancelled, error=error)


def test_jobs_that_failed_alike_are_one_line_with_the_first_ones_id() -> None:
    summary = alone()
    wrong = JobError(422, "literal_error", "duration", "Input should be 6, 8 or 10")
    for request_id in ("019b-1", "019b-2", "019b-3"):
        summary(ended(wrong, request_id))
    summary(ended(JobError(504, None, "", "Gone\x1b[2J"), "019b-4"))
    summary(ended(JobError(499, None, "", "cancelled"), cancelled=True))
    summary(ended(None))
    text = " ".join(map(str.strip, lines_of(summary)[1:]))
    assert text == (
        f"job failed: 422 {T2V}: duration: Input should be 6, 8 or 10  (019b-1 and 2 more) "
        f"job failed: 504 {T2V}: Gone [2J  (019b-4)"
    )


def test_kinds_of_failure_that_are_kept_have_a_bound() -> None:
    summary = alone()
    for number in range(1000):
        summary(ended(JobError(422, None, "", f"no {number}")))
    assert "  job failed: 95 more" in lines_of(summary)


def test_requests_and_jobs_are_counted_apart(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        for prompt in ("x", "[falkit:content_policy_violation]", "[falkit:generation_timeout]"):
            told.http.post(QUEUE, json={"prompt": prompt})
        told.http.get("/queue.fal.run/fal-ai/ltx-2/requests/nobody/status")
        first = told.summary().splitlines()[0]
    assert first.startswith("4 requests, 1 failed; 3 jobs: 1 done, 2 failed; would have cost")
    assert "$0.72, $0.36 of it for what a model refused after its run; " in first


def test_jobs_before_a_reset_are_counted_and_priced(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        for _ in range(2):
            told.http.post(QUEUE, json=PROMPT)
            told.http.post("/__falkit/reset").raise_for_status()
        assert told.summary().startswith("2 requests; 2 jobs: 2 done; would have cost $0.72; ")


def test_each_endpoint_has_a_line_where_there_are_several(authority_folder: Path) -> None:
    with around(authority_folder) as told:
        for endpoint, input in (
            (T2V, PROMPT),
            (T2V, {}),
            (I2V_FAST, {**PROMPT, "image_url": "https://example.com/a.png"}),
            ("fal-ai/whisper", {"audio_url": "https://example.com/a.mp3"}),
        ):
            told.http.post(f"/fal.run/{endpoint}", json=input)
        first, *lines = told.summary().splitlines()
    assert "; would have cost at least $0.60, 1 of unknown price; " in first
    assert lines[:3] == [
        f"  $0.36 {T2V}  (2 jobs)",
        f"  $0.24 {I2V_FAST}  (1 job)",
        "  an unknown price fal-ai/whisper  (1 job)",
    ]


def test_cancelled_jobs_are_not_listed_as_failed(authority_folder: Path) -> None:
    with around(authority_folder, clock=WatchedClock()) as told:
        told.http.put(told.http.post(QUEUE, json=PROMPT).json()["cancel_url"])
        assert told.summary().startswith("2 requests; 1 job: 1 cancelled; would have cost $0.00")


def test_other_requests_than_those_for_fals_hosts_are_not_counted() -> None:
    summary = alone()
    summary(RequestAnswered(RequestRecord(0.0, "GET", "127.0.0.1", "/health", "", status=500)))
    assert lines_of(summary) == [
        "0 requests; 0 jobs; would have cost $0.00; nothing tried to leave"
    ]


@pytest.mark.parametrize(
    ("path", "endpoint", "told"),
    [
        ("", T2V, True),
        ("/status", T2V, False),
        ("", "openrouter/router", False),
        ("", "openrouter/router/stream", False),
        ("", "acme/unknown", True),
    ],
)
def test_only_a_result_with_files_that_was_handed_out_can_have_a_clip_to_fetch(
    path: str, endpoint: str, told: bool
) -> None:
    summary = alone()
    summary(JobChanged("ended", "019b", endpoint, "", 0.0))
    asked = RequestRecord(0.0, "GET", "queue.fal.run", f"/fal-ai/ltx-2/requests/019b{path}", "")
    summary(RequestAnswered(replace(asked, fal=True, status=200)))
    said = asyncio.run(summary.text(1))
    assert ("ended before it fetched its clip" in said) is told


def test_hints_that_differ_in_numbers_alone_are_one() -> None:
    summary = alone()
    for number in range(3):
        summary(RequestAnswered(failed(f"{number} wait for it")))
    told = ["  failed 429 GET fal.run/x  (3 times)", "  hint: 0 wait for it"]
    assert lines_of(summary)[1:] == told


def failed(hint: str) -> RequestRecord:
    return RequestRecord(0.0, "GET", "fal.run", "/x", "", fal=True, status=429, hint=hint)


def test_requests_by_the_whole_id_are_one_finding_with_the_right_url(
    authority_folder: Path,
) -> None:
    with around(authority_folder) as told:
        for _ in range(3):
            job = told.http.post(QUEUE, json=PROMPT).json()
            told.http.get(f"{QUEUE}/requests/{job['request_id']}/status")
        text = " ".join(map(str.strip, told.lines()))
    assert f"failed 405 GET {QUEUE[1:]}/requests/{{id}}/status (3 times)" in text
    assert text.count("hint:") == 1
    assert f"send GET {told.http.base_url}/queue.fal.run/fal-ai/ltx-2/requests/{{id}}/st" in text
