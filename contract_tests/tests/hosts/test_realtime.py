"""wss://fal.run/{id}/realtime: inputs and outputs in msgpack or JSON (wire.md §8)."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from falkit import Settings
from falkit_fixtures.images import sample
from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted
from falkit_mock.faults.rules import Rule
from falkit_spec import JSON, Catalog
from falkit_spec.protocol import Operation, Protocol
from own_documents import EVIDENCE, data_of, overlay, write
from serving import KEY, PATIENCE, Mock, Serve, WatchedClock, running

# It has no types.
msgpack: Any = import_module("msgpack")
PAINT, OWN, TIMED = "acme/paint", "acme/draw/realtime", "acme/timed"
ASKED = {"prompt": "A lighthouse", "duration": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of models with a socket: by an overlay, and by their id."""
    place = tmp_path_factory.mktemp("fal")
    for number, id in enumerate((PAINT, OWN, TIMED)):
        write(place / f"{number}.json", data_of(id, required=["prompt"]))
    write(place / "paint.yaml", overlay(PAINT, {"realtime": EVIDENCE}))
    facts = {"timings": True, "idle": 30, "images": "url", **EVIDENCE}
    write(place / "timed.yaml", overlay(TIMED, {"realtime": facts}))
    return place


@pytest.fixture(scope="module")
def served(folder: Path) -> Generator[Mock]:
    """The mock of `mock`."""
    with running(Settings(timing="instant", documents=[folder])) as served:
        yield served


@pytest.fixture
def mock(served: Mock) -> Mock:
    """A reset mock with these documents."""
    assert served.http.post("/__falkit/reset").status_code == 200
    return served


@contextmanager
def opened(
    mock: Mock, path: str = f"{PAINT}/realtime", headers: dict[str, str] = KEY, **query: object
) -> Generator[ClientConnection]:
    url = f"{mock.url.replace('http', 'ws')}/fal.run/{path}?{urlencode(query)}"
    with connect(url, additional_headers=headers, proxy=None) as socket:
        yield socket


def packed(value: object) -> bytes:
    data: bytes = msgpack.packb(value)
    return data


def told(socket: ClientConnection) -> Any:
    """Return the next message, unpacked."""
    message = socket.recv(PATIENCE)
    if isinstance(message, str):
        return json.loads(message)
    return msgpack.unpackb(message)


def token(mock: Mock, path: str, **body: object) -> str:
    """Return a token, of the newer or the older kind."""
    if path.startswith("/"):
        url = "/rest.fal.ai/tokens/realtime"
        reply = mock.http.post(url, json={"allowed_apps": [path[1:]], **body}).json()
        return str(reply["token"])
    reply = mock.http.post("/rest.fal.ai/tokens/", json={"allowed_apps": [path], **body})
    return str(reply.json())


@pytest.mark.parametrize("path", [f"{PAINT}/realtime", OWN])
def test_inputs_are_answered_in_their_order_and_form(mock: Mock, path: str) -> None:
    with opened(mock, path) as socket:
        socket.send(packed(ASKED))
        socket.send(json.dumps(ASKED))
        socket.send(packed({**ASKED, "duration": 7}))
        first, second, third = (told(socket) for _ in range(3))
    assert first["image"].keys() >= {"content", "content_type"}
    assert first["image"]["content"][:3] in (b"\xff\xd8\xff", b"\x89PN")
    assert isinstance(second["image"]["url"], str)
    assert third["image"]["content"]
    jobs = [job for job in mock.jobs() if job["entry"] == "run"]
    assert {job["endpoint_id"] for job in jobs} == {path.removesuffix("/realtime"), path} & {
        PAINT,
        OWN,
    }
    assert len(jobs) == 3


def test_a_pinned_picture_is_answered(mock: Mock, tmp_path: Path) -> None:
    data = make(Wanted("png", width=16, height=16))
    (tmp_path / "cat.png").write_bytes(data)
    output: JSON = {"image": {"url": str(tmp_path / "cat.png")}}
    rule = Rule.read({"output": output, "endpoint": PAINT}, None)
    mock.inside(lambda: mock.service.rules.add(rule))
    with opened(mock) as socket:
        socket.send(packed(ASKED))
        assert told(socket)["image"]["content"] == data


