"""What a reply's hint says of faults: which was made, and why one that was named does nothing."""

from __future__ import annotations

import pytest

from serving import KEY, PROMPT, Mock, Serve

HINT = "x-falkit-hint"


@pytest.mark.parametrize(
    ("host", "fault", "words"),
    [
        ("fal.run", "stuck", "stuck can't happen on run; it can on submit"),
        ("fal.run", "webhook_late seconds=1", "can't happen on run; it can on submit"),
        ("queue.fal.run", "concurrent_requests_limit", "say on=submit to have it"),
        ("queue.fal.run", "latency on=run", "latency happens on run, not on submit"),
        ("fal.run", "", "names no fault"),
        ("queue.fal.run", ";", "names no fault"),
        ("queue.fal.run", "nonsense", "can't be used"),
    ],
)
def test_a_header_that_would_do_nothing_is_refused_by_falkit(
    instant: Mock, host: str, fault: str, words: str
) -> None:
    said = {"x-falkit-fault": fault}
    reply = instant.http.post(f"/{host}/fal-ai/ltx-2/text-to-video", json=PROMPT, headers=said)
    assert (reply.status_code, words in reply.json()["detail"]) == (400, True), reply.text
    assert reply.headers[HINT].startswith("falkit refused this, not fal: x-falkit-fault")


def test_a_header_may_name_what_follows_of_a_job(instant: Mock) -> None:
    for fault in ("media_missing", "result_expired", "latency on=status seconds=0"):
        assert instant.submit(headers={"x-falkit-fault": fault})
    assert instant.run(PROMPT, headers={"x-falkit-fault": "media_missing"}).status_code == 200


def test_a_header_that_a_program_sends_with_everything_is_a_hint_where_it_does_nothing(
    instant: Mock,
) -> None:
    said = {"x-falkit-fault": "stuck seconds=1"}
    job = instant.submit()
    reply = instant.http.get(job["status_url"], headers=said)
    assert reply.status_code == 200
    assert "stuck can't happen on status; it can on submit" in reply.headers[HINT]


@pytest.mark.parametrize(
    ("input", "words"),
    [
        ({"prompt": "Rain [falkit:webhook_late]"}, "webhook_late can't happen on run"),
        ({"prompt": "Rain", "x": "https://falkit.test/"}, "names no fault; add one, as /image_l"),
        ({"prompt": "Rain [FALKIT:STUCK]"}, "did you mean stuck?"),
    ],
)
def test_magic_text_without_effect_is_named_in_the_hint(
    instant: Mock, input: dict[str, str], words: str
) -> None:
    reply = instant.run(input)
    assert (reply.status_code, words in reply.headers[HINT]) == (200, True), reply.headers


def test_magic_may_be_written_in_capitals(instant: Mock) -> None:
    assert instant.run({"prompt": "Rain [FALKIT:internal_error]"}).status_code == 500
    url = "https://FALKIT.TEST/image_load_error.png"
    assert instant.run({"prompt": "Rain", "x": url}).status_code == 422


def test_a_successful_reply_names_its_faults_in_the_hint(serve: Serve) -> None:
    mock = serve("latency seconds=0 on=run,status", "slow_logs", "media_truncated", "webhook_slow")
    assert mock.run(PROMPT).headers[HINT].startswith("falkit made this fault (r1: latency")
    reply = mock.http.post("/queue.fal.run/fal-ai/ltx-2/text-to-video", json=PROMPT)
    said = reply.headers[HINT]
    assert "falkit made this fault (slow_logs); falkit made this fault (webhook_slow)" in said
    status = mock.http.get(reply.json()["status_url"])
    assert "r1: latency" in status.headers[HINT]
    file = mock.http.get(mock.result(reply.json()).json()["video"]["url"])
    assert "r3: media_truncated" in file.headers[HINT]


def test_the_ingress_says_nothing_of_falkit(serve: Serve) -> None:
    mock = serve("latency seconds=0", "ingress_error")
    assert HINT not in mock.run(PROMPT, headers=KEY).headers
