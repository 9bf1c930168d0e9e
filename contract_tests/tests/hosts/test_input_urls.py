"""Inputs as URLs: what fal could not reach is refused, the rest is taken on trust."""

from __future__ import annotations

import tracemalloc

import httpx
import pytest

from falkit_mock.service.urls import unreachable
from serving import I2V_FAST, PROMPT, RETAKE, Mock, Serve

PRIVATE = [
    "http://localhost/x.png",
    "http://LOCALHOST./x.png",
    "https://app.localhost/x.png",
    "http://printer.local/x.png",
    "http://nas.lan/x.png",
    "http://metadata.google.internal/x.png",
    "http://intranet/x.png",
    "http://127.0.0.1:8000/x.png",
    "http://10.0.0.1/x.png",
    "http://172.16.0.1/x.png",
    "http://192.168.1.1/x.png",
    "http://169.254.169.254/x.png",
    "http://100.64.0.1/x.png",
    "http://0.0.0.0/x.png",
    "http://[::1]/x.png",
    "http://[::]/x.png",
    "http://[fe80::1]/x.png",
    "http://[fd00::1]/x.png",
    "http://[::ffff:127.0.0.1]/x.png",
    "http://[::ffff:10.0.0.1]/x.png",
    "http://[::127.0.0.1]/x.png",
    "http://[64:ff9b::7f00:1]/x.png",
    "http://[2002:7f00:1::]/x.png",
    "http://127.1/x.png",
    "http://2130706433/x.png",
    "http://0x7f.1/x.png",
    "http://0x7f000001/x.png",
    "http://0177.0.0.1/x.png",
    "http://127.0.0.1./x.png",
    "http://\uff11\uff12\uff17.0.0.1/x.png",
    "http://example.com@127.0.0.1/x.png",
    "http://example.com:80@localhost/x.png",
    "  http://localhost/x.png  ",
]
MALFORMED = [
    "",
    "x.png",
    "/x.png",
    "//example.com/x.png",
    "ftp://example.com/x.png",
    "file:///etc/passwd",
    "gs://bucket/x.png",
    "javascript:alert(1)",
    "blob:https://example.com/1",
    "http://",
    "http:///x.png",
    "http://example.com:port/x.png",
    "http://example.com:99999/x.png",
    "http://[::1/x.png",
    "http://exa mple.com/x.png",
    "http://example.com/x y.png",
    "http://127.0.0.1\\@example.com/x.png",
    "http://a\0b.com/x.png",
    f"http://{'a.' * 127}com/x.png",
    f"http://example.com/{'x' * 65_536}.png",
]


def _refused(mock: Mock, url: str) -> str:
    """Return the hint of a refusal, after looking at all else in it."""
    reply = mock.run({**PROMPT, "image_url": url}, I2V_FAST)
    assert reply.status_code == 422, reply.text
    (fault,) = reply.json()["detail"]
    assert fault == {
        "loc": ["body", "image_url"],
        "msg": "Failed to download the file. Please check if the URL is accessible and try again.",
        "type": "file_download_error",
        "url": "https://docs.fal.ai/errors#file_download_error",
        "input": url,
    }
    hint = reply.headers["x-falkit-hint"]
    assert hint.startswith("image_url: ")
    return hint


@pytest.mark.parametrize("url", PRIVATE)
def test_an_address_of_this_machine_or_network_is_refused_with_the_fix(
    mock: Mock, url: str
) -> None:
    assert "--allow-private-inputs" in _refused(mock, url)


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_is_not_http_is_refused(mock: Mock, url: str) -> None:
    assert "--allow-private-inputs" not in _refused(mock, url)


def test_a_url_that_is_not_http_is_refused_where_private_ones_are_allowed(
    serve: Serve,
) -> None:
    mock = serve("instant", allow_private_inputs=True)
    for url in MALFORMED:
        _refused(mock, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/x.png",
        "HTTP://EXAMPLE.com:8080/x?y=z#w",
        "https://8.8.8.8/x.png",
        "https://[2606:4700::1111]/x.png",
        "https://münchen.example.de/ü.png",
        "https://v3b.fal.media/files/b/0a1b2c3d/never_made_here.png",
        "https://storage.googleapis.com/falserverless/x.png",
        "http://localhost.example.com/x.png",
    ],
)
@pytest.mark.parametrize("allow", [False, True])
def test_public_urls_are_taken_on_trust_and_nothing_is_fetched(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, url: str, allow: bool
) -> None:
    sent: list[httpx.URL] = []

    async def send(transport: object, request: httpx.Request) -> httpx.Response:
        sent.append(request.url)
        return httpx.Response(500)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", send)
    mock = serve("instant", allow_private_inputs=allow)
    assert mock.run({**PROMPT, "image_url": url}, I2V_FAST).status_code == 200
    assert sent == []


def test_an_output_can_be_the_input_of_the_next_job(mock: Mock) -> None:
    url = mock.run(PROMPT).json()["video"]["url"]
    spellings = [
        url,
        f"{url}?download=1",
        url.replace("127.0.0.1", "localhost"),
        url.replace(f"{mock.url}/", "https://"),
        url.replace(f"{mock.url}/", "http://").replace(".media/", ".media:4325/"),
    ]
    for spelling in spellings:
        reply = mock.run({**PROMPT, "video_url": spelling}, RETAKE)
        assert reply.status_code == 200, (spelling, reply.text)


def test_an_output_of_the_wrong_kind_is_refused_by_its_content(mock: Mock) -> None:
    url = mock.run(PROMPT).json()["video"]["url"]
    reply = mock.run({**PROMPT, "image_url": url}, I2V_FAST)
    assert reply.json()["detail"][0]["type"] == "image_load_error"


def test_an_output_that_was_never_made_is_refused(mock: Mock) -> None:
    url = f"{mock.url}/v3b.fal.media/files/b/00000000/none.mp4"
    reply = mock.run({**PROMPT, "video_url": url}, RETAKE)
    assert reply.json()["detail"][0]["type"] == "file_download_error"
    assert "no such file" in reply.headers["x-falkit-hint"]


def test_a_hint_fits_in_a_header_whatever_the_input(mock: Mock) -> None:
    hint = _refused(mock, "http://" + "a" * 5000 + "ö\n\r\t💥")
    assert hint.isascii()
    assert hint.isprintable()
    assert len(hint) <= 600


def test_a_host_of_megabytes_is_not_looked_at() -> None:
    url = "http://" + "\ufdfa" * 5_000_000 + "/x.png"
    tracemalloc.start()
    try:
        assert unreachable(url) is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000, "it is neither copied nor kept"
