"""The receiver of `falkit listen`: what it answers, passes on and tells."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from client.webhooks.signing import DONE, NOON, REQUEST, Sent, Signer, as_published, header
from client.webhooks.test_independent import changed
from falkit_client import errors
from falkit_client._receiver import Forwarding, RawHeaders, Received, receiver
from falkit_client.listener import as_json, as_text
from falkit_client.webhooks import KeyRing

GOOD = Signer().sign()
URL = "http://127.0.0.1:4325/rest.fal.ai/.well-known/jwks.json"
TARGET = "http://localhost:8000/fal"


def fetched(url: str) -> bytes:
    return as_published(Signer(), Signer(7))


def gone(url: str) -> bytes:
    raise ConnectionRefusedError("refused")


@dataclass(frozen=True)
class Outcome:
    """What became of some deliveries: the answers, what was told, and what was passed on."""

    answers: list[httpx.Response]
    heard: list[Received]
    passed: list[httpx.Request]


Behind = Callable[[httpx.Request], httpx.Response]


def deliver(
    *sent: Sent,
    behind: Behind | None = None,
    fetch: Callable[[str], bytes] = fetched,
    path: str = "/",
    method: str = "POST",
    leeway: float = 300,
) -> Outcome:
    """Send deliveries to a receiver, in turn; `behind` is what it passes them on to."""
    outcome = Outcome([], [], [])

    def hook(request: httpx.Request) -> httpx.Response:
        outcome.passed.append(request)
        assert behind is not None
        made = behind(request)
        # As from a socket: not read yet.
        body = httpx.ByteStream(made.content)
        return httpx.Response(made.status_code, headers=made.headers, stream=body)

    async def go() -> None:
        onwards = Forwarding(TARGET, httpx.MockTransport(hook)) if behind else None
        ring = KeyRing(URL, fetch=fetch)
        app = receiver(
            ring, outcome.heard.append, forwarding=onwards, leeway=leeway, now=lambda: NOON
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            for one in sent:
                answer = await http.request(method, path, headers=one.headers, content=one.body)
                outcome.answers.append(answer)

    asyncio.run(go())
    return outcome


def raw(headers: httpx.Headers) -> RawHeaders:
    return [(name.lower(), value) for name, value in headers.raw]


REFUSED: list[tuple[Sent, type[errors.WebhookError], int]] = [
    (Sent({}, b"{}"), errors.MissingHeader, 400),
    (changed(GOOD, "Timestamp", "soon"), errors.MalformedHeader, 400),
    (Signer().sign(at=NOON - 301), errors.StaleTimestamp, 401),
    (replace(GOOD, body=b"{}"), errors.WrongSignature, 401),
    (Signer().sign([]), errors.BadPayload, 400),
]


def test_a_verified_delivery_is_answered_200() -> None:
    outcome = deliver(GOOD)
    assert outcome.answers[0].status_code == 200
    assert [one.times for one in outcome.heard] == [1]


@pytest.mark.parametrize(("sent", "kind", "status"), REFUSED)
def test_an_unverified_delivery_is_refused_with_the_reason(
    sent: Sent, kind: type[errors.WebhookError], status: int
) -> None:
    outcome = deliver(sent)
    (heard,) = outcome.heard
    assert isinstance(heard.found, kind)
    assert outcome.answers[0].status_code == heard.status == status
    assert outcome.answers[0].text == f"{heard.found.message}\n"


def test_without_keys_the_delivery_is_to_come_again() -> None:
    outcome = deliver(GOOD, fetch=gone)
    assert outcome.answers[0].status_code == 503
    assert "refused" in outcome.answers[0].text
    assert "start the mock (falkit serve)" in as_text(outcome.heard[0])


def test_a_stale_delivery_is_reported_with_its_likely_cause() -> None:
    told = as_text(deliver(Signer().sign(at=NOON - 600)).heard[0])
    page = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()
    (shown,) = re.findall(r"^ +(a mock signs so .*)$", page, re.MULTILINE)
    assert shown in told
    assert deliver(Signer().sign(at=NOON - 600), leeway=720).answers[0].status_code == 200


def test_only_post_delivers() -> None:
    outcome = deliver(GOOD, method="GET")
    assert outcome.answers[0].status_code == 405
    assert not outcome.heard


@pytest.mark.parametrize("sent", [GOOD, *(one for one, _, _ in REFUSED)])
def test_all_that_comes_is_passed_on_byte_for_byte(sent: Sent) -> None:
    """Also what is not verified: the receiver's own verification is under test, too."""
    outcome = deliver(sent, behind=lambda _: httpx.Response(202, text="taken"))
    (passed,) = outcome.passed
    assert passed.content == sent.body
    assert {**sent.headers, **passed.headers} == {**passed.headers, **sent.headers}
    assert passed.headers["host"] == "localhost:8000"
    assert (outcome.answers[0].status_code, outcome.answers[0].text) == (202, "taken")


def test_headers_are_passed_on_as_they_are() -> None:
    extra = {"Content-Type": "application/json", "User-Agent": "sender", "X-Twice": "1"}
    sent = replace(GOOD, headers={**GOOD.headers, **extra, "TE": "trailers"})
    outcome = deliver(sent, behind=lambda _: httpx.Response(200))
    names = [name for name, _ in raw(outcome.passed[0].headers)]
    assert len(names) == len(set(names))
    for name, value in extra.items():
        assert outcome.passed[0].headers[name] == value
    assert "te" not in outcome.passed[0].headers