def test_a_picture_may_come_as_bytes(mock: Mock) -> None:
    with opened(mock) as socket:
        socket.send(packed({**ASKED, "image_url": sample("png")}))
        assert told(socket)["image"]
    sent = mock.job(mock.jobs()[0])["input"]
    assert sent["image_url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (packed({"prompt": 7}), "1 validation error for Input\nprompt\n  Input should be a valid"),
        (json.dumps({}), "1 validation error for Input\nprompt\n  Field required [type=missing"),
        (packed("a text"), "validation error"),
        ("no JSON", "the message is no JSON"),
        (b"\xc1", "the message is no msgpack"),
        (b"\x91" * 2000, "the message is no msgpack: StackError"),
        (packed({1: 2}), "the message is no msgpack"),
        (packed({"a": msgpack.ExtType(4, b"x")}), "ExtType is no value of an input"),
        (b"", "the message is no msgpack"),
        (packed({"a": [[0] * 260_000] * 2}), "it has more than 500,000 values"),
        (b"\x81\xa1a\xdd\x00\x10\x00\x00" + bytes(1 << 20), "exceeds max_array_len(500000)"),
    ],
)
def test_what_is_no_input_is_an_error_that_ends_the_socket(
    mock: Mock, message: bytes | str, reason: str
) -> None:
    with opened(mock) as socket:
        socket.send(packed(ASKED))
        assert "image" in told(socket)
        socket.send(message)
        error = told(socket)
        assert (error["type"], error["error"]) == ("x-fal-error", "INTERNAL_ERROR")
        assert reason in error["reason"]
        with pytest.raises(ConnectionClosed, match="1000"):
            socket.recv(PATIENCE)


@pytest.mark.parametrize("name", [f"/{PAINT}/realtime", f"/{PAINT}", "paint"])
def test_a_token_opens_its_app(mock: Mock, name: str) -> None:
    with opened(mock, headers={}, fal_jwt_token=token(mock, name)) as socket:
        socket.send(packed(ASKED))
        assert "image" in told(socket)


@pytest.mark.parametrize("name", ["/acme/other/realtime", f"/{PAINT}/other", "draw"])
def test_another_apps_token_is_told_of(mock: Mock, name: str) -> None:
    with opened(mock, headers={}, fal_jwt_token=token(mock, name)) as socket:
        assert told(socket) == {"status": "error", "error": "Unauthorized"}
        with pytest.raises(ConnectionClosedError, match=r"1008.*it is for"):
            socket.recv(PATIENCE)


