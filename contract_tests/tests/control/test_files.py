"""Files by the control API: outputs and uploads, the newest first."""

from __future__ import annotations

from typing import Any

from serving import PROMPT, Mock

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def listed(mock: Mock, **query: Any) -> dict[str, Any]:
    reply = mock.http.get("/__falkit/files", params=query)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def upload(mock: Mock, name: str) -> str:
    url = "/rest.fal.ai/storage/upload/initiate"
    asked = {"content_type": "image/png", "file_name": name}
    told = mock.http.post(url, params={"storage_type": "fal-cdn-v3"}, json=asked).json()
    mock.http.put(told["upload_url"], content=PNG, headers={"content-type": "image/png"})
    found: str = told["file_url"]
    return found


def test_outputs_are_listed_with_what_is_known_of_them_and_can_be_fetched(manual: Mock) -> None:
    jobs = [manual.submit({**PROMPT, "duration": 8})["request_id"] for _ in range(2)]
    assert listed(manual)["files"] == []
    manual.advance(60)
    newest, oldest = listed(manual)["files"]
    assert [newest["request_id"], oldest["request_id"]] == jobs[::-1]
    assert newest == {
        **newest,
        "kind": "output",
        "content_type": "video/mp4",
        "size": None,
        "file_name": newest["url"].rpartition("/")[2],
        "endpoint_id": "fal-ai/ltx-2/text-to-video",
        "expires": None,
    }
    facts = newest["facts"]
    assert facts == {"width": 1920, "height": 1080, "fps": 25, "seconds": 8, "sound": True}
    assert manual.http.get(newest["url"]).status_code == 200
    manual.http.post(f"/__falkit/jobs/{jobs[1]}/expire")
    assert [one["request_id"] for one in listed(manual)["files"]] == jobs[:1]


def test_outputs_are_paged_job_by_job(mock: Mock) -> None:
    jobs = [mock.submit()["request_id"] for _ in range(5)]
    mock.submit({})
    seen, query = list[str](), dict[str, Any]()
    while True:
        page = listed(mock, limit=2, **query)
        assert page["total"] == 5
        seen += (one["request_id"] for one in page["files"])
        if page["next_cursor"] is None:
            break
        query = {"cursor": page["next_cursor"]}
    assert seen == jobs[::-1]


def test_uploads_are_listed_with_their_sizes(mock: Mock) -> None:
    urls = [upload(mock, f"{n}.png") for n in range(3)]
    page = listed(mock, kind="upload", limit=2)
    assert (page["total"], page["next_cursor"]) == (3, "2")
    (last,) = listed(mock, kind="upload", cursor=2)["files"]
    for url, one in zip(urls, (last, *page["files"][::-1]), strict=True):
        assert url.endswith(one["url"])
        assert (one["content_type"], one["size"]) == ("image/png", len(PNG))
        assert mock.http.get(one["url"]).content == PNG
    reply = mock.http.get("/__falkit/files", params={"kind": "upload", "cursor": 9})
    assert (reply.status_code, "cursor" in reply.json()["detail"]) == (422, True)


def test_what_is_being_sent_is_no_file_yet(mock: Mock) -> None:
    asked = {"content_type": "image/png", "file_name": "a.png"}
    url = "/rest.fal.ai/storage/upload/initiate-multipart"
    mock.http.post(url, params={"storage_type": "fal-cdn-v3"}, json=asked)
    assert listed(mock, kind="upload")["files"] == []


def test_the_files_of_one_job_are_listed(mock: Mock) -> None:
    _, wanted, _ = (mock.submit()["request_id"] for _ in range(3))
    page = listed(mock, request_id=wanted)
    assert ([one["request_id"] for one in page["files"]], page["total"]) == ([wanted], 1)
    assert listed(mock, request_id="nobody")["files"] == []