def test_the_receivers_answer_comes_back_whole() -> None:
    def behind(request: httpx.Request) -> httpx.Response:
        headers = {"Location": "/elsewhere", "X-Own": "1", "Date": "then", "Connection": "close"}
        return httpx.Response(302, headers=headers, content=b"\x00\xff")

    answer = deliver(GOOD, behind=behind).answers[0]
    assert (answer.status_code, answer.content) == (302, b"\x00\xff")
    assert (answer.headers["location"], answer.headers["x-own"]) == ("/elsewhere", "1")
    assert not {"date", "connection"} & set(answer.headers)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", TARGET),
        ("/?order=7", f"{TARGET}?order=7"),
        ("/a%20b/c?order=7&x=%2F", f"{TARGET}/a%20b/c?order=7&x=%2F"),
    ],
)
def test_path_and_query_are_added_to_the_receivers(path: str, target: str) -> None:
    outcome = deliver(GOOD, behind=lambda _: httpx.Response(200), path=path)
    assert str(outcome.passed[0].url) == target
    assert outcome.heard[0].path == path


def test_the_receivers_own_query_stays() -> None:
    forwarding = Forwarding("http://localhost:8000/fal/?token=1")
    assert forwarding.target("/", "") == "http://localhost:8000/fal/?token=1"
    assert forwarding.target("/a", "b=2") == "http://localhost:8000/fal/a?token=1&b=2"


def test_a_receiver_that_is_not_there_makes_502() -> None:
    def behind(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    outcome = deliver(GOOD, behind=behind)
    assert outcome.answers[0].status_code == 502
    assert outcome.answers[0].text == (
        f"falkit listen: {TARGET} can't be reached: nobody listens\n"
    )
    assert f"NOT passed on: {TARGET} can't be reached: nobody listens" in as_text(outcome.heard[0])


def test_a_receiver_that_says_nothing_makes_504() -> None:
    def behind(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("")

    outcome = deliver(GOOD, behind=behind)
    assert outcome.answers[0].status_code == 504
    assert "no answer within 120 s" in outcome.answers[0].text


def test_a_repetition_is_counted() -> None:
    forged = replace(GOOD, body=b"{}")
    outcome = deliver(GOOD, forged, GOOD, Signer().sign({**DONE, "request_id": "another"}))
    assert [one.times for one in outcome.heard] == [1, 0, 2, 1]
    assert "delivery 2 of this request id" in as_text(outcome.heard[2])
    assert "of this request id" not in as_text(outcome.heard[0])


def test_a_line_says_what_came_and_what_was_answered() -> None:
    text = as_text(deliver(GOOD, path="/hook?order=7").heard[0])
    first, *facts = text.splitlines()
    assert first[2] == first[5] == ":"
    assert first[8:] == (
        f" OK      {REQUEST}  verified, {len(GOOD.body)} bytes, to /hook?order=7, answered 200"
    )
    assert facts == ["         https://v3b.fal.media/files/b/0/clip.mp4"]


def test_an_errors_facts_are_its_details() -> None:
    fault = {"loc": ["body", "image_url"], "msg": "Could not load", "type": "image_load_error"}
    body = {
        **DONE,
        "gateway_request_id": "019b76da-ffff-74c7-aab7-01d3c98e3dee",
        "status": "ERROR",
        "error": "Invalid status code: 422",
    }
    outcome = deliver(
        Signer().sign({**body, "payload": {"detail": [fault, *[{"odd": 1}] * 6]}}),
        Signer().sign({**body, "payload": {"detail": "Not found"}}),
        Signer().sign({**body, "payload": None, "payload_error": "not JSON"}),
    )
    listed, text, null = (
        [line.strip() for line in as_text(one).splitlines()[1:]] for one in outcome.heard
    )
    again = "run again, as 019b76da-ffff-74c7-aab7-01d3c98e3dee"
    assert listed[:3] == [
        again,
        "Invalid status code: 422",
        "body.image_url: Could not load (image_load_error)",
    ]
    assert listed[3:8] == [*['{"odd": 1}'] * 4, "and 2 more"]
    assert text[1:3] == ["Invalid status code: 422", "Not found"]
    assert null[1:3] == ["Invalid status code: 422", "not JSON"]


def test_an_unverified_delivery_moves_no_cursor() -> None:
    sent = changed(GOOD, "Request-Id", "\x1b[2J" + "a" * 500)
    lines = as_text(deliver(sent).heard[0]).splitlines()
    assert all(line.isprintable() and len(line) <= 320 for line in lines)


def test_json_has_every_field_every_time() -> None:
    outcomes = (
        deliver(GOOD, path="/hook", behind=lambda _: httpx.Response(204)),
        deliver(replace(GOOD, body=b"{}")),
    )
    good, bad = (json.loads(as_json(one.heard[0])) for one in outcomes)
    assert set(good) == set(bad)
    assert good["passed"].pop("seconds") >= 0
    assert good == {
        "at": NOON,
        "path": "/hook",
        "bytes": len(GOOD.body),
        "verified": True,
        "refusal": None,
        "request_id": REQUEST,
        "gateway_request_id": REQUEST,
        "user_id": GOOD.headers[header("User-Id")],
        "timestamp": NOON,
        "status": "OK",
        "payload": DONE["payload"],
        "error": None,
        "payload_error": None,
        "times": 1,
        "answered": 204,
        "passed": {"url": f"{TARGET}/hook", "status": 204, "failure": None},
    }
    assert (bad["verified"], bad["refusal"]["type"]) == (False, "WrongSignature")
    assert (bad["request_id"], bad["status"], bad["passed"]) == (REQUEST, None, None)
