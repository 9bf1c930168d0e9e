"""Files that fal could not have, and keys that go astray: what is wrong is found, and no more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

import falkit
from falkit import Settings
from findings.conversing import codes, found
from following import go, settled, submit
from gated import gated
from receiver import Receiver, Reply, receiving
from serving import I2V_FAST, PROMPT, Mock, Serve, WatchedClock, running

REAL = "5e0d6dc7-8a91-4c2b-9f3e-7b1d0c2a4e68:0f9a3c5d7e1b2846a0c9d8e7f6b5a413"
TEST = {"authorization": "Key test:test"}
KEPT = {"x-fal-object-lifecycle-preference": '{"expiration_duration_seconds": 60}'}


def with_picture(url: str) -> dict[str, Any]:
    return {"prompt": "a quiet harbour", "image_url": url}


@pytest.fixture
def mock(serve: Serve) -> Mock:
    """A mock whose jobs take no time."""
    return serve()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:3000/a.png", "localhost"),
        (" HTTP://127.0.0.1/a.png", "127.0.0.1"),
        ("http://192.168.1.5/a.png", "192.168.1.5"),
        ("http://[fd00::1]/a.png", "fd00::1"),
        ("https://nas.local/a.png", "nas.local"),
        ("http://minio/a.png", "minio"),
        ("file:///home/me/a.png", "a file: URL"),
        ("file://[", "a file: URL"),
    ],
)
def test_a_file_of_this_machine_or_network_is_found(mock: Mock, url: str, host: str) -> None:
    mock.submit(with_picture(url), I2V_FAST)
    (finding,) = [one for one in found(mock) if one.kind.code == "private-input"]
    assert finding.seen == f"image_url: {host}, which only this machine or network has"
    assert (finding.severity, finding.subject) == ("error", I2V_FAST)


def test_a_url_with_escaped_slashes_and_one_of_a_direct_call_are_found(mock: Mock) -> None:
    body = rb'{"prompt": "x", "image_url": "http:\/\/localhost:3000\/a.png"}'
    mock.http.post(f"/queue.fal.run/{I2V_FAST}", content=body)
    mock.run(with_picture("http://localhost/a.png"), I2V_FAST)
    (finding,) = [one for one in found(mock) if one.kind.code == "private-input"]
    assert finding.times == 2


def test_where_private_inputs_are_allowed_it_is_a_note(serve: Serve) -> None:
    mock = serve(allow_private_inputs=True)
    mock.submit(with_picture("http://localhost:1/a.png"), I2V_FAST)
    assert codes(mock) == {"private-input": "note"}


def test_other_urls_are_not_found(mock: Mock) -> None:
    clip = mock.result(mock.submit()).json()["video"]["url"]
    assert "127.0.0.1" in clip
    for url in ("https://example.com/a.png", clip, "data:image/png;base64,iVBORw0KGgo="):
        mock.submit(with_picture(url), I2V_FAST)
    mock.submit({"prompt": "http://localhost:3000/a.png"})
    mock.submit({"prompt": "a sign that says http://localhost"})
    assert codes(mock) == {}


def test_a_file_that_is_read_or_used_after_its_end_is_found() -> None:
    with running(Settings(timing="instant"), WatchedClock()) as mock:
        url = mock.result(mock.submit(headers=KEPT)).json()["video"]["url"]
        assert mock.http.get(url).status_code == 200
        mock.submit(with_picture(url), I2V_FAST)
        assert codes(mock) == {}
        go(mock, 61)
        assert mock.http.get(url).status_code == 404
        (finding,) = found(mock)
        assert finding.kind.code == "media-expired"
        assert finding.seen == "a file was read after its end, and answered 404"
        mock.submit(with_picture(url), I2V_FAST)
        said = [one.seen for one in found(mock) if one.kind.code == "media-expired"]
        assert said[1:] == ["image_url: a file that had expired"]


def test_an_upload_that_is_read_after_its_end_is_found() -> None:
    with running(Settings(timing="instant"), WatchedClock()) as mock:
        began = mock.http.post(
            "/rest.fal.ai/storage/upload/initiate",
            json={"file_name": "a.png", "content_type": "image/png"},
            headers={"x-fal-object-lifecycle": '{"expiration_duration_seconds": 60}'},
        ).json()
        assert mock.http.put(began["upload_url"], content=b"x").status_code == 200
        go(mock, 61)
        assert mock.http.get(began["file_url"]).status_code == 404
        assert codes(mock) == {"media-expired": "error"}


def test_files_that_never_were_and_those_that_a_fault_hides_are_not_found(serve: Serve) -> None:
    mock = serve(faults=["media_missing"])
    assert mock.http.get("/v3b.fal.media/files/b/none.mp4").status_code == 404
    url = mock.result(mock.submit()).json()["video"]["url"]
    assert mock.http.get(url).status_code == 404
    assert codes(mock) == {}


@pytest.mark.parametrize(
    "query",
    [f"key={REAL}", f"x={REAL.replace(':', '%3A')}", "fal_key=test%3Atest", "auth=Key+test:x"],
)
def test_a_key_in_a_webhooks_url_is_found(mock: Mock, receiver: Receiver, query: str) -> None:
    submit(mock, f"{receiver.url}?{query}", headers=TEST)
    settled(mock)
    (finding,) = found(mock)
    assert (finding.kind.code, finding.severity) == ("key-leaked", "error")
    assert finding.seen == "a webhook's URL has a key of fal's in its query"
    assert "0f9a3c5d" not in str(finding.to_json())


def test_a_key_in_a_webhooks_path_is_found_and_masked(mock: Mock, receiver: Receiver) -> None:
    submit(mock, f"{receiver.url}/{REAL}/x")
    settled(mock)
    (finding,) = found(mock)
    assert finding.seen == "a webhook's URL has a key of fal's in its path"
    assert finding.subject.endswith("/hook/***/x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fal_key", "test:test"),
        ("headers", {"Authorization": "Key test:test"}),
        ("note", f"my key is {REAL}"),
        ("tokens", ["other", "test:test"]),
        ("apiKey", "test:test"),
    ],
)
def test_a_key_in_an_input_is_found(mock: Mock, field: str, value: Any) -> None:
    mock.submit({**PROMPT, field: value}, headers=TEST)
    (finding,) = [one for one in found(mock) if one.kind.code == "key-leaked"]
    assert finding.seen.endswith(": a key of fal's is sent with the input")
    assert "0f9a3c5d" not in str(finding.to_json())


def test_what_is_no_key_of_fals_is_not_found(mock: Mock, receiver: Receiver) -> None:
    other = f"{receiver.url}?token=other&test=test:test"
    submit(mock, other, {"prompt": "test: test:test"}, headers=TEST)
    uuid = {**PROMPT, "id": "5e0d6dc7-8a91-4c2b-9f3e-7b1d0c2a4e68"}
    submit(mock, receiver.url, uuid, headers=TEST)
    submit(mock, receiver.url, {**PROMPT, "api_key": "sk-test"}, headers=TEST)
    submit(mock, receiver.url, {**PROMPT, "keywords": "test", "monkey": "test"}, headers=TEST)
    settled(mock, 4)
    assert "key-leaked" not in codes(mock)


def report(mock: str) -> dict[str, str]:
    """Return the codes and subjects of a mock's report."""
    told = httpx.get(f"{mock}/__falkit/report").json()["findings"]
    return {one["code"]: one["subject"] for one in told}


