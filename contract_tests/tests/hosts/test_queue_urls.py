"""What queue.fal.run takes for a request's URL, and what for a submit's (wire.md §3.7)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from falkit import Settings
from falkit_spec import Catalog, Document
from serving import PROMPT, T2V, Mock, Serve, running

HINT = "x-falkit-hint"
APP = "fal-ai/ltx-2"
FAST = f"{T2V}/fast"
# Ids of two segments, and of a namespace and two, which are their own apps; and one below each.
SHORT, FLOW = "someone/clips", "workflows/someone/flow"
DEEP, DEEP_FLOW = f"{SHORT}/turbo", f"{FLOW}/deep"

# The path, {id} for the whole id; the method; the code, of a job that is done; Allow.
SHORT_FORM = [
    ("/{app}/requests/{rid}", "GET", 200, None),
    ("/{app}/requests/{rid}/", "GET", 200, None),
    ("/{app}/requests/{rid}", "HEAD", 200, None),
    ("/{app}/requests/{rid}", "POST", 405, "GET, HEAD"),
    ("/{app}/requests/{rid}", "DELETE", 405, "GET, HEAD"),
    ("/{app}/requests/{rid}/status", "GET", 200, None),
    ("/{app}/requests/{rid}/status/", "GET", 200, None),
    ("/{app}/requests/{rid}/status", "PUT", 405, "GET, HEAD"),
    ("/{app}/requests/{rid}/status/stream", "GET", 200, None),
    ("/{app}/requests/{rid}/status/stream", "HEAD", 405, "GET"),
    ("/{app}/requests/{rid}/cancel", "PUT", 400, None),
    ("/{app}/requests/{rid}/cancel", "POST", 405, "PUT"),
    ("/{app}/requests/{rid}/cancel", "GET", 405, "PUT"),
]
# None of these has a route when strict; the code is that of `lenient`.
NO_ROUTE = [
    ("/{app}/requests/{rid}/response", "GET", 200),
    ("/{app}/requests/{rid}/response", "HEAD", 200),
    ("/{app}/requests/{rid}/cancel/", "PUT", 400),
    ("/{app}/requests/{rid}/status/stream/", "GET", 200),
    ("/{app}/requests/{rid}/logs", "GET", 405),
    ("/{app}/requests/{rid}/Status", "GET", 405),
    ("/{app}/requests", "GET", 405),
    ("/{app}/requests/", "GET", 405),
    ("/{app}/requests%2F{rid}", "GET", 405),
    ("/{app}//requests/{rid}", "GET", 200),
    ("/{app}/requests//{rid}", "GET", 405),
    ("/{app}/no/such/requests/{rid}", "GET", 200),
    ("/{id}/requests/{rid}/response", "GET", 200),
    ("/{id}", "GET", 405),
    ("/{id}", "PUT", 405),
]
# Where the id is more than its app, these are submits by their path; else they are as above.
WHOLE_ID = [
    ("/{id}/requests/{rid}", "GET", 200),
    ("/{id}/requests/{rid}", "HEAD", 200),
    ("/{id}/requests/{rid}/status", "GET", 200),
    ("/{id}/requests/{rid}/status/stream", "GET", 200),
    ("/{id}/requests/{rid}/cancel", "PUT", 400),
]


def documents() -> Catalog:
    """Return a catalog in which there are also ids of two segments, and those of a namespace."""
    raw = Catalog.vendored().get(T2V).document.raw
    made = [
        Document(raw.replace(T2V.encode(), id.encode()), source=id)
        for id in (SHORT, DEEP, FLOW, DEEP_FLOW)
    ]
    return Catalog.from_documents([*(each.document for each in Catalog.vendored()), *made])


@pytest.fixture(scope="module", params=["strict", "lenient"])
def reading(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def mock(reading: str) -> Generator[Mock]:
    assumed = [f"queue-urls={reading}"]
    with running(Settings(timing="instant", assumptions=assumed), catalog=documents()) as served:
        yield served


def app_of(id: str) -> str:
    return {SHORT: SHORT, DEEP: SHORT, FLOW: FLOW, DEEP_FLOW: FLOW}.get(id, APP)


def answered(mock: Mock, id: str, path: str, method: str) -> Any:
    job = mock.submit(endpoint=id)
    where = path.format(id=id, app=app_of(id), rid=job["request_id"])
    return mock.http.request(method, f"/queue.fal.run{where}")


def assert_no_route(reply: Any, allowed: str = "POST") -> None:
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["x-fal-request-id"]
    assert reply.text == ("" if reply.request.method == "HEAD" else "405: Method Not Allowed")


@pytest.mark.parametrize("id", [FAST, T2V, DEEP, SHORT, FLOW, DEEP_FLOW])
@pytest.mark.parametrize(("path", "method", "code", "allowed"), SHORT_FORM)
def test_the_apps_form_is_a_requests_url_in_either_reading(
    mock: Mock, id: str, path: str, method: str, code: int, allowed: str | None
) -> None:
    reply = answered(mock, id, path, method)
    assert reply.status_code == code
    if allowed is not None:
        assert_no_route(reply, allowed)


@pytest.mark.parametrize("id", [FAST, T2V, DEEP, SHORT, FLOW, DEEP_FLOW])
@pytest.mark.parametrize(("path", "method", "lenient"), NO_ROUTE)
def test_what_is_near_to_it_is_a_submits_path(
    mock: Mock, reading: str, id: str, path: str, method: str, lenient: int
) -> None:
    reply = answered(mock, id, path, method)
    if reading == "strict" or lenient == 405:
        assert_no_route(reply)
    else:
        assert reply.status_code == lenient


@pytest.mark.parametrize("id", [FAST, T2V, DEEP, DEEP_FLOW])
@pytest.mark.parametrize(("path", "method", "lenient"), WHOLE_ID)
def test_a_whole_id_in_a_requests_url_makes_it_a_submits_path(
    mock: Mock, reading: str, id: str, path: str, method: str, lenient: int
) -> None:
    reply = answered(mock, id, path, method)
    if reading == "strict":
        assert_no_route(reply)
    else:
        assert reply.status_code == lenient


@pytest.mark.parametrize("id", [SHORT, FLOW])
@pytest.mark.parametrize(("path", "method", "code"), WHOLE_ID)
def test_an_id_that_is_its_own_app_has_one_form_alone(
    mock: Mock, id: str, path: str, method: str, code: int
) -> None:
    assert answered(mock, id, path, method).status_code == code


@pytest.fixture(scope="module")
def strict() -> Generator[Mock]:
    with running(Settings(timing="instant"), catalog=documents()) as served:
        yield served


@pytest.mark.parametrize(
    ("path", "method", "meant"),
    [
        ("/{id}/requests/{rid}", "GET", "GET {base}/requests/{rid}"),
        ("/{id}/requests/{rid}", "DELETE", "GET {base}/requests/{rid}"),
        ("/{id}/requests/{rid}/response", "GET", "GET {base}/requests/{rid}"),
        ("/{app}/requests/{rid}/response/", "GET", "GET {base}/requests/{rid}"),
        ("/{id}/requests/{rid}/status/", "POST", "GET {base}/requests/{rid}/status"),
        ("/{id}/requests/{rid}/status/stream", "GET", "GET {base}/requests/{rid}/status/stream"),
        ("/{id}/requests/{rid}/cancel", "PUT", "PUT {base}/requests/{rid}/cancel"),
        ("/{app}/requests/{rid}/cancel/", "PUT", "PUT {base}/requests/{rid}/cancel"),
        ("/{app}/any/requests/{rid}/status", "GET", "GET {base}/requests/{rid}/status"),
    ],
)
def test_the_hint_names_the_right_url_and_the_reply_to_the_submit_has_it(
    strict: Mock, path: str, method: str, meant: str
) -> None:
    reply = answered(strict, FAST, path, method)
    rid = str(reply.request.url).partition("/requests/")[2].partition("/")[0]
    own = meant.format(base=f"{strict.url}/queue.fal.run/{APP}", rid=rid)
    hint = reply.headers[HINT]
    assert f"send {own}, which the reply to the submit names" in hint
    assert "--assume queue-urls=lenient" in hint
    verb, url = own.split()
    assert strict.http.request(verb, url).status_code in (200, 400)


def test_the_hint_goes_by_the_way_by_which_the_host_was_named(strict: Mock) -> None:
    headers = {"host": "queue.fal.run"}
    reply = strict.http.get(f"/{T2V}/requests/r1", headers=headers)
    assert "send GET http://queue.fal.run/fal-ai/ltx-2/requests/r1," in reply.headers[HINT]
    headers = {"x-fal-target-url": f"https://queue.fal.run/{T2V}/requests/r1/status?logs=1"}
    reply = strict.http.get("/api/fal/proxy", headers=headers)
    assert "GET https://queue.fal.run/fal-ai/ltx-2/requests/r1/status," in reply.headers[HINT]


def test_an_operation_that_no_request_has_is_told_those_there_are(strict: Mock) -> None:
    reply = answered(strict, FAST, "/{app}/requests/{rid}/logs", "GET")
    assert "status, status/stream, cancel behind /fal-ai/ltx-2/requests/{id}" in reply.headers[HINT]


@pytest.mark.parametrize("path", ["/{id}/requests/{rid}/cancel", "/{app}/requests/{rid}/response"])
def test_a_post_there_is_a_job_that_fails_for_an_unknown_path(strict: Mock, path: str) -> None:
    reply = answered(strict, FAST, path, "POST")
    job = reply.json()
    assert (reply.status_code, job["status"]) == (200, "IN_QUEUE")
    assert "/queue.fal.run/fal-ai/ltx-2/requests/" in reply.headers[HINT]
    result = strict.result(job)
    assert result.status_code == 404
    assert result.json()["detail"].startswith("Path /")
    assert f"/requests/{job['request_id']}" not in result.json()["detail"]


@pytest.mark.parametrize("id", [FAST, DEEP, SHORT, FLOW, DEEP_FLOW])
def test_urls_that_are_handed_out_have_the_app_alone(strict: Mock, id: str) -> None:
    job = strict.submit(endpoint=id)
    base = f"{strict.url}/queue.fal.run/{app_of(id)}/requests/{job['request_id']}"
    urls = {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}
    assert {name: job[name] for name in urls} == urls
    status = strict.status(job)
    assert {name: status[name] for name in urls} == urls


def test_neither_key_nor_app_is_looked_at_before_the_route(strict: Mock) -> None:
    for path in (f"{T2V}/requests/r1", "no/body/here/requests/r1/status"):
        reply = strict.http.get(f"/queue.fal.run/{path}", headers={"authorization": ""})
        assert_no_route(reply)


@pytest.mark.parametrize("path", ["/", "/fal-ai", "/fal-ai/", "//ltx-2/requests/r1"])
def test_a_path_without_owner_and_app_is_404(strict: Mock, path: str) -> None:
    assert strict.http.get(f"/queue.fal.run{path}").status_code == 404


@pytest.mark.parametrize("host", ["fal.run", "queue.fal.run"])
@pytest.mark.parametrize("path", [f"{T2V}/", f"{APP}%2Ftext-to-video", f"{APP}//text-to-video"])
def test_a_call_by_another_path_than_the_id_is_an_unknown_path(
    strict: Mock, host: str, path: str
) -> None:
    reply = strict.http.post(f"/{host}/{path}", json=PROMPT)
    if host == "queue.fal.run" and reply.status_code == 200:
        reply = strict.result(reply.json())
    assert reply.status_code == 404


@pytest.mark.parametrize("id", [SHORT, FLOW])
def test_a_slash_behind_an_app_is_its_root(strict: Mock, id: str) -> None:
    assert strict.run(PROMPT, f"{id}/").status_code == 200
    assert strict.result(strict.submit(endpoint=f"{id}/")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("GET", "/rest.fal.ai/.well-known/jwks.json/", False),
        ("POST", "/rest.fal.ai/tokens", False),
        ("POST", "/rest.fal.ai/tokens/", True),
        ("POST", "/rest.fal.ai/tokens/realtime/", False),
        ("GET", "/api.fal.ai/v1/models/", False),
        ("GET", "/api.fal.ai/v1/models", True),
        ("GET", "/v3b.fal.media/files/b/0/x.mp4/", False),
    ],
)
def test_other_hosts_take_a_slash_at_the_end_of_one_path_alone(
    strict: Mock, method: str, path: str, taken: bool
) -> None:
    reply = strict.http.request(method, path, json={"allowed_apps": ["ltx-2"]})
    assert (reply.status_code == 404) == (not taken)
    assert taken or "a slash at its end" in reply.headers[HINT]


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "queue.fal.run/fal-ai/ltx-2/requests/x/cancel", "this URL takes PUT"),
        ("DELETE", "queue.fal.run/fal-ai/ltx-2/requests/x", "this URL takes GET or HEAD"),
        ("GET", f"queue.fal.run/{T2V}", "this URL takes POST"),
        ("GET", f"fal.run/{T2V}", "this URL takes POST"),
    ],
)
def test_another_method_is_told_which_it_should_have_been(
    mock: Mock, method: str, path: str, hint: str
) -> None:
    reply = mock.http.request(method, f"/{path}")
    assert (reply.status_code, reply.headers["x-falkit-hint"]) == (405, hint)


def test_a_websocket_elsewhere_is_told_where_it_belongs(mock: Mock) -> None:
    headers = {"upgrade": "websocket", "connection": "upgrade"}
    reply = mock.http.get(f"/fal.run/{T2V}", headers=headers)
    assert (reply.status_code, "wss://ws.fal.run/" in reply.headers["x-falkit-hint"]) == (405, True)


def test_a_submit_that_was_meant_for_a_request_is_told_that_alone(serve: Serve) -> None:
    mock = serve()
    job = mock.submit()
    long = job["status_url"].replace("/fal-ai/ltx-2/", f"/{T2V}/")
    hint = mock.http.post(long, json={}).headers["x-falkit-hint"]
    assert hint.startswith(f"send GET {job['status_url']}")
    assert "document" not in hint
