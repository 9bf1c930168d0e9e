"""`falkit serve` as its users start it: a process with two streams and a signal to stop."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from processes import FALKIT, started
from serving import KEY, PATIENCE, PROMPT, T2V


@dataclass
class Served:
    """A running `falkit serve`, what it announced, and a client for it."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    http: httpx.Client

    def stop(self, number: signal.Signals) -> None:
        """Send a signal; return when the process is gone."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def rest(self) -> tuple[str, str]:
        """Return what is left on stdout and all of stderr, once the process is gone."""
        return self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def serve() -> Generator[Callable[..., Served]]:
    with ExitStack() as stack:

        def start(*options: str) -> Served:
            command = [FALKIT, "serve", "--port", "0", *options]
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
            stack.callback(_end, process)
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            client = httpx.Client(
                base_url=ready["url"], headers=KEY, timeout=PATIENCE, trust_env=False
            )
            return Served(process, ready, stack.enter_context(client))

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def _refused(*options: str) -> str:
    """Run `falkit` with options that it must refuse; return its one line."""
    done = subprocess.run(
        [FALKIT, *options], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("falkit: ")
    return done.stderr


def test_first_line_names_the_urls_and_the_banner_goes_to_stderr(
    serve: Callable[..., Served],
) -> None:
    served = serve("--timing", "instant", "--seed", "5")
    url = served.ready["url"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert served.ready == {
        "url": url,
        "fal_run": f"{url}/fal.run",
        "queue": f"{url}/queue.fal.run",
        "control": f"{url}/__falkit",
        "seed": 5,
        "pid": served.process.pid,
        "page": f"{url}/",
    }
    assert served.http.post(f"/fal.run/{T2V}", json=PROMPT).status_code == 200
    served.stop(signal.SIGINT)
    rest, banner = served.rest()
    assert rest == ""
    assert f"falkit stands in for fal.ai at {url}" in banner
    assert f"200 POST fal.run/{T2V}" in banner


def test_the_default_timing_is_short_but_no_instant(serve: Callable[..., Served]) -> None:
    # A machine that stands still for two seconds misses a status now and then, a fault each time.
    wanted = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert any(_statuses_seen(serve) == wanted for _ in range(3))


def _statuses_seen(serve: Callable[..., Served]) -> list[str]:
    served = serve()
    job = served.http.post(f"/queue.fal.run/{T2V}", json=PROMPT).json()
    assert served.http.get(job["status_url"]).json()["status"] == "IN_QUEUE"
    with served.http.stream("GET", f"{job['status_url']}/stream") as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: "))["status"] for line in lines]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_stream_and_a_held_call_open(
    serve: Callable[..., Served], number: signal.Signals
) -> None:
    served = serve("--timing", "held")
    job = served.http.post(f"/queue.fal.run/{T2V}", json=PROMPT).json()
    where = urlsplit(str(served.ready["url"]))
    with (
        socket.create_connection((str(where.hostname), where.port or 0), PATIENCE) as held,
        served.http.stream("GET", f"{job['status_url']}/stream") as stream,
    ):
        assert next(stream.iter_lines()).startswith("data: ")
        held.sendall(
            f"POST /fal.run/{T2V} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Key a:b\r\n"
            'Content-Length: 15\r\n\r\n{"prompt": "x"}'.encode()
        )
        # What is answered after it was sent shows that it was read and is being waited for.
        served.http.get("/health")
        served.stop(number)
        assert held.recv(65536).startswith(b"HTTP/1.1 503 ")
    assert served.process.returncode == 0
    rest, log = served.rest()
    assert rest == ""
    assert "Traceback" not in log


def test_json_lines_parse_and_tell_what_was_answered(serve: Callable[..., Served]) -> None:
    served = serve("--timing", "instant", "--log-format", "json")
    reply = served.http.post(f"/fal.run/{T2V}", json={**PROMPT, "duration": "6"})
    served.http.get("/forged%0Aline")
    served.stop(signal.SIGINT)
    _, log = served.rest()
    started, *lines = [json.loads(line) for line in log.splitlines()]
    assert started["message"] == f"falkit stands in for fal.ai at {served.ready['url']}"
    assert started["url"] == served.ready["url"]
    answered = [line for line in lines if line["event"] == "request_answered"]
    first, second = answered
    for line in (started, *lines):
        assert datetime.fromisoformat(line["time"]).tzinfo == UTC
    assert [line["level"] for line in (started, *answered)] == ["info", "warning", "warning"]
    assert first["key"] == "id"
    assert first["client"].startswith("127.0.0.1:")
    assert (first["method"], first["status"]) == ("POST", 422)
    assert first["target"] == f"fal.run/{T2V}"
    assert first["request_id"] == reply.headers["x-fal-request-id"]
    assert "without quotes" in first["hint"]
    assert first["ms"] >= 0
    assert (second["target"], second["status"]) == ("/forged%0Aline", 404)


def test_quiet_writes_nothing(serve: Callable[..., Served]) -> None:
    rule = ("--fault", "hang endpoint=no/such/*", "--clock", "manual")
    served = serve("--timing", "instant", "--quiet", *rule)
    served.http.get("/health")
    served.stop(signal.SIGINT)
    assert served.rest() == ("", "")


def test_quiet_says_what_ends_it() -> None:
    assert "isn't an address" in _refused("serve", "--quiet", "--host", "no.such.host.invalid")


def test_every_line_is_json_whatever_it_says(serve: Callable[..., Served]) -> None:
    rule = ("--fault", "hang endpoint=no/such/*", "--clock", "manual", "--log-format", "json")
    served = serve(*rule, "--host", "0.0.0.0")
    served.stop(signal.SIGINT)
    lines = [json.loads(line) for line in served.rest()[1].splitlines()]
    assert [line["level"] for line in lines] == ["warning", "info", "info"]
    assert "no endpoint of this mock fits" in lines[0]["message"]
    assert "time is paused at " in lines[1]["message"]
    assert served.ready["control_token"] not in json.dumps(lines), "a log may be kept"


def test_startup_errors_are_json_too() -> None:
    words = ["serve", "--log-format", "json", "--host", "no.such.host.invalid"]
    done = subprocess.run(
        [FALKIT, *words], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    line = json.loads(done.stderr)
    assert (done.returncode, line["level"]) == (2, "error")
    assert "no.such.host.invalid" in line["message"]


@pytest.mark.parametrize("workers", [1, 2])
def test_it_stops_with_its_stdin_where_it_is_told_to(workers: int, tmp_path: Path) -> None:
    command = [FALKIT, "serve", "--port", "0", "--stop-with-stdin"]
    if workers > 1:
        command += ["--workers", str(workers), "--state", str(tmp_path / "falkit.state")]
    pipe = subprocess.PIPE
    with started(command, stdin=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = json.loads(process.stdout.readline())["url"]
        process.stdin.write("no end yet\n")
        process.stdin.flush()
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_an_assumption_can_be_chosen(serve: Callable[..., Served]) -> None:
    served = serve("--assume", "unknown-request=detail", "--api-key", "id:secret")
    reply = served.http.get("/queue.fal.run/fal-ai/ltx-2/requests/nobody")
    assert reply.json() == {"detail": "Request not found"}


def test_a_taken_port_is_one_line_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = _refused("serve", "--port", port)
    assert port in line
    assert "address already in use" in line


def test_a_taken_port_of_the_gateway_is_one_line(
    authority_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALKIT_HOME", str(authority_folder))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = _refused("serve", "--port", "0", "--gateway", "--gateway-port", port)
    assert line == (
        f"falkit: gateway-port: can't listen on 127.0.0.1:{port} (address already in use); "
        "choose another --gateway-port, or 0 for a free one\n"
    )


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--timing", "soon"], "soon"),
        (["--port", "70000"], "70000"),
        (["--port", "x"], "x"),
        (["--runners", "0"], "0"),
        (["--max-body", "0"], "0"),
        (
            ["--max-kept", "1XB"],
            "'1XB' isn't a number of bytes; give one such as 500000000 or 500MB",
        ),
        (["--max-head", "1kB"], "1000 is not in the range"),
        (["--seed", "x"], "x"),
        (["--log-format", "xml"], "xml"),
        (["--assume", "x=y"], "'x'"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--nonsense"], "--nonsense"),
        (["extra"], "extra"),
    ],
)
def test_a_bad_option_is_one_line_that_names_it(options: list[str], word: str) -> None:
    assert word in _refused("serve", *options)


def test_an_unknown_command_is_one_line() -> None:
    assert "launch" in _refused("launch")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_reason_to_fail(closed: str) -> None:
    command = f"exec {shlex.quote(str(FALKIT))} faults {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    command = f"exec {shlex.quote(str(FALKIT))} faults > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE, text=True)
    assert done.stderr == "falkit: can't write the output (No space left on device)\n"
    assert done.returncode == 1
