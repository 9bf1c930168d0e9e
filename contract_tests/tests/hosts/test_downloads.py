"""Private inputs that the settings allow are fetched and judged by what comes back."""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from falkit_fixtures import images
from falkit_mock.service import inputs
from serving import I2V_FAST, PATIENCE, PROMPT, Mock, Serve


@dataclass
class Site:
    """A web server on this machine, and the paths it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list[str])
    done: threading.Event = field(default_factory=threading.Event)
    # Counts those who wait for what is slow.
    slow: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@pytest.fixture
def site() -> Generator[Site]:
    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            found.asked.append(self.path)
            redirects = {
                "/moved": f"{found.url}/picture.png",
                "/public": "https://example.com/x.png",
                "/round": "/round",
                "/broken": "http://[::1/x.png",
                "/elsewhere": "ftp://example.com/x.png",
                "/cloud": "http://169.254.169.254/latest/meta-data",
                "/carried": "http://[::ffff:169.254.169.254]/latest/meta-data",
            }
            if self.path in redirects:
                self.send_response(302)
                self.send_header("location", redirects[self.path])
                self.end_headers()
                return
            self.send_response(404 if self.path == "/none" else 200)
            self.end_headers()
            if self.path == "/slow":
                self.wfile.write(images.sample("png")[:100])
                found.slow.release()
                found.done.wait(PATIENCE)
            elif self.path == "/huge":
                self._write_until_hung_up()
            else:
                page = b"<html></html>"
                self.wfile.write(images.sample("png") if self.path == "/picture.png" else page)

        def _write_until_hung_up(self) -> None:
            try:
                for _ in range(1024):
                    self.wfile.write(bytes(1024 * 1024))
            except OSError:
                found.done.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.daemon_threads = True
        found = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            found.done.set()
            server.shutdown()
            thread.join(PATIENCE)


@pytest.fixture
def open_mock(serve: Serve) -> Mock:
    return serve("instant", allow_private_inputs=True)


def _answer(mock: Mock, url: str) -> tuple[str, str]:
    reply = mock.run({**PROMPT, "image_url": url}, I2V_FAST)
    if reply.status_code == 200:
        return "taken", ""
    return reply.json()["detail"][0]["type"], reply.headers["x-falkit-hint"]


def test_a_picture_is_fetched_and_taken(open_mock: Mock, site: Site) -> None:
    assert _answer(open_mock, f"{site.url}/picture.png") == ("taken", "")
    assert site.asked == ["/picture.png"]


def test_private_urls_are_not_fetched_by_default(mock: Mock, site: Site) -> None:
    assert _answer(mock, f"{site.url}/picture.png")[0] == "file_download_error"
    assert site.asked == []


def test_a_page_in_a_pictures_stead_does_not_load(open_mock: Mock, site: Site) -> None:
    assert _answer(open_mock, f"{site.url}/page.html")[0] == "image_load_error"


def test_a_404_is_a_download_error_that_names_it(open_mock: Mock, site: Site) -> None:
    kind, hint = _answer(open_mock, f"{site.url}/none")
    assert (kind, "answered 404" in hint) == ("file_download_error", True)


def test_a_host_that_does_not_listen_is_a_download_error(open_mock: Mock) -> None:
    kind, hint = _answer(open_mock, "http://127.0.0.1:1/x.png")
    assert (kind, "can't be fetched" in hint) == ("file_download_error", True)


def test_redirects_are_followed(open_mock: Mock, site: Site) -> None:
    assert _answer(open_mock, f"{site.url}/moved")[0] == "taken"
    assert site.asked == ["/moved", "/picture.png"]


def test_a_redirect_to_the_public_net_is_taken_on_trust(open_mock: Mock, site: Site) -> None:
    assert _answer(open_mock, f"{site.url}/public")[0] == "taken"
    assert site.asked == ["/public"]


@pytest.mark.parametrize("path", ["/round", "/broken", "/elsewhere"])
def test_a_redirect_that_leads_nowhere_is_a_download_error(
    open_mock: Mock, site: Site, path: str
) -> None:
    assert _answer(open_mock, f"{site.url}{path}")[0] == "file_download_error"
    assert len(site.asked) <= 6


@pytest.mark.parametrize(
    "url",
    [
        "/cloud",
        "/carried",
        "http://169.254.169.254/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_what_clouds_tell_their_machines_is_never_fetched(
    open_mock: Mock, site: Site, url: str
) -> None:
    kind, hint = _answer(open_mock, f"{site.url}{url}" if url.startswith("/") else url)
    assert (kind, "never fetched" in hint) == ("file_download_error", True)


def test_a_slow_download_ends(open_mock: Mock, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "SECONDS", 0.2)
    kind, hint = _answer(open_mock, f"{site.url}/slow")
    assert (kind, "took more than 0.2 s" in hint) == ("file_download_error", True)


def test_an_endless_download_is_cut_off_at_the_documents_limit(open_mock: Mock, site: Site) -> None:
    assert _answer(open_mock, f"{site.url}/huge")[0] == "file_too_large"
    assert site.done.wait(PATIENCE)


def test_the_queue_fetches_too(open_mock: Mock, site: Site) -> None:
    job = open_mock.submit({**PROMPT, "image_url": f"{site.url}/none"}, I2V_FAST)
    assert open_mock.result(job).json()["detail"][0]["type"] == "file_download_error"


def test_stopping_the_mock_ends_calls_that_wait_for_a_download(open_mock: Mock, site: Site) -> None:
    with ThreadPoolExecutor(2) as pool:
        input = {**PROMPT, "image_url": f"{site.url}/slow"}
        job = open_mock.submit(input, I2V_FAST)
        waiting = [
            pool.submit(open_mock.run, input, I2V_FAST),
            pool.submit(open_mock.http.get, job["status_url"]),
        ]
        assert all(site.slow.acquire(timeout=PATIENCE) for _ in range(2))
        open_mock.stop()
        assert [call.result(PATIENCE).status_code for call in waiting] == [503, 503]
    site.done.set()


def test_a_fault_in_judging_an_input_ends_the_job(
    open_mock: Mock, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("where it broke")

    monkeypatch.setattr(inputs, "check_bytes", broken)
    input = {**PROMPT, "image_url": f"{site.url}/picture.png"}
    reply = open_mock.run(input, I2V_FAST)
    assert (reply.status_code, reply.json()["error_type"]) == (500, "internal_error")
    job = open_mock.submit(input, I2V_FAST)
    assert open_mock.status(job)["error_type"] == "internal_error"
    assert open_mock.result(job).status_code == 500
    assert "where it broke" in caplog.text