def test_a_token_that_is_over_opens_nothing_and_closes_nothing(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed(documents=[folder])
    short = token(mock, f"/{PAINT}/realtime", duration=60)
    with opened(mock, headers={}, fal_jwt_token=short) as socket:
        mock.advance(61)
        socket.send(packed(ASKED))
        assert "image" in told(socket), "it was good when the socket was opened"
    with opened(mock, headers={}, fal_jwt_token=short) as socket:
        assert told(socket)["error"] == "Unauthorized"


def test_a_refusal_may_be_of_the_handshake(serve: Serve, folder: Path) -> None:
    mock = serve(documents=[folder], assumptions=["realtime-refusal=handshake"])
    with pytest.raises(InvalidStatus) as refused, opened(mock, headers={}, fal_jwt_token="a.b.c"):
        pass
    assert refused.value.response.status_code == 401
    assert "fal_jwt_token" in refused.value.response.headers["x-falkit-hint"]


@pytest.mark.parametrize(
    ("path", "headers", "query", "status"),
    [
        (f"{PAINT}/realtime", {}, {}, 401),
        (f"{PAINT}/realtime", KEY, {"max_buffering": 0}, 422),
        (f"{PAINT}/realtime", KEY, {"max_buffering": 61}, 422),
        (f"{PAINT}/realtime", KEY, {"max_buffering": "many"}, 422),
        (f"{OWN}/realtime", KEY, {}, 404),
        ("acme/nothing/realtime", KEY, {}, 404),
        ("fal-ai/flux/dev/realtime", KEY, {}, 404),
        ("realtime", KEY, {}, 404),
    ],
)
def test_a_handshake_is_refused_in_http(
    mock: Mock, folder: Path, path: str, headers: dict[str, str], query: dict[str, Any], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(mock, path, headers, **query):
        pass
    reply = refused.value.response
    assert reply.status_code == status
    if path == f"{PAINT}/realtime":
        operation = documented(folder)
        head = dict(reply.headers.raw_items())
        assert operation.faults(status, head, bytes(reply.body or b"")) == []


def documented(folder: Path) -> Operation:
    """Return what the protocol's document says of the socket."""
    return Protocol.vendored().operations(Catalog.read([folder]).get(PAINT))["realtime"]


def test_a_handshake_is_taken_as_documented(mock: Mock, folder: Path) -> None:
    with opened(mock) as socket:
        assert socket.response is not None
        head = dict(socket.response.headers.raw_items())
        assert documented(folder).faults(socket.response.status_code, head, b"") == []


def test_a_post_to_the_socket_is_not_there(mock: Mock) -> None:
    reply = mock.http.post(f"/fal.run/{PAINT}/realtime", json=ASKED)
    assert (reply.status_code, reply.json()) == (404, {"detail": "Path /realtime not found"})
    assert mock.http.post(f"/fal.run/{OWN}", json=ASKED).status_code == 200


def test_timings_and_an_idle_end(timed: Serve, folder: Path, clock: WatchedClock) -> None:
    mock = timed("0,2", documents=[folder])
    with opened(mock, f"{TIMED}/realtime") as socket:
        clock.until_waited_for()
        socket.send(packed(ASKED))
        clock.until_waited_for()
        mock.advance(2)
        assert isinstance(told(socket)["image"]["url"], str)
        assert told(socket) == {"type": "x-fal-message", "action": "timings", "timing": 2}
        clock.until_waited_for()
        mock.advance(30)
        error = told(socket)
        assert (error["type"], error["error"]) == ("x-fal-error", "TIMEOUT")
        with pytest.raises(ConnectionClosed, match="1000"):
            socket.recv(PATIENCE)


def test_of_what_waits_the_newest_are_kept(timed: Serve, folder: Path, clock: WatchedClock) -> None:
    mock = timed("0,10", documents=[folder])
    with opened(mock, max_buffering=2) as socket:
        socket.send(packed({**ASKED, "duration": 0}))
        clock.until_waited_for()
        for number in range(1, 6):
            socket.send(packed({**ASKED, "duration": number}))
        # What was sent has come once the server has answered a ping behind it.
        assert socket.ping().wait(PATIENCE)
        for _ in range(3):
            mock.advance(10)
            assert "image" in told(socket)
    inputs = [mock.job(job)["input"]["duration"] for job in mock.jobs()]
    assert inputs == [5, 4, 0]


@pytest.mark.parametrize(
    "fault", ["content_policy_violation", "account_locked", "bad_key on=run", "ingress_error"]
)
def test_a_fault_is_told_of(mock: Mock, fault: str) -> None:
    with opened(mock, headers={**KEY, "x-falkit-fault": fault}) as socket:
        socket.send(packed(ASKED))
        assert told(socket)["error"] == "INTERNAL_ERROR"


@pytest.mark.parametrize("fault", ["connection_reset", "reply_lost", "half_reply", "garbage"])
def test_the_connection_is_cut(mock: Mock, fault: str) -> None:
    with opened(mock, headers={**KEY, "x-falkit-fault": fault}) as socket:
        socket.send(packed(ASKED))
        with pytest.raises(ConnectionClosedError):
            socket.recv(PATIENCE)


def test_a_caller_who_hangs_up_ends_the_job(
    timed: Serve, folder: Path, clock: WatchedClock
) -> None:
    mock = timed("0,10", documents=[folder])
    with opened(mock) as socket:
        socket.send(packed(ASKED))
        clock.until_waited_for()
    with mock.http.stream("GET", "/__falkit/events?kind=job_changed&since=0") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        changes = (json.loads(line.removeprefix("data: ")) for line in lines)
        ended = next(change for change in changes if change["change"] == "ended")
    assert ended["error"]["error_type"] == "client_disconnected"


@pytest.mark.parametrize("facts", [{"timings": 1}, {"idle": 0}, {"images": "both"}])
def test_a_fact_that_cannot_be_is_named_and_left_out(
    folder: Path, tmp_path: Path, facts: dict[str, Any]
) -> None:
    from falkit_spec import Catalog

    write(tmp_path / "odd.json", data_of("acme/odd"))
    write(tmp_path / "odd.yaml", overlay("acme/odd", {"realtime": {**EVIDENCE, **facts}}))
    catalog = Catalog.read([tmp_path])
    assert [note for note in catalog.notes if "acme/odd: realtime: " in note]
    assert catalog.endpoints["acme/odd"].realtime is None
