"""Requests with their bodies by the control API: what is kept, what is masked, what isn't there."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from falkit import Settings
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.transcripts import MOST, Transcripts
from serving import KEY, PROMPT, T2V, Mock, WatchedClock, running


def last(mock: Mock) -> int:
    number: int = mock.http.get("/__falkit/requests").json()["last"]
    return number


def newest(mock: Mock) -> dict[str, Any]:
    reply = mock.http.get(f"/__falkit/requests/{last(mock)}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_a_submit_is_there_with_what_was_sent_and_answered(mock: Mock) -> None:
    reply = mock.http.post(f"/queue.fal.run/{T2V}?fal_webhook=", json=PROMPT)
    found = newest(mock)
    listed = mock.http.get("/__falkit/requests").json()["requests"][-1]
    assert {name: found[name] for name in listed} == listed
    request, response = found["request"], found["response"]
    assert request["target"] == f"/{T2V}?fal_webhook="
    assert json.loads(request["body"]) == PROMPT
    assert request["size"] == len(request["body"])
    assert request["headers"]["content-type"] == "application/json"
    assert response["status_code"] == 200
    assert json.loads(response["body"]) == reply.json()
    assert response["headers"]["x-fal-request-id"] == reply.json()["request_id"]


def test_a_refusal_is_there_too(mock: Mock) -> None:
    mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT, headers={"authorization": "Basic secret"})
    found = newest(mock)
    assert (found["status"], found["request"]["headers"]["authorization"]) == (401, "Basic ***")
    assert "detail" in json.loads(found["response"]["body"])


SECRET = "s3cr3t"


def test_no_secret_of_a_request_is_told(mock: Mock) -> None:
    headers = {
        "authorization": f"Key alice:{SECRET}",
        "cookie": f"session={SECRET}",
        "x-falkit-token": SECRET,
        "x-api-key": SECRET,
        "referer": f"http://me:{SECRET}@127.0.0.1/?token={SECRET}",
    }
    hook = f"http://me:{SECRET}@127.0.0.1:9/hook?token={SECRET}"
    body = {"prompt": f"see https://u:{SECRET}@x.example/?sig={SECRET}", "access_token": SECRET}
    url = f"/queue.fal.run/{T2V}"
    query = {"fal_webhook": hook, "api_key": SECRET}
    assert mock.http.post(url, json=body, params=query, headers=headers).status_code == 200
    reply = mock.http.get(f"/__falkit/requests/{last(mock)}")
    assert SECRET not in reply.text
    shown = reply.json()["request"]["headers"]
    assert shown["authorization"] == "Key alice:***"
    assert (shown["cookie"], shown["x-api-key"]) == ("***", "***")
    assert json.loads(reply.json()["request"]["body"])["access_token"] == "***"


def test_a_token_that_is_answered_is_not_told(mock: Mock) -> None:
    token = mock.http.post("/rest.fal.ai/tokens/", json={"allowed_apps": ["ltx-2"]}).json()
    found = newest(mock)
    assert isinstance(token, str)
    assert token not in json.dumps(found)
    assert "***" in found["response"]["body"]


def test_what_is_no_text_or_comes_in_pieces_has_no_body(mock: Mock) -> None:
    job = mock.submit()
    url = mock.result(job).json()["video"]["url"]
    assert mock.http.get(url).status_code == 200
    found = newest(mock)
    assert found["response"]["body"] is None
    assert found["request"]["headers"]["authorization"] == "Key id:***"
    with mock.http.stream("GET", job["status_url"] + "/stream") as stream:
        stream.read()
    assert newest(mock)["response"]["body"] is None


def test_why_a_body_is_not_there_is_told(mock: Mock) -> None:
    def told(side: str = "request") -> tuple[int | None, str | None]:
        found = newest(mock)[side]
        return found["size"], found["left_out"]

    job = mock.submit()
    assert told()[1] is None
    assert told("response")[1] is None
    mock.http.get(mock.result(job).json()["video"]["url"])
    assert told("response")[1] in ("binary", "pieces")
    mock.http.get(f"{job['status_url']}/stream")
    assert told("response") == (None, "pieces")
    mock.http.post("/queue.fal.run/fal-ai/nope", content=b'{"prompt": ""}')
    assert told() == (None, "unread")
    mock.http.post(f"/queue.fal.run/{T2V}", content=b"\xff\xfe")
    assert told() == (2, "binary")
    query = {"storage_type": "fal-cdn-v3"}
    about = {"content_type": "text/plain", "file_name": "a.txt"}
    upload = "/rest.fal.ai/storage/upload/initiate"
    url = mock.http.post(upload, params=query, json=about).json()["upload_url"]
    httpx.put(url, content=b"Rain").raise_for_status()
    assert told() == (None, "pieces")


def test_a_long_body_is_told_by_its_size(mock: Mock) -> None:
    body = json.dumps({"prompt": "x" * 300_000})
    mock.http.post(f"/queue.fal.run/{T2V}", content=body)
    request = newest(mock)["request"]
    assert (request["size"], request["body"]) == (len(body), None)
    assert request["left_out"] == "long"


def test_no_more_are_kept_than_there_is_room_for() -> None:
    transcripts = Transcripts()

    def keep(number: int, size: int) -> None:
        record = RequestRecord(0.0, "POST", "fal.run", "/", "id", number=number)
        transcripts.keep(record, [], b"", bytes(size), {}, b"")

    for number in range(1, MOST + 11):
        keep(number, 10)
    assert transcripts.find(10) is None
    assert transcripts.find(11) is not None
    for number in range(1000, 1040):
        keep(number, 250_000)
    found = [transcripts.find(number) for number in range(1000, 1040)]
    bodies = [None if one is None else one.sent for one in found]
    # How long they were is known of all.
    assert bodies[:5] == [250_000] * 5
    kept = [body for body in bodies if isinstance(body, bytes)]
    assert bodies[-len(kept) :] == kept
    assert 7_000_000 < sum(map(len, kept)) <= 8 << 20


@pytest.mark.parametrize("forget", ["clear", "reset"])
def test_they_go_with_the_request_log(mock: Mock, forget: str) -> None:
    mock.submit()
    number = last(mock)
    assert mock.http.get(f"/__falkit/requests/{number}").status_code == 200
    if forget == "clear":
        mock.http.delete("/__falkit/requests")
    else:
        mock.http.post("/__falkit/reset")
    reply = mock.http.get(f"/__falkit/requests/{number}")
    assert (reply.status_code, str(number) in reply.json()["detail"]) == (404, True)


def test_nothing_is_kept_without_the_page() -> None:
    with running(Settings(timing="instant", page=False), WatchedClock()) as served:
        served.submit()
        assert last(served) == 1
        assert served.http.get("/__falkit/requests/1").status_code == 404


def test_nothing_of_it_is_in_an_export(mock: Mock) -> None:
    mock.http.post(f"/queue.fal.run/{T2V}", json={**PROMPT, "secret": "odd-one"}, headers=KEY)
    mock.http.get(f"/queue.fal.run/{T2V}/nothing-here")
    asked: httpx.Response = mock.http.get("/__falkit/state", headers={"x-falkit-client": "test"})
    assert b"nothing-here" not in asked.content
