"""Which requests a rule applies to: by endpoint, operation, key, prompt and fields of the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving import I2V_FAST, PROMPT, T2V, Serve

INPUT: dict[str, Any] = {
    "image_url": "https://example.com/x.png",
    "prompt": "A Lighthouse in the rain",
    "duration": 8,
    "loud": True,
    "scenes": [{"name": "dawn"}, {"name": "dusk"}],
}


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        ("endpoint=fal-ai/ltx-2/*", True),
        ("endpoint=*", True),
        ("endpoint=fal-ai/ltx-2/image-to-video", False),
        ("endpoint=fal-ai/LTX-2/*", False),
        ("key=id-*", True),
        ("key=id", False),
        ("on=run", True),
        ("on=submit", False),
        ("prompt=(?i)lighthouse", True),
        ("prompt=lighthouse", False),
        ('prompt="in the rain$"', True),
        ("input.duration=8", True),
        ('input.duration="8"', False),
        ("input.duration=6", False),
        ("input.loud=true", True),
        ("input.loud=1", False),
        ("input.scenes.1.name=dusk", True),
        ("input.scenes.2.name=dusk", False),
        ("""input.scenes='[{"name": "dawn"}, {"name": "dusk"}]'""", True),
        ("input.missing=null", True),
        ("endpoint=fal-ai/* key=id-7 prompt=rain input.duration=8", True),
        ("endpoint=fal-ai/* key=id-7 prompt=snow input.duration=8", False),
    ],
)
def test_a_matcher(serve: Serve, matcher: str, fits: bool) -> None:
    mock = serve(f"internal_error {matcher}")
    reply = mock.run(INPUT, I2V_FAST, headers={"authorization": "Key id-7:secret"})
    assert reply.status_code == (500 if fits else 200), reply.text


def test_an_input_counts_with_its_defaults_only_where_it_says_them(serve: Serve) -> None:
    mock = serve("internal_error input.duration=6")
    assert mock.run(PROMPT).status_code == 200, "what is matched is what was sent"
    assert mock.run({**PROMPT, "duration": 6}).status_code == 500


def test_other_endpoints_are_left_alone(serve: Serve) -> None:
    mock = serve("internal_error endpoint=*/image-to-video/fast")
    image = {**PROMPT, "image_url": "https://example.com/x.png"}
    assert mock.run(PROMPT, T2V).status_code == 200
    assert mock.run(image, I2V_FAST).status_code == 500


def test_a_request_about_a_job_is_matched_by_the_job(serve: Serve) -> None:
    mock = serve("ingress_error on=status prompt=rain times=1", "result_expired key=other")
    rain = mock.submit({"prompt": "rain"})
    sun = mock.submit({"prompt": "sun"}, headers={"authorization": "Key other:secret"})
    assert mock.http.get(sun["status_url"]).status_code == 200
    assert mock.http.get(rain["status_url"]).status_code == 503
    assert mock.http.get(rain["status_url"]).status_code == 200
    assert mock.result(rain).status_code == 200
    assert mock.result(sun).status_code == 404, "by the key that submitted it"


@pytest.mark.parametrize("operation", ["status", "stream", "result", "cancel"])
def test_each_operation_on_a_job_can_fail(serve: Serve, operation: str) -> None:
    mock = serve(f"ingress_error on={operation} status=504")
    job = mock.submit()
    calls: dict[str, Callable[[], httpx.Response]] = {
        "status": lambda: mock.http.get(job["status_url"]),
        "stream": lambda: mock.http.get(f"{job['status_url']}/stream"),
        "result": lambda: mock.result(job),
        "cancel": lambda: mock.cancel(job),
    }
    assert {name: call().status_code == 504 for name, call in calls.items()} == {
        name: name == operation for name in calls
    }


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("token", "/storage/auth/token?storage_type=fal-cdn-v3"),
        ("token", "/tokens/"),
        ("initiate", "/storage/upload/initiate?storage_type=fal-cdn-v3"),
    ],
)
def test_storage_and_tokens_can_fail(serve: Serve, operation: str, path: str) -> None:
    mock = serve(f"ingress_error on={operation} times=1")
    body = {"file_name": "x.png", "content_type": "image/png", "allowed_apps": ["ltx-2"]}
    codes = [mock.http.post(f"/rest.fal.ai{path}", json=body).status_code for _ in range(2)]
    assert codes == [503, 200]


def test_uploads_can_fail(serve: Serve) -> None:
    mock = serve("ingress_error on=upload status=502 times=1")
    body = {"file_name": "x.png", "content_type": "image/png"}
    url = mock.http.post("/rest.fal.ai/storage/upload/initiate", json=body).json()["upload_url"]
    codes = [mock.http.put(url, content=b"x").status_code for _ in range(2)]
    assert codes == [502, 200]


def test_the_mocks_own_routes_never_fail(serve: Serve) -> None:
    every = "submit,run,status,stream,result,cancel,media,initiate,upload,token"
    mock = serve(f"connection_reset on={every}", f"latency seconds=60 on={every}")
    for path in ("/health", "/ready", "/__falkit/health", "/__falkit/rules"):
        reply = mock.http.get(path, headers={"x-falkit-fault": "connection_reset"})
        assert reply.status_code == 200
