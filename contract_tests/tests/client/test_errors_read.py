"""Each error answer becomes the class that names it, with its evidence."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from falkit_client import errors

FAST = "fal-ai/ltx-2/image-to-video/fast"
JOB = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"
LITERAL = {
    "type": "literal_error",
    "loc": ["body", "duration"],
    "msg": "Input should be 6, 8 or 10",
    "input": "6",
    "ctx": {"expected": "6, 8 or 10"},
}
POLICY = {"type": "content_policy_violation", "loc": ["body", "prompt"], "msg": "Flagged"}
ONCE = {"x-fal-request-id": "r1"}

Do = Callable[..., Any]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"detail": "Request is still in progress"}, errors.NotReady),
        (400, {"detail": "No", "error_type": "bad_request"}, errors.Refused),
        (401, {"detail": "invalid key credentials"}, errors.Unauthorized),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, errors.Forbidden),
        (404, {"status": "NOT_FOUND"}, errors.NotFound),
        (422, {"detail": [LITERAL]}, errors.InvalidInput),
        (422, {"detail": "An image is needed"}, errors.InvalidInput),
        (422, {"detail": [POLICY]}, errors.ModelError),
        (500, {"detail": [{**POLICY, "type": "internal_server_error"}]}, errors.ModelError),
        (499, {"detail": "Request cancelled by the client."}, errors.Cancelled),
        (500, {"detail": "Internal Server Error"}, errors.ServerError),
        (503, {"detail": "x", "error_type": "runner_disconnected"}, errors.ServerError),
        (
            504,
            {"detail": "Request timed out", "error_type": "request_timeout"},
            errors.StartTimeout,
        ),
    ],
)
def test_answer_becomes_its_class(
    do: Do,
    respx_mock: respx.MockRouter,
    status: int,
    body: dict[str, Any],
    kind: type[errors.FalkitError],
) -> None:
    respx_mock.get(JOB).respond(status, json=body, headers=ONCE)
    with pytest.raises(errors.FalkitError) as caught:
        do("result", FAST, "r1")
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.request_id == "r1"
    assert caught.value.endpoint == FAST
    assert caught.value.detail == body.get("detail", body.get("status"))


def test_faults_and_hint_are_in_the_message(do: Do, respx_mock: respx.MockRouter) -> None:
    headers = {**ONCE, "x-falkit-hint": "send 6, not '6'"}
    respx_mock.get(JOB).respond(422, json={"detail": [LITERAL, POLICY]}, headers=headers)
    with pytest.raises(errors.ModelError) as caught:
        do("result", FAST, "r1")
    assert str(caught.value).splitlines() == [
        f"422 Unprocessable Entity for {FAST}",
        "  body.duration: Input should be 6, 8 or 10 (got '6')",
        "  body.prompt: Flagged",
        "  request: r1",
        "  hint: send 6, not '6'",
    ]
    assert caught.value.faults == (LITERAL, POLICY)
    assert caught.value.hint == "send 6, not '6'"


def test_request_id_of_a_failed_run_comes_from_the_header(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(f"https://fal.run/{FAST}").respond(
        403, json={"detail": "User is locked."}, headers={"x-fal-request-id": "r9"}
    )
    with pytest.raises(errors.Forbidden, match="User is locked") as caught:
        do("run", FAST, {}, check=False)
    assert caught.value.request_id == "r9"


@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ({}, None),
        ({"X-Fal-Retryable": "true"}, True),
        ({"X-Fal-Retryable": "false"}, False),
        ({"X-Fal-Needs-Retry": "1"}, True),
    ],
)
def test_retry_advice_is_kept(
    do: Do, respx_mock: respx.MockRouter, headers: dict[str, str], advice: bool | None
) -> None:
    respx_mock.get(JOB).respond(500, json={"detail": "x"}, headers={**ONCE, **headers})
    with pytest.raises(errors.ServerError) as caught:
        do("result", FAST, "r1")
    assert caught.value.retryable is advice


def test_error_type_may_come_by_header(do: Do, respx_mock: respx.MockRouter) -> None:
    headers = {**ONCE, "X-Fal-Error-Type": "runner_server_error"}
    respx_mock.get(JOB).respond(500, text="oops", headers=headers)
    with pytest.raises(errors.ServerError) as caught:
        do("result", FAST, "r1")
    assert caught.value.error_type == "runner_server_error"
    assert caught.value.detail == "oops"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"\xff\xfe", b""])
def test_a_success_that_is_not_an_object_is_a_bad_reply(
    do: Do, respx_mock: respx.MockRouter, body: bytes
) -> None:
    respx_mock.get(JOB).respond(200, content=body)
    with pytest.raises(errors.BadReply) as caught:
        do("result", FAST, "r1")
    assert caught.value.body == body


@pytest.mark.parametrize("body", [{}, {"request_id": ""}, {"request_id": 7}])
def test_a_submit_without_request_id_is_a_bad_reply(
    do: Do, respx_mock: respx.MockRouter, body: dict[str, Any]
) -> None:
    respx_mock.post(f"https://queue.fal.run/{FAST}").respond(json=body)
    with pytest.raises(errors.BadReply, match="no request_id came back"):
        do("submit", FAST, {}, check=False)


def test_no_status_is_invented(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{JOB}/status").respond(200, json={"status": "FAILED", "request_id": "r1"})
    with pytest.raises(errors.BadReply, match="'FAILED' isn't a status of fal's"):
        do("status", FAST, "r1")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError("refused"), errors.Unreachable),
        (httpx.ConnectTimeout("slow"), errors.Unreachable),
        (httpx.ReadTimeout("slow"), errors.AnswerLost),
        (httpx.RemoteProtocolError("closed"), errors.AnswerLost),
        (httpx.WriteError("reset"), errors.AnswerLost),
    ],
)
def test_a_lost_submit_says_whether_fal_may_have_it(
    do: Do, respx_mock: respx.MockRouter, failure: Exception, kind: type[errors.NoAnswer]
) -> None:
    respx_mock.post(f"https://queue.fal.run/{FAST}").mock(side_effect=failure)
    with pytest.raises(errors.NoAnswer) as caught:
        do("submit", FAST, {}, check=False)
    assert type(caught.value) is kind
    assert ("may have accepted" in str(caught.value)) == (kind is errors.AnswerLost)
    assert caught.value.__cause__ is failure


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn: list[tuple[str, str]] = []
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z]\w+)\b", line)
        if match and (match[1].strip() or match[2] == "FalkitError"):
            depth = len(match[1])
            stack = [node for node in stack if node[0] < depth]
            drawn.extend((match[2], parent) for _, parent in stack[-1:])
            stack.append((depth, match[2]))
    real = [
        (kind.__name__, kind.__bases__[0].__name__)
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.FalkitError) and kind is not errors.FalkitError
    ]
    assert sorted(drawn) == sorted(real)


def test_errors_survive_pickling() -> None:
    error = errors.TimedOut("late", seconds=3.0, cancelled=True, request_id="r1", status=None)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is errors.TimedOut
    assert (str(copy), copy.seconds, copy.request_id) == ("late\n  request: r1", 3.0, "r1")
    assert isinstance(copy, TimeoutError)
