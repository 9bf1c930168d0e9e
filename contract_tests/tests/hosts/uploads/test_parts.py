"""Files uploaded in parts, in the forms of every client (wire.md §7)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from falkit import Settings
from serving import Mock, running

NAMES = {"content_type": "video/mp4", "file_name": "clip.mp4"}


@dataclass
class Parts:
    """A multipart upload as the Python client makes it."""

    http: httpx.Client
    cdn: dict[str, str]
    url: str
    id: str

    def put(self, number: object, data: bytes) -> httpx.Response:
        return self.http.put(self._at(number), content=data, headers=self.cdn)

    def etag(self, number: int, data: bytes) -> dict[str, Any]:
        reply = self.put(number, data)
        assert reply.status_code == 200, reply.text
        return {"partNumber": number, "etag": reply.headers["etag"]}

    def complete(self, *parts: Any) -> httpx.Response:
        body = {"parts": [*parts]}
        return self.http.post(self._at("complete"), json=body, headers=self.cdn)

    def _at(self, last: object) -> str:
        return f"{self.url}/multipart/{self.id}/{last}"


def begin(mock: Mock) -> Parts:
    url = "/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3"
    cdn = {"authorization": f"Bearer {mock.http.post(url, json={}).json()['token']}"}
    headers = {**cdn, "content-type": "video/mp4", "x-fal-file-name": "clip.mp4"}
    body = mock.http.post("/v3b.fal.media/files/upload/multipart", headers=headers).json()
    assert sorted(body) == ["access_url", "uploadId"]
    return Parts(mock.http, cdn, body["access_url"], body["uploadId"])


@pytest.fixture
def parts(mock: Mock) -> Parts:
    return begin(mock)


@pytest.fixture(scope="module")
def shared() -> Generator[Mock]:
    with running(Settings(seed=1)) as mock:
        yield mock


def test_parts_in_any_order_make_the_file(parts: Parts) -> None:
    named = [parts.etag(2, b"two"), parts.etag(3, b"three"), parts.etag(1, b"one")]
    assert httpx.get(parts.url).status_code == 404
    assert parts.complete(*named).status_code == 200
    reply = httpx.get(parts.url)
    assert (reply.content, reply.headers["content-type"]) == (b"onetwothree", "video/mp4")


def test_a_part_answers_in_its_header_and_in_its_body(parts: Parts) -> None:
    reply = parts.put(1, b"one")
    assert reply.json() == {"partNumber": 1, "etag": reply.headers["etag"]}
    assert reply.headers["content-type"] == "application/json"


def test_a_range_may_span_parts(parts: Parts) -> None:
    parts.complete(parts.etag(1, b"abc"), parts.etag(2, b"def"), parts.etag(3, b"ghi"))
    reply = httpx.get(parts.url, headers={"range": "bytes=2-6"})
    assert (reply.content, reply.headers["content-range"]) == (b"cdefg", "bytes 2-6/9")


def test_of_a_part_sent_twice_the_last_counts(parts: Parts, blobs: Callable[[], int]) -> None:
    first = parts.etag(1, b"first")
    last = parts.etag(1, b"last")
    assert blobs() == 1
    refused = parts.complete(first)
    assert refused.status_code == 400
    assert last["etag"] in refused.json()["detail"]
    assert parts.complete(last).status_code == 200
    assert httpx.get(parts.url).content == b"last"


def test_parts_that_are_not_named_are_dropped(parts: Parts, blobs: Callable[[], int]) -> None:
    one = parts.etag(1, b"one")
    parts.etag(2, b"two")
    parts.complete(one)
    assert httpx.get(parts.url).content == b"one"
    assert blobs() == 1


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ([], "no part is named"),
        ([(1, "x"), (2, "x"), (3, "x")], "part 3 was never uploaded"),
        ([(2, "x")], "part 1 is not named"),
        ([(1, "x"), (1, "x")], "part 1 is named more than once"),
        ([(1, "x"), (2, "x")], "part 1, 2 has another ETag"),
    ],
)
def test_faulty_parts_are_refused_with_the_reason(
    parts: Parts, named: list[tuple[int, str]], words: str
) -> None:
    parts.etag(1, b"one")
    parts.etag(2, b"two")
    reply = parts.complete(*({"partNumber": number, "etag": etag} for number, etag in named))
    assert reply.status_code == 400
    assert words in reply.json()["detail"]
    assert httpx.get(parts.url).status_code == 404


@pytest.mark.parametrize(
    "part",
    [
        1,
        {},
        {"partNumber": 1},
        {"partNumber": "1", "etag": "x"},
        {"partNumber": True, "etag": "x"},
        {"partNumber": 0, "etag": "x"},
        {"partNumber": 10**9, "etag": "x"},
    ],
)
def test_a_malformed_part_is_refused(parts: Parts, part: object) -> None:
    parts.etag(1, b"one")
    reply = parts.complete(part)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][:3] == ["body", "parts", 0]


@pytest.mark.parametrize("body", [{}, {"parts": None}, {"parts": {}}])
def test_complete_needs_a_list_of_parts(parts: Parts, mock: Mock, body: object) -> None:
    url = f"{parts.url}/multipart/{parts.id}/complete"
    reply = mock.http.post(url, json=body, headers=parts.cdn)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["body", "parts"]


@pytest.mark.parametrize(("number", "code"), [(0, 422), (10_001, 422), ("x", 404), ("-1", 404)])
def test_part_numbers_are_from_one(parts: Parts, number: object, code: int) -> None:
    assert parts.put(number, b"x").status_code == code


def test_complete_may_be_asked_again(parts: Parts) -> None:
    named = parts.etag(1, b"one")
    assert parts.complete(named).status_code == 200
    assert parts.complete(named).status_code == 200
    assert httpx.get(parts.url).content == b"one"


def test_a_finished_upload_takes_no_more_parts(parts: Parts) -> None:
    parts.complete(parts.etag(1, b"one"))
    assert parts.put(2, b"two").status_code == 404


def test_an_unknown_upload_is_named(parts: Parts) -> None:
    wrong = Parts(parts.http, parts.cdn, parts.url, "nothing")
    for reply in (wrong.put(1, b"x"), wrong.complete()):
        assert reply.status_code in (404, 422)
    assert "'nothing'" in wrong.put(1, b"x").json()["detail"]


def test_an_upload_belongs_to_its_file(mock: Mock, parts: Parts) -> None:
    other = begin(mock)
    assert Parts(parts.http, parts.cdn, parts.url, other.id).put(1, b"x").status_code == 404


def test_parts_need_the_cdn_token(mock: Mock, parts: Parts) -> None:
    anonymous = Parts(parts.http, {"authorization": "Bearer x"}, parts.url, parts.id)
    assert anonymous.put(1, b"x").status_code == 401


def test_methods_of_parts(mock: Mock, parts: Parts) -> None:
    for last, allowed in (("1", "PUT"), ("complete", "POST")):
        reply = mock.http.get(f"{parts.url}/multipart/{parts.id}/{last}")
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed)


def test_the_javascript_form_signs_each_part_by_the_query(mock: Mock) -> None:
    url = "/rest.fal.ai/storage/upload/initiate-multipart?storage_type=fal-cdn-v3"
    found: dict[str, str] = mock.http.post(url, json=NAMES).json()
    at = urlsplit(found["upload_url"])
    base = f"{at.scheme}://{at.netloc}{at.path}"
    named: list[object] = []
    for number, data in enumerate((b"one", b"two"), 1):
        named.append(httpx.put(f"{base}/{number}?{at.query}", content=data).json())
    done = httpx.post(f"{base}/complete?{at.query}", json={"parts": named})
    assert done.status_code == 200
    assert httpx.get(found["file_url"]).content == b"onetwo"


def test_a_part_signed_for_another_upload_is_refused(mock: Mock) -> None:
    url = "/rest.fal.ai/storage/upload/initiate-multipart"
    one, other = (str(mock.http.post(url, json=NAMES).json()["upload_url"]) for _ in range(2))
    reply = httpx.put(f"{urlsplit(one)._replace(query='').geturl()}/1?{urlsplit(other).query}")
    assert reply.status_code == 403


def test_the_gcs_form_hands_out_a_url_per_part(mock: Mock) -> None:
    url = "/rest.fal.ai/storage/upload/initiate-multipart?storage_type=gcs"
    found: dict[str, str] = mock.http.post(url, json=NAMES).json()
    assert "?" not in found["upload_url"]
    named: list[object] = []
    for number, data in enumerate((b"one", b"two"), 1):
        at = mock.http.post(f"{found['upload_url']}/{number}").json()["upload_url"]
        etag = httpx.put(at, content=data).headers["etag"].strip('"')
        named.append({"part_number": number, "etag": etag})
    done = mock.http.post(f"{found['upload_url']}/complete", json={"parts": named})
    assert done.status_code == 200
    assert httpx.get(found["file_url"]).content == b"onetwo"


def test_the_gcs_form_knows_its_uploads(mock: Mock) -> None:
    reply = mock.http.post("/rest.fal.ai/storage/upload/multipart/nothing/1")
    assert reply.status_code == 404


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_parts_of_any_size_in_any_order_give_the_same_bytes(
    shared: Mock, data: st.DataObject
) -> None:
    pieces = data.draw(st.lists(st.binary(max_size=70_000), min_size=1, max_size=6), "pieces")
    order = data.draw(st.permutations(range(len(pieces))), "order")
    again = data.draw(st.lists(st.sampled_from(order), max_size=3), "sent again")
    parts = begin(shared)
    for place in again:
        parts.etag(place + 1, b"another " + pieces[place])
    named = [parts.etag(place + 1, pieces[place]) for place in order]
    assert parts.complete(*named).status_code == 200
    whole = b"".join(pieces)
    read = shared.http.get(parts.url)
    assert read.content == whole
    if whole:
        first = data.draw(st.integers(0, len(whole) - 1), "first")
        last = data.draw(st.integers(first, len(whole) - 1), "last")
        some = shared.http.get(parts.url, headers={"range": f"bytes={first}-{last}"})
        assert some.content == whole[first : last + 1]
