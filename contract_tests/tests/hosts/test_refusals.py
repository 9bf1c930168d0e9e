"""What nobody should send: each is answered as fal would, and none is a 500."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving import PATIENCE, PROMPT, T2V, Mock, Serve

JSON_TYPE = {"content-type": "application/json"}


def _post(mock: Mock, body: bytes, **headers: str) -> tuple[int, Any]:
    reply = mock.http.post(f"/fal.run/{T2V}", content=body, headers={**JSON_TYPE, **headers})
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-fal-request-id"]
    return reply.status_code, reply.json()


def test_an_unknown_app_is_404_by_its_alias(mock: Mock) -> None:
    for host in ("fal.run", "queue.fal.run"):
        reply = mock.http.post(f"/{host}/fal-ai/no-such/one", json=PROMPT)
        detail = {"detail": 'Application "no-such" not found'}
        assert (reply.status_code, reply.json()) == (404, detail)
        assert reply.headers["x-falkit-hint"] == (
            "falkit has no document for 'fal-ai/no-such/one', which says nothing about fal: it "
            "may well exist there; `falkit spec add fal-ai/no-such/one` fetches its document and "
            "says how to use it (docs/documents.md)"
        )


def test_an_unknown_workflow_is_404_by_its_third_segment(mock: Mock) -> None:
    reply = mock.run(PROMPT, "workflows/me/mine/more")
    assert reply.json() == {"detail": 'Application "mine" not found'}


@pytest.mark.parametrize("path", ["", "/", "/fal-ai", "/fal-ai//text-to-video"])
def test_a_path_that_names_no_app_is_404(mock: Mock, path: str) -> None:
    for host in ("fal.run", "queue.fal.run"):
        reply = mock.http.post(f"/{host}{path}", json=PROMPT)
        assert (reply.status_code, reply.json()) == (404, {"detail": "Not Found"})


def test_other_methods_are_405_with_the_allowed_ones(mock: Mock) -> None:
    job = mock.submit()
    cases = [
        ("GET", f"/fal.run/{T2V}", "POST"),
        ("POST", "/fal.ai/api/openapi/queue/openapi.json", "GET, HEAD"),
        ("GET", f"/__falkit/jobs/{job['request_id']}/release", "POST"),
    ]
    for method, url, allowed in cases:
        reply = mock.http.request(method, url)
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed), (method, url)
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-fal-request-id"]
        if method != "HEAD":
            assert reply.json() == {"detail": "Method Not Allowed"}


def test_an_unknown_control_operation_is_404_in_json(mock: Mock) -> None:
    reply = mock.http.get("/__falkit/no/such")
    assert (reply.status_code, reply.json()) == (404, {"detail": "Not Found"})
    assert reply.headers["x-fal-request-id"]


def test_an_empty_body_is_a_missing_body(mock: Mock) -> None:
    fault = {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
    assert _post(mock, b"") == (422, {"detail": [fault]})


@pytest.mark.parametrize(
    ("body", "position", "message"),
    [
        (b"{", 1, "Expecting property name enclosed in double quotes"),
        (b"hello", 0, "Expecting value"),
        (b'{"prompt": "x",}', 15, "Expecting property name enclosed in double quotes"),
        (b'{"prompt": "x"} trailing', 16, "Extra data"),
        (b"\xc3\xa9", 0, "Expecting value"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(
    mock: Mock, body: bytes, position: int, message: str
) -> None:
    code, answer = _post(mock, body)
    assert code == 422
    assert answer["detail"] == [
        {
            "type": "json_invalid",
            "loc": ["body", position],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": message},
        }
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "\xff"}',
        b'{"prompt": "x", "n": ' + b"9" * 5000 + b"}",
        b"[" * 5000,
        b'{"a":' * 201 + b"1" + b"}" * 201,
    ],
    ids=["no UTF-8", "5000 digits", "brackets", "201 levels"],
)
def test_json_that_the_parser_gives_up_on_is_400(mock: Mock, body: bytes) -> None:
    assert _post(mock, body) == (400, {"detail": "There was an error parsing the body"})


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"', b"true"])
def test_json_that_is_not_an_object_is_refused_by_type(mock: Mock, body: bytes) -> None:
    code, answer = _post(mock, body)
    assert code == 422
    (fault,) = answer["detail"]
    assert (fault["loc"], fault["input"]) == (["body"], json.loads(body))


def test_a_form_is_refused_with_a_hint_about_its_type(mock: Mock) -> None:
    reply = mock.http.post(f"/fal.run/{T2V}", data={"prompt": "x"})
    (fault,) = reply.json()["detail"]
    assert (reply.status_code, fault["type"]) == (422, "model_attributes_type")
    assert "Content-Type: application/json" in reply.headers["x-falkit-hint"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"]
)
def test_any_type_of_json_is_read(mock: Mock, kind: str) -> None:
    body = json.dumps(PROMPT).encode()
    assert _post(mock, body, **{"content-type": kind})[0] == 200


def test_a_body_without_a_type_is_read_as_json(mock: Mock) -> None:
    request = mock.http.build_request("POST", f"/fal.run/{T2V}", content=json.dumps(PROMPT))
    request.headers.pop("content-type", None)
    assert mock.http.send(request).status_code == 200


ODDITIES: list[bytes] = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"9" * 30,
    b"-" + b"9" * 4000,
    b'"\\ud800"',
    b'"\\u0000"',
    b'{"\\udfff": 1}',
    b"[" * 190 + b"]" * 190,
    b'{"a":' * 190 + b"1" + b"}" * 190,
    b"[[]" + b",[]" * 5000 + b"]",
    b'"' + b"x" * 100_000 + b'"',
]


@pytest.mark.parametrize("value", ODDITIES, ids=[each[:12].decode() for each in ODDITIES])
@pytest.mark.parametrize("field", ["prompt", "duration", "resolution", "generate_audio", "other"])
def test_no_odd_value_is_a_500_in_any_field(mock: Mock, field: str, value: bytes) -> None:
    prompt = b"" if field == "prompt" else b'"prompt": "x", '
    body = b"{" + prompt + b'"' + field.encode() + b'": ' + value + b"}"
    code, _ = _post(mock, body)
    assert code in (200, 422)
    job = mock.http.post(f"/queue.fal.run/{T2V}", content=body, headers=JSON_TYPE)
    assert mock.result(job.json()).status_code == code


def test_a_body_announced_as_too_large_is_413_unread(serve: Serve) -> None:
    mock = serve("instant", max_body=1000)
    where = urlsplit(mock.url)
    with socket.create_connection((str(where.hostname), where.port or 0), PATIENCE) as wire:
        wire.sendall(
            f"POST /fal.run/{T2V} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Key a:b\r\n"
            "Content-Length: 1000000000\r\n\r\n".encode()
        )
        assert wire.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_too_large_is_413(serve: Serve) -> None:
    mock = serve("instant", max_body=1000)

    def chunks() -> Iterator[bytes]:
        yield b'{"prompt": "'
        yield b"x" * 2000
        yield b'"}'

    reply = mock.http.post(f"/fal.run/{T2V}", content=chunks(), headers=JSON_TYPE)
    assert (reply.status_code, reply.json()) == (413, {"detail": "Request body is too large"})
    assert "--max-body" in reply.headers["x-falkit-hint"]
    assert mock.run(PROMPT).status_code == 200


def test_a_body_as_large_as_allowed_is_read(serve: Serve) -> None:
    body = json.dumps(PROMPT).encode()
    for most, code in ((len(body), 200), (len(body) - 1, 413)):
        mock = serve("instant", max_body=most)
        assert _post(mock, body)[0] == code


def test_what_is_kept_is_bounded_and_a_reset_makes_room(serve: Serve) -> None:
    mock = serve("instant", max_kept=100_000)
    big = {"prompt": "a", "x": "y" * 40_000}
    jobs = [mock.submit(big) for _ in range(2)]
    for path in (f"/queue.fal.run/{T2V}", f"/fal.run/{T2V}"):
        reply = mock.http.post(path, json=big)
        assert (reply.status_code, "--max-kept" in reply.headers["x-falkit-hint"]) == (507, True)
    assert [mock.result(job).status_code for job in jobs] == [200, 200], "nothing is lost"
    url = f"/api.fal.ai/v1/models/requests/{jobs[0]['request_id']}/payloads"
    assert mock.http.delete(url).status_code == 200
    mock.submit(big)
    mock.http.post("/__falkit/reset")
    assert mock.service.store.kept == 0
    mock.submit(big)


def test_a_body_of_too_many_values_is_413_unread(mock: Mock) -> None:
    values = b"1," * 600_000
    body = b'{"prompt": "a", "x": [' + values + b"1]}"
    reply = mock.http.post(f"/fal.run/{T2V}", content=body, headers=JSON_TYPE)
    assert (reply.status_code, "500000 values" in reply.headers["x-falkit-hint"]) == (413, True)
    fewer = b'{"prompt": "a", "x": [' + values[:800_000] + b"1]}"
    assert mock.http.post(f"/fal.run/{T2V}", content=fewer, headers=JSON_TYPE).status_code == 200


def test_a_prompt_one_character_too_long_is_refused(mock: Mock) -> None:
    assert mock.run({"prompt": "x" * 5000}).status_code == 200
    (fault,) = mock.run({"prompt": "x" * 5001}).json()["detail"]
    assert (fault["type"], fault["ctx"]) == ("string_too_long", {"max_length": 5000})


def test_a_fault_of_the_mocks_own_is_a_json_500_with_an_id(
    mock: Mock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(path: str) -> None:
        raise RuntimeError("where it broke")

    monkeypatch.setattr(mock.service.media, "record", broken)
    reply = mock.http.get("/v3b.fal.media/files/b/x")
    assert reply.status_code == 500
    assert reply.json() == {"detail": "Internal Server Error", "error_type": "internal_error"}
    assert reply.headers["x-fal-request-id"]
    assert "where it broke" in caplog.text, "the fault is nobody's secret"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        ImportError(f"libjpeg.so: cannot open shared object file: {os.strerror(errno.EMFILE)}"),
    ],
    ids=repr,
)
def test_what_the_machine_is_short_of_is_507_and_no_fault_of_the_mocks(
    mock: Mock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(mock.service.media, "record", broken)
    monkeypatch.setattr(mock.service.store, "before", broken)
    for path in ("/v3b.fal.media/files/b/x", "/__falkit/jobs"):
        if isinstance(error, ImportError) and path.startswith("/__"):
            continue
        reply = mock.http.get(path)
        assert (reply.status_code, "short of" in reply.json()["detail"]) == (507, True)
        assert reply.headers["x-fal-request-id"]
    assert caplog.text == ""