def test_a_key_that_goes_to_another_host_by_the_proxy_is_found(authority_folder: Path) -> None:
    with gated(authority_folder, egress="block") as gate:
        gate.http.get("http://cdn.example/a.mp4", headers={"authorization": "Bearer hf_x"})
        for host in ("queue.fal.run", "v3b.fal.media", "rest.fal.ai"):
            gate.http.get(f"http://{host}/files/b/7")
        assert "key-leaked" not in report(gate.mock)
        assert gate.http.get("http://cdn.example/a.mp4").status_code == 403
        assert report(gate.mock)["key-leaked"] == "cdn.example"


def test_a_key_that_goes_to_this_machine_is_not_found(authority_folder: Path) -> None:
    with gated(authority_folder) as gate, receiving(lambda _: Reply()) as here:
        assert gate.http.post(here.url).status_code == 200
        assert report(gate.mock) == {}


def test_in_process_a_key_is_found_that_goes_to_another_host_by_tls() -> None:
    with falkit.InProcess(timing="instant") as mock:
        key = {"authorization": f"Key {os.environ['FAL_KEY']}"}
        for header in ({}, key):
            with pytest.raises(AssertionError):
                httpx.get("https://cdn.example/a.mp4", headers=header)
        assert [(one.kind.code, one.subject, one.times) for one in mock.findings] == [
            ("key-leaked", "cdn.example", 1)
        ]
